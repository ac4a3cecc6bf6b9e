"""Bad files: each holds, in its first line, the one problem that must be told, and its place."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gonogo.config.load import load, settings
from gonogo.model.configuration import Configuration, Shell
from gonogo.model.errors import BadConfiguration

from .conftest import Http, Run, make_plugins

BAD = sorted((Path(__file__).parent / "bad").glob("*.yml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_file(path: Path, plugins: Any) -> None:
    first = path.read_bytes().splitlines()[0].decode().removeprefix("# ")
    with pytest.raises(BadConfiguration) as caught:
        load(path, plugins)
    assert len(caught.value.problems) == 1, caught.value.problems
    assert caught.value.problems[0].startswith(f"{path}:{first}")
    assert "\n" not in caught.value.problems[0]


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 30


def write(folder: Path, text: str) -> Path:
    path = folder / "gonogo.yml"
    path.write_text(text)
    return path


def test_all_problems_at_once_by_line(tmp_path: Path, plugins: Any) -> None:
    path = write(
        tmp_path,
        "app: My App\nchanels: {}\nenvironments:\n  dev:\n    on_no_go: maybe\n"
        "    services: {web: {command: [a], port: x}}\n    keep_releases: 0\n",
    )
    with pytest.raises(BadConfiguration) as caught:
        load(path, plugins)
    lines = [int(problem.split(":")[1]) for problem in caught.value.problems]
    assert lines == [1, 2, 5, 6, 7]


def test_missing_file_and_folder(tmp_path: Path, plugins: Any) -> None:
    with pytest.raises(BadConfiguration, match=r"gonogo.yml:1:1: there is no such file") as caught:
        load(tmp_path / "gonogo.yml", plugins)
    assert caught.value.next_step == "gonogo init"
    with pytest.raises(BadConfiguration, match=r":1:1: this is a folder, not a file"):
        load(tmp_path, plugins)


def test_env_files_of_other_environments_need_not_be_here(tmp_path: Path, plugins: Any) -> None:
    path = write(
        tmp_path, "app: a\nenvironments:\n  dev: {env_files: [.env]}\n  prod: {env_files: [.p]}\n"
    )
    (tmp_path / ".env").write_text("")
    (tmp_path / ".env.example").write_text("")
    assert load(path, plugins, environment="dev").app == "a"
    with pytest.raises(BadConfiguration, match=r"4:22: .* \.p; \.env\.example shows"):
        load(path, plugins)


def test_without_a_name_the_env_files_of_the_environment_that_is_meant_count(
    tmp_path: Path, plugins: Any
) -> None:
    path = write(
        tmp_path,
        "app: a\nenvironments:\n  development: {}\n  production: {env_files: [.env]}\n",
    )
    assert load(path, plugins).app == "a"
    with pytest.raises(BadConfiguration, match=r"no env file \.env"):
        load(path, plugins, environment="production")


def test_short_forms(tmp_path: Path, plugins: Any) -> None:
    path = write(
        tmp_path,
        "app: a\nenvironments:\n  dev:\n    engine: local\n    build: [[make], {shell: a | b}]\n"
        "    services: {w: {command: [sleep, 5], environment: {PORT: 3000}}}\n"
        "    variables: {MODE: {enum: [a, b]}, O: {equals: $url}, T: text}\n"
        "    checks: [{id: j, journey: [{path: /}]}, {id: l, log_errors: }]\n"
        "waivers: [{check: j, by: me, reason: why, until: 1970-01-01}]\n",
    )
    whole = load(path, plugins)
    dev = whole.environments["dev"]
    assert dev.name == "dev"
    assert dev.engine == {"local": {}}
    assert dev.build.commands == (("make",), Shell(shell="a | b"))
    assert dev.services["w"].command == ("sleep", "5")
    assert dev.services["w"].environment == {"PORT": "3000"}
    assert dev.variables == {
        "MODE": {"enum": {"values": ["a", "b"]}},
        "O": {"equals": {"value": "$url"}},
        "T": {"text": {}},
    }
    assert dev.checks == (
        {"id": "j", "use": "journey", "settings": {"requests": [{"path": "/"}]}},
        {"id": "l", "use": "log_errors", "settings": {}},
    )
    assert whole.waivers == ({"step": "j", "by": "me", "reason": "why", "until": 86400.0},)


def test_merge_keys(tmp_path: Path, plugins: Any) -> None:
    path = write(
        tmp_path,
        "app: a\nenvironments:\n  one: &one {url: https://one, keep_releases: 3}\n"
        "  two: {<<: *one, url: https://two}\n",
    )
    two = load(path, plugins).environments["two"]
    assert (two.name, two.url, two.keep_releases) == ("two", "https://two", 3)


def test_only_used_plugins_are_looked_up(tmp_path: Path) -> None:
    plugins = make_plugins()
    path = write(tmp_path, "app: a\nenvironments: {dev: {checks: [{id: x, tcp: {port: 1}}]}}\n")
    load(path, plugins)
    assert plugins["checks"].asked == {"tcp"}
    assert plugins["actions"].asked == set()


def test_only_app_is_required(tmp_path: Path, plugins: Any) -> None:
    assert load(write(tmp_path, "app: a\n"), plugins) == Configuration(app="a")


def test_settings_from_plain_values() -> None:
    assert settings(Http, {"path": "/", "expect": ["x"]}, "home") == Http(path="/", expect=("x",))
    assert settings(Run, {"command": {"shell": "x"}}, "s") == Run(command=Shell(shell="x"))
    with pytest.raises(BadConfiguration) as caught:
        settings(Http, {"pth": "/"}, "home")
    assert caught.value.problems == ["home: unknown key `pth`; did you mean `path`?"]


def test_many_problems_are_counted(tmp_path: Path, plugins: Any) -> None:
    path = write(tmp_path, "app: a\n" + "".join(f"key{n}: 1\n" for n in range(3000)))
    with pytest.raises(BadConfiguration) as caught:
        load(path, plugins)
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1].endswith(":52:1: and 2950 more problems from here")


def test_the_sample_loads_from_a_copy(tmp_path: Path, plugins: Any) -> None:
    from gonogo import config

    sample = Path(config.__file__).parent / "sample.yml"
    copy = tmp_path / "gonogo.yml"
    shutil.copy(sample, copy)
    assert load(copy, plugins).app == "portal"


def test_what_ships_could_be_a_teams_own(tmp_path: Path) -> None:
    """Every procedure of the program is accepted as the replacement of one."""
    from importlib.resources import files

    shipped = [one for one in files("gonogo.procedures").iterdir() if one.name.endswith(".yml")]
    assert shipped
    for one in shipped:
        text = "".join(f"      {line}\n" for line in one.read_text().splitlines())
        path = write(tmp_path, f"app: a\nprocedures:\n  own:\n    replace:\n{text}")
        assert load(path, {}).procedures["own"]["replace"]["phases"]

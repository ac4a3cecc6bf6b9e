"""The documentation is whole: whatever a person can name has a place, and what is made is fresh."""

from __future__ import annotations

import functools
import importlib.util
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from gonogo.config.load import settings
from gonogo.config.procedures import shipped
from gonogo.config.variables import TYPES
from gonogo.model.configuration import Environment
from gonogo.model.errors import ExitCode
from gonogo.wiring import plugin, plugin_names

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
SOURCE = ROOT / "src" / "gonogo"
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|root|work|tmp|Users|mnt|srv|opt)/[\w.-]+")


@functools.cache
def script(name: str) -> ModuleType:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def generated() -> dict[str, str]:
    made: dict[str, str] = script("make_reference").generated()
    return made


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def reference(name: str) -> str:
    return (REFERENCE / name).read_text()


def plugins() -> Iterator[tuple[str, str]]:
    for kind in ("checks", "actions", "sources", "notifiers", "kits"):
        for name in plugin_names(kind):
            yield kind, name


@pytest.mark.parametrize(("kind", "name"), list(plugins()))
def test_plugin_has_a_page_with_every_setting(kind: str, name: str) -> None:
    page = REFERENCE / kind / f"{name}.md"
    assert page.exists(), f"write docs/reference/{kind}/{name}.md"
    text = page.read_text()
    settings = getattr(plugin(kind, name), "settings", None)
    for one in fields(settings) if settings else ():
        assert f"`{one.name}`" in text, f"{page.name} does not speak of the setting {one.name}"


@pytest.mark.parametrize("kind", ["actions", "sources", "notifiers", "kits"])
def test_every_plugin_is_in_the_list_of_its_kind(kind: str) -> None:
    for name in plugin_names(kind):
        assert f"({kind}/{name}.md)" in reference(f"{kind}.md")


def test_every_check_is_in_the_how_to() -> None:
    text = (DOCS / "how-to" / "checks.md").read_text()
    assert [name for name in plugin_names("checks") if f"checks/{name}.md" not in text] == []


def test_pages_without_a_plugin() -> None:
    for kind in ("checks", "actions", "sources", "notifiers", "kits"):
        there = {page.stem for page in (REFERENCE / kind).glob("*.md")}
        assert there == set(plugin_names(kind))


@pytest.mark.parametrize("name", list(script("make_reference").generated()))
def test_generated_file_is_fresh(name: str) -> None:
    assert reference(name) == generated()[name], "run: python docs/make_reference.py"


def test_every_key_of_gonogo_yml_is_in_the_sample() -> None:
    """The sample is the page: whatever the schema knows of the file stands in it."""
    import json

    text = reference("configuration.md")
    definitions = json.loads(reference("gonogo.schema.json"))["$defs"]
    keys = {
        key
        for name, one in definitions.items()
        if not name.startswith("gonogo.") and not name.endswith(".partial")
        for key in one.get("properties", {})
    }
    said = {key for key in keys if re.search(rf"(?m)(?:^|[\s{{,-]){re.escape(key)}:", text)}
    elsewhere = (DOCS / "how-to" / "customise-a-procedure.md").read_text()
    assert [key for key in sorted(keys - said) if f"`{key}" not in elsewhere] == []


def test_types_of_variables_are_documented_with_their_options() -> None:
    """Neither one that is left out, nor one that there is not."""
    table = reference("checks/variables.md").partition("| type | options |")[2].partition("\n\n")[0]
    rows = re.findall(r"(?m)^\| `([\w-]+)` \|([^|]*)\|", table)
    said = {name: re.findall(r"`(\w+)`", options) for name, options in rows}
    assert said == {name: [one.name for one in fields(type_)] for name, type_ in TYPES.items()}


def variables() -> Iterator[tuple[str, dict[str, object]]]:
    """What stands under `variables` in the examples of the pages."""
    for page in pages():
        for kind, block in FENCE.findall(page.read_text()):
            found = re.search(r"(?m)^( *)variables:.*\n(?:\1 +.*\n)+", block)
            if kind == "yaml" and found:
                yield page.name, yaml.safe_load(textwrap.dedent(found[0]))


@pytest.mark.parametrize(("page", "written"), list(variables()))
def test_variables_in_examples_are_accepted(page: str, written: dict[str, object]) -> None:
    assert settings(Environment, written, page).variables


def test_there_are_examples_of_variables() -> None:
    assert {"variables.md", "secrets.md", "configuration.md"} <= {page for page, _ in variables()}


def test_every_procedure_is_documented() -> None:
    text = reference("procedures.md")
    assert [name for name in shipped() if f"## {name}\n" not in text] == []


def test_every_command_and_option_is_documented() -> None:
    text = reference("command-line.md")
    for context in script("make_reference").commands():
        section = text.partition(f"## {context.command_path}\n")[2].partition("\n## ")[0]
        assert section, f"{context.command_path} is missing"
        for parameter in context.command.params:
            names = parameter.opts if parameter.param_type_name == "option" else [parameter.name]
            for name in names:
                assert name in section, f"{context.command_path} {name}"


def test_every_exit_code_is_documented() -> None:
    text = reference("exit-codes.md")
    for code in ExitCode:
        name = code.name.lower().replace("_", "-")
        assert re.search(rf"\| {int(code)} \| {name} \|", text), name


def sources() -> str:
    return "\n".join(path.read_text() for path in sorted(SOURCE.rglob("*.py")))


def test_every_environment_variable_is_documented() -> None:
    names = set(re.findall(r'"(GONOGO_[A-Z_]+)"', sources()))
    text = reference("environment-variables.md")
    assert names
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_every_kind_of_event_is_documented() -> None:
    kinds = set(re.findall(r'\.append\(\s*[\w.]+,\s*"([a-z-]+)",', sources()))
    text = reference("journal.md")
    assert {"planned", "result", "ended", "sign-off"} <= kinds
    assert [kind for kind in sorted(kinds) if f"| `{kind}` |" not in text] == []


def test_readme_shows_the_example() -> None:
    blocks = dict(FENCE.findall((ROOT / "README.md").read_text()))
    head, key, part = blocks["yaml"].partition("environments:\n")
    whole = (ROOT / "examples" / "portal" / "gonogo.yml").read_text()
    assert whole.startswith(head + key)
    assert f"\n{part}" in whole
    assert len((ROOT / "README.md").read_text().splitlines()) < 120


def test_readme_names_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?m)^make ([a-z]+)", (ROOT / "README.md").read_text()):
        assert re.search(rf"(?m)^{target}:", makefile), target


def test_picture_is_drawn_from_its_recording() -> None:
    images = script("make_images")
    recorded = (DOCS / "images" / "update.txt").read_text()
    assert (DOCS / "images" / "update.svg").read_text() == images.draw(recorded)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_work(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, anchor = link.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in _anchors(there.read_text()), f"{page.name} links to {link}"


def _anchors(text: str) -> set[str]:
    heads = re.findall(r"(?m)^#+ (.+)$", FENCE.sub("", text))
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


def published() -> list[Path]:
    return [*pages(), *REFERENCE.glob("*.json"), *(DOCS / "images").iterdir(), *DOCS.glob("*.py")]


@pytest.mark.parametrize("page", published(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_paths_of_a_machine(page: Path) -> None:
    assert MACHINE_PATH.findall(page.read_text()) == []


def test_every_page_can_be_reached() -> None:
    """From the README by links, folders counting as all that lies in them."""
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in LINK.findall(FENCE.sub("", page.read_text())):
            there = (page.parent / link.partition("#")[0]).resolve()
            if "://" not in link and there.is_dir() and DOCS in there.parents:
                todo += there.glob("*.md")
            elif "://" not in link and there.suffix == ".md" and there.exists():
                todo.append(there)
    assert [page for page in sorted(DOCS.rglob("*.md")) if page not in seen] == []


def test_the_decisions_are_numbered() -> None:
    names = [page.name for page in sorted((DOCS / "decisions").glob("*.md"))]
    assert [name[:4] for name in names] == [f"{number:04d}" for number in range(1, len(names) + 1)]


def test_the_tests_that_a_page_names_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", reference("failure-modes.md"))
    assert len(named) >= 20
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"

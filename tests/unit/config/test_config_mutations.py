"""Whatever is done to the sample, the answer is a Configuration or problems with their places."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo import config
from gonogo.config.document import parse
from gonogo.config.load import check, load
from gonogo.config.report import Report
from gonogo.model.configuration import Configuration
from gonogo.model.errors import BadConfiguration

from .conftest import make_plugins

SAMPLE = (Path(config.__file__).parent / "sample.yml").read_bytes()
PROBLEM = re.compile(r"gonogo\.yml:[1-9]\d*:[1-9]\d*: \S[^\n]*")
PLUGINS = make_plugins()
LIMIT = 2.0


def answer(content: bytes) -> Configuration | list[str]:
    """The configuration, or the problems; anything else is a failure of the test."""
    start = time.process_time()
    try:
        report = Report("gonogo.yml")
        whole = check(parse(content, "gonogo.yml"), PLUGINS, report)
        report.finish()
        assert isinstance(whole, Configuration)
        return whole
    except BadConfiguration as error:
        assert error.problems
        for problem in error.problems:
            assert PROBLEM.fullmatch(problem), problem
        return error.problems
    finally:
        assert time.process_time() - start < LIMIT


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("x" * 5000)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value, with each of its keys."""
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    found = [(value, key) for key in keys]
    for key in keys:
        found += places(value[key])
    return found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_dropped_retyped_renamed(data: st.DataObject) -> None:
    whole = yaml.safe_load(SAMPLE)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(whole)))
        how = data.draw(st.sampled_from(["drop", "retype", "rename", "add"]))
        if how == "drop":
            del container[key]
        elif how == "retype":
            container[key] = data.draw(VALUES)
        elif isinstance(container, dict):
            name = data.draw(st.one_of(st.text(max_size=8), st.just(f"{key}s")))
            container[name] = container.pop(key) if how == "rename" else data.draw(VALUES)
        if not places(whole):
            break
    answer(yaml.safe_dump(whole, allow_unicode=True).encode(errors="surrogatepass"))


@settings(max_examples=40, deadline=None)
@given(line=st.integers(0, SAMPLE.count(b"\n") - 1), again=st.integers(1, 3))
def test_duplicated_lines(line: int, again: int) -> None:
    lines = SAMPLE.split(b"\n")
    lines[line:line] = [lines[line]] * again
    answer(b"\n".join(lines))


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(SAMPLE)), put=st.binary(max_size=8), cut=st.integers(0, 30))
def test_random_bytes_in_the_sample(at: int, put: bytes, cut: int) -> None:
    answer(SAMPLE[:at] + put + SAMPLE[at + cut :])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes(content: bytes) -> None:
    answer(content)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.text("[]{}:-?!&*#|>'\"%@`, \n\tab1", max_size=60))
def test_random_text(text: str, marks: str) -> None:
    answer(text.encode())
    answer(marks.encode())


@pytest.mark.parametrize(
    "piece", ["[", "{a: ", "- ", "? ", "a:\n ", "&a [", "!a ", "'", "*a ", "<<: {"]
)
@pytest.mark.parametrize("times", [39, 100, 90_000])
def test_deep_nesting(piece: str, times: int) -> None:
    answer((piece * times).encode())
    answer(b"app: a\npeople: " + (piece * times).encode())


def test_deep_block_nesting() -> None:
    deep = "".join(" " * n + "a:\n" for n in range(1000))
    assert isinstance(answer(deep.encode()), list)


@pytest.mark.parametrize("size", [999_000, 10_000_000])
@pytest.mark.parametrize(
    "line", ["key{n}: 1\n", "# {n}\n", "- {n}\n", "x{n}\n", "\tx: {n}\n", "\n"]
)
def test_large_files_are_answered_at_once(tmp_path: Path, size: int, line: str) -> None:
    path = tmp_path / "gonogo.yml"
    text = "".join(line.format(n=n) for n in range(size // len(line)))[:size]
    path.write_text("app: a\n" + text.ljust(size, "\n"))
    start = time.process_time()
    try:
        load(path, PLUGINS)
    except BadConfiguration as error:
        assert error.problems
        if size > 1_000_000:
            assert "at most 1,000,000 are read" in error.problems[0]
    assert time.process_time() - start < 1.0


def test_every_key_misspelt_is_answered_at_once() -> None:
    generator = random.Random(1)
    names = ("".join(generator.choices("servicename", k=60)) for _ in range(3000))
    text = "app: a\nenvironments:\n  dev:\n" + "".join(f"    {name}: 1\n" for name in names)
    assert isinstance(answer(text.encode()), list)


def test_small_aliases_are_fine() -> None:
    text = "app: a\nenvironments: {a: &a {url: 'https://a'}, b: *a}\n"
    assert isinstance(answer(text.encode()), Configuration)

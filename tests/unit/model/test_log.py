"""What lines of logs tell: level, time, message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gonogo.model.log import Level, Log, errors, level_of, levels, message, written_at

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "app.py", line 3, in <module>',
    "    1 / 0",
    "ZeroDivisionError: division by zero",
]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("2026-11-22 05:46:40,123 ERROR app: no connection", Level.ERROR),
        ("ERROR:root:no connection", Level.ERROR),
        ("error: no connection", Level.ERROR),
        ("2026/11/22 05:46:40 [error] 12#0: no connection", Level.ERROR),
        ('{"level":"error","msg":"no connection"}', Level.ERROR),
        ('{"level":50,"msg":"no connection"}', Level.ERROR),
        ("level=fatal msg=x", Level.ERROR),
        ("2026-11-22 04:31:52.988 UTC [1] FATAL:  no role", Level.ERROR),
        (TRACEBACK[0], Level.ERROR),
        ("Unhandled promise rejection", Level.ERROR),
        ("WARN slow", Level.WARNING),
        ('{"level":40}', Level.WARNING),
        ("INFO: an ERROR page was served", Level.INFO),
        ("2026-11-22 04:31:52.988 UTC [1] LOG:  ready", Level.INFO),
        ("[debug] x", Level.DEBUG),
        ("GET /errors 200", None),
        ("no error", None),
        ("", None),
    ],
)
def test_level(text: str, level: Level | None) -> None:
    assert level_of(text) is level


def test_what_goes_on_has_the_level_of_what_began() -> None:
    lines = ["INFO a", *TRACEBACK, "plain", "WARN b", "  more of b", "plain"]
    errors_, warning = Level.ERROR, Level.WARNING
    assert levels(lines) == [Level.INFO, *[errors_] * 4, None, warning, warning, None]


def test_an_error_counts_once_however_many_lines_it_takes() -> None:
    lines = ["ERROR request failed", *TRACEBACK, "fine", *TRACEBACK, "ERROR a", "ERROR b"]
    assert errors(lines) == [
        "ERROR request failed",
        "ZeroDivisionError: division by zero",
        "ERROR a",
        "ERROR b",
    ]


def test_levels_are_ordered() -> None:
    assert Level.ERROR.within(Level.WARNING)
    assert not Level.INFO.within(Level.WARNING)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T05:46:40Z x",
        "[2026-11-22 05:46:40.000 UTC] x",
        "2026-11-22 06:46:40,000+0100 x",
        '{"time":"2026-11-22T05:46:40.000000000Z"}',
    ],
)
def test_time(text: str) -> None:
    assert written_at(text) == datetime(2026, 11, 22, 5, 46, 40, tzinfo=UTC).timestamp()


def test_no_time() -> None:
    assert written_at("x" * 100 + "2026-11-22T05:46:40Z") is None
    assert written_at("2026-13-45 05:46:40 x") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-22 05:46:40,1 ERROR none from 10.0.0.1:5432 in 12 ms", "none from # in # ms"),
        ("[2026-11-22T05:46:40Z] [error] 12#0: no answer", "###: no answer"),
        ('{"level":"error","msg":"order 17 failed"}', "order # failed"),
        ("ERROR user 4f9a8b7c-6d5e-4c3b-2a19-0f8e7d6c5b4a is gone", "user # is gone"),
        ("ERROR at 0x7f00aa", "at #"),
        ("ERROR decade", "decade"),
        ("{not json", "not json"),
        ("12", "#"),
    ],
)  # fmt: skip
def test_lines_that_say_the_same_are_the_same(text: str, said: str) -> None:
    assert message(text) == said


def test_a_log_of_which_no_times_are_known() -> None:
    log = Log.of("a\nb")
    assert (log.text, [line.at for line in log.lines], log.cut) == ("a\nb", [None, None], False)

"""The main job, on this machine, in under two minutes: `make demo`.

The portal is deployed, updated, migrated, given a bad release which goes back by itself, and
updated once more by a gonogo that is killed half-way and resumed; all the while customers use it.
Each step shows what gonogo itself prints. Exit code 1 if anything was not as expected.

--keep leaves the portal running; --json prints the report as one line on standard output.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from types import FrameType
from typing import Any

from rich.console import Console
from rich.markup import escape
from stage import Stage, Traffic, switched

RATE = 60.0
"""Requests a second: what a small machine carries beside two releases at the same time."""

AFTER = 1.0
"""Seconds in which a request that the bad release had taken may still come back failed."""

ROLLED_BACK = 4
"""The exit code of a run that was rolled back."""

REPLACE = {"length: 10s": "length: 4s"}
"""A shorter watch than a team would have, for a demonstration of two minutes."""


@dataclass(kw_only=True)
class Report:
    """What came out of it. failed leaves out what the bad release itself answered."""

    releases: list[str] = field(default_factory=list)
    requests: int = 0
    failed: int = 0
    failed_of_bad_release: int = 0
    rolled_back: bool = False
    resumed: bool = False
    journal_verified: bool = False
    left_running: int = 0
    seconds: float = 0.0


class Demo:
    """The demonstration, step by step."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self.stage = stage
        self.report = Report()
        self.as_expected = True
        self._console = console
        self._step = 0
        self._begun = time.monotonic()
        self._traffic: Traffic | None = None
        self._bad_run = ""

    def play(self) -> None:
        """All steps."""
        self.deploy()
        self.open_doors()
        self.update()
        self.migrate()
        self.bad_release()
        self.killed()
        self.close_doors()
        self.verify()

    def deploy(self) -> None:
        """Release 1."""
        self._title("Deploy release 1")
        self._run("deploy")

    def open_doors(self) -> None:
        """From now on customers use the portal."""
        self._title("Customers come: they sign in, look around and order")
        self._traffic = Traffic(self.stage, RATE)
        begun = self._traffic.begun()
        self._expect(begun, f"{RATE:.0f} requests a second, and every failed one is counted")

    def update(self) -> None:
        """Release 2 takes over."""
        self._title("Update to release 2, without downtime")
        self.stage.git("checkout", "v2")
        self._without_failure(lambda: self._run("update"))

    def migrate(self) -> None:
        """Release 3, which changes the database."""
        self._title("Release 3 changes the database: copy it, migrate it, hand over")
        self.stage.git("checkout", "v3")
        self._without_failure(lambda: self._run("migrate"))
        found = {one["step"]: one["body"] for one in self._last() if one["kind"] == "result"}
        copied = found.get("copy-database", {}).get("verdict") == "pass"
        migrated = found.get("migrate-online", {}).get("verdict") == "pass"
        self._expect(copied and migrated, "the database was copied first, then migrated")

    def bad_release(self) -> None:
        """A release that looks healthy and fails every tenth request."""
        self._title("A bad release: healthy by its own word, but every tenth request fails")
        self.stage.git("checkout", "bad")
        good = self._live()
        self._run("update", expected=ROLLED_BACK)
        self._bad_run = self._last()[0]["run"]
        self.report.rolled_back = self._live() == good
        self._expect(self.report.rolled_back, f"gonogo went back by itself: {good} is live again")

    def killed(self) -> None:
        """The bad release is reverted; gonogo dies while it updates, and goes on."""
        self._title("Revert it and update; gonogo is killed half-way (kill -9), and resumes")
        self.stage.git("revert", "--no-edit", "HEAD")
        self._without_failure(self._kill_and_resume)

    def _kill_and_resume(self) -> None:
        self._command("update")
        process = self._start("update")
        step = self._wait_until_half_way(process)
        process.kill()
        killed = process.wait() == -signal.SIGKILL
        self._after_a_kill()
        self._expect(killed, f"gonogo was killed after {step}")
        self._run("resume")
        self.report.resumed = killed and self._last()[-1]["body"].get("outcome") == "ok"
        self._expect(self.report.resumed, "the same run went on and ended well")

    def close_doors(self) -> None:
        """Count."""
        self._title("What the customers noticed")
        assert self._traffic is not None
        seen = self._traffic.stop()
        begin, end = switched(self.stage.ask("show", self._bad_run))
        of_bad = [
            one
            for one in seen["failures"]
            if one["error"].startswith("status 5") and begin <= one["time"] <= end + AFTER
        ]
        others = [one for one in seen["failures"] if one not in of_bad]
        report = self.report
        report.requests, report.failed = seen["requests"], len(others)
        report.failed_of_bad_release = len(of_bad)
        self._expect(
            report.failed == 0 and seen["not_sent"] == 0,
            f"{report.failed} of {report.requests:,} requests failed outside of the bad release",
        )
        self._expect(bool(of_bad), f"{len(of_bad)} failed while the bad release was live")
        for one in others[:5]:
            self._say(f"      [dim]{escape(str(one))}[/]")

    def verify(self) -> None:
        """The record."""
        self._title("The record")
        self.report.journal_verified = self._run("journal", "verify")
        page = self.stage.folder / "record.html"
        self._run("show", self._bad_run, "--html", str(page))
        self._run("runs")
        self.report.releases = [
            f"{run['procedure']} {run['release']} {run['outcome']}"
            for run in reversed(self.stage.ask("runs"))
        ]

    def clear_away(self) -> None:
        """Stop everything, and look whether anything still runs."""
        self._title("Stop, and leave nothing behind")
        self._run("stop")
        left = self.stage.left_running()
        self.report.left_running = len(left)
        self._expect(not left, f"{len(left)} processes left running")
        for process, words in left.items():
            self._say(f"      [dim]{process} {escape(words)}[/]")
        self.stage.clear()

    def keep(self) -> None:
        """Say how to look at the portal and how to stop it."""
        folder = self.stage.portal
        self.report.left_running = len(self.stage.left_running())
        self._title("The portal goes on")
        self._say(f"  Look at it: {self.stage.frontend}  customer1@example.com, portal-demo")
        self._say(f"  Its state:  gonogo -C {folder} status")
        self._say(f"  Stop it:    gonogo -C {folder} stop && rm -r {self.stage.folder}")

    def close(self) -> None:
        """The end: how long it took, where the record lies."""
        self.report.seconds = round(time.monotonic() - self._begun, 1)
        word = "[green]All as expected[/]" if self.as_expected else "[red]Not as expected[/]"
        self._say(f"\n{word}, in {self.report.seconds:.0f} s.")
        self._say(f"The record of the bad release: {self.stage.folder / 'record.html'}")

    def end_traffic(self) -> None:
        """Whatever happened: the customers go home."""
        if self._traffic:
            self._traffic.kill()

    # -- how it is shown ------------------------------------------------------------------------

    def _title(self, text: str) -> None:
        self._step += 1
        self._say(f"\n[bold cyan]{self._step}  {text}[/]")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)

    def _command(self, *arguments: str) -> None:
        self._say(f"[bold]$ gonogo {escape(' '.join(arguments))}[/]")
        self._console.file.flush()

    def _start(self, *arguments: str) -> Any:
        return self.stage.start(*arguments, output=self._console.file)

    def _run(self, *arguments: str, expected: int = 0) -> bool:
        """Run gonogo in sight of everybody; whether it ended as expected."""
        self._command(*arguments)
        code = self._start(*arguments).wait()
        if code != expected:
            self._expect(False, f"gonogo {arguments[0]} ends with {expected}; it was {code}")
        return bool(code == expected)

    def _expect(self, met: bool, what: str) -> None:
        self._say(f"[green]  ✔[/] {what}" if met else f"[red]  ✘ {what}[/]")
        self.as_expected = self.as_expected and met

    def _without_failure(self, work: Callable[[], Any]) -> None:
        """Do it, and count what the customers noticed in the meantime."""
        assert self._traffic is not None
        requests, failed = self._traffic.requests, self._traffic.failed
        work()
        time.sleep(AFTER)
        requests, failed = self._traffic.requests - requests, self._traffic.failed - failed
        self._expect(failed == 0 < requests, f"{failed} of {requests:,} requests failed")

    # -- what gonogo says -----------------------------------------------------------------------

    def _last(self) -> list[dict[str, Any]]:
        """The events of the newest run."""
        events: list[dict[str, Any]] = self.stage.ask("show", "last") or []
        return events

    def _live(self) -> str:
        return str(self.stage.ask("status")["live"]["release"])

    def _wait_until_half_way(self, process: Any) -> str:
        """Wait until the update has moved the backend's traffic; answers the last step done."""
        before = self._bad_run
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            events = self._last()
            done = [one["step"] for one in events if one["kind"] == "result"]
            if events and events[0]["run"] != before and "switch:backend" in done:
                return str(done[-1])
            time.sleep(0.05)
        return "a time in which it had not switched"

    def _after_a_kill(self) -> None:
        """A killed program leaves its moving line half drawn and the cursor hidden."""
        if self._console.is_terminal:
            self._console.show_cursor(True)
            self._console.file.write("\r\x1b[K")
        self._say("[red]Killed[/]")


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 if all was as expected."""
    parser = argparse.ArgumentParser(description="The main job of gonogo, with the sample portal.")
    parser.add_argument("--keep", action="store_true", help="leave the portal running")
    parser.add_argument("--json", action="store_true", help="the report as one line of JSON")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _on_sigterm)
    console = Console(file=sys.stderr if options.json else sys.stdout, highlight=False)
    demo = Demo(Stage(REPLACE), console)
    try:
        demo.play()
        demo.keep() if options.keep else demo.clear_away()
    except BaseException:
        demo.end_traffic()
        demo.stage.end()
        raise
    demo.close()
    if options.json:
        print(json.dumps(asdict(demo.report)), flush=True)
    return 0 if demo.as_expected else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

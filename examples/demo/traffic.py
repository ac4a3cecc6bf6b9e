"""Customers of the portal: a constant load on backend and frontend, in a process of its own.

    python examples/demo/traffic.py http://127.0.0.1:4000 http://127.0.0.1:3000 --rate 100

Every customer is signed in. Half of the requests come on new connections, half on kept-alive ones,
30 % are orders, 2 % are slow. Every answer from 400 up counts as failed, and so does every request
without a complete answer. Every second a line of JSON tells the counts; the last line, after
SIGTERM, has every failure with its time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from load import Load, Login, Mix, Result
from load import Path as Page

EMAIL = "customer1@example.com"
PASSWORD = "portal-demo"
PAGES = (Page("/dashboard"), Page("/catalogue"))
KEPT_FAILURES = 1_000_000
TELL_EVERY = 1.0
FORM = "application/x-www-form-urlencoded"


def backend_load(url: str, rate: float) -> Load:
    """Programs that use the API. All slow requests are theirs: 4 % of half of the load."""
    mix = Mix(
        get=PAGES,
        post=(Page("/orders", body='{"product": "vpn"}'),),
        slow="/slow?seconds=1",
        slow_share=0.04,
    )
    login = Login("/auth/login", json.dumps({"email": EMAIL, "password": PASSWORD}))
    return Load([url], rate=rate, mix=mix, login=login, samples=KEPT_FAILURES, fail_from=400)


def frontend_load(url: str, rate: float) -> Load:
    """Customers with a browser."""
    mix = Mix(get=PAGES, post=(Page("/orders", body="product=vpn"),), slow="")
    login = Login("/login", f"email={EMAIL}&password={PASSWORD}", FORM)
    return Load([url], rate=rate, mix=mix, login=login, samples=KEPT_FAILURES, fail_from=400)


def counts(results: Sequence[Result]) -> dict[str, int]:
    """Requests, failed and not sent, of all loads together."""
    return {
        name: sum(getattr(one, name) for one in results)
        for name in ("requests", "failed", "not_sent")
    }


def whole(results: Sequence[Result]) -> dict[str, Any]:
    """Everything that there is to tell at the end."""
    return {
        **counts(results),
        "seconds": max(one.seconds for one in results),
        "p95_ms": max(one.p95_ms for one in results),
        "max_ms": max(one.max_ms for one in results),
        "failures": [asdict(failure) for one in results for failure in one.failures],
    }


async def run(loads: Sequence[Load]) -> None:
    """Send until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    for load in loads:
        await load.start()
    while not stopped.is_set():
        print(json.dumps(counts([load.result() for load in loads])), flush=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), TELL_EVERY)
    results = await asyncio.gather(*(load.stop() for load in loads))
    print(json.dumps(whole(results)), flush=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Customers of the portal.")
    parser.add_argument("backend", help="its address")
    parser.add_argument("frontend", help="its address")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second, in all (100)")
    options = parser.parse_args()
    half = options.rate / 2
    asyncio.run(run([backend_load(options.backend, half), frontend_load(options.frontend, half)]))


if __name__ == "__main__":
    main()

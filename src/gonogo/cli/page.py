"""The record of a run as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from html import escape
from typing import Any

from gonogo.app.runs import RunView
from gonogo.model.event import Event

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top }
code, pre { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; word-break: break-word }
.pass, .go, .ok { color: #1a7f37 } .fail, .error, .no-go, .failed { color: #cf222e }
.warn, .undecided, .rolled-back, .partial { color: #9a6700 } .skip { color: #777 }
summary { cursor: pointer }
"""


def page(run: RunView, events: Sequence[Event], broken: str) -> str:
    """The page: what was planned, found and decided, and whether the journal is whole."""
    plan = next(event.body["plan"] for event in events if event.kind == "planned")
    chain = f"broken: {broken}" if broken else f"whole; last event of this run: {events[-1].hash}"
    outcome = run.outcome or "not over"
    rows = "\n".join(filter(None, (_row(event) for event in events)))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(run.id)}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>
<h1>{escape(plan["app"])} → {escape(plan["environment"])}: {escape(plan["title"])}</h1>
<p>Run <code>{escape(run.id)}</code> · release {escape(run.release or "-")} · by {escape(run.by)} ·
{_time(run.planned)} · <strong class="{escape(outcome)}">{escape(outcome)}</strong>
{escape(run.headline)}</p>
<table><thead><tr><th>When</th><th>What</th><th>Result</th><th>Evidence</th></tr></thead>
<tbody>
{rows}
</tbody></table>
<p>Journal: {escape(chain)}.</p>
<details><summary>The events as they were hashed</summary><pre>{_raw(events)}</pre></details>
</body></html>
"""


def _row(event: Event) -> str:
    body, step = event.body, event.step
    match event.kind:
        case "phase":
            row = f'<tr><th colspan="4">{escape(body["title"])}</th></tr>'
        case "result":
            row = _cells(event, step, body["verdict"], _evidence(body))
        case "gate":
            row = _cells(event, f"gate {step}", body["answer"], escape("; ".join(body["reasons"])))
        case "sign-off":
            said = "approved" if body["approved"] else "refused"
            row = _cells(event, step, said, escape(f"{body['by']}: {body['reason']}"))
        case "abort":
            row = _cells(event, "abort", "asked", escape(body["by"]))
        case "trouble":
            row = _cells(event, body["step"], body["kind"], escape(body["found"]))
        case "ended" if "left" in body:
            row = _cells(event, "not undone", body["outcome"], escape(", ".join(body["left"])))
        case _:
            row = ""
    return row


def _cells(event: Event, what: str, result: str, evidence: str) -> str:
    return (
        f"<tr><td>{_time(event.at)}</td><td><code>{escape(what)}</code></td>"
        f'<td class="{escape(result)}">{escape(result)}</td><td>{evidence}</td></tr>'
    )


def _evidence(body: dict[str, Any]) -> str:
    parts = [escape(body["found"])]
    if body.get("expected"):
        parts.append(f"expected: {escape(body['expected'])}")
    if body.get("where"):
        parts.append(f"where: {escape(body['where'])}")
    if body.get("excerpt"):
        parts.append(f"<pre>{escape(body['excerpt'])}</pre>")
    if body.get("samples"):
        parts.append(_samples(body["samples"]))
    return "<br>".join(parts)


def _samples(samples: Sequence[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{one['at']} s</td><td>{one['requests']:.0f}</td>"
        f"<td>{one['server_errors']:.0f}</td></tr>"
        for one in samples
    )
    return (
        f"<details><summary>{len(samples)} samples</summary><table><tr><th>at</th>"
        f"<th>requests</th><th>server errors</th></tr>{rows}</table></details>"
    )


def _raw(events: Sequence[Event]) -> str:
    return escape("\n".join(json.dumps(event.__dict__, ensure_ascii=False) for event in events))


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))

"""One HTTP request and conditions over its answer.

The plainest proof that something works is to use it: health endpoints, redirects to HTTPS, headers.
Serves V1, V5 and every check that is one request. Without a condition it is undecided: an answer
alone proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gonogo.checks import _web
from gonogo.checks._judge import (
    NOTHING_TO_JUDGE,
    check_conditions,
    error,
    excerpt,
    judge,
    undecided,
)
from gonogo.checks._references import References
from gonogo.model.configuration import Duration
from gonogo.model.duration import seconds, spoken
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, Verdict, failed
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """path is relative to the service's port or to the environment's url; url is a whole address.

    expect are conditions over status, header.*, body, time, redirect and size.
    """

    path: str = ""
    url: str = ""
    service: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    form: dict[str, str] = field(default_factory=dict)
    body: str = ""
    follow_redirects: bool = False
    timeout: Duration = Duration("10s")
    expect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.url and (self.path or self.service):
            raise ValueError("url is a whole address: leave out path and service")
        if sum(bool(part) for part in (self.json is not None, self.form, self.body)) > 1:
            raise ValueError("only one of json, form and body")
        seconds(self.timeout)
        check_conditions(self.expect)


class Http:
    """Sends the request and judges the answer."""

    settings = Settings
    stage = "after"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        where = settings.service or scene.environment.name
        return [Operation(where=where, what=f"{settings.method} {_address(settings, scene)}")]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if not settings.expect:
            return undecided(NOTHING_TO_JUDGE)
        references = References(scene.values)
        try:
            where = _address(settings, scene)
            async with _web.client() as client:
                answer = await _web.send(
                    client, _request(settings, where), references, seconds(settings.timeout)
                )
            return _judged(settings, answer, references, f"{settings.method} {where}")
        except _web.NoAnswer as problem:
            said = references.redactor().text(str(problem))
            return failed(said, expected=", ".join(settings.expect), where=where)
        except _web.Closed as problem:
            return Finding(verdict=Verdict.SKIP, found=str(problem), where=where)
        except _web.BadRequest as problem:
            return error(str(problem), where=where)
        except PermanentError as problem:
            return error(problem.message)


def _address(settings: Settings, scene: Scene) -> str:
    return settings.url or _web.address(scene, settings.service, settings.path)


def _request(settings: Settings, where: str) -> _web.Request:
    return _web.Request(
        method=settings.method.upper(),
        address=where,
        headers=settings.headers,
        json=settings.json,
        form=settings.form,
        body=settings.body,
        follow_redirects=settings.follow_redirects,
    )


def _judged(settings: Settings, answer: _web.Answer, references: References, where: str) -> Finding:
    verdict, complaints = judge(settings.expect, answer.facts(), references.literal)
    redactor = references.redactor()
    well = verdict is Verdict.PASS
    summary = f"{answer.status} in {spoken(answer.seconds)}"
    return Finding(
        verdict=verdict,
        found=summary if well else redactor.text("; ".join(complaints)),
        expected=", ".join(settings.expect),
        where=where,
        excerpt="" if well else excerpt(answer.text, redactor),
        seconds=answer.seconds,
        facts={"status": answer.status, "time": round(answer.seconds, 3), "size": answer.size},
    )


CHECK: Check[Settings] = Http()

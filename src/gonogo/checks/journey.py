"""Several requests in a row, as one person would make them: cookies are kept, values carried on.

Health endpoints stay green while nobody can log in. Serves V10: log in, dashboard, invoice list.
`capture: {token: body.token}` keeps a value, and `$token` puts it into a later request. The first
request that fails ends the journey: what follows would only repeat that it failed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gonogo.checks import _web
from gonogo.checks._judge import check_conditions, error, excerpt, judge, undecided
from gonogo.checks._references import RESERVED, References
from gonogo.model.condition import Unresolvable, look_up, parse, parse_operand
from gonogo.model.configuration import Duration
from gonogo.model.duration import seconds, spoken
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene

METHODS = ("get", "post", "put", "delete", "patch")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request: one of get, post, put, delete and patch holds its path.

    capture keeps values under a name: `token: body.token`, or the first group of a pattern:
    `token: body matches 'name="csrf" value="([^"]+)"'`. A status under
    400 is wanted unless a condition speaks about status.
    """

    get: str = ""
    post: str = ""
    put: str = ""
    delete: str = ""
    patch: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    form: dict[str, str] = field(default_factory=dict)
    follow_redirects: bool = False
    expect: tuple[str, ...] = ()
    capture: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum(bool(getattr(self, method)) for method in METHODS) != 1:
            raise ValueError(f"a request has one of {', '.join(METHODS)}, with its path")
        if self.json is not None and self.form:
            raise ValueError("only one of json and form")
        check_conditions(self.expect)
        for name, source in self.capture.items():
            if not _NAME.fullmatch(name) or name in RESERVED:
                raise ValueError(f"{name!r} cannot be captured: use another name in small letters")
            _source(source)

    @property
    def method(self) -> str:
        """The method, in small letters."""
        return next(method for method in METHODS if getattr(self, method))

    @property
    def path(self) -> str:
        """The path as written."""
        return str(getattr(self, self.method))

    @property
    def conditions(self) -> tuple[str, ...]:
        """All that must hold."""
        speaks_of_status = any(parse(text).operand.path[0] == "status" for text in self.expect)
        return self.expect if speaks_of_status else ("status < 400", *self.expect)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The requests in order. Paths are relative to the service, or to the environment's url.

    timeout is for each request.
    """

    requests: tuple[Request, ...] = ()
    service: str = ""
    timeout: Duration = Duration("10s")

    def __post_init__(self) -> None:
        seconds(self.timeout)


@dataclass(frozen=True, kw_only=True)
class _Leg:
    """How one request went. line is for a person."""

    verdict: Verdict
    line: str
    excerpt: str = ""
    status: int = 0
    seconds: float = 0.0


class Journey:
    """Makes the requests one after the other."""

    settings = Settings
    stage = "after"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        where = settings.service or scene.environment.name
        return [
            Operation(
                where=where,
                what=f"{request.method.upper()} "
                f"{_web.address(scene, settings.service, request.path)}",
            )
            for request in settings.requests
        ]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if not any(request.expect for request in settings.requests):
            return undecided("no request has a condition, so there is nothing to judge by")
        references = References(scene.values)
        legs: list[_Leg] = []
        try:
            async with _web.client() as client:
                for request in settings.requests:
                    where = _web.address(scene, settings.service, request.path)
                    legs.append(await _go(client, request, where, references, settings))
                    if legs[-1].verdict is not Verdict.PASS:
                        break
        except _web.Closed as problem:
            return Finding(verdict=Verdict.SKIP, found=str(problem))
        except PermanentError as problem:
            return error(problem.message, excerpt="\n".join(leg.line for leg in legs))
        return _finding(settings, legs, references)


async def _go(
    client: Any, request: Request, where: str, references: References, settings: Settings
) -> _Leg:
    name = f"{request.method.upper()} {request.path}"
    sent = _web.Request(
        method=request.method.upper(),
        address=where,
        headers=request.headers,
        json=request.json,
        form=request.form,
        follow_redirects=request.follow_redirects,
    )
    try:
        answer = await _web.send(client, sent, references, seconds(settings.timeout))
    except _web.NoAnswer as problem:
        said = references.redactor().text(str(problem))
        return _Leg(verdict=Verdict.FAIL, line=f"✖ {name}  {said}")
    except _web.BadRequest as problem:
        return _Leg(verdict=Verdict.ERROR, line=f"✖ {name}  {problem}")
    return _judged(request, name, answer, references)


def _judged(request: Request, name: str, answer: _web.Answer, references: References) -> _Leg:
    facts = answer.facts()
    verdict, complaints = judge(request.conditions, facts, references.literal)
    if verdict is Verdict.PASS:
        complaints = _capture(request.capture, facts, references)
        verdict = Verdict.ERROR if complaints else verdict
    well = verdict is Verdict.PASS
    redactor = references.redactor()
    line = f"{'✔' if well else '✖'} {name}  {answer.status} in {spoken(answer.seconds)}"
    return _Leg(
        verdict=verdict,
        line=line if well else redactor.text(f"{line}: {'; '.join(complaints)}"),
        excerpt="" if well else excerpt(answer.text, redactor),
        status=answer.status,
        seconds=answer.seconds,
    )


def _capture(
    wanted: Mapping[str, str], facts: Mapping[str, Any], references: References
) -> list[str]:
    """Keep the values; what could not be captured, in words."""
    problems = []
    for name, source in wanted.items():
        operand, pattern = _source(source)
        try:
            value = look_up(operand, facts)
        except Unresolvable as problem:
            problems.append(f"${name} cannot be captured: {problem}")
            continue
        if pattern:
            match = pattern.search(value) if isinstance(value, str) else None
            if not match:
                problems.append(f"${name} cannot be captured: {operand.text} does not match")
                continue
            value = match[1] if pattern.groups else match[0]
        references.capture(name, value)
    return problems


def _source(text: str) -> tuple[Any, re.Pattern[str] | None]:
    """Where a captured value comes from: an operand, and perhaps a pattern in it."""
    if " matches " not in text:
        return parse_operand(text), None
    condition = parse(text)
    return condition.operand, re.compile(str(condition.literal.value))


def _finding(settings: Settings, legs: list[_Leg], references: References) -> Finding:
    last, total = legs[-1], sum(leg.seconds for leg in legs)
    requests = [
        {"request": leg.line[2:], "status": leg.status, "seconds": round(leg.seconds, 3)}
        for leg in legs
    ]
    well = last.verdict is Verdict.PASS
    found = f"{len(legs)} requests in {spoken(total)}"
    lines = "\n".join(leg.line for leg in legs)
    return Finding(
        verdict=last.verdict,
        found=found
        if well
        else f"request {len(legs)} of {len(settings.requests)}: {last.line[2:]}",
        expected=", ".join(settings.requests[len(legs) - 1].conditions),
        where=settings.service,
        excerpt=excerpt(f"{lines}\n{last.excerpt}".strip(), references.redactor()),
        seconds=total,
        facts={"requests": requests},
    )


CHECK: Check[Settings] = Journey()

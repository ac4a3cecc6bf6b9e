"""What `gonogo.yml` demands beyond the types of its fields: one place for every such rule."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from gonogo.config.document import Node, clip
from gonogo.config.normalise import (
    DURATION,
    BuildShape,
    CheckShape,
    Chosen,
    CommandShape,
    NameOf,
    Plugins,
    VariableShape,
    WaiverShape,
    Word,
)
from gonogo.config.report import Report
from gonogo.config.shape import Choice, Either, ListOf, MapOf, Nothing, Number, Shape, Text
from gonogo.config.shapes import Shapes
from gonogo.config.steps import ProceduresShape
from gonogo.model import configuration as model
from gonogo.model.duration import seconds

NAME = "[a-z][a-z0-9-]{0,39}"
NAME_WORDS = "a name of small letters, digits and -, at most 40, starting with a letter"
HANDLE = "[A-Za-z][A-Za-z0-9._-]{0,63}"
HANDLE_WORDS = "a name of letters, digits, `.`, `_` and -, starting with a letter"
VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
MEASURED = ("error_rate", "p95", "p50", "requests", "server_errors")


def file_shapes(plugins: Plugins) -> Shapes:
    """The shapes of everything in the file. With no plug-ins their settings are not looked at."""
    shapes = Shapes(special={model.Duration: DURATION}, hidden={model.Environment: ("name",)})
    command = CommandShape(shapes.record(model.Shell))
    shapes.special[model.Command] = command
    shapes.hints[model.Service] = {"shell": "write command: {shell: ...}"}
    shapes.hints[model.Environment] = {"name": "the key above is its name"}
    shapes.rules |= {
        model.Configuration: _whole_file,
        model.Database: _database,
        model.Environment: _environment,
        model.Watch: _watch,
    }
    _simple_fields(shapes)
    checks = Chosen("checks", "check", plugins, shapes)
    common: dict[str, Shape] = {
        "id": Text(NAME, NAME_WORDS),
        "run": Choice(["before", "after", "both"]),
        "severity": Choice(["critical", "advisory"]),
        "title": Text(),
        "timeout": DURATION,
    }
    named = {"key": NAME, "words": NAME_WORDS}
    shapes.fields |= {
        (model.Environment, "engine"): Chosen("engines", "engine", plugins, shapes),
        (model.Environment, "build"): BuildShape(shapes.record(model.Build)),
        (model.Environment, "checks"): ListOf(CheckShape(checks, common)),
        (model.Environment, "services"): MapOf(shapes.record(model.Service), **named),
        (model.Environment, "variables"): MapOf(
            VariableShape(shapes), VARIABLE, "a name of a variable"
        ),
        (model.Configuration, "environments"): MapOf(shapes.record(model.Environment), **named),
        (model.Configuration, "procedures"): ProceduresShape(plugins, shapes),
        (model.Configuration, "waivers"): ListOf(WaiverShape()),
        (model.Watch, "source"): NameOf(plugins.get("sources"), "source"),
    }
    return shapes


def _simple_fields(shapes: Shapes) -> None:
    path = Text(r"/\S*|.*\$\{.*", "a path that starts with /")
    address = Text(r"https?://[^\s/]\S*|.*\$\{.*", "an address such as https://example.com", _url)
    handles = {"key": HANDLE, "words": HANDLE_WORDS}
    variables = {"key": VARIABLE, "words": "a name of a variable"}
    some = Text(r"(.|\s)*\S(.|\s)*", "a text that says something")
    shapes.fields |= {
        (model.Configuration, "app"): Text(NAME, NAME_WORDS),
        (model.Configuration, "people"): MapOf(shapes.record(model.Person), **handles),
        (model.Configuration, "channels"): MapOf(some, **handles),
        (model.Shell, "shell"): some,
        (model.Environment, "url"): address,
        (model.Environment, "keep_releases"): Number(1, 1000),
        (model.Service, "port"): Either([Number(1, 65535), Nothing()]),
        (model.Service, "health"): Either([path, Nothing()]),
        (model.Service, "version"): Either([path, Nothing()]),
        (model.Service, "instances"): Number(1, 100),
        (model.Service, "batch"): Number(1, 100),
        (model.Service, "environment"): MapOf(Word(), **variables),
        (model.Environment, "flags"): MapOf(shapes.record(model.Flag), **variables),
        (model.Environment, "on_no_go"): Text(
            rf"rollback|ask|disable {VARIABLE}", "rollback, ask or `disable FLAG`"
        ),
        (model.Flag, "off"): Word(),
        (model.Database, "sqlite"): Text(words="the path of a file", judge=_sqlite),
        (model.Database, "postgres"): Text(
            r"postgres(ql)?://\S+|.*\$\{.*", "an address such as postgresql://user@host/name"
        ),
        (model.Watch, "no_go"): ListOf(Text(judge=_measured)),
        (model.Watch, "minimum"): Number(0),
    }


def _url(text: str) -> None:
    try:
        _ = urlsplit(text).port
    except ValueError as error:
        raise ValueError(f"not an address: {error}") from None


def _sqlite(text: str) -> None:
    if re.match(r"\w+:", text):
        raise ValueError("write the path of the file only, without a scheme, such as data/app.db")
    if not text.strip() or text.endswith("/") or "\0" in text:
        raise ValueError("not the path of a file; write one such as data/app.db")


def _database(node: Node, values: dict[str, Any], report: Report) -> None:
    if len({"sqlite", "postgres"} & set(node.value or {})) != 1:
        report.add(node.place, "`database` needs one of the keys `sqlite` and `postgres`")


def _measured(text: str) -> None:
    from gonogo.model.condition import parse

    name = parse(text).operand.path[0]
    if name not in MEASURED:
        raise ValueError(f"a watch does not measure {clip(str(name))}; it does {_list(MEASURED)}")


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}"


def _watch(node: Node, values: dict[str, Any], report: Report) -> None:
    length = values.get("length", model.Watch.length)
    every = values.get("every", model.Watch.every)
    if seconds(every) <= 0 and "every" in values:
        report.add(node.at("every").place, "`every` must be longer than nothing")
    elif seconds(every) > seconds(length):
        key = "every" if "every" in values else "length"
        report.add(node.at(key).place, f"`every` ({every}) is longer than `length` ({length})")
    if values.get("source") == "access_log" and not values.get("log"):
        report.add(node.at("source").place, "the source access_log needs `log`, the file to read")


def _environment(node: Node, values: dict[str, Any], report: Report) -> None:
    _distinct_ports(node, values.get("services", {}), report)
    _fitting_database(node, values, report)
    _flags(node, values, report)
    _page(node, values, report)
    if "services" in values and "local" in values.get("engine", {"local": {}}):
        for name, service in values["services"].items():
            given = node.at("services", name)
            if service.command is None and "command" not in (given.value or {}):
                said = f"service `{name}` needs the key `command`: the local engine starts it"
                report.add(node.at("services").keys[name], said)
    seen: dict[str, int] = {}
    checks = (node.value or {}).get("checks", Node([], node.place)).value
    for entry in checks if isinstance(checks, list) else ():
        id_ = entry.value.get("id") if isinstance(entry.value, dict) else None
        if id_ is None or not isinstance(id_.value, str):
            continue
        if id_.value in seen:
            first = seen[id_.value]
            report.add(id_.place, f"duplicate id `{clip(id_.value)}`, first on line {first}")
        seen.setdefault(id_.value, id_.place[0])


def _fitting_database(node: Node, values: dict[str, Any], report: Report) -> None:
    database = values.get("database")
    if database is None:
        return
    fitting = {"local": "sqlite", "compose": "postgres"}
    for engine in values.get("engine", {"local": {}}):
        wanted = fitting.get(engine, "")
        if wanted and not getattr(database, wanted):
            said = f"the {engine} engine copies only `{wanted}` databases so far"
            report.add(node.at("database").place, said)


def _page(node: Node, values: dict[str, Any], report: Report) -> None:
    """Nobody would see the page where the proxy cannot send it."""
    engine = values.get("engine", {"local": {}})
    traefik = "local" in engine or engine.get("compose", {}).get("proxy") == "traefik"
    if values.get("maintenance_page") and traefik:
        said = "`maintenance_page`: Traefik cannot send a page; HAProxy and nginx (compose) can"
        report.add(node.at("maintenance_page").place, said)


def _flags(node: Node, values: dict[str, Any], report: Report) -> None:
    """The services of flags are there, and so is the flag that a no-go disables."""
    flags = values.get("flags", {})
    for name, flag in flags.items():
        for number, service in enumerate(flag.services):
            if service not in values.get("services", {}):
                near = report.suggest(service, values.get("services", {}))
                place = node.at("flags", name, "services", number).place
                report.add(place, f"there is no service `{clip(service)}`{near}")
    _, _, wanted = values.get("on_no_go", "").partition(" ")
    if not wanted:
        return
    place = node.at("on_no_go").place
    if wanted not in flags:
        near = report.suggest(wanted, flags)
        report.add(place, f"there is no flag `{clip(wanted)}` under `flags`{near}")
    elif flags[wanted].build:
        said = f"`{clip(wanted)}` goes into the build, so it cannot be disabled while it runs"
        report.add(place, said)


def _distinct_ports(node: Node, services: dict[str, model.Service], report: Report) -> None:
    users: dict[int, str] = {}
    for name, service in services.items():
        if service.port in users:
            said = f"port {service.port} is used by the service `{users[service.port]}`, too"
            report.add(node.at("services", name, "port").place, said)
        elif service.port is not None:
            users[service.port] = name


def _whole_file(node: Node, values: dict[str, Any], report: Report) -> None:
    given = node.value or {}
    channels = given["channels"].value if "channels" in given else None
    for name, person in values.get("people", {}).items():
        channel = person.notify
        elsewhere = channel is None or "://" in channel or "${" in channel
        if elsewhere or not isinstance(channels, dict | None) or channel in (channels or {}):
            continue
        near = report.suggest(channel, channels or {})
        place = node.at("people", name, "notify").place
        report.add(place, f"there is no channel `{clip(channel)}`{near}")
    people = given["people"].value if "people" in given else None
    waivers = given["waivers"].value if "waivers" in given else None
    if not isinstance(people, dict) or not isinstance(waivers, list) or not people:
        return
    for waiver in waivers:
        by = waiver.value.get("by") if isinstance(waiver.value, dict) else None
        if by is not None and isinstance(by.value, str) and by.value not in people:
            near = report.suggest(by.value, people)
            report.add(by.place, f"nobody under `people` is called `{clip(by.value)}`{near}")

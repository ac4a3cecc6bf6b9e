"""Making a plan: a pure function of configuration, procedure, release and state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gonogo.model.condition import evaluate, parse
from gonogo.model.duration import seconds
from gonogo.model.errors import BadConfiguration
from gonogo.model.plain import plain
from gonogo.model.plan import Operation, Plan, PlanPhase, PlanStep
from gonogo.model.procedure import Kind, Phase, Procedure, Step
from gonogo.model.reference import needed
from gonogo.ports import Catalogue, Scene

EVERYONE = "everyone"
"""What a step notifies to tell all channels."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Who plans what, where: everything in a plan that is neither configuration nor release.

    remedy turns a flag: what `on_no_go: disable FLAG` does.
    """

    run: str
    by: str
    machine: str
    options: Mapping[str, Any] | None = None
    remedy: Procedure | None = None


def make_plan(
    procedure: Procedure, scene: Scene, catalogue: Catalogue, circumstances: Circumstances
) -> Plan:
    """Every step of the run in order. Reads nothing: whatever it needs is in the arguments."""
    planner = _Planner(scene, catalogue, circumstances)
    phases = tuple(planner.phase(phase) for phase in procedure.phases)
    _distinct([step.id for phase in phases for step in phase.steps])
    return Plan(
        run=circumstances.run,
        app=scene.configuration.app,
        environment=scene.environment.name,
        procedure=procedure.name,
        title=procedure.title,
        by=circumstances.by,
        machine=circumstances.machine,
        project=scene.project,
        release=scene.release,
        previous=scene.previous,
        configuration=plain(scene.configuration),
        phases=tuple(phase for phase in phases if phase.steps),
        t_zero=scene.t_zero,
        on_no_go=scene.environment.on_no_go,
        remedy=_remedy(scene, catalogue, circumstances),
        reason=str((circumstances.options or {}).get("reason", "")),
        preempt=procedure.preempt,
        not_configured=tuple(planner.not_configured),
    )


def _remedy(
    scene: Scene, catalogue: Catalogue, circumstances: Circumstances
) -> tuple[PlanStep, ...]:
    """The steps that turn a flag off, under ids of their own. They are not undone."""
    _, _, flag = scene.environment.on_no_go.partition(" ")
    if not flag or circumstances.remedy is None:
        return ()
    off = scene.environment.flags[flag].off
    options = {"flag": flag, "value": off, "reason": f"no-go of {circumstances.run}"}
    planner = _Planner(scene, catalogue, replace(circumstances, options=options))
    phases = [planner.phase(phase) for phase in circumstances.remedy.phases]
    steps = [step for phase in phases for step in phase.steps]
    return tuple(replace(step, id=f"no-go:{step.id}", undo=None) for step in steps)


class _Planner:
    def __init__(self, scene: Scene, catalogue: Catalogue, circumstances: Circumstances) -> None:
        self._scene = scene
        self._catalogue = catalogue
        self._facts = _facts(scene, circumstances)
        self._options = circumstances.options or {}
        self.not_configured: list[str] = []

    def phase(self, phase: Phase) -> PlanPhase:
        made = {step.id: self._expand(step) for step in phase.steps}
        steps = [with_needs(step, made) for planned in made.values() for step in planned]
        return PlanPhase(
            id=phase.id,
            title=phase.title or phase.id,
            steps=tuple(steps),
            at=phase.at,
            owner=phase.owner,
            gate=phase.gate,
            hold=phase.hold,
            parallel=phase.parallel,
        )

    def _expand(self, step: Step) -> Sequence[PlanStep]:
        if step.kind is Kind.CHECK and step.use in ("before", "after"):
            return [one for entry in self._team_checks(step.use) for one in self._team(entry)]
        if step.when and not evaluate(parse(step.when), self._facts):
            return self._left_out(step)
        undo = step.undo and replace(step.undo, settings=self._with_options(step.undo.settings))
        title = self._with_options({"title": step.title})["title"]
        step = replace(step, title=title, settings=self._with_options(step.settings), undo=undo)
        makers = {
            Kind.WATCH: self._watch,
            Kind.DO: self._actions,
            Kind.CHECK: self._check,
            Kind.NOTIFY: self._notify,
        }
        return makers.get(step.kind, self._bare)(step)

    def _left_out(self, step: Step) -> list[PlanStep]:
        """A check that does not apply is only counted; anything else is shown as not run."""
        if step.kind is Kind.CHECK:
            self.not_configured.append(step.id)
            return []
        return [self._plain(step, skip=f"only when {step.when}")]

    def _notify(self, step: Step) -> list[PlanStep]:
        """`everyone` is every channel there is."""
        channels = self._scene.configuration.channels
        if step.use != EVERYONE or EVERYONE in channels:
            return self._bare(step)
        if not channels:
            return [self._plain(step, skip="gonogo.yml has no channels, so nobody is told")]
        plain = self._plain(step)
        return [replace(plain, id=f"{step.id}:{name}", use=name) for name in channels]

    def _bare(self, step: Step) -> list[PlanStep]:
        return [self._plain(step)]

    def _plain(self, step: Step, skip: str = "") -> PlanStep:
        return PlanStep(
            id=step.id,
            kind=step.kind,
            use=step.use,
            title=step.title,
            settings=step.settings,
            skip=skip,
            needs=step.needs,
            timeout=step.timeout,
            retries=step.retries,
            critical=step.critical,
        )

    def _with_options(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings written `$name` take the option of that name from the command line."""
        return {
            key: self._options.get(value[1:], "")
            if isinstance(value, str) and value[1:] in self._options and value.startswith("$")
            else value
            for key, value in settings.items()
        }

    def _check(self, step: Step) -> list[PlanStep]:
        plugin = self._catalogue.check(step.use)
        settings = self._catalogue.parse(plugin.settings, step.settings, step.id)
        operations = tuple(plugin.describe(settings, self._scene))
        return [replace(self._plain(step), operations=operations)]

    def _team_checks(self, stage: str) -> list[dict[str, Any]]:
        if stage == "after" and self._scene.release is None:
            self.not_configured.append("checks after a release: nothing is deployed yet")
            return []
        wanted = []
        for entry in self._scene.environment.checks:
            plugin = self._catalogue.check(entry["use"])
            if (entry.get("run") or plugin.stage) in (stage, "both"):
                wanted.append(entry)
        if not wanted:
            self.not_configured.append(f"checks of the team {stage} the release")
        return [
            {**entry, "id": f"{entry['id']}:{stage}"} if entry.get("run") == "both" else entry
            for entry in wanted
        ]

    def _team(self, entry: dict[str, Any]) -> list[PlanStep]:
        return self._check(
            Step(
                id=entry["id"],
                kind=Kind.CHECK,
                use=entry["use"],
                title=entry.get("title") or "",
                settings=entry["settings"],
                timeout=seconds(entry.get("timeout") or "1m"),
                critical=entry.get("severity", "critical") == "critical",
            )
        )

    def _watch(self, step: Step) -> list[PlanStep]:
        watch = self._scene.environment.watch
        if watch is None:
            self.not_configured.append("a watch window after the release")
            return []
        source = self._catalogue.source(watch.source)
        settings = {**asdict(watch), **step.settings}
        planned = replace(
            self._plain(step),
            use=watch.source,
            settings=settings,
            operations=tuple(source.describe(self._scene)),
            timeout=seconds(watch.length) + 3600,
        )
        return [planned]

    def _actions(self, step: Step) -> list[PlanStep]:
        plugin = self._catalogue.action(step.use)
        about_a_service = "service" in {field.name for field in fields(plugin.settings)}
        if about_a_service and "service" not in step.settings:
            return [self._action(step, service) for service in self._scene.services()]
        return [self._action(step)]

    def _action(self, step: Step, service: str = "") -> PlanStep:
        about = {"service": service} if service else {}
        suffix = f":{service}" if service else ""
        planned = self._one_action(
            replace(
                step,
                id=step.id + suffix,
                settings={**step.settings, **about},
            )
        )
        if step.undo is None:
            return planned
        undo = Step(
            id=f"undo:{step.id}{suffix}",
            kind=Kind.DO,
            use=step.undo.use,
            settings={**step.undo.settings, **about},
            timeout=step.timeout,
            retries=step.retries,
        )
        return replace(planned, undo=self._one_action(undo))

    def _one_action(self, step: Step) -> PlanStep:
        plugin = self._catalogue.action(step.use)
        settings = self._catalogue.parse(plugin.settings, step.settings, step.id)
        return replace(
            self._plain(step),
            operations=tuple(plugin.describe(settings, self._scene)),
            loses_data=plugin.loses_data,
        )


def _distinct(ids: Sequence[str]) -> None:
    """A step is known by its id, so there are no two with the same."""
    twice = sorted({id for id in ids if ids.count(id) > 1})
    if twice:
        raise BadConfiguration([f"two steps have the id {', '.join(twice)}: give one another id"])


def with_needs(step: PlanStep, made: Mapping[str, Sequence[PlanStep]]) -> PlanStep:
    """A step whose needs name planned steps: of one made for every service, all of them."""
    needs = [planned.id for need in step.needs for planned in made.get(need, ())]
    return replace(step, needs=tuple(needs))


def _facts(scene: Scene, circumstances: Circumstances) -> dict[str, Any]:
    """What a step's `when` may ask about."""
    return {
        "first": scene.previous is None,
        "environment": scene.environment.name,
        "development": scene.environment.development,
        "database": scene.database is not None,
        "variables": bool(scene.environment.variables or needed(scene.environment)),
        "migrations": scene.migrator is not None,
        "online": bool(
            scene.environment.database
            and scene.environment.database.migrations
            and scene.environment.database.migrations.online
        ),
        "options": dict(circumstances.options or {}),
    }


def lines(step: PlanStep) -> list[str]:
    """A step's operations as the dry run prints them."""
    return [_line(operation) for operation in step.operations]


def _line(operation: Operation) -> str:
    return f"{operation.where}: {operation.what}" if operation.where else operation.what

"""The environment's variables: set, of the right type, and their files kept to their owner.

A forgotten variable or a `changeme` is found here and not by the first customer. Looked at are the
variables that are declared, and those that the environment refers to as `${NAME}`. Serves P10, P11,
P12, P13 and P15. Types are in `_variable_types.py`. No value is ever shown, only what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.checks import _variable_types
from gonogo.checks._judge import error, undecided
from gonogo.checks._stat import in_project, status
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, failed, passed
from gonogo.model.plan import Operation
from gonogo.model.reference import needed, references
from gonogo.ports import Check, Scene

READABLE_BY_OTHERS = 0o077


@dataclass(frozen=True, kw_only=True)
class Settings:
    """only limits it to some declared variables; files is whether the env files are looked at."""

    only: tuple[str, ...] = ()
    files: bool = True


class Variables:
    """Looks at every declared variable, every reference to one, and every env file."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        names = sorted({*_names(settings, scene), *_referred(settings, scene)})
        operations = [Operation(where="variables", what=", ".join(names))] if names else []
        for path in _files(settings, scene):
            operations.append(Operation(where="host", what=f"mode of {path}, and git ls-files"))
        return operations

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        names, files = _names(settings, scene), _files(settings, scene)
        referred = _referred(settings, scene)
        if not names and not files and not referred:
            return undecided("no variable is declared or referred to, so there is nothing to judge")
        try:
            unset = scene.values.unset() if referred else {}
            problems = [f"{place}: ${{{name}}} has no value" for name, place in unset.items()]
            problems += _variable_problems(names, set(unset), scene)
            for path in files:
                problems += await _file_problems(scene, path)
        except PermanentError as problem:
            return error(problem.message)
        except ValueError as problem:
            return error(str(problem))
        if problems:
            return failed(
                f"{len(problems)} wrong: {'; '.join(problems)}"[:2000],
                excerpt="\n".join(problems)[:2000],
                facts={"problems": problems},
            )
        return passed(
            f"{len(names)} variables and {len(files)} env files are as declared"
            + (f", and {len(referred)} referred to have a value" if referred else "")
        )


def _names(settings: Settings, scene: Scene) -> tuple[str, ...]:
    return settings.only or tuple(scene.environment.variables)


def _files(settings: Settings, scene: Scene) -> tuple[str, ...]:
    return scene.environment.env_files if settings.files else ()


def _referred(settings: Settings, scene: Scene) -> set[str]:
    return set() if settings.only else needed(scene.environment)


def _variable_problems(names: Sequence[str], unset: set[str], scene: Scene) -> list[str]:
    """What is wrong with the declared ones; those that are unset have been told of already."""
    problems = []
    values, missing = scene.values.variables(), scene.values.missing()
    for name in names:
        if name not in scene.environment.variables:
            raise ValueError(f"{name} is not among the declared variables")
        declaration = _variable_types.declared(scene.environment.variables[name])
        if name in missing or name not in values:
            if declaration.required and name not in unset:
                problems.append(f"{name} is not set")
            continue
        if unset & references(declaration.options):
            continue
        wrong = _variable_types.complaint(values[name].reveal(), declaration, scene.values.text)
        if wrong:
            problems.append(f"{name} {wrong}")
    return problems


async def _file_problems(scene: Scene, path: str) -> list[str]:
    seen = await status(scene, path)
    if seen is None:
        return [f"{path} is not there"]
    problems = []
    if seen.mode & READABLE_BY_OTHERS:
        problems.append(f"{path} can be used by others (mode {seen.mode:o}): chmod 600 {path}")
    if await _tracked(scene, path):
        problems.append(f"{path} is in git: git rm --cached {path}, then renew its secrets")
    return problems


async def _tracked(scene: Scene, path: str) -> bool:
    """Whether git knows the file. Outside of a git checkout nothing is tracked."""
    whole = in_project(scene, path)
    done = await scene.host.run(
        ("git", "ls-files", "--", whole),
        cwd=scene.project,
        environment={},
        timeout=30,
        say=lambda line: None,
    )
    if done.code == 0:
        return bool(done.output.strip())
    if done.code == 128:
        return False
    raise PermanentError(f"git does not tell whether {path} is tracked (exit code {done.code})")


CHECK: Check[Settings] = Variables()

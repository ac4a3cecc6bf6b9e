"""Reads a compose file without docker, as far as that goes: variables stay as they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gonogo.model.errors import BadConfiguration


class _Loader(yaml.SafeLoader):
    """Takes Compose's own tags, such as `!reset`, for the value they stand at."""


def _untagged(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _untagged)


def read(path: Path) -> dict[str, Any]:
    """The file's values. BadConfiguration, with the place and the reason, when it is none."""
    try:
        whole = yaml.load(path.read_text("utf-8-sig"), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise _unreadable(path, where, error.problem or "not YAML") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise _unreadable(path, "", str(error) or type(error).__name__) from None
    if whole is None:
        return {}
    if not isinstance(whole, dict):
        raise _unreadable(path, ":1:1", "not a mapping with `services`")
    for key in ("services", "volumes", "networks"):
        if not isinstance(whole.get(key) or {}, dict):
            raise _unreadable(path, "", f"`{key}` is not a mapping")
    return whole


def _unreadable(path: Path, where: str, why: str) -> BadConfiguration:
    error = BadConfiguration([f"{path.name}{where}: {' '.join(why.split())}"])
    error.next_step = "correct it; docker compose config shows what docker makes of it"
    return error

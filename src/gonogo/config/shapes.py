"""From types to shapes: the settings of a plug-in need nothing but a dataclass.

Understood are str, int, float, bool, None, Any, Literal, enumerations, tuples and lists of one
type, dict, unions, NewTypes, dataclasses, and what a `special` shape is given for.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import reduce
from operator import or_
from typing import Any

from gonogo.config.record import Record, Rule
from gonogo.config.shape import (
    Anything,
    Choice,
    Either,
    Flag,
    ListOf,
    MapOf,
    Nothing,
    Number,
    Shape,
    Text,
)

_SCALARS: dict[Any, Shape] = {
    str: Text(),
    int: Number(),
    float: Number(whole=False),
    bool: Flag(),
    type(None): Nothing(),
    Any: Anything(),
    object: Anything(),
}


@dataclass(kw_only=True)
class Shapes:
    """Makes and keeps the shape of each type.

    special: shapes of whole types. fields: shapes of single fields. hidden: fields that
    take the key the record stands under. hints: what to say
    about a key that is not there. rules: see Rule.
    """

    special: dict[Any, Shape] = field(default_factory=dict)
    fields: dict[tuple[type[Any], str], Shape] = field(default_factory=dict)
    hidden: dict[type[Any], tuple[str, ...]] = field(default_factory=dict)
    hints: dict[type[Any], dict[str, str]] = field(default_factory=dict)
    rules: dict[type[Any], Rule] = field(default_factory=dict)
    records: dict[tuple[type[Any], bool], Record] = field(default_factory=dict)

    def of(self, wanted: Any) -> Shape:
        """The shape of a type. TypeError for one that is not understood."""
        if typing.get_origin(wanted) is typing.Annotated:
            wanted = typing.get_args(wanted)[0]
        while wanted not in self.special and isinstance(wanted, typing.NewType):
            wanted = wanted.__supertype__
        known = self.special.get(wanted) or _SCALARS.get(wanted)
        if known is not None:
            return known
        if isinstance(wanted, type) and is_dataclass(wanted):
            return self.record(wanted)
        if isinstance(wanted, type) and issubclass(wanted, Enum):
            return _Member(wanted)
        return self.generic(wanted, typing.get_origin(wanted) or wanted, typing.get_args(wanted))

    def generic(self, wanted: Any, origin: Any, arguments: tuple[Any, ...]) -> Shape:
        if origin is typing.Literal:
            return Choice(arguments)
        if origin in (typing.Union, types.UnionType):
            some = [one for one in arguments if one is not type(None)]
            whole = self.special.get(reduce(or_, some)) if len(some) < len(arguments) else None
            return Either([whole, Nothing()] if whole else [self.of(one) for one in arguments])
        inner = [self.of(one) for one in arguments if one is not ...]
        if origin in (tuple, list, set, frozenset, Sequence):
            return ListOf(
                inner[0] if inner else Anything(), tuple if origin is Sequence else origin
            )
        if origin in (dict, Mapping):
            return MapOf(inner[1] if inner else Anything())
        raise TypeError(f"no shape for {wanted!r}")

    def record(self, type_: type[Any], *, partial: bool = False) -> Record:
        """The shape of a dataclass. partial: nothing is required, and the values stay a dict."""
        key = (type_, partial)
        if key not in self.records:
            self.records[key] = Record(
                type_,
                lambda: self.keys(type_),
                hidden=self.hidden.get(type_, ()),
                partial=partial,
                hints=self.hints.get(type_),
                rule=self.rules.get(type_),
            )
        return self.records[key]

    def keys(self, type_: type[Any]) -> dict[str, Shape]:
        """The shape of each field that is a key of the file."""
        hints = typing.get_type_hints(type_, include_extras=True)
        hidden = self.hidden.get(type_, ())
        return {
            one.name: self.fields.get((type_, one.name)) or self.of(hints[one.name])
            for one in fields(type_)
            if one.init and one.name not in hidden
        }


class _Member:
    """One value of an enumeration."""

    def __init__(self, type_: type[Enum]) -> None:
        self.type = type_
        self.words = Choice([str(one.value) for one in type_])

    def read(self, node: Any, name: str, report: Any) -> Any:
        word = self.words.read(node, name, report)
        return self.type(word) if isinstance(word, str) else word

    def schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return self.words.schema(definitions)

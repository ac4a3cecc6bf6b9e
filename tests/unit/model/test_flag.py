"""What flags make of an instance, and that they come back as they were written."""

from __future__ import annotations

from dataclasses import replace

from gonogo.model.flag import AS_RELEASED, FlagValue, variant
from gonogo.model.target import Instance

ON = FlagValue(value="true", services=("web",), by="aiko", at=1.0, reason="launch", run="flags-1")


def test_only_a_service_that_reads_it_is_another_instance() -> None:
    flags = {"NEW": ON}
    assert variant("web", flags).id != ""
    assert variant("worker", flags).id == AS_RELEASED.id
    assert variant("web", {}) == AS_RELEASED


def test_everybody_started_from_now_on_gets_it() -> None:
    assert variant("worker", {"NEW": ON}).variables == {"NEW": "true"}


def test_the_same_values_are_the_same_instance_whoever_set_them() -> None:
    later = replace(ON, by="tomas", at=2.0, run="flags-2", before=ON)
    assert variant("web", {"NEW": ON}) == variant("web", {"NEW": later})
    assert variant("web", {"NEW": replace(ON, value="false")}) != variant("web", {"NEW": ON})


def test_one_that_was_unset_is_as_if_it_never_was() -> None:
    assert variant("web", {"NEW": replace(ON, value=None)}) == AS_RELEASED


def test_it_comes_back_as_it_was_written() -> None:
    later = replace(ON, value=None, before=ON)
    assert FlagValue.from_json(later.to_json()) == later


def test_an_instance_is_found_again_by_its_name() -> None:
    one = Instance(service="web", release="2026-12-01.1", number=2, state="stopped", variant="ab")
    assert one.name == "web--2026-12-01.1--2.ab"
    assert Instance.named(one.name, "stopped") == one
    assert Instance.named(replace(one, variant="").name, "stopped") == replace(one, variant="")

"""What df says, for real and made up."""

from __future__ import annotations

from typing import Any

import pytest

from gonogo.checks.disk import CHECK, Settings, size
from gonogo.model.evidence import Finding, Verdict
from gonogo.ports import Completed

from .fakes import FakeWorkshop, RealHost, probe, scene

LINUX = """Filesystem     1024-blocks      Used Available Capacity Mounted on
/dev/sda1        100000000  96000000   4000000      97% /var/lib/with space
"""
MAC = """Filesystem   1024-blocks      Used Available Capacity  Mounted on
/dev/disk3s1   971350180 450000000 500000000    48%    /System/Volumes/Data
"""


def look(output: str, code: int = 0, **settings: str) -> Finding:
    host = RealHost()
    host.answers["df"] = Completed(code=code, output=output, seconds=0)
    return probe(CHECK, scene(host=host), **settings)


def test_this_disk() -> None:
    finding = probe(CHECK, scene(), free="1B", percent="")
    assert finding.verdict is Verdict.PASS
    assert finding.facts["total"] > finding.facts["free"] > 0


def test_both_limits_must_hold() -> None:
    finding = look(LINUX)
    assert finding.verdict is Verdict.FAIL
    assert finding.found == "4.1 GB free, 4.0% of 102.4 GB"
    assert look(LINUX, percent="4%").verdict is Verdict.PASS
    assert look(LINUX, free="5GB", percent="").verdict is Verdict.FAIL
    assert look(MAC).verdict is Verdict.PASS


OTHER = """Filesystem     1024-blocks      Used Available Capacity Mounted on
/dev/sdb1        100000000  99990000     10000     100% /var/lib/docker
"""


class TwoDisks(RealHost):
    """The project on one disk, docker on another."""

    async def run(self, command: Any, **_: Any) -> Completed:
        output = OTHER if command[-1] == "/var/lib/docker" else MAC
        return Completed(code=0, output=output, seconds=0)


def test_every_disk_a_release_is_made_on_is_looked_at() -> None:
    workshop = FakeWorkshop(folders=("/srv/releases", "/var/lib/docker"))
    finding = probe(CHECK, scene(host=TwoDisks(), workshop=workshop))
    assert finding.verdict is Verdict.FAIL
    assert finding.found == "/var/lib/docker: 10.2 MB free, 0.0% of 102.4 GB"
    assert finding.where == "/var/lib/docker"
    assert finding.facts["next"] == "make space: gonogo cleanup would free nothing"
    well = probe(CHECK, scene(host=TwoDisks(), workshop=FakeWorkshop(folders=("/srv/releases",))))
    assert well.found == "512.0 GB free, 51.5% of 994.7 GB"
    named = probe(CHECK, scene(host=TwoDisks(), workshop=workshop), path="/srv")
    assert named.verdict is Verdict.PASS


def test_what_a_cleanup_would_free_is_said() -> None:
    workshop = FakeWorkshop(ids=("r1", "r2"), folders=("/var/lib/docker",))
    finding = probe(CHECK, scene(host=TwoDisks(), workshop=workshop))
    assert finding.facts["next"] == "gonogo cleanup test would free at most 2.0 GB"


def test_what_df_does_not_tell_is_an_error() -> None:
    assert look("df: nope: No such file", 1).verdict is Verdict.ERROR
    assert look("garbage\n").verdict is Verdict.ERROR


def test_sizes() -> None:
    assert (size("1GB"), size("2 KiB"), size("")) == (1e9, 2048, 0)
    for wrong in ({"free": "much"}, {"percent": "5"}, {"percent": "101%"}):
        with pytest.raises(ValueError):
            Settings(**wrong)

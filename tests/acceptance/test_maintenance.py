"""The maintenance page: every request gets it, releases go on behind it, and a restart keeps it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from .site import Site, until

SETTINGS = """\
checks:
  - {id: answers, http: {service: web, path: /, expect: [status == 200]}, run: after}
"""

Build = Callable[..., Site]


@pytest.fixture(scope="module")
def site(build_for_all: Build) -> Site:
    """A site with a release that is live."""
    one = build_for_all(worker=False, settings=SETTINGS)
    one.deploy()
    return one


def answer(site: Site) -> tuple[int, str | None]:
    """Status and Retry-After of a request."""
    try:
        with urllib.request.urlopen(f"{site.url}/any/path", timeout=5) as got:
            return got.status, got.headers["retry-after"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["retry-after"]


def test_a_release_goes_on_behind_the_page(site: Site) -> None:
    site.run("maintenance", "on", "--reason", "new disks")
    assert answer(site) == (503, "120")
    assert "by aiko: new disks" in site.run("status").output
    number = site.release()
    ran = site.run("update")
    assert "not looked at: users get the maintenance page" in site.run("show", "last").output
    assert "Done." in ran.output
    assert (answer(site), site.serving()) == ((503, "120"), 0)
    site.run("maintenance", "off")
    assert (answer(site), site.serving()) == ((200, None), number)
    assert site.run("status", "--json").json()["maintenance"] == ""


def test_it_survives_a_restart_of_all(site: Site) -> None:
    site.run("maintenance", "on")
    site.run("stop")
    site.run("start")
    until(lambda: answer(site) == (503, "120"), "the page")
    site.run("maintenance", "off")
    assert answer(site) == (200, None)

"""What runs inside the container, run here: sh and awk on what pg_dump and pg_restore write."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path

import pytest

from gonogo.databases import _postgres_scripts as scripts

DATA = r"""--
-- PostgreSQL database dump
--

\restrict AbC

SET statement_timeout = 0;

-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: -

COPY public.t (id, text) FROM stdin;
1	COPY public.no (id) FROM stdin;
2	\\.
3	a\nb
\.


COPY "Odd Schema"."My ""table"" (x)" (a) FROM stdin;
\.


COPY public."-- whole"  FROM stdin;


-- whole
\.


SELECT pg_catalog.setval('public.t_id_seq', 3, true);

\unrestrict AbC
"""

ROWS = {"public.t": 3, '"Odd Schema"."My ""table"" (x)"': 0, 'public."-- whole"': 3}

BEFORE = r"""--
-- PostgreSQL database dump
--

\restrict AbC

-- Dumped from database version 15.18

SET statement_timeout = 0;

--
-- Name: orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.orders (
    status character varying(10),
    CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'b'::"T y"])::text[])))
);

--
-- PostgreSQL database dump complete
--

\unrestrict AbC
"""

AFTER = r"""--
-- PostgreSQL database dump
--

\restrict XyZ

-- Dumped from database version 16.1

SET statement_timeout = 0;
SET transaction_timeout = 0;

--
-- Name: orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.orders (
    status character varying(10),
    CHECK (((status)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::"T y")::text])))
);


--
-- Name: v; Type: MATERIALIZED VIEW DATA; Schema: public; Owner: -
--

REFRESH MATERIALIZED VIEW public.v;

\unrestrict XyZ
"""


def run(script: str, program: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script, "sh", program, *command], capture_output=True, text=True, check=False
    )


def counted(path: Path) -> dict[str, int] | None:
    done = run(scripts.DECODE, scripts.ROWS, "cat", str(path))
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return None if done.returncode else {name: int(count) for _, count, name in lines}


def digest(path: Path) -> str:
    done = run(scripts.DIGEST, scripts.SCHEMA, "cat", str(path))
    assert done.returncode == 0
    return done.stdout[:64]


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump"
    path.write_text(DATA)
    return path


def test_rows_are_counted_per_table(dump: Path) -> None:
    assert counted(dump) == ROWS


def test_data_that_ends_within_a_table_is_not_whole(dump: Path) -> None:
    lines = DATA.splitlines(keepends=True)
    within = False
    for number, line in enumerate(lines):
        dump.write_text("".join(lines[:number]))
        assert (counted(dump) is None) == within
        within = line.startswith("COPY") or (within and line != "\\.\n")


@pytest.mark.parametrize("script", [scripts.DECODE, scripts.DIGEST])
def test_a_command_that_fails_is_not_whole(script: str, dump: Path) -> None:
    program = scripts.ROWS if script == scripts.DECODE else scripts.SCHEMA
    assert run(script, program, "cat", str(dump)).returncode == 0
    failing = ("sh", "-c", 'cat "$1"; exit 1', "sh", str(dump))
    assert run(script, program, *failing).returncode != 0
    assert run(script, program, "no-such-program-here").returncode != 0


def test_a_table_whose_name_cannot_be_read_is_an_error(dump: Path) -> None:
    dump.write_text('COPY public."two\nlines" (a) FROM stdin;\n\\.\n')
    assert counted(dump) is None


def test_equal_schemas_have_equal_digests(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_text(BEFORE)
    after.write_text(AFTER)
    assert digest(before) == digest(after)
    for old, new in (("(10)", "(11)"), ("'a'", "'A'"), ("status ch", "state ch")):
        after.write_text(AFTER.replace(old, new))
        assert digest(before) != digest(after)


def test_without_a_table_there_is_no_schema(tmp_path: Path) -> None:
    path = tmp_path / "schema"
    path.write_text("-- Name: f; Type: FUNCTION\nCREATE FUNCTION public.f() RETURNS void;\n")
    assert digest(path) == hashlib.sha256(b"").hexdigest()


def test_a_new_file_takes_the_place_of_old_ones(tmp_path: Path) -> None:
    for name in ("gonogo-1-a", "gonogo-1-b", "gonogo-2-a"):
        (tmp_path / name).touch()
    path, *free = run(scripts.FILE, str(tmp_path / "gonogo-1-")).stdout.splitlines()
    assert {each.name for each in tmp_path.iterdir()} == {"gonogo-2-a", Path(path).name}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert len(free) == 2 and all(int(each) > 0 for each in free)

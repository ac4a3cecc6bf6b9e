"""What runs inside the container besides PostgreSQL's tools. Constant: values are arguments."""

from __future__ import annotations

DECODE = """\
program=$1
shift
{ "$@" && echo "-- whole"; } | LC_ALL=C awk "$program"
"""
"""The output of a command through an awk program, which has to see the last line `-- whole`."""

DIGEST = """\
program=$1
shift
text=$({ "$@" && echo "-- whole"; } | LC_ALL=C awk "$program") && printf %s "$text" | sha256sum
"""
"""The same, and of what awk prints the sha256."""

ROWS = r"""
{ last = $0 }
table != "" {
  if ($0 == "\\.") { printf "rows\t%.0f\t%s\n", count, table; table = "" } else count++
  next
}
/^COPY / {
  if (!match($0, /^COPY ("([^"]|"")*"|[a-z0-9_]+)\.("([^"]|"")*"|[a-z0-9_]+) /)) { odd = 1; exit }
  table = substr($0, 6, RLENGTH - 6)
  count = 0
}
END { exit odd || table != "" || last != "-- whole" }
"""
"""Rows per COPY block of a dump's data: a row is a line there, and `\\.` ends the block."""

SCHEMA = r"""
{ last = $0 }
!body { if (/^-- Name: /) body = 1; next }
/^--/ || /^$/ || /^\\(un)?restrict / || /^REFRESH MATERIALIZED VIEW / { next }
/ARRAY\[/ { gsub(/[()]/, ""); gsub(/::("[^"]*"|[a-z0-9_. ])+(\[\])*/, "") }
/^CREATE (UNLOGGED |FOREIGN )?TABLE / { table = 1 }
{ line[++count] = $0 }
END {
  if (last != "-- whole") exit 1
  if (table) for (i = 1; i <= count; i++) print line[i]
}
"""
"""A schema as pg_dump or pg_restore writes it, so that equal schemas are equal texts.

Left out are the session's settings before the first object, comments, random keys, and what fills
views. A list of texts (`x IN ('a', 'b')` on a varchar) comes back from a restore with its casts and
parentheses in other places, so in such lines they do not count. Nothing is printed when there is no
table.
"""

FILE = """\
rm -f "$1"*
[ -d "${PGDATA:-}" ] || PGDATA=/
mktemp "$1"XXXXXX && df -Pk "${1%/*}" "$PGDATA" | awk 'NR > 1 { print $4 }'
"""
"""A new private file, and the free kilobytes where it and the server's data lie.

Removes what a killed copy or restore left: files whose names begin in the same way.
"""

END_SESSIONS = """\
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = {mark} AND usename = current_user AND pid <> pg_backend_pid()
"""
"""Ends what a killed copy or restore left working: only its client died, not the tool inside."""

STATE = """\
SELECT json_build_object(
  'databases', (SELECT coalesce(json_object_agg(datname, pg_database_size(oid)), '{{}}')
    FROM pg_database WHERE datname IN ({database}, {replaced})),
  'create', coalesce((SELECT format(
        'CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
        {restored}, pg_encoding_to_char(encoding), datcollate, datctype)
      || CASE spcname WHEN 'pg_default' THEN '' ELSE format(' TABLESPACE %I', spcname) END
      || CASE old ->> 'datlocprovider'
        WHEN 'c' THEN ' LOCALE_PROVIDER libc'
        WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L',
          coalesce(old ->> 'datlocale', old ->> 'daticulocale'))
        WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', old ->> 'datlocale')
        ELSE '' END
      || coalesce(' ICU_RULES ' || quote_literal(old ->> 'daticurules'), '')
    FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace, to_jsonb(d) AS old
    WHERE datname = {database}), format('CREATE DATABASE %I TEMPLATE template0', {restored})),
  'creates', (SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user),
  'owns', coalesce((SELECT pg_has_role(datdba, 'USAGE')
    FROM pg_database WHERE datname = {database}), true),
  'users', (SELECT coalesce(json_agg(format('%s (%s)', who, number)), '[]') FROM (
    SELECT coalesce(nullif(application_name, ''), usename, 'a client')
      || coalesce(' from ' || host(client_addr), '') AS who, count(*) AS number
    FROM pg_stat_activity
    WHERE datname = {database} AND pid <> pg_backend_pid()
      AND coalesce(application_name, '') <> {mark}
      AND coalesce(backend_type, 'client backend') = 'client backend'
    GROUP BY 1 ORDER BY 1) AS clients))
"""
"""How things are on the server, as JSON on one line.

create is the statement that makes an empty database like the one there is. Which columns tell its
locale depends on the version, so they are looked up by name.
"""

SWAP = """\
DO $swap$ DECLARE statement text; BEGIN
FOR statement IN
  WITH old AS (SELECT * FROM pg_database WHERE datname = {database}),
  settings AS (
    SELECT setrole, split_part(each, '=', 1) AS name, substr(each, strpos(each, '=') + 1) AS value
    FROM old JOIN pg_db_role_setting ON setdatabase = old.oid, unnest(setconfig) AS each),
  grants AS (SELECT granted.* FROM old, aclexplode(datacl) AS granted)
  SELECT format('ALTER DATABASE %I OWNER TO %I', {restored}, pg_get_userbyid(datdba)) FROM old
  UNION ALL
  SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', {restored}, datconnlimit) FROM old
  UNION ALL
  SELECT CASE setrole WHEN 0 THEN format('ALTER DATABASE %I', {restored})
      ELSE format('ALTER ROLE %I IN DATABASE %I', pg_get_userbyid(setrole), {restored}) END
    || format(' SET %I = ', name) || CASE
      WHEN name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries',
        'session_preload_libraries') THEN value
      ELSE quote_literal(value) END
  FROM settings
  UNION ALL
  SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', {restored})
  FROM old WHERE datacl IS NOT NULL
  UNION ALL
  SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, {restored},
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
    || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
  FROM grants
LOOP EXECUTE statement; END LOOP;
IF EXISTS (SELECT FROM pg_database WHERE datname = {database}) THEN
  EXECUTE format('ALTER DATABASE %I RENAME TO %I', {database}, {replaced});
END IF;
EXECUTE format('ALTER DATABASE %I RENAME TO %I', {restored}, {database});
END $swap$
"""
"""Puts the new database in the place of the old one, in one transaction.

The new one gets the owner, connection limit, settings and grants of the old one: they belong to the
database and not to what is in it, so no dump of its content has them. All of it happens in the
server, as a setting may hold a secret. A setting that is a list is stored as it has to be written.
"""

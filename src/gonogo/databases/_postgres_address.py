"""Where the application's database is, as its URL says, and the names of what lies beside it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import unquote

from gonogo.model.errors import PermanentError
from gonogo.model.secret import Secret

_LONGEST_NAME = 63
"""PostgreSQL cuts a longer name, and it could become that of another database."""

# A password may hold what ought to be encoded: the last @ before the path ends it, else the first.
_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://"
    r"(?P<user>[^:@/?#]+)(?::(?P<password>[^/?#]*|[^@]*))?@"
    r"(?P<host>[^@/?#]*)(?:/(?P<database>[^?#]*))?(?:[?#].*)?"
)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A database, the role that uses it, and the host by which the application finds it."""

    host: str
    user: str
    password: Secret
    database: str

    @property
    def mark(self) -> str:
        """The sign on sessions and files of a copy or restore, by which leftovers are known."""
        return f"gonogo-{hashlib.sha256(self.database.encode()).hexdigest()[:8]}"

    @property
    def restored(self) -> str:
        """The database that is made from a copy. It may be dropped at any time."""
        return self._beside("restore")

    @property
    def replaced(self) -> str:
        """What the database is called when a copy has taken its place."""
        return self._beside("replaced")

    @property
    def maintenance(self) -> str:
        """Another database of the server, to work on this one from outside."""
        return "postgres" if self.database != "postgres" else "template1"

    def _beside(self, what: str) -> str:
        name = f"{self.database}_gonogo_{what}"
        return name if len(name.encode()) <= _LONGEST_NAME else f"{self.mark}-{what}"


def identifier(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def address_of(url: str | Secret) -> Address:
    """What a `postgresql://` URL says. Its query is the application's affair.

    No error quotes the URL, nor an error that does.
    """
    text = url.reveal() if isinstance(url, Secret) else url
    found = _URL.fullmatch(text.strip())
    try:
        user, database = (
            unquote((found[part] if found else None) or "", errors="strict")
            for part in ("user", "database")
        )
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise PermanentError(
            "the URL of the database cannot be used",
            next_step="write it as postgresql://USER:PASSWORD@HOST/DATABASE, percent-encoded",
        )
    password = unquote(found["password"] or "", errors="surrogateescape")
    return Address(
        host=found["host"].rpartition(":")[0] or found["host"],
        user=user,
        password=Secret(password),
        database=database or user,
    )

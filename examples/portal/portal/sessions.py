"""Sessions of signed-in customers.

They live in the database, so that a customer stays signed in when one release
takes over from another. The database holds only a keyed hash of each token.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from portal import passwords
from portal.database import Database, now_ms

COOKIE = "portal_session"
LIFETIME_SECONDS = 12 * 60 * 60

FIND_CUSTOMER = """
SELECT customers.id, customers.email, customers.name
FROM sessions JOIN customers ON customers.id = sessions.customer_id
WHERE sessions.token_hash = ? AND sessions.expires_at > ?
"""


@dataclass(frozen=True)
class Customer:
    """The customer who is signed in."""

    id: str
    email: str
    name: str


class Sessions:
    """Opens, finds and closes sessions."""

    def __init__(self, database: Database, secret: str) -> None:
        self._database = database
        self._secret = secret.encode()

    def sign_in(self, email: str, password: str) -> str | None:
        """Return a new session token, or None when email and password do not match."""
        row = self._database.one(
            "SELECT id, password_hash FROM customers WHERE email = ?", (email.strip().lower(),)
        )
        stored = row["password_hash"] if row else passwords.nobodys_hash()
        if not passwords.is_right(password, stored) or row is None:
            return None
        token = secrets.token_urlsafe(32)
        self._database.run(
            "INSERT INTO sessions (token_hash, customer_id, expires_at) VALUES (?, ?, ?)",
            (self._hash(token), row["id"], now_ms() + LIFETIME_SECONDS * 1000),
        )
        return token

    def customer(self, token: str) -> Customer | None:
        """Return who holds this token, or None for a stranger."""
        if not token:
            return None
        row = self._database.one(FIND_CUSTOMER, (self._hash(token), now_ms()))
        return Customer(**row) if row else None

    def sign_out(self, token: str) -> None:
        """Forget the session of this token."""
        self._database.run("DELETE FROM sessions WHERE token_hash = ?", (self._hash(token),))

    def _hash(self, token: str) -> str:
        return hmac.digest(self._secret, token.encode(), "sha256").hex()


def delete_expired(database: Database) -> int:
    """Remove sessions that have run out, and return how many there were."""
    return database.run("DELETE FROM sessions WHERE expires_at <= ?", (now_ms(),))

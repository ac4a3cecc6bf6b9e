"""Stores passwords as scrypt hashes and checks them.

A password that was right once is remembered in memory under a key that only this
process knows. A customer who signs in again does not cost the CPU another scrypt.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import lru_cache

COST, BLOCK, PARALLEL = 4096, 8, 1
MOST_REMEMBERED = 10_000

_process_key = secrets.token_bytes(32)
_remembered: dict[str, bytes] = {}


def hash_password(password: str) -> str:
    """Return what to store for a password."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, COST, BLOCK, PARALLEL)
    return f"scrypt${COST}${BLOCK}${PARALLEL}${salt.hex()}${digest.hex()}"


def is_right(password: str, stored: str) -> bool:
    """Tell whether the password is the one that was stored."""
    mark = hmac.digest(_process_key, password.encode(), "sha256")
    if hmac.compare_digest(_remembered.get(stored, b""), mark):
        return True
    _, cost, block, parallel, salt, digest = stored.split("$")
    found = _scrypt(password, bytes.fromhex(salt), int(cost), int(block), int(parallel))
    if not hmac.compare_digest(found, bytes.fromhex(digest)):
        return False
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[stored] = mark
    return True


@lru_cache(maxsize=1)
def nobodys_hash() -> str:
    """Return a hash to check against when there is no such customer.

    The answer then takes as long as for a wrong password and does not tell who exists.
    """
    return hash_password(secrets.token_hex(16))


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=parallel)

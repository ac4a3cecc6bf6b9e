"""A database in both journal modes."""

from sqlite_files import database, path, wal

__all__ = ["database", "path", "wal"]

"""Journals: the append-only, hash-chained record. One file per place it can be kept in."""

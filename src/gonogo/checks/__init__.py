"""Checks: one file each, named as in `gonogo.yml`. Files that start with `_` are shared parts."""

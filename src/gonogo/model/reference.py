"""References in texts of `gonogo.yml`: `${NAME}` is a variable, `$url` and the like are facts."""

from __future__ import annotations

import re

FACTS = ("url", "release", "environment", "project")
"""Facts of a run: the public address, the release's id, the environment's name, and the folder
of `gonogo.yml`."""

REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|(" + "|".join(FACTS) + r")\b)")
"""Group 1 is the name of a variable, group 2 of a fact."""

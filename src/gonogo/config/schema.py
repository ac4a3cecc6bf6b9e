"""The JSON Schema of `gonogo.yml` for editors, from the shapes that read it.

`python -m gonogo.config.schema` writes it for a file without plug-ins' settings; wiring passes
the plug-ins to `published_schema` for docs/reference/gonogo.schema.json.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from gonogo.config.normalise import Plugins
from gonogo.config.rules import file_shapes
from gonogo.model.configuration import Configuration


def schema(plugins: Plugins) -> dict[str, Any]:
    """The complete schema. Every known plug-in's settings are in it."""
    definitions: dict[str, Any] = {}
    reference = file_shapes(plugins).record(Configuration).schema(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gonogo.yml",
        **reference,
        "$defs": dict(sorted(definitions.items())),
    }


def published_schema(plugins: Plugins) -> str:
    """The schema as the text of a file."""
    return json.dumps(schema(plugins), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(published_schema({}))

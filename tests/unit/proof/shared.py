"""Reads the public test vectors beside the checkout, for tests marked `shared_data`."""

from __future__ import annotations

import json
from typing import Any

from tests.plugin import shared_folder


def shared(name: str) -> Any:
    """Read a JSON file of the shared vectors."""
    path = shared_folder() / "vectors" / name
    return json.loads(path.read_text(encoding="utf-8"))

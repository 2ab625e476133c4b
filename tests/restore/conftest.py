"""Fixtures of the restore tests."""

from __future__ import annotations

from tests.restore.making import state, template, told

__all__ = ["state", "template", "told"]

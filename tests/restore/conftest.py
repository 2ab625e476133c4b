"""Fixtures of the restore tests."""

from __future__ import annotations

from tests.restore.making import state

__all__ = ["state"]

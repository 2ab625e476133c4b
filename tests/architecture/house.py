"""The house as the architecture tests see it: its files, read as syntax trees, never imported."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSES = ("ledger", "projections", "api")
MODULES = tuple(path for house in HOUSES for path in sorted((ROOT / house).rglob("*.py")))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    """The path of a module, for the name of its test."""
    return str(path.relative_to(ROOT))


def room(name: str) -> list[Path]:
    """Every file of one room of the ledger."""
    return [path for path in MODULES if path.relative_to(ROOT).parts[:2] == ("ledger", name)]


def imported_by(path: Path) -> list[tuple[int, str]]:
    """Every import of a file: (line, dotted name); relative ones are banned by the linter."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, node.module or ""))
    return found


def is_in(module: str, *packages: str) -> bool:
    """Whether a dotted name is one of the packages or lies in one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)

"""The docs cover the code: what a user can meet is named in README.md or docs/."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
import typer
from fastapi import APIRouter
from fastapi.routing import APIRoute

import api
import api.cli.main
import api.routes
import ledger
from ledger.errors import LedgerError
from ledger.rules import kinds
from ledger.rules.errors import RuleError
from tests.architecture.house import ROOT

Coded = RuleError | LedgerError

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in DOCS)
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def import_all(package: ModuleType) -> None:
    """Import every module of a package, so that all its classes exist."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        runs_when_imported = module.name.endswith((".__main__", ".migrations.env"))
        if not runs_when_imported:
            importlib.import_module(module.name)


def family(parent: type[Coded]) -> set[type[Coded]]:
    return {heir for child in parent.__subclasses__() for heir in {child, *family(child)}}


def refusal_codes() -> set[str]:
    import_all(ledger)
    return {error.code for root in (RuleError, LedgerError) for error in family(root)}


def commands(command: click.Command, words: str) -> Iterator[str]:
    """Yield every command as it is typed; groups only through their commands."""
    children = getattr(command, "commands", None)
    if children is None:
        yield words
        return
    for name, child in children.items():
        if not child.hidden:
            yield from commands(child, f"{words} {name}")


def command_lines() -> set[str]:
    apps = [app for app in vars(api.cli.main).values() if isinstance(app, typer.Typer)]
    return {line for app in apps for line in commands(typer.main.get_command(app), "yinzheng")}


def route_paths() -> set[str]:
    found: set[str] = set()
    for module in pkgutil.walk_packages(api.routes.__path__, "api.routes."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, APIRouter):
                found |= {route.path for route in value.routes if isinstance(route, APIRoute)}
    return found


def missing(names: set[str], *, quoted: bool) -> list[str]:
    return sorted(name for name in names if (f"`{name}`" if quoted else name) not in TEXT)


def test_every_refusal_code_is_documented() -> None:
    codes = refusal_codes()

    assert codes
    assert missing(codes, quoted=True) == []


def test_every_command_kind_and_event_type_is_documented() -> None:
    names = {*kinds.KINDS, *kinds.EVENT_TYPES}

    assert names
    assert missing(names, quoted=True) == []


def test_every_command_of_the_command_line_is_documented() -> None:
    lines = command_lines()

    assert lines
    assert missing(lines, quoted=False) == []


def test_every_route_is_documented() -> None:
    paths = route_paths()

    assert paths
    assert missing(paths, quoted=False) == []


def test_every_dependency_is_defended_by_a_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted}
    decision = (ROOT / "docs" / "adr" / "0013-dependencies.md").read_text(encoding="utf-8")

    assert sorted(name for name in names if f"`{name}`" not in decision) == []


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")

    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert [path.name for path in DECISIONS if f"({path.name})" not in index] == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_short_and_says_what_enforces_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    enforced = text.partition("*Enforced by*")[2]
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    for heading in ("## Context", "## Decision", "## Consequences", "## Alternatives"):
        assert heading in text
    assert len(text.splitlines()) <= 60
    assert enforced.strip()
    for place in re.findall(r"`((?:tests|scripts|ledger|docs)/[^`]+)`", enforced):
        assert (ROOT / place).exists(), place
    for contract in re.findall(r"contract \"([^\"]+)\"", enforced):
        assert f'name = "{contract}"' in contracts, contract

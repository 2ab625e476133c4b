"""The docs cover the code: what a user can meet is named in README.md or docs/."""

from __future__ import annotations

import ast
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

import api
import ledger
from ledger.rules import kinds
from tests.architecture.house import MODULES, ROOT, is_in, parse

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in DOCS)
ROUTE_METHODS = {"get", "post", "put", "patch", "delete", "head", "api_route", "add_api_route"}
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def import_all(package: ModuleType) -> None:
    """Import every module of a package, so that all its classes exist."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        runs_when_imported = module.name.endswith((".__main__", ".migrations.env"))
        if not runs_when_imported:
            importlib.import_module(module.name)


def family(parent: type[BaseException]) -> set[type[BaseException]]:
    return {heir for child in parent.__subclasses__() for heir in {child, *family(child)}}


def error_codes() -> set[str]:
    """The code of every error class of ours; the root of each tree is never raised itself."""
    import_all(ledger)
    import_all(api)
    ours = {error for error in family(Exception) if is_in(error.__module__, "ledger", "api")}
    heirs = {error for error in ours if ours & set(error.__bases__)}
    return {code for error in heirs if isinstance(code := getattr(error, "code", None), str)}


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
    main = importlib.import_module("api.cli.main")
    apps = [app for app in vars(main).values() if isinstance(app, typer.Typer)]
    lines = [set(commands(typer.main.get_command(app), "yinzheng")) for app in apps]
    # Beside the whole command line, main may import the parts that it is put together from.
    return max(lines, key=len, default=set())


def route_paths() -> set[str]:
    """The first argument of every decorator such as `@router.get("/items/{id}")`."""
    return {
        node.args[0].value
        for path in MODULES
        if path.is_relative_to(ROOT / "api")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in ROUTE_METHODS and node.args and isinstance(node.args[0], ast.Constant)
        if str(node.args[0].value).startswith("/") and "router" in ast.unparse(node.func.value)
    }


def missing(names: set[str], *, quoted: bool) -> list[str]:
    return sorted(name for name in names if (f"`{name}`" if quoted else name) not in TEXT)


def test_every_error_code_is_documented() -> None:
    codes = error_codes()

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

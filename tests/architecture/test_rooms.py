"""The plan of the house, checked against the house.

Import contracts live in pyproject.toml ([tool.importlinter]). This file runs them, and adds the
rules that a graph of imports cannot see.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tests.architecture.house import (
    HOUSES,
    MODULES,
    ROOT,
    imported_by,
    is_in,
    name_of,
    parse,
    room,
)

LINES_MAX = 400
FUNCTION_LINES_MAX = 60

PURE_ROOMS = ("domain", "proof", "rules")
CLOCKS_AND_DICE = {
    *("now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"),
    *("uuid1", "uuid4", "random", "urandom", "randbytes", "token_bytes", "token_hex"),
}
MODULES_WITH_CLOCKS_AND_DICE = {"time", "random", "secrets"}
MODULES_WITH_INPUT_AND_OUTPUT = {
    *("asyncio", "io", "os", "pathlib", "shutil", "socket", "subprocess", "tempfile", "threading"),
}
# The event library's own clock, its random ids, and topics that name Python code.
LIBRARY_DEFAULTS = {"datetime_now_with_tzinfo", "create_timestamp", "resolve_topic", "get_topic"}

# Nothing of ours imports these: Python, the console script or Alembic starts them.
ENTRY_POINTS = ("api.cli.main", "api.client", "ledger.proof.__main__", "ledger.record.migrations")

each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)
each_pure_module = pytest.mark.parametrize(
    "path", [path for name in PURE_ROOMS for path in room(name)], ids=name_of
)


def test_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")

    run = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_every_module_is_imported_by_something_or_is_an_entry_point() -> None:
    graph = grimp.build_graph(*HOUSES, cache_dir=None)
    files = {module for module in graph.modules if not graph.find_children(module)}
    # An empty package counts as a file that nothing imports.
    dead = sorted(
        module
        for module in files
        if not is_in(module, *ENTRY_POINTS) and not graph.find_modules_that_directly_import(module)
    )

    assert dead == []


@each_module
def test_a_module_is_small_and_says_what_it_is_for(path: Path) -> None:
    tree = parse(path)

    assert ast.get_docstring(tree), "module has no docstring"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name


def undocumented(body: list[ast.stmt], prefix: str = "") -> list[str]:
    """Public classes, functions and methods without a docstring."""
    found: list[str] = []
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            found.append(f"{prefix}{node.name}")
        if isinstance(node, ast.ClassDef):
            found += undocumented(node.body, f"{node.name}.")
    return found


@each_module
def test_every_public_name_is_documented(path: Path) -> None:
    assert undocumented(parse(path).body) == []


@each_module
def test_every_assertion_says_why_it_cannot_fail(path: Path) -> None:
    """Assertions vanish under -O: input is answered with an error, never with `assert`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Assert):
            beside = re.search(r"# noqa: S101 - \w", lines[node.end_lineno - 1])
            above = lines[node.lineno - 2].lstrip().startswith("# ")
            assert node.msg or beside or above, f"{path.name}:{node.lineno}"


@each_module
def test_nobody_sleeps(path: Path) -> None:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) != "time.sleep", f"{path.name}:{node.lineno}"


@each_module
def test_nobody_uses_the_event_librarys_clock_dice_or_topics(path: Path) -> None:
    for node in ast.walk(parse(path)):
        name = getattr(node, "attr", getattr(node, "id", None))
        assert name not in LIBRARY_DEFAULTS, f"{path.name}:{node.lineno}"


@each_pure_module
def test_pure_rooms_have_no_clock_no_dice_no_floats(path: Path) -> None:
    for line, module in imported_by(path):
        assert module not in MODULES_WITH_CLOCKS_AND_DICE, f"{path.name}:{line}"
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in CLOCKS_AND_DICE, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", [*room("rules"), *room("domain")], ids=name_of)
def test_rules_and_domain_read_and_write_nothing_and_divide_whole(path: Path) -> None:
    for line, module in imported_by(path):
        assert module.split(".")[0] not in MODULES_WITH_INPUT_AND_OUTPUT, f"{path.name}:{line}"
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "float"}, f"line {node.lineno}"
        if isinstance(node, ast.BinOp | ast.AugAssign):
            assert not isinstance(node.op, ast.Div), f"line {node.lineno}: money has no fractions"


@pytest.mark.parametrize("path", room("rules"), ids=name_of)
def test_rules_use_the_standard_library_and_themselves(path: Path) -> None:
    for line, module in imported_by(path):
        known = module.split(".")[0] in sys.stdlib_module_names
        assert known or is_in(module, "ledger.rules"), f"line {line}: {module}"


@pytest.mark.parametrize("path", room("proof"), ids=name_of)
def test_the_verifier_uses_the_standard_library_cryptography_and_the_rules(path: Path) -> None:
    for line, module in imported_by(path):
        known = module.split(".")[0] in sys.stdlib_module_names
        ours = is_in(module, "ledger.proof", "ledger.rules", "cryptography")
        assert known or ours, f"line {line}: {module}"


@pytest.mark.parametrize("path", room("domain"), ids=name_of)
def test_the_domain_uses_the_rules_and_one_module_of_eventsourcing(path: Path) -> None:
    for line, module in imported_by(path):
        known = module.split(".")[0] in sys.stdlib_module_names
        ours = is_in(module, "ledger.domain", "ledger.rules") or module == "eventsourcing.domain"
        assert known or ours, f"line {line}: {module}"

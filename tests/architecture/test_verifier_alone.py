"""The offline verifier at run time, copied out of the house as an auditor would copy it.

A static graph misses parent packages: `import ledger.proof` also runs ledger/__init__.py.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.house import ROOT

# cryptography brings cffi, and its own binding to OpenSSL under a name of its own.
OUTSIDERS_ALLOWED = {"cryptography", "cffi", "_cffi_backend", "_openssl", "ledger"}

IMPORT_EVERYTHING = """
import pkgutil
for package in (ledger.proof, ledger.rules):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""
ASK_FOR_HELP = """
import runpy
sys.argv = ["ledger.proof", "--help"]
try:
    runpy.run_module("ledger.proof", run_name="__main__")
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder that holds ledger/proof and ledger/rules and nothing else of ours."""
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    shutil.copy(ROOT / "ledger" / "__init__.py", ledger)
    for room in ("proof", "rules"):
        shutil.copytree(ROOT / "ledger" / room, ledger / room)
    return tmp_path


def loaded(folder: Path, program: str) -> set[str]:
    """Run a program with `folder` first on the path; return the outsiders that it loaded."""
    source = (
        f"import importlib, sys; sys.path.insert(0, {str(folder)!r})\n"
        # Start-up hooks of the environment are none of the verifier's doing.
        "before = set(sys.modules)\n"
        "import ledger, ledger.proof, ledger.rules\n"
        f"assert ledger.__file__.startswith({str(folder)!r}), ledger.__file__\n"
        f"{program}\n"
        "names = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(names - set(sys.stdlib_module_names) - {'__mp_main__'}))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", source], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(ast.literal_eval(run.stdout.splitlines()[-1]))


def test_all_its_modules_load_only_the_standard_library_and_cryptography(copy: Path) -> None:
    assert loaded(copy, IMPORT_EVERYTHING) <= OUTSIDERS_ALLOWED


def test_its_command_runs_alone(copy: Path) -> None:
    assert loaded(copy, ASK_FOR_HELP) <= OUTSIDERS_ALLOWED

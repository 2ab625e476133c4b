"""An exported log, verified by Go's `golang.org/x/mod/sumdb`: note, tlog tiles and proofs.

The driver beside this file only finds the files; signature, tree and proofs are checked by code
that was written for another log. From Debian: `golang-go` and `golang-golang-x-mod-dev`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.log.export import export_log
from tests.worlds import World

DRIVER = Path(__file__).with_name("verify.go")
LIBRARY = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb")
ITEMS = 270


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None or not LIBRARY.is_dir():
        pytest.skip("needs Go and its package golang.org/x/mod (see README.md)")
    program = tmp_path_factory.mktemp("go") / "verify"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(program.with_name("cache")),
    }
    subprocess.run(["go", "build", "-o", program, DRIVER], env=environment, check=True)
    return program


@pytest.fixture
def exported(sqlite_url: str, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A log of more than one full tile, with a checkpoint on either side of the boundary."""
    with World.create(sqlite_url, "go") as world:
        world.register("shop")
        world.open_namespace("cards", "shop")
        for number in range(ITEMS):
            world.register_item(f"cards/{number}")
            if number in {3, 200, 245}:
                world.publish()
        world.publish()
        export_log(world.reader, tmp_path / "log")
        yield tmp_path / "log", world.vkey


def run(verifier: Path, log: Path, vkey: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([verifier, log, vkey], capture_output=True, text=True, check=False)


def test_go_verifies_every_entry_tile_and_checkpoint(
    verifier: Path, exported: tuple[Path, str]
) -> None:
    answer = run(verifier, *exported)

    assert answer.stdout == f"ok {ITEMS + 7} entries, 4 checkpoints\n", answer.stderr


@pytest.mark.parametrize(
    "name", ["checkpoint", "checkpoints/11", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]
)
def test_go_refuses_a_flipped_bit(verifier: Path, exported: tuple[Path, str], name: str) -> None:
    log, vkey = exported
    data = bytearray((log / name).read_bytes())
    data[len(data) // 2] ^= 1
    (log / name).chmod(0o600)
    (log / name).write_bytes(bytes(data))

    assert run(verifier, log, vkey).returncode == 1

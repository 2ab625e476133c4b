"""The log as it is served over HTTP, fetched file by file, then verified by Go and by Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.note import split_note
from ledger.proof.tiles import paths_of
from tests.api.serving import Served, serve
from tests.interop.test_go import ITEMS, run, verifier

__all__ = ["verifier"]

NODE = Path(__file__).parents[1] / "js" / "verify.mjs"


def mirror(served: Served, folder: Path) -> None:
    """Fetch what a C2SP client fetches: the checkpoint, then the tiles and bundles under it."""

    def fetch(name: str) -> bytes:
        answer = served.client.get(f"/log/{name}")
        assert answer.status_code == 200, name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(answer.content)
        return answer.content

    note = fetch("checkpoint")
    for path in paths_of(parse_checkpoint(split_note(note)[0]).size):
        fetch(path)
    for size in fetch("checkpoints/sizes").decode().split():
        fetch(f"checkpoints/{size}")


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("mirror")
    with serve(tmp_path_factory.mktemp("served"), seed="served") as served:
        served.world.register("shop")
        served.world.open_namespace("cards", "shop")
        for number in range(ITEMS):
            served.world.register_item(f"cards/{number}")
            if number in {100, 260}:
                served.catch_up()
        served.catch_up()
        mirror(served, folder)
        return folder, served.world.vkey


def test_go_verifies_what_is_served(verifier: Path, mirrored: tuple[Path, str]) -> None:
    answer = run(verifier, *mirrored)

    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"ok {ITEMS + 7} entries, ")


def test_node_verifies_what_is_served(mirrored: tuple[Path, str]) -> None:
    if shutil.which("node") is None:
        pytest.skip("needs Node (see README.md)")
    folder, vkey = mirrored

    answer = subprocess.run(
        ["node", NODE, folder, vkey], capture_output=True, text=True, check=False
    )

    report = json.loads(answer.stdout)
    assert (answer.returncode, report["verdict"], report["size"]) == (0, "valid", ITEMS + 7)

"""The log room on each kind of database: the same bytes from both."""

from __future__ import annotations

from pathlib import Path

from ledger.log.export import export_log
from ledger.proof.audit import audit
from ledger.proof.bundle import verify_proof
from ledger.proof.sources import folder_source
from tests.worlds import World


def publish_all(url: str, folder: Path) -> tuple[dict[str, bytes], bytes]:
    """Fill, publish, export and prove one ledger."""
    with World.create(url, "alike") as world:
        world.register("shop")
        world.register("bob")
        world.open_namespace("cards", "shop")
        drafts = [world.item_draft(f"cards/{number}") for number in range(250)]
        world.send(*(world.submission(draft) for draft in drafts))
        world.publish()
        world.transfer("cards/7", to="bob")
        world.publish()
        export_log(world.reader, folder)
        proof = world.prover.prove("cards/7")
        assert audit(folder_source(folder), world.vkey).verdict == "valid"
        assert verify_proof(proof, world.vkey).verdict == "valid"
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return files, proof


def test_both_databases_give_the_same_log(
    sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    small = publish_all(sqlite_url, tmp_path / "sqlite")
    large = publish_all(postgres_url, tmp_path / "postgresql")

    assert small == large
    assert "tile/0/000" in small[0]

"""Small proofs, and proofs made by hand from any entries by whoever holds the log's key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.hashing import leaf_hash
from ledger.proof.note import sign_note
from ledger.proof.tlogproof import TlogProof, parse_proof
from ledger.proof.tree import MemoryTree
from ledger.rules.text import b64encode
from ledger.signer import LocalSigner
from tests.databases import sqlite_file_url
from tests.worlds import World

ITEM = "cards/1"


@dataclass(frozen=True)
class Proofs:
    """Two proofs of one log, of different items and checkpoints, and the key to make more.

    Attributes:
        vkey: Verifier key of the log.
        signer: The checkpoint key.
        thief: The operator's key.
        fence: The receipt key.
        small: The proof of `ITEM` under the first checkpoint: the whole log up to it.
        other: The proof of another item, under a later checkpoint.
        same: The proof of the other item under the first checkpoint.
        later: The proof of `ITEM` under the later checkpoint.

    """

    vkey: str
    origin: str
    signer: LocalSigner
    thief: LocalSigner
    fence: LocalSigner
    small: bytes
    other: bytes
    same: bytes
    later: bytes

    def entries(self) -> list[dict[str, Any]]:
        """The entry documents in the small proof."""
        extra = json.loads(parse_proof(self.small).extra)
        return [each["entry"] for each in extra["entries"]]

    def sign(self, raws: Sequence[bytes]) -> bytes:
        """Prove the last of these entries, each at its place, whatever they are."""
        size = len(raws)
        tree = MemoryTree([leaf_hash(raw) for raw in raws])
        text = Checkpoint(self.origin, size, tree.root()).text
        signer = self.signer
        note = sign_note(text, name=self.origin, public=signer.public, sign=signer.sign)
        paths = [tree.inclusion_path(index, size) for index in range(size)]
        entries = b",".join(
            b'{"entry":' + raw + b',"path":' + json_of([b64encode(node) for node in path]) + b"}"
            for raw, path in zip(raws, paths, strict=True)
        )
        extra = b'{"entries":[' + entries + b'],"item":"' + ITEM.encode() + b'","schema":1}'
        return TlogProof(size - 1, tuple(paths[-1]), note, extra).format()


def json_of(value: Any) -> bytes:
    """Write JSON in canonical form, but without any limit on what it holds."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


@contextmanager
def small_proofs(folder: Path) -> Iterator[Proofs]:
    """Play a few commands and prove what came of them."""
    with World.create(sqlite_file_url(folder), "proofs") as world:
        world.register("shop")
        world.open_namespace("cards", "shop")
        world.register_item(ITEM)
        world.register_item("cards/2")
        world.publish()
        small, same = world.prover.prove(ITEM), world.prover.prove("cards/2")
        world.register("bob")
        world.transfer("cards/2", to="bob")
        world.publish()
        yield Proofs(
            world.vkey,
            world.origin,
            world.key("checkpoint"),
            world.key("operator"),
            world.key("receipt"),
            small,
            world.prover.prove("cards/2"),
            same,
            world.prover.prove(ITEM),
        )

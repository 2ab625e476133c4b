"""Exported folders made by hand: from any entries, signed by whoever holds the log's key.

A dishonest operator can do all of this. `write_export` publishes entries as they are given;
`Forger` seals properly signed commands with whatever facts it is told, asking no rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.hashing import leaf_hash
from ledger.proof.note import sign_note
from ledger.proof.tiles import bundles_of, encode_bundle, encode_tile, tiles_of
from ledger.proof.tree import MemoryTree
from ledger.rules.commands import Command, read_command
from ledger.rules.entries import Place, read_entry, write_effect, write_own
from ledger.rules.model import Fact
from ledger.rules.text import format_time
from ledger.signer import LocalSigner
from ledger.submission import Submission
from tests.worlds import World


def write_export(
    folder: Path, entries: Sequence[bytes], *, origin: str, signer: LocalSigner
) -> None:
    """Publish entries as a static folder with one checkpoint over them all."""
    tree = MemoryTree([leaf_hash(raw) for raw in entries])
    size = len(entries)
    for bundle in bundles_of(size):
        start = bundle.number * 256
        _put(folder / bundle.path, encode_bundle(entries[start : start + bundle.width]))
    for tile in tiles_of(size):
        start, level = tile.number * 256, 8 * (tile.level or 0)
        hashes = [tree.node(level, start + place) for place in range(tile.width)]
        _put(folder / tile.path, encode_tile(hashes))
    text = Checkpoint(origin, size, tree.root()).text
    note = sign_note(text, name=origin, public=signer.public, sign=signer.sign)
    _put(folder / "checkpoint", note)


def _put(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


class Forger:
    """Appends entries to a copy of a log, asking no rule."""

    def __init__(self, world: World, entries: Sequence[bytes], at: int) -> None:
        """Continue after `entries`; new entries bear the time `at`."""
        self.world, self.entries, self.at = world, list(entries), at
        self.heads = {read.stream: read for read in map(read_entry, entries)}

    def place(self, stream: str) -> Place:
        """Where the next entry of a stream goes."""
        head = self.heads.get(stream)
        seq, prev = (0, None) if head is None else (head.seq + 1, head.leaf)
        return Place(self.world.origin, len(self.entries), stream, seq, prev, format_time(self.at))

    def append(
        self,
        submission: Submission,
        *facts: Fact | tuple[str, str, dict[str, Any]],
        effects: int | None = None,
    ) -> Command:
        """Seal a submission with these facts."""
        command = read_command(submission.command)
        (stream, type_, data), *others = facts
        self._add(
            write_own(
                self.place(stream),
                type_,
                data,
                command=submission.command,
                sigs=list(submission.sigs),
                effects=len(others) if effects is None else effects,
            )
        )
        cause = self.heads[stream].leaf
        for number, (where, kind, more) in enumerate(others, start=1):
            self._add(write_effect(self.place(where), kind, more, cause=cause, effect=number))
        return command

    def _add(self, raw: bytes) -> None:
        self.entries.append(raw)
        read = read_entry(raw)
        self.heads[read.stream] = read

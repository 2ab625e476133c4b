"""Proofs of an item's history: one file that a verifier checks with the log's key alone.

A proof holds the item's stream and, each stream whole from its first entry on, everything that its
rules and signatures rest on, down to entry 0. Every entry has a path to the same checkpoint.
Specification: docs/spec.md section 14; c2sp.org/tlog-proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from ledger.log.errors import (
    EntryMissing,
    NothingToProve,
    NotPublished,
    ProofTooLarge,
    ReadBackDiffers,
    RootDiffers,
)
from ledger.log.reader import LogReader
from ledger.log.stored_state import checked_entry
from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.errors import MalformedEvidence
from ledger.proof.note import split_note
from ledger.proof.tlogproof import TlogProof, parse_proof
from ledger.proof.tree import NodeReader, inclusion_path, root_of
from ledger.rules.canonical import encode
from ledger.rules.commands import Command
from ledger.rules.entries import Entry
from ledger.rules.kinds import kind_of
from ledger.rules.model import LOG_STREAM, POLICY_STREAM
from ledger.rules.text import b64encode, check_item, party_stream

SCHEMA: Final = 1
_OFFER: Final = "offer-transfer/1"
_CANCEL: Final = "cancel-command/1"


class Prover:
    """Writes proofs from the published log."""

    def __init__(self, reader: LogReader) -> None:
        """Prove from this log."""
        self._reader = reader

    def prove(self, item: str, index: int | None = None) -> bytes:
        """Prove an item's history up to its last entry at or below `index`.

        Args:
            item: `NAMESPACE/ID`.
            index: 0-based position in the log; by default the last that is published.

        Returns:
            A `.tlog-proof` file.

        Raises:
            Malformed: `item` is no item reference.
            NotPublished: No checkpoint covers the item's entry yet.
            NothingToProve: The item has no entry there.
            ProofTooLarge: A verifier would not read it.
            StorageError: What is stored contradicts itself or the checkpoint.

        Spec: docs/spec.md section 14.

        """
        stream = f"item/{check_item(item, field='item')}"
        note = self._reader.checkpoint()
        if note is None:
            raise NotPublished(index=index, published=0)
        checkpoint = parse_checkpoint(split_note(note)[0])
        subject = self._subject(item, stream, index, checkpoint.size)
        node = _remembered(self._reader)
        computed = root_of(checkpoint.size, node)
        if computed != checkpoint.root:
            raise RootDiffers(checkpoint.size, signed=checkpoint.root, computed=computed)
        entries = Closure(self._reader, subject).collect(stream)
        paths = {entry.index: _path(entry, checkpoint.size, node) for entry in entries}
        extra = {
            "entries": [
                {"entry": entry.document, "path": [b64encode(each) for each in paths[entry.index]]}
                for entry in entries
            ],
            "item": item,
            "schema": SCHEMA,
        }
        proof = TlogProof(subject, tuple(paths[subject]), note, encode(extra))
        return _readable(proof, item, len(entries))

    def _subject(self, item: str, stream: str, index: int | None, size: int) -> int:
        if index is not None and index >= size:
            raise NotPublished(index=index, published=size)
        limit = size - 1 if index is None else index
        found = self._reader.last_of_stream(stream, lte_index=limit)
        if found is None and index is None:
            newer = self._reader.last_of_stream(stream)
            if newer is not None:
                raise NotPublished(index=newer.index, published=size)
        if found is None:
            raise NothingToProve(item, index=index)
        return found.index


class Closure:
    """Collects the entries that a proof must hold; see docs/spec.md section 14."""

    def __init__(self, reader: LogReader, upto: int) -> None:
        """Collect entries with an index of at most `upto`."""
        self._reader, self._upto = reader, upto
        self._found: dict[int, Entry] = {}
        self._known: set[str] = set()
        self._waiting: list[str] = []

    def collect(self, stream: str) -> list[Entry]:
        """Return all entries that `stream` rests on and its own, by index.

        Raises:
            StorageError: A stored entry contradicts itself, or a cause is not there.

        """
        self._want(LOG_STREAM, POLICY_STREAM, stream)
        while self._waiting:
            for row in self._reader.stream_entries(self._waiting.pop(), lte_index=self._upto):
                entry = checked_entry(row)
                self._found[entry.index] = entry
                self._want(*self._named_by(entry))
        return [self._found[index] for index in sorted(self._found)]

    def _want(self, *streams: str) -> None:
        for stream in streams:
            if stream not in self._known:
                self._known.add(stream)
                self._waiting.append(stream)

    def _named_by(self, entry: Entry) -> Iterator[str]:
        if entry.command is not None:
            yield from named_streams(entry.command)
        else:
            # Effects take the indices after their cause.
            yield self._cause(entry).stream

    def _cause(self, entry: Entry) -> Entry:
        index = entry.index - entry.effect
        row = self._reader.entry(index)
        if row is None:
            raise EntryMissing(index)
        cause = checked_entry(row)
        if cause.leaf != entry.cause:
            raise ReadBackDiffers(entry.index, "cause", expected=cause.leaf, found=entry.cause)
        return cause


def named_streams(command: Command) -> Iterator[str]:
    """Name the streams that a command's rules and signatures rest on, some perhaps twice."""
    body = command.body
    yield from (party_stream(signer.party) for signer in command.signers)
    yield from (expectation["stream"] for expectation in command.document["expect"])
    yield from kind_of(command.kind).reads(command)
    if body.get("item") is not None:
        yield f"namespace/{body['item'].partition('/')[0]}"
    if "party" in body:
        yield party_stream(body["party"])
    if command.kind == _OFFER:
        yield party_stream(body["to"])
    if command.kind == _CANCEL:
        yield party_stream(body["command"]["by"])


def _remembered(reader: LogReader) -> NodeReader:
    """Read each node once: the paths of one proof share most of theirs."""
    return cache(reader.node)


def _path(entry: Entry, size: int, node: NodeReader) -> list[bytes]:
    leaf = node(0, entry.index)
    if leaf.hex() != entry.leaf:
        raise ReadBackDiffers(entry.index, "leaf", expected=entry.leaf, found=leaf)
    return inclusion_path(entry.index, size, node)


def _readable(proof: TlogProof, item: str, entries: int) -> bytes:
    """Write the proof and read it again: nothing leaves that a verifier would refuse to read."""
    data = proof.format()
    try:
        parse_proof(data)
    except MalformedEvidence as error:
        raise ProofTooLarge(item, entries=entries, size=len(data)) from error
    return data

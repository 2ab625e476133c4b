"""Verify a proof file: one item's history, closed over its signers down to entry 0.

Steps, in order; the first that fails is named in the error:
  parse        the file is a C2SP tlog-proof whose extra data is ours, in canonical form
  checkpoint   its checkpoint is signed by the key *the caller* gave
  inclusion    every entry in it is in the tree of that checkpoint
  replay       links, rules, signatures and meaning, as far as the streams in the file allow
  subject      the proof is about the last entry that it holds of the item, and every entry of the
               item was replayed
What the file lacks is never called tampered: it is counted (`replayed`, `keys_complete: no`), and
the proof is incomplete where the item itself rests on it.

Specification: docs/spec.md section 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import (
    Incomplete,
    MalformedEvidence,
    Tampered,
    Unverifiable,
    VerificationError,
    reading,
)
from ledger.proof.hashing import HASH_SIZE, leaf_hash
from ledger.proof.known import PartialView
from ledger.proof.merkle import check_inclusion
from ledger.proof.pool import SignaturePool
from ledger.proof.replay import Replay
from ledger.proof.report import Report
from ledger.proof.tlogproof import HEADER, PROOF_BYTES_MAX, TlogProof, parse_proof
from ledger.proof.vkey import VerifierKey
from ledger.rules import schema
from ledger.rules.canonical import decode, encode
from ledger.rules.digests import policy_digest
from ledger.rules.entries import Entry, read_entry
from ledger.rules.model import POLICY_STREAM
from ledger.rules.state import Item, Party
from ledger.rules.text import b64decode

_STEP = "parse"
_ENTRIES_MAX = 20_000
_PATH_MAX = 63

_PROVEN: schema.Schema = {
    "entry": schema.any_object,
    "path": schema.items(schema.base64, most=_PATH_MAX),
}
_BUNDLE: schema.Schema = {
    "entries": schema.items(schema.nested(_PROVEN), least=1, most=_ENTRIES_MAX),
    "item": schema.item,
    "schema": schema.whole(1, 1),
}


@dataclass(frozen=True, slots=True)
class Proven:
    """One entry of the file: its index, bytes and audit path."""

    index: int
    raw: bytes
    document: dict[str, Any]
    path: tuple[bytes, ...]


def verify_proof(data: bytes, vkey: str) -> Report:
    """Verify a proof file and return a verdict; no error leaves this function but bugs.

    Args:
        data: The file, at most 4 MiB.
        vkey: The log's verifier key, as the caller trusts it.

    Spec: docs/spec.md section 14.

    """
    report = Report()
    try:
        key = VerifierKey.parse(vkey)
        _verify(data, key, report)
    except VerificationError as error:
        report.fail(error)
    return report


def proven_entries(data: bytes, vkey: str) -> list[Entry]:
    """Verify a proof file and return what it holds, oldest first.

    Args:
        data: The file, at most 4 MiB.
        vkey: The log's verifier key, as the caller trusts it.

    Raises:
        VerificationError: It does not hold, or is not of this log.

    """
    entries = _verify(data, VerifierKey.parse(vkey), Report())
    return [read_entry(entry.raw) for entry in entries]


def _verify(data: bytes, key: VerifierKey, report: Report) -> list[Proven]:
    # Before any error, so that a file of another kind is not called forged.
    if data[:PROOF_BYTES_MAX].partition(b"\n")[0] != HEADER.encode():
        raise Unverifiable(_STEP, "not a tlog-proof of a version known here", field="header")
    proof = parse_proof(data)
    checkpoint, _ = open_checkpoint(proof.checkpoint, log=key)
    report.size, report.root = checkpoint.size, checkpoint.root.hex()
    item, entries = _read_extra(proof.extra)
    for entry in entries:
        _check_included(entry, checkpoint)
    replay = _replay(entries, key)
    _check_subject(proof, item, entries, replay)
    _summarise(report, replay, item, len(entries))
    return entries


def _read_extra(extra: bytes) -> tuple[str, list[Proven]]:
    with reading(_STEP):
        bundle = decode(extra, limit=PROOF_BYTES_MAX, field="extra")
        schema.check_object(bundle, _BUNDLE, "extra")
        entries = [_proven(each) for each in bundle["entries"]]
    indices = [entry.index for entry in entries]
    if indices != sorted(set(indices)):
        raise MalformedEvidence(_STEP, "entries are not in order, each once", field="entries")
    return bundle["item"], entries


def _proven(each: dict[str, Any]) -> Proven:
    document = each["entry"]
    path = tuple(b64decode(node, field="path", size=HASH_SIZE) for node in each["path"])
    index = document.get("index")
    schema.whole(0, (1 << 53) - 1)(index, "extra.entries.index")
    # The whole of `extra` is canonical, so these are the bytes that stand in it.
    return Proven(int(index), encode(document), document, path)


def _check_included(entry: Proven, checkpoint: Checkpoint) -> None:
    try:
        check_inclusion(
            leaf=leaf_hash(entry.raw),
            index=entry.index,
            size=checkpoint.size,
            path=entry.path,
            root=checkpoint.root,
        )
    except VerificationError as error:
        error.index, error.stream = entry.index, str(entry.document.get("stream"))
        raise


def _replay(entries: list[Proven], key: VerifierKey) -> Replay:
    if entries[0].index != 0:
        raise Incomplete("keys", "the file lacks entry 0", index=0)
    replay = Replay(_view(entries), log=key.name, complete=False)
    try:
        for entry in entries:
            replay.take(entry.raw, index=entry.index)
    except VerificationError:
        _check_signatures(replay)
        raise
    _check_signatures(replay)
    return replay


def _check_signatures(replay: Replay) -> None:
    with SignaturePool(1) as pool:
        pool.check(replay.signed)


def _view(entries: list[Proven]) -> PartialView:
    """Say which streams may be taken for absent before the file opens them."""
    streams = {str(entry.document.get("stream")) for entry in entries}
    commands = [entry.document.get("command") for entry in entries]
    named = [each for each in commands if isinstance(each, dict)]
    first = named[0].get("body") if named else None
    policy = first.get("policy") if isinstance(first, dict) else None
    digest = policy_digest(policy) if isinstance(policy, dict) else None
    # A comparison and no set: what stands there may be anything.
    if all(each.get("policy") in (digest, None) for each in named):
        # Nobody in the file pins another policy than entry 0's.
        streams.add(POLICY_STREAM)
    seen: dict[int, str] = {}
    for each in named:
        claim = each.get("seen")
        if isinstance(claim, dict) and isinstance(claim.get("size"), int):
            seen.setdefault(claim["size"], str(claim.get("root")))
    return PartialView(frozenset(streams), seen)


def _check_subject(proof: TlogProof, item: str, entries: list[Proven], replay: Replay) -> None:
    stream = f"item/{item}"
    found = replay.heads.get(stream)
    if found is None:
        raise Incomplete("subject", "the file lacks the item's entries", stream=stream)
    subject = next(entry for entry in entries if entry.index == found.index)
    if (proof.index, proof.path) != (subject.index, subject.path):
        raise Tampered(
            "subject",
            "the proof is about another entry than the item's last one in it",
            index=subject.index,
            stream=stream,
            field="index",
            expected=subject.index,
            found=proof.index,
        )
    if stream in replay.lacks:
        # Signed and logged is not yet allowed: without its rules nothing says whose the item is.
        index, lack = replay.lacks[stream]
        raise Incomplete(
            "subject",
            "the file lacks a stream that the item's history rests on",
            index=index,
            stream=stream,
            field="stream",
            found=lack,
        )


def _summarise(report: Report, replay: Replay, item: str, total: int) -> None:
    counts = replay.counts
    report.signed, report.attested, report.system = counts.signed, counts.attested, counts.system
    report.gaps = counts.gaps
    report.replayed = f"{counts.replayed}/{total}"
    parties = (s.state for s in replay.view.streams.values() if isinstance(s.state, Party))
    single = any(role.single_handed for party in parties for role in party.roles)
    report.single_handed = "yes" if single else "no"
    stream = f"item/{item}"
    found = replay.view.streams.get(stream)
    state = found.state if found and isinstance(found.state, Item) else None
    report.more = {
        "item": item,
        "index": replay.heads[stream].index,
        "owner": state.owner if state else None,
        "frozen": state.frozen if state else None,
    }

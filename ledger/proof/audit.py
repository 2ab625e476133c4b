"""Audit a whole log: from its entry bytes, never from cached hashes.

Steps, in order:
  checkpoint   the latest checkpoint is signed by the key *the caller* gave
  leaf         where stored or served leaf hashes rebuild a trusted root, the first entry with
               another leaf is at fault
  replay       every entry, as `ledger.proof.replay` says; signatures in parallel
  root         the recomputed tree has the roots of every checkpoint at hand
  derived      stored hashes, tiles and tables are what was recomputed (`derived: true`)

Specification: docs/spec.md section 15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import (
    Incomplete,
    RootMismatch,
    Tampered,
    Unverifiable,
    VerificationError,
)
from ledger.proof.hashing import HASH_SIZE, leaf_hash
from ledger.proof.known import Known
from ledger.proof.pool import SignaturePool
from ledger.proof.replay import Replay
from ledger.proof.report import Report
from ledger.proof.sources import Source
from ledger.proof.tree import MemoryTree
from ledger.proof.vkey import VerifierKey
from ledger.rules.model import LOG_STREAM
from ledger.rules.state import Log, Party

SIGNATURES_HELD = 2_000

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Audit:
    """One audit under way: the replay so far, and what the source claims."""

    source: Source
    key: VerifierKey
    replay: Replay
    trusted: list[Checkpoint] = field(default_factory=list)
    reference: list[bytes] = field(default_factory=list)
    # Entries from the first unknown one on are hashed, not replayed.
    unknown: VerificationError | None = None


def audit(
    source: Source,
    vkey: str,
    *,
    since: bytes | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Audit a log and return a verdict; no error leaves this function but bugs.

    Args:
        source: Where entries, checkpoints and tiles are read from.
        vkey: The log's verifier key, as the caller trusts it.
        since: A signed checkpoint that the caller kept from earlier, or None.
        processes: How many processes check signatures.
        progress: Called with (entries done, entries in all) now and then.

    Spec: docs/spec.md section 15.

    """
    report = Report()
    try:
        key = VerifierKey.parse(vkey)
        replay = Replay(Known(), log=key.name, complete=True, observe=source.observe)
        running = Audit(source, key, replay)
        with SignaturePool(processes) as pool:
            _run(running, report, since, pool, progress or (lambda _done, _all: None))
    except VerificationError as error:
        report.fail(error)
    return report


def _run(
    running: Audit, report: Report, since: bytes | None, pool: SignaturePool, progress: Progress
) -> None:
    latest, _ = open_checkpoint(running.source.checkpoint(), log=running.key)
    report.size, report.root = latest.size, latest.root.hex()
    kept = None if since is None else _kept(since, running.key)
    running.trusted = [latest] if kept is None else [kept, latest]
    running.reference = _reference(running.source, running.trusted)
    lack = _replay_all(running, latest.size, pool, progress)
    tree = running.replay.view.tree
    # Every root is compared, also after a lack: what contradicts outweighs what lacks.
    lacks = [lack, *(_check_root(tree, checkpoint) for checkpoint in running.trusted)]
    report.checkpoints = len(running.trusted)
    for size, note in running.source.checkpoints():
        lacks.append(_check_kept(running, tree, size, note))
        report.checkpoints += size not in {each.size for each in running.trusted}
    _summarise(report, running, latest)
    report.anchored = "no" if kept is None or kept.size > len(tree) else "yes"
    for reason in (*lacks, running.unknown):
        if reason is not None:
            raise reason
    _check_vkey(running)
    try:
        running.source.check_derived(tree, latest.size)
        report.derived = "yes"
        if running.source.lost:
            report.more["lost"] = running.source.lost
        if running.source.lost_parcels:
            report.more["lost_parcels"] = running.source.lost_parcels
    except VerificationError as error:
        report.fail(error, derived=True)


def _kept(since: bytes, key: VerifierKey) -> Checkpoint:
    """Open the caller's own checkpoint: a wrong file of theirs accuses nobody."""
    try:
        return open_checkpoint(since, log=key)[0]
    except VerificationError as bad:
        raise Unverifiable(
            "since", f"the checkpoint brought along: {bad.message}", field=bad.field
        ) from None


def _reference(source: Source, trusted: Iterable[Checkpoint]) -> list[bytes]:
    """Find leaf hashes at hand that rebuild a trusted root: the largest such."""
    for checkpoint in sorted(trusted, key=lambda each: -each.size):
        for leaves in source.references(checkpoint.size):
            whole = len(leaves) == checkpoint.size and all(len(h) == HASH_SIZE for h in leaves)
            if whole and MemoryTree(leaves).root() == checkpoint.root:
                return leaves
    return []


def _replay_all(
    running: Audit, size: int, pool: SignaturePool, progress: Progress
) -> VerificationError | None:
    """Replay what is present; return a lack that stops it, raise a contradiction."""
    present = 0
    try:
        for index, raw in running.source.entries(size):
            if index != present:
                raise _gap(running, present, index)
            leaf = leaf_hash(raw)
            _check_leaf(running, index, raw, leaf)
            _take(running, index, raw, leaf)
            present += 1
            if len(running.replay.signed) >= SIGNATURES_HELD:
                _check_signatures(running, pool)
                progress(present, size)
    except Incomplete as lack:
        _check_signatures(running, pool)
        return lack
    except VerificationError:
        # An earlier bad signature comes first, by index.
        _check_signatures(running, pool)
        raise
    _check_signatures(running, pool)
    progress(present, size)
    # Effects that are missing at the end may be among what lacks under a trusted checkpoint; that
    # lack is named where the roots are compared.
    cut = present < max(checkpoint.size for checkpoint in running.trusted)
    if running.unknown is None and not cut:
        running.replay.finish(present)
    return None


def _gap(running: Audit, present: int, index: int) -> Tampered:
    expected = running.reference[present] if present < len(running.reference) else None
    return Tampered(
        "index", "an entry is missing", index=present, field="index", expected=expected, found=index
    )


def _check_leaf(running: Audit, index: int, raw: bytes, leaf: bytes) -> None:
    if index < len(running.reference) and running.reference[index] != leaf:
        raise Tampered(
            "leaf",
            "the entry is not the one that was signed",
            index=index,
            stream=_stream_of(raw),
            field="entry",
            expected=running.reference[index],
            found=leaf,
        )


def _stream_of(raw: bytes) -> str | None:
    """Read the stream's name for the evidence, if the bytes still say it."""
    # The last one: a command before it names the streams that it expects.
    _, found, rest = raw.rpartition(b'"stream":"')
    name = rest.partition(b'"')[0]
    return name.decode("ascii", "replace") if found else None


def _take(running: Audit, index: int, raw: bytes, leaf: bytes) -> None:
    tree = running.replay.view.tree
    if running.unknown is not None:
        tree.append(leaf)
        return
    try:
        running.replay.take(raw, index=index, leaf=leaf)
    except Unverifiable as unknown:
        # What cannot be read still has its leaf: a wrong root outweighs an unknown type.
        running.unknown = unknown
        tree.append(leaf)


def _check_signatures(running: Audit, pool: SignaturePool) -> None:
    signed, running.replay.signed = running.replay.signed, []
    pool.check(signed)


def _check_root(tree: MemoryTree, checkpoint: Checkpoint) -> VerificationError | None:
    if checkpoint.size > len(tree):
        return Incomplete(
            "checkpoint",
            "a trusted checkpoint exceeds what is present",
            index=len(tree),
            field="size",
            expected=checkpoint.size,
            found=len(tree),
        )
    root = tree.root(checkpoint.size)
    if root != checkpoint.root:
        raise RootMismatch("root", expected=checkpoint.root, computed=root)
    return None


def _check_kept(
    running: Audit, tree: MemoryTree, size: int, note: bytes
) -> VerificationError | None:
    checkpoint, _ = open_checkpoint(note, log=running.key)
    if checkpoint.size != size:
        raise Tampered(
            "checkpoint",
            "a checkpoint is kept under another size",
            field="size",
            expected=checkpoint.size,
            found=size,
        )
    return _check_root(tree, checkpoint)


def _check_vkey(running: Audit) -> None:
    opened = running.replay.view.streams.get(LOG_STREAM)
    if opened is None:
        raise Unverifiable("checkpoint", "the log is empty: it shows nothing", field="size")
    named = opened.state.vkey if isinstance(opened.state, Log) else None
    if named != running.key.format():
        raise Tampered(
            "checkpoint",
            "entry 0 names another checkpoint key",
            index=0,
            stream=LOG_STREAM,
            field="vkey",
            expected=running.key.format(),
            found=named,
        )


def _summarise(report: Report, running: Audit, latest: Checkpoint) -> None:
    counts = running.replay.counts
    present = len(running.replay.view.tree)
    report.unpublished = max(0, present - latest.size)
    report.signed, report.attested, report.system = counts.signed, counts.attested, counts.system
    report.gaps = counts.gaps
    report.keys_complete = "yes" if running.unknown is None else "no"
    report.replayed = f"{counts.replayed}/{present}"
    report.single_handed = _single_handed(running.replay.view)


def _single_handed(view: Known) -> str:
    parties = (each.state for each in view.streams.values() if isinstance(each.state, Party))
    return "yes" if any(role.single_handed for p in parties for role in p.roles) else "no"

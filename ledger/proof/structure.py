"""The structure of a log alone: its bytes hash to the signed root, and its links hold.

Steps, in order; the first that fails is named in the error:
  checkpoint   the latest checkpoint is signed by the key *the caller* gave
  index        every entry is present and is of version 1
  place        it names its own index
  link         its seq and `prev` follow its stream's head
  root         the leaves have the root of the checkpoint
Neither signatures nor rules are checked, and of an entry only the fields behind its data are read,
at their place in the canonical form. So this shows, in a small part of an audit's time, that a log
is whole and is the one that was signed, as after a copy; that it is valid, only an audit shows.

Specification: docs/spec.md sections 6.2 and 13.3.
"""

from __future__ import annotations

import re
from binascii import hexlify

from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import Incomplete, MalformedEvidence, RootMismatch, Tampered
from ledger.proof.hashing import leaf_hash
from ledger.proof.sources import Source
from ledger.proof.tree import CompactRange
from ledger.proof.vkey import VerifierKey

# Keys are in order, so these fields end an entry; no text in them holds a quotation mark.
_START = b',"index":'
_WHOLE = rb"(0|[1-9][0-9]{0,15})"
_TEXT = rb'"([!#-\[\]-~]*)"'
_TAIL = re.compile(
    rb',"index":%b,"log":%b,"prev":(null|"[0-9a-f]{64}"),"seq":%b(?:,"sigs":\[[^\]]*\])?'
    rb',"stream":%b,"type":%b,"v":1\}' % (_WHOLE, _TEXT, _WHOLE, _TEXT, _TEXT)
)


def check_structure(source: Source, vkey: str) -> Checkpoint:
    """Check hashes, links and root of everything that the latest checkpoint covers.

    Args:
        source: Where entries and the checkpoint are read from.
        vkey: The log's verifier key, as the caller trusts it.

    Returns:
        The checkpoint, whose size says how many entries were checked.

    Raises:
        VerificationError: The first step that fails, with index and evidence.

    """
    latest, _ = open_checkpoint(source.checkpoint(), log=VerifierKey.parse(vkey))
    tree = CompactRange()
    # Of every stream: how many entries it has, and the leaf of the last as `prev` spells it.
    heads: dict[bytes, tuple[int, bytes]] = {}
    for index, raw in source.entries(latest.size):
        if tree.size == latest.size:
            break
        if index != tree.size:
            raise _missing(tree.size, latest.size)
        leaf = leaf_hash(raw)
        _check_links(raw, index, hexlify(leaf), heads)
        tree.append(leaf)
    if tree.size < latest.size:
        raise _missing(tree.size, latest.size)
    root = tree.root()
    if root != latest.root:
        raise RootMismatch("root", expected=latest.root, computed=root)
    return latest


def _missing(present: int, size: int) -> Incomplete:
    return Incomplete(
        "index", "an entry is missing", index=present, field="size", expected=size, found=present
    )


def _check_links(
    raw: bytes, index: int, leaf: bytes, heads: dict[bytes, tuple[int, bytes]]
) -> None:
    """Compare an entry's place and links with the entries before it, and take it as a head."""
    # Found nowhere, it is -1, which `fullmatch` takes for 0; there the pattern fails as well.
    found = _TAIL.fullmatch(raw, raw.rfind(_START))
    if found is None:
        raise MalformedEvidence("index", "the entry does not end as version 1 does", index=index)
    named, _log, prev, seq, stream, _type = found.groups()
    length, last = heads.get(stream, (0, b"null"))
    expected = (b"%d" % index, b"%d" % length, last)
    if (named, seq, prev) != expected:
        raise _differs(index, stream, expected=expected, found=(named, seq, prev))
    heads[stream] = length + 1, b'"%b"' % leaf


def _differs(
    index: int, stream: bytes, *, expected: tuple[bytes, ...], found: tuple[bytes, ...]
) -> Tampered:
    """Name the first field that differs; both are given as the entry spells them."""
    steps = (("place", "index"), ("link", "seq"), ("link", "prev"))
    step, field, wanted, seen = next(
        (*names, wanted, seen)
        for names, wanted, seen in zip(steps, expected, found, strict=True)
        if wanted != seen
    )
    return Tampered(
        step,
        f"another {field}",
        index=index,
        stream=stream.decode(),
        field=field,
        expected=wanted.decode(),
        found=seen.decode(),
    )

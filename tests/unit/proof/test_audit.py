"""Auditing a whole log: the order of the checks, the precedence of faults, and the figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.proof import audit as audits
from ledger.proof.audit import audit
from ledger.proof.errors import Tampered
from ledger.proof.hashing import EMPTY_ROOT
from ledger.proof.note import sign_note, split_note
from ledger.proof.report import Report
from ledger.proof.sources import TileSource
from ledger.proof.tree import MemoryTree
from ledger.proof.vkey import format_vkey
from ledger.rules.canonical import encode
from ledger.rules.compose import Draft
from tests.unit.proof.story import (
    ENTRIES,
    LEAVES,
    MOVED,
    NOTES,
    ORIGIN,
    READ,
    SIZE,
    VKEY,
    Story,
    files,
    key,
    note,
    places,
    sign,
    source,
)

BUNDLE, TILE = f"tile/entries/000.p/{SIZE}", f"tile/0/000.p/{SIZE}"
RELIC = "item/old/relic"


def fault(report: Report) -> dict[str, Any]:
    assert report.fault is not None
    return report.fault


def told(step: str, message: str, **more: Any) -> dict[str, Any]:
    plain = {"index": None, "stream": None, "field": None, "expected": None, "found": None}
    return {"step": step, "message": message, "derived": False, **plain, **more}


def bundle(entries: list[bytes]) -> bytes:
    return b"".join(len(raw).to_bytes(2, "big") + raw for raw in entries)


class Rows:
    """A source whose rows, leaves and kept checkpoints are given one by one."""

    def __init__(
        self,
        rows: list[tuple[int, bytes]],
        *,
        latest: bytes = NOTES[57],
        kept: list[tuple[int, bytes]] | None = None,
        leaves: list[list[bytes]] | None = None,
        derived: Exception | None = None,
        lost: int = 0,
    ) -> None:
        self.rows, self.latest, self.kept = rows, latest, kept or []
        self.leaves, self.derived = leaves or [], derived
        self.checked: list[tuple[int, int]] = []
        self.observed: list[int] = []
        self.lost, self.lost_parcels = lost, 0

    def checkpoint(self) -> bytes:
        return self.latest

    def checkpoints(self) -> Iterator[tuple[int, bytes]]:
        yield from self.kept

    def entries(self, _size: int) -> Iterator[tuple[int, bytes]]:
        yield from self.rows

    def references(self, _size: int) -> Iterator[list[bytes]]:
        yield from self.leaves

    def observe(self, entry: Any, _before: Any, _after: Any, _cause: Any) -> None:
        self.observed.append(entry.index)

    def check_derived(self, tree: MemoryTree, size: int) -> None:
        self.checked.append((len(tree), size))
        if self.derived is not None:
            raise self.derived


def numbered(entries: list[bytes] = ENTRIES) -> list[tuple[int, bytes]]:
    return list(enumerate(entries))


# The whole log


def test_the_golden_log_is_valid_and_its_figures_are_told() -> None:
    report = audit(source(), VKEY)

    assert report.document() == {
        "schema": 1,
        "verdict": "valid",
        "size": SIZE,
        "root": MemoryTree(LEAVES).root().hex(),
        "anchored": "no",
        "witnessed": "0/0",
        "map_audited": "no",
        "time_bounded": "no",
        "late": "not-checked",
        "checkpoints": 1,
        "unpublished": 0,
        "attested": 12,
        "gaps": 2,
        "erased": 0,
        "keys_complete": "yes",
        "replayed": "57/57",
        "single_handed": "yes",
        "derived": "yes",
        "entries": {"signed": 38, "attested": 12, "system": 7},
        "fault": None,
    }


def test_a_log_without_a_single_handed_role_says_so() -> None:
    """`shop` alone holds one from before there was anybody else."""
    cut = ENTRIES[:6]
    report = audit(source(cut), VKEY)

    assert (report.verdict, report.single_handed) == ("valid", "no")


def test_an_outside_checkpoint_anchors() -> None:
    report = audit(source(), VKEY, since=NOTES[31])

    assert (report.verdict, report.anchored, report.checkpoints) == ("valid", "yes", 2)


def test_an_outside_checkpoint_of_all_there_is_anchors() -> None:
    assert audit(source(), VKEY, since=NOTES[57]).anchored == "yes"


def test_a_file_that_is_no_checkpoint_of_this_log_accuses_nobody() -> None:
    report = audit(source(), VKEY, since=b"\x00")

    assert (report.verdict, report.anchored) == ("unverifiable", "no")
    assert fault(report) == told(
        "since", "the checkpoint brought along: the note has a control character", field="text"
    )


def test_a_checkpoint_counts_once() -> None:
    kept = {"checkpoints__sizes": b"31\n57\n"}
    kept |= {f"checkpoints__{size}": raw for size, raw in NOTES.items()}

    assert audit(source(**kept), VKEY).checkpoints == 2
    assert audit(source(**kept), VKEY, since=NOTES[31]).checkpoints == 2


def test_every_source_is_observed_and_compared_last() -> None:
    rows = Rows(numbered())
    report = audit(rows, VKEY)

    assert (report.verdict, report.derived) == ("valid", "yes")
    assert rows.observed == list(range(SIZE))
    assert rows.checked == [(SIZE, SIZE)]


def test_entries_beyond_the_checkpoint_are_counted() -> None:
    story = Story()
    story.register("eve")
    rows = Rows(numbered(story.entries))
    report = audit(rows, VKEY)

    assert (report.verdict, report.size, report.unpublished) == ("valid", 57, 1)
    assert report.replayed == "58/58"
    assert rows.checked == [(58, 57)]


def test_what_is_derived_comes_after_what_is_said() -> None:
    rows = Rows(numbered(), derived=Tampered("stored", "differs", index=3, field="t.c"))
    report = audit(rows, VKEY)

    assert (report.verdict, report.derived) == ("tampered", "no")
    assert fault(report) == told("stored", "differs", index=3, field="t.c") | {"derived": True}


def test_progress_is_told_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "SIGNATURES_HELD", 10)
    steps: list[tuple[int, int]] = []
    audit(source(), VKEY, progress=lambda done, of: steps.append((done, of)))

    # Signatures are held for 10 own entries at a time; 49 entries of the log carry a command.
    own = [entry.index + 1 for entry in READ if entry.command is not None]
    assert steps == [(own[at - 1], SIZE) for at in range(10, len(own) + 1, 10)] + [(SIZE, SIZE)]


def test_several_processes_are_used() -> None:
    assert audit(source(), VKEY, processes=2).document() == audit(source(), VKEY).document()


# Keys and checkpoints


def test_a_key_that_is_none_shows_nothing() -> None:
    report = audit(source(), "nonsense")

    assert (report.verdict, report.exit_code, report.size) == ("unverifiable", 4, 0)
    assert fault(report)["derived"] is False


def test_the_key_of_another_log_shows_nothing() -> None:
    other = VKEY.replace(ORIGIN, "yinzheng.test/other")

    assert audit(source(), other).verdict == "unverifiable"


def test_a_log_without_a_checkpoint_shows_nothing() -> None:
    report = audit(source(checkpoint=None), VKEY)

    assert report.verdict == "unverifiable"
    assert fault(report) == told("fetch", "there is no checkpoint", field="checkpoint")


def test_an_outside_checkpoint_by_another_is_not_taken() -> None:
    forged = NOTES[31].replace(b"yinzheng.test/world ", b"yinzheng.test/other ")
    report = audit(source(), VKEY, since=forged)

    assert (report.verdict, report.anchored) == ("unverifiable", "no")


def test_an_empty_log_shows_nothing() -> None:
    report = audit(Rows([], latest=note([])), VKEY)

    assert (report.verdict, report.root) == ("unverifiable", EMPTY_ROOT.hex())
    assert fault(report) == told("checkpoint", "the log is empty: it shows nothing", field="size")


def test_entry_0_names_the_key_that_the_caller_brings() -> None:
    """A log whose checkpoints are signed by a key that its own entry 0 does not name."""
    forged = format_vkey(ORIGIN, public=key("receipt").public)
    made = {**files(), "checkpoint": signed_by_receipt(note(ENTRIES))}
    report = audit(TileSource(made.get), forged)

    assert report.verdict == "tampered"
    assert fault(report) == told(
        "checkpoint",
        "entry 0 names another checkpoint key",
        index=0,
        stream="log",
        field="vkey",
        expected=forged,
        found=VKEY,
    )


def signed_by_receipt(made: bytes) -> bytes:
    text, _ = split_note(made)
    signer = key("receipt")
    return sign_note(text, name=ORIGIN, public=signer.public, sign=signer.sign)


def test_the_checkpoint_s_root_is_that_of_the_entries() -> None:
    report = audit(source(checkpoint=note(ENTRIES, root=bytes(32))), VKEY)
    root = MemoryTree(LEAVES).root()

    assert report.verdict == "tampered"
    assert fault(report) == told(
        "root",
        f"computed {root.hex()}, expected {bytes(32).hex()}",
        field="root",
        expected=bytes(32).hex(),
        found=root.hex(),
    )


def test_an_outside_checkpoint_of_another_tree_is_tampered() -> None:
    report = audit(source(), VKEY, since=note(ENTRIES[:30], root=bytes(32)))

    assert (report.verdict, report.anchored, fault(report)["step"]) == ("tampered", "no", "root")


def test_an_outside_checkpoint_of_more_is_incomplete() -> None:
    report = audit(source(ENTRIES[:44]), VKEY, since=NOTES[57])

    assert (report.verdict, report.exit_code, report.anchored) == ("incomplete", 3, "no")
    assert (report.size, report.checkpoints) == (44, 2)
    assert fault(report) == told(
        "checkpoint",
        "a trusted checkpoint exceeds what is present",
        index=44,
        field="size",
        expected=57,
        found=44,
    )


def test_a_checkpoint_of_more_than_is_present_is_incomplete() -> None:
    report = audit(Rows(numbered()[:44]), VKEY)

    assert (report.verdict, report.size, report.replayed) == ("incomplete", 57, "44/44")
    assert fault(report)["index"] == 44


def test_a_lack_in_the_middle_of_a_command_is_a_lack() -> None:
    """Entry 34 is the first effect of 33: cut there, nothing says that it was left out."""
    report = audit(Rows(numbered()[:34]), VKEY)

    assert (report.verdict, fault(report)["index"]) == ("incomplete", 34)


def test_an_effect_missing_at_the_end_of_what_was_signed_is_tampered() -> None:
    report = audit(source(ENTRIES[:34]), VKEY)

    assert report.verdict == "tampered"
    assert fault(report)["message"] == "effects are missing at the end"
    assert fault(report)["index"] == 34


def test_a_root_that_contradicts_outweighs_a_lack() -> None:
    since = note(ENTRIES[:30], root=bytes(32))
    report = audit(Rows(numbered()[:44]), VKEY, since=since)

    assert (report.verdict, fault(report)["step"]) == ("tampered", "root")


def test_a_bundle_that_is_missing_is_a_lack() -> None:
    report = audit(source(**{BUNDLE.replace("/", "__"): None}), VKEY)

    assert report.verdict == "incomplete"
    assert fault(report) == told("fetch", "an entry bundle is missing", index=0, field=BUNDLE)
    assert report.replayed == "0/0"


def test_a_kept_checkpoint_is_compared() -> None:
    rows = Rows(numbered(), kept=[(30, note(ENTRIES[:30], root=bytes(32)))])

    assert fault(audit(rows, VKEY))["step"] == "root"


def test_a_kept_checkpoint_of_more_is_a_lack() -> None:
    rows = Rows(numbered(), kept=[(58, note(ENTRIES, size=58))])
    report = audit(rows, VKEY)

    assert (report.verdict, fault(report)["expected"]) == ("incomplete", 58)


def test_a_kept_checkpoint_is_kept_under_its_size() -> None:
    rows = Rows(numbered(), kept=[(30, NOTES[31])])
    report = audit(rows, VKEY)

    assert report.verdict == "tampered"
    assert fault(report) == told(
        "checkpoint",
        "a checkpoint is kept under another size",
        field="size",
        expected=31,
        found=30,
    )


# Entries


def test_a_missing_entry_is_named_with_the_leaf_that_was_signed() -> None:
    rows = numbered()
    del rows[20]
    message = "an entry is missing"
    expected = told("index", message, index=20, field="index", expected=LEAVES[20].hex(), found=21)

    assert fault(audit(Rows(rows, leaves=[LEAVES]), VKEY)) == expected
    assert fault(audit(Rows(rows), VKEY)) == expected | {"expected": None}


def test_a_surplus_entry_past_the_signed_leaves_has_none() -> None:
    rows = [*numbered(), (58, ENTRIES[56])]
    report = audit(Rows(rows, leaves=[LEAVES]), VKEY)

    assert fault(report) == told(
        "index", "an entry is missing", index=57, field="index", expected=None, found=58
    )


def test_another_leaf_than_was_signed_is_named_first() -> None:
    forged = ENTRIES[45].replace(b'"price":null', b'"price":true')
    rows = [*numbered()[:45], (45, forged), *numbered()[46:]]
    report = audit(Rows(rows, leaves=[LEAVES]), VKEY)

    assert fault(report) == told(
        "leaf",
        "the entry is not the one that was signed",
        index=45,
        stream=RELIC,
        field="entry",
        expected=LEAVES[45].hex(),
        found=MemoryTree([audits.leaf_hash(forged)]).root().hex(),
    )
    assert fault(audit(Rows(rows), VKEY))["step"] == "rule"


@pytest.mark.parametrize(
    ("raw", "stream"),
    [
        (b"no entry", None),
        (b'{"stream":"a","stream":"b"}', "b"),
        (b'{"stream":"x', "x"),
        (b'{"stream":"\xff"}', "\ufffd"),
        (b'{"stream":""}', ""),
    ],
)
def test_the_stream_of_a_changed_entry_is_read_from_its_bytes(
    raw: bytes, stream: str | None
) -> None:
    rows = [(0, raw)]
    report = audit(Rows(rows, leaves=[LEAVES]), VKEY)

    assert (fault(report)["step"], fault(report)["stream"]) == ("leaf", stream)


def test_leaves_that_rebuild_no_trusted_root_are_no_reference() -> None:
    other = [*LEAVES[:-1], bytes(32)]
    rows = Rows(numbered(), leaves=[other, LEAVES[:-1], [b""] * SIZE, [bytes(31)] * SIZE])

    assert audit(rows, VKEY).verdict == "valid"


def test_the_second_candidate_may_rebuild_the_root() -> None:
    rows = numbered()
    rows[20] = (20, b"{}")
    report = audit(Rows(rows, leaves=[[bytes(32)] * SIZE, LEAVES]), VKEY)

    assert (fault(report)["step"], fault(report)["index"]) == ("leaf", 20)


class Several(Rows):
    """Leaf hashes of one size alone."""

    def __init__(self, rows: list[tuple[int, bytes]], sizes: set[int]) -> None:
        super().__init__(rows)
        self.sizes, self.asked = sizes, list[int]()

    def references(self, size: int) -> Iterator[list[bytes]]:
        self.asked.append(size)
        if size in self.sizes:
            yield LEAVES[:size]


def test_the_largest_trusted_tree_is_the_reference() -> None:
    rows = numbered()
    rows[20], rows[40] = (20, b"{}"), (40, b"{}")
    both = Several(rows, {31, 57})
    small = Several(numbered()[:40] + rows[40:], {31})

    assert fault(audit(both, VKEY, since=NOTES[31]))["index"] == 20
    assert both.asked == [57]
    late = fault(audit(small, VKEY, since=NOTES[31]))
    assert (late["index"], late["step"]) == (40, "parse")
    assert small.asked == [57, 31]


def forged_signature(story: Story) -> None:
    story.register("eve", sigs=["A" * 86 + "=="])


def test_a_bad_signature_is_named() -> None:
    story = Story()
    forged_signature(story)
    report = audit(source(story.entries), VKEY)

    assert (report.verdict, report.exit_code) == ("tampered", 1)
    assert fault(report) == told(
        "signature",
        "the ed25519 signature does not hold",
        index=57,
        stream="party/eve",
        field="signature",
        found="00" * 64,
    )


def test_an_earlier_bad_signature_comes_before_a_later_broken_rule() -> None:
    story = Story()
    forged_signature(story)
    story.transferred(expect={RELIC: None})

    assert fault(audit(source(story.entries), VKEY))["step"] == "signature"


def test_an_earlier_bad_signature_comes_before_a_later_lack() -> None:
    story = Story()
    forged_signature(story)
    rows = Rows(numbered(story.entries), latest=note(story.entries, size=60))

    assert fault(audit(rows, VKEY))["step"] == "signature"


class Broken(Rows):
    """Rows that end in an error of the source."""

    def entries(self, _size: int) -> Iterator[tuple[int, bytes]]:
        yield from self.rows
        raise audits.Incomplete("fetch", "gone", index=58, field="bundle")


def test_an_earlier_bad_signature_comes_before_a_missing_bundle() -> None:
    story = Story()
    forged_signature(story)

    assert fault(audit(Broken(numbered(story.entries)), VKEY))["step"] == "signature"
    assert fault(audit(Broken(numbered()), VKEY)) == told("fetch", "gone", index=58, field="bundle")


def test_a_broken_rule_comes_before_a_later_bad_signature() -> None:
    story = Story()
    story.transferred(expect={RELIC: None})
    forged_signature(story)

    assert fault(audit(source(story.entries), VKEY))["step"] == "rule"


def test_signatures_are_checked_while_the_log_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "SIGNATURES_HELD", 1)
    story = Story()
    forged_signature(story)
    rows = Rows([*numbered(story.entries), (99, b"")], latest=note(story.entries))

    assert fault(audit(rows, VKEY))["step"] == "signature"


# What this version does not know


def unknown(story: Story) -> None:
    command = story.transfer(kind="bless-item/1")
    story.own(command, sign(command, "anna-phone", "carl"), MOVED)


def test_an_unknown_kind_is_unverifiable_and_what_follows_is_only_hashed() -> None:
    story = Story()
    unknown(story)
    story.entries.append(b"anything")
    report = audit(source(story.entries), VKEY)

    assert (report.verdict, report.exit_code) == ("unverifiable", 4)
    assert (report.keys_complete, report.replayed, report.derived) == ("no", "57/59", "not-checked")
    assert fault(report) == told(
        "type", "unknown kind", index=57, stream=RELIC, field="kind", found="bless-item/1"
    )


def test_the_first_unknown_entry_is_named() -> None:
    story = Story()
    unknown(story)
    unknown(story)

    assert fault(audit(source(story.entries), VKEY))["index"] == 57


def test_a_wrong_root_outweighs_an_unknown_kind() -> None:
    story = Story()
    unknown(story)
    made = source(story.entries, checkpoint=note(story.entries, root=bytes(32)))

    assert fault(audit(made, VKEY))["step"] == "root"


def test_a_wrong_leaf_outweighs_an_unknown_kind() -> None:
    story = Story()
    unknown(story)
    story.entries.append(b"anything")
    made = files(story.entries)
    made["tile/entries/000.p/59"] = bundle([*story.entries[:58], b"another"])

    assert fault(audit(TileSource(made.get), VKEY))["index"] == 58


def test_a_bad_signature_outweighs_an_unknown_kind() -> None:
    story = Story()
    forged_signature(story)
    unknown(story)

    assert fault(audit(source(story.entries), VKEY))["step"] == "signature"


def test_a_lack_outweighs_an_unknown_kind() -> None:
    story = Story()
    unknown(story)
    rows = Rows(numbered(story.entries), latest=note(story.entries, size=60))

    assert audit(rows, VKEY).verdict == "incomplete"


def test_an_effect_left_outstanding_is_no_fault_before_an_unknown_kind() -> None:
    story = Story()
    story.importing()
    del story.entries[-1]
    command = story.transfer(kind="bless-item/1")
    story.own(command, sign(command, "anna-phone", "carl"), MOVED)
    story.entries[-1] = encode({**READ[45].document, "command": command.document, "index": 59})

    assert fault(audit(source(story.entries), VKEY))["step"] == "type"


# Tiles


def test_a_tile_is_compared_last() -> None:
    report = audit(source(**{TILE.replace("/", "__"): bytes(32 * SIZE)}), VKEY)

    assert (report.verdict, report.derived) == ("tampered", "no")
    assert fault(report) == told(
        "tile",
        "a stored hash differs from the recomputed one",
        index=0,
        field=TILE,
        expected=LEAVES[0].hex(),
        found=bytes(32).hex(),
    ) | {"derived": True}


def test_a_role_that_was_never_granted_is_found() -> None:
    story = Story()
    signers = places(("carl", "root"), ("dora", "grantee"))
    body = {"party": "dora", "role": "freezer"}
    command = story.compose(Draft("grant-role/1", "carl", signers, body))
    fact = ("party/dora", "role-granted/1", {"single_handed": False})
    story.own(command, sign(command, "carl", "dora"), fact)

    assert fault(audit(source(story.entries), VKEY))["field"] == "role-missing"

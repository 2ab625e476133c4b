"""Proof files: every step that can fail, named exactly, and what a whole one shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ledger.proof import bundle
from ledger.proof.bundle import verify_proof
from ledger.proof.hashing import leaf_hash
from ledger.proof.tlogproof import PROOF_BYTES_MAX, TlogProof, parse_proof
from ledger.proof.tree import MemoryTree
from tests.unit.proof.golden_log import (
    PROOF,
    ROOT,
    VALID,
    VKEY,
    nothing,
    plain,
    proof_of,
    raw_entries,
)

RELIC = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 13, 14, 19, *range(33, 46))
CARD = (0, 1, 2, 3, 4, 5, 7, 8, 12, 18, 20, *range(22, 29))
PROVEN: dict[str, Any] = {
    **VALID,
    "checkpoints": 0,
    "keys_complete": "no",
    "replayed": "26/26",
    "derived": "not-checked",
    "entries": {"signed": 9, "attested": 12, "system": 5},
    "item": "old/relic",
    "index": 45,
    "owner": "anna",
    "frozen": False,
}
GOLDEN = parse_proof(PROOF.read_bytes())
EXTRA: dict[str, Any] = json.loads(GOLDEN.extra)
Change = Callable[[dict[str, Any]], Any]


def verdict(data: bytes) -> dict[str, Any]:
    return verify_proof(data, VKEY).document()


def fault(data: bytes, kind: str = "tampered") -> dict[str, Any]:
    """The fault of a proof whose entries were never summed up; nothing else was shown."""
    document = verdict(data)
    assert document["verdict"] == kind
    opened = {"size": document["size"], "root": document["root"]}
    assert document == {**nothing(document["fault"], kind), **opened}
    return dict(document["fault"])


def says(step: str, message: str, **evidence: Any) -> dict[str, Any]:
    empty = {"index": None, "stream": None, "field": None, "expected": None, "found": None}
    return {**empty, "step": step, "message": message, "derived": False, **evidence}


def golden(**changes: Any) -> bytes:
    """The golden proof with another extra, index or path."""
    given = {"extra": GOLDEN.extra, "index": GOLDEN.index, "path": GOLDEN.path, **changes}
    return TlogProof(given["index"], given["path"], GOLDEN.checkpoint, given["extra"]).format()


def with_extra(change: Change) -> bytes:
    extra = json.loads(GOLDEN.extra)
    change(extra)
    return golden(extra=plain(extra))


def edited(index: int, change: Change, *, log: Sequence[bytes] | None = None) -> list[bytes]:
    """The golden log with one other entry."""
    raws = list(log or raw_entries())
    entry = json.loads(raws[index])
    change(entry)
    raws[index] = plain(entry)
    return raws


def relic(log: Sequence[bytes] | None = None, picked: Sequence[int] = RELIC, **named: Any) -> bytes:
    given = {"item": "old/relic", "about": 45, **named}
    return proof_of(log or raw_entries(), picked, **given)


# What is whole


def test_the_golden_proof_is_valid_and_the_whole_report_is_known() -> None:
    assert verdict(PROOF.read_bytes()) == PROVEN
    assert relic() == PROOF.read_bytes()


def test_more_entries_than_needed_do_no_harm() -> None:
    document = verdict(relic(picked=range(57)))
    whole = {"signed": 38, "attested": 12, "system": 7}
    assert document == {**PROVEN, "replayed": "57/57", "entries": whole}


def test_an_item_that_never_was_imported_is_shown_by_itself() -> None:
    counts = {"signed": 13, "attested": 0, "system": 5}
    assert verdict(relic(picked=CARD, item="cards/1", about=28)) == {
        **PROVEN,
        "attested": 0,
        "gaps": 0,
        "replayed": "18/18",
        "single_handed": "no",
        "entries": counts,
        "item": "cards/1",
        "index": 28,
        "owner": "anna",
    }


def test_effects_on_other_streams_may_be_left_out() -> None:
    picked = [index for index in CARD if index not in {3, 4}]
    document = verdict(relic(picked=picked, item="cards/1", about=28))
    assert (document["verdict"], document["replayed"]) == ("valid", "16/16")


def test_an_item_s_earlier_state_is_shown_where_the_file_ends_earlier() -> None:
    document = verdict(relic(picked=[*CARD[:11], 22], item="cards/1", about=22))
    assert (document["verdict"], document["owner"], document["index"]) == ("valid", "bob", 22)
    frozen = (*CARD[:7], 11, 17, 18, 21, 29)
    document = verdict(relic(picked=frozen, item="cards/2", about=29))
    assert (document["verdict"], document["owner"], document["frozen"]) == ("valid", "shop", True)


# parse


@pytest.mark.parametrize(
    "data",
    [b"", b"c2sp.org/tlog-proof@v2\n", b"c2sp.org/tlog-proof@v1 \n", b"\nc2sp.org/tlog-proof@v1\n",
     b"x" * PROOF_BYTES_MAX + b"\n", b"c2sp.org/tlog-proof@v1\r\nindex 0\n"],
    ids=["empty", "v2", "blank", "late", "long", "crlf"],
)  # fmt: skip
def test_a_file_of_another_kind_is_not_called_forged(data: bytes) -> None:
    said = says("parse", "not a tlog-proof of a version known here", field="header")
    assert fault(data, "unverifiable") == said


def test_a_file_of_our_kind_that_cannot_be_read_is_tampered() -> None:
    said = says("proof", "there is no checkpoint", field="checkpoint")
    assert fault(b"c2sp.org/tlog-proof@v1") == said
    assert fault(b"c2sp.org/tlog-proof@v1\nindex 0\n") == said


def test_a_key_that_cannot_be_used_is_the_first_thing_said() -> None:
    report = verify_proof(b"", "no key")
    assert report.verdict == "unverifiable"
    assert report.fault is not None
    assert report.fault["message"] != "not a tlog-proof of a version known here"


def test_a_checkpoint_by_another_key_shows_nothing() -> None:
    other = PROOF.read_bytes().replace(
        b"\n\xe2\x80\x94 yinzheng.test/world ", b"\n\xe2\x80\x94 other "
    )
    assert fault(other, "unverifiable")["step"] in {"note", "checkpoint"}
    assert verdict(other)["size"] == 0


@pytest.mark.parametrize(
    ("extra", "message", "field"),
    [
        (b"", "extra is not JSON", "extra"),
        (b"[]", "extra is not an object", "extra"),
        (b'{"entries":[],"item":"old/relic","schema":1}',
         "extra.entries is not an array of 1 to 20000 values", "extra.entries"),
    ],
)  # fmt: skip
def test_extra_data_of_another_form_is_malformed(extra: bytes, message: str, field: str) -> None:
    found = fault(golden(extra=extra))
    assert (found["step"], found["field"]) == ("parse", field)
    if extra:
        assert found["message"] == message


def test_extra_data_in_another_spelling_is_malformed() -> None:
    found = fault(golden(extra=GOLDEN.extra + b"\n"))
    assert (found["step"], found["field"], found["index"]) == ("parse", "extra", None)


CHANGES: list[tuple[Change, str, str]] = [
    (lambda e: e.update(schema=2), "extra.schema is not a whole number from 1 to 1",
     "extra.schema"),
    (lambda e: e.pop("item"), "extra.item is missing", "extra.item"),
    (lambda e: e.update(more=1), "extra.more is not a field of this object", "extra.more"),
    (lambda e: e["entries"][1].pop("path"), "extra.entries[1].path is missing",
     "extra.entries[1].path"),
    (lambda e: e["entries"][1].update(entry=[]), "extra.entries[1].entry is not an object",
     "extra.entries[1].entry"),
    (lambda e: e["entries"][1].update(path=["AA=="] * 64),
     "extra.entries[1].path is not an array of 0 to 63 values", "extra.entries[1].path"),
    (lambda e: e["entries"][2]["entry"].pop("index"),
     "extra.entries.index is not a whole number from 0 to 9007199254740991", "extra.entries.index"),
    (lambda e: e["entries"][2]["entry"].update(index=-1),
     "extra.entries.index is not a whole number from 0 to 9007199254740991", "extra.entries.index"),
    (lambda e: e["entries"][2]["entry"].update(index="2"),
     "extra.entries.index is not a whole number from 0 to 9007199254740991", "extra.entries.index"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message", "field"), CHANGES, ids=[c[2] for c in CHANGES])
def test_every_field_of_the_extra_data_has_its_form(
    change: Change, message: str, field: str
) -> None:
    assert fault(with_extra(change)) == says("parse", message, field=field)


@pytest.mark.parametrize("node", ["AA==", "x"])
def test_a_node_of_a_path_is_32_bytes_of_base64(node: str) -> None:
    found = fault(with_extra(lambda e: e["entries"][2]["path"].append(node)))
    assert found["step"] == "parse"
    assert found["field"] in {"path", "extra.entries[2].path[6]"}
    if node == "AA==":
        assert found["field"] == "path"


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["entries"].reverse(),
        lambda e: e["entries"].insert(1, e["entries"][0]),
        lambda e: e["entries"].append(e["entries"][0]),
    ],
)
def test_entries_stand_in_order_each_once(change: Change) -> None:
    said = says("parse", "entries are not in order, each once", field="entries")
    assert fault(with_extra(change)) == said


# inclusion


def test_an_entry_that_is_not_in_the_tree_is_named() -> None:
    data = with_extra(lambda e: e["entries"][13]["entry"].update(at="2026-11-22T09:00:01.000001Z"))
    found = fault(data)
    assert (found["step"], found["index"]) == ("inclusion", 33)
    assert (found["stream"], found["field"]) == ("item/old/relic", "root")
    assert found["expected"] == ROOT
    assert verdict(data)["size"] == 57


def test_an_entry_without_a_stream_is_named_by_its_index() -> None:
    found = fault(with_extra(lambda e: e["entries"][3]["entry"].pop("stream")))
    assert (found["step"], found["index"], found["stream"]) == ("inclusion", 3, "None")


def test_an_index_beyond_the_tree_is_not_included() -> None:
    big = (1 << 53) - 1
    found = fault(with_extra(lambda e: e["entries"][-1]["entry"].update(index=big)))
    assert (found["step"], found["index"]) == ("inclusion", big)


# replay


def test_without_entry_0_nothing_says_whose_keys_they_are() -> None:
    assert fault(relic(picked=RELIC[1:]), "incomplete") == says(
        "keys", "the file lacks entry 0", index=0
    )


def test_entries_of_another_log_are_not_replayed() -> None:
    log = edited(0, lambda entry: entry.update(log="other.test"))
    assert fault(relic(log)) == says(
        "place", "another log", index=0, stream="log", field="log",
        expected="yinzheng.test/world", found="other.test",
    )  # fmt: skip


def flip_signature(entry: dict[str, Any]) -> None:
    first = entry["sigs"][0]
    entry["sigs"][0] = ("A" if first[0] != "A" else "B") + first[1:]


def test_a_bad_signature_is_named_with_its_entry() -> None:
    # The last entry, so that no link of another one breaks.
    found = fault(relic(edited(45, flip_signature)))
    assert (found["step"], found["index"], found["stream"]) == ("signature", 45, "item/old/relic")


def test_an_earlier_bad_signature_comes_before_a_later_fault() -> None:
    log = edited(44, flip_signature)
    log = edited(45, lambda entry: entry.update(prev="00" * 32), log=log)
    found = fault(relic(log))
    assert (found["step"], found["index"], found["stream"]) == ("signature", 44, "imported/old/e")


def test_a_later_fault_is_named_where_signatures_hold() -> None:
    log = edited(45, lambda entry: entry.update(prev="00" * 32))
    found = fault(relic(log))
    assert (found["step"], found["index"], found["field"]) == ("link", 45, "prev")


def test_a_file_without_a_signer_s_keys_is_incomplete() -> None:
    assert fault(relic(picked=[i for i in RELIC if i not in {9, 13}]), "incomplete") == says(
        "keys", "the file lacks a signer's key events", index=44, stream="imported/old/e",
        field="stream", found="party/otto",
    )  # fmt: skip


# subject


def test_an_item_that_the_file_does_not_hold_is_a_lack() -> None:
    assert fault(relic(item="old/other"), "incomplete") == says(
        "subject", "the file lacks the item's entries", stream="item/old/other"
    )


@pytest.mark.parametrize("about", [0, 43, 56])
def test_a_proof_about_another_entry_is_tampered(about: int) -> None:
    assert fault(relic(about=about)) == says(
        "subject", "the proof is about another entry than the item's last one in it",
        index=45, stream="item/old/relic", field="index", expected=45, found=about,
    )  # fmt: skip


@pytest.mark.parametrize("path", [(), GOLDEN.path[:-1], (*GOLDEN.path[:-1], bytes(32))])
def test_a_proof_with_another_path_is_tampered(path: tuple[bytes, ...]) -> None:
    assert fault(golden(path=path)) == says(
        "subject", "the proof is about another entry than the item's last one in it",
        index=45, stream="item/old/relic", field="index", expected=45, found=45,
    )  # fmt: skip


def test_an_item_whose_rules_the_file_does_not_hold_is_a_lack() -> None:
    assert fault(relic(picked=[i for i in CARD if i != 18], item="cards/1", about=28),
                 "incomplete") == says(
        "subject", "the file lacks a stream that the item's history rests on",
        index=20, stream="item/cards/1", field="stream", found="namespace/cards",
    )  # fmt: skip


def test_a_file_with_later_policies_needs_the_policy_stream() -> None:
    card = {"item": "cards/1", "about": 28}
    assert verdict(relic(picked=[*CARD, 55, 56], **card))["verdict"] == "valid"
    found = verdict(relic(picked=[*CARD, 56], **card))
    assert (found["verdict"], found["fault"]["found"]) == ("incomplete", "party/operator")


# Limits


def test_as_many_entries_as_the_limit_says_are_read_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (bundle._ENTRIES_MAX, bundle._PATH_MAX) == (20_000, 63)
    entries = bundle._BUNDLE["entries"]
    proven = {"entry": {}, "path": ["AA=="] * 63}
    entries([proven] * 20_000, "entries")
    with pytest.raises(bundle.schema.Malformed):
        entries([proven] * 20_001, "entries")
    monkeypatch.setattr(bundle, "PROOF_BYTES_MAX", len(GOLDEN.extra))
    assert verdict(PROOF.read_bytes()) == PROVEN
    monkeypatch.setattr(bundle, "PROOF_BYTES_MAX", len(GOLDEN.extra) - 1)
    assert fault(PROOF.read_bytes())["field"] == "extra"


def test_the_tree_of_the_tests_is_the_golden_one() -> None:
    assert MemoryTree(leaf_hash(raw) for raw in raw_entries()).root().hex() == ROOT
    assert EXTRA["item"] == "old/relic"

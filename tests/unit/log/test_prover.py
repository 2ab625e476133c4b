"""Proofs: exactly the closure, every entry with a path to the checkpoint, and valid offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.log.errors import (
    NothingToProve,
    NotPublished,
    ProofTooLarge,
)
from ledger.log.prover import Prover
from ledger.log.reader import LogReader
from ledger.proof.bundle import verify_proof
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.merkle import check_inclusion
from ledger.proof.tlogproof import TlogProof, parse_proof
from ledger.proof.vkey import VerifierKey
from ledger.rules.canonical import encode
from ledger.rules.compose import Draft
from ledger.rules.errors import Malformed
from tests.goods import register_card
from tests.terms import publish_terms, terms
from tests.unit.proof.oracle import slow_leaf
from tests.worlds import World


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    """Entry 0 with its four effects (0-4), a shop, three members and a namespace (5-9)."""
    with World.create(sqlite_url, "prover") as opened:
        for party in ("shop", "bob", "eve", "zoe"):
            opened.register(party)
        opened.open_namespace("cards", "shop")
        yield opened


def documents(proof: bytes) -> list[dict[str, Any]]:
    """The entries of a proof, read with nothing of ours but the file format."""
    extra = json.loads(parse_proof(proof).extra)
    return [proven["entry"] for proven in extra["entries"]]


def indices(proof: bytes) -> list[int]:
    return [document["index"] for document in documents(proof)]


def party_stream(party: str) -> str:
    return party if party.startswith("imported/") else f"party/{party}"


def slow_closure(world: World, item: str, upto: int) -> list[int]:
    """The closure of section 14, transcribed: whole streams until nothing is missing."""
    log = [json.loads(row.entry) for row in world.recorder.entries(0, upto + 1)]
    wanted = {"log", "policy/ledger", f"item/{item}"}
    while True:
        inside = [entry for entry in log if entry["stream"] in wanted]
        more = set(wanted)
        for entry in inside:
            if "cause" in entry:
                more.add(next(e["stream"] for e in log if leaf_of(e) == entry["cause"]))
                continue
            command = entry["command"]
            body = command["body"]
            more |= {party_stream(signer["party"]) for signer in command["signers"]}
            more |= {expected["stream"] for expected in command["expect"]}
            if "item" in body:
                more.add("namespace/" + body["item"].split("/")[0])
            if "party" in body:
                more.add(party_stream(body["party"]))
            if command["kind"] == "offer-transfer/1":
                more.add(party_stream(body["to"]))
            if command["kind"] == "cancel-command/1":
                more.add(party_stream(body["command"]["by"]))
        if more == wanted:
            return [entry["index"] for entry in inside]
        wanted = more


def leaf_of(document: dict[str, Any]) -> str:
    return slow_leaf(encode(document)).hex()


def test_a_proof_holds_exactly_what_the_item_rests_on(world: World) -> None:
    world.register_item("cards/1")
    world.register_item("cards/2")
    world.transfer("cards/2", to="zoe")
    world.transfer("cards/1", to="bob")
    world.publish()

    # Not zoe (8) nor her item (11, 12): nobody in the history of cards/1 needs them.
    assert indices(world.prover.prove("cards/1")) == [0, 1, 2, 3, 4, 5, 6, 9, 10, 13]
    assert indices(world.prover.prove("cards/2")) == [0, 1, 2, 3, 4, 5, 8, 9, 11, 12]


def test_the_recipient_of_an_offer_belongs_to_the_proof(world: World) -> None:
    world.register_item("cards/1")
    world.offer("cards/1", to="eve")
    world.publish()

    assert indices(world.prover.prove("cards/1")) == [0, 1, 2, 3, 4, 5, 7, 9, 10, 11]


def test_the_agent_of_a_card_and_the_terms_it_sells_under_belong_to_the_proof(
    world: World,
) -> None:
    publish_terms(world, terms())
    register_card(world, "cards/1", "shop", agent="zoe")
    register_card(world, "cards/2", "shop")
    world.publish()

    # The trade policy (10) and zoe (8).
    proof = world.prover.prove("cards/1")
    assert indices(proof) == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]
    report = verify_proof(proof, world.vkey)
    assert (report.verdict, report.replayed) == ("valid", "10/10")
    assert indices(world.prover.prove("cards/2")) == [0, 1, 2, 3, 4, 5, 9, 12]


def test_key_events_and_roles_of_every_signer_belong_to_the_proof(world: World) -> None:
    world.register_item("cards/1")
    world.grant("zoe", "freezer")
    world.add_key("shop", "shop-2")
    world.publish_policy(key_cool_down_s=7)
    world.freeze("cards/1", by="zoe")
    world.publish()
    size = world.size()

    proof = world.prover.prove("cards/1")

    assert indices(proof) == [0, 1, 2, 3, 4, 5, 8, *range(9, size)]


def test_the_author_of_a_cancelled_command_belongs_to_the_proof(world: World) -> None:
    world.register_item("cards/1")
    world.register_item("cards/2")
    world.transfer("cards/2", to="zoe")
    cancelled = world.compose(world.transfer_draft("cards/2", to="eve"))
    body = {"command": cancelled.document}
    world.submit(Draft("cancel-command/1", "eve", [world.signs("eve", "signer")], body))
    world.transfer("cards/1", to="eve")
    world.publish()

    # Eve (7) owns cards/1; she cancelled (13) a command of zoe (8).
    assert indices(world.prover.prove("cards/1")) == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 14]


def test_imported_sales_are_proven_with_their_causes(world: World) -> None:
    world.grant("shop", "importer", second="bob")
    world.import_sale("cards/9", seller="a", buyer=None)
    world.import_sale("cards/9", seller="c", buyer="d")
    world.publish()

    proof = world.prover.prove("cards/9")

    assert indices(proof) == [0, 1, 2, 3, 4, 5, 6, *range(9, 17)]
    assert [d["type"] for d in documents(proof)[-3:]] == [
        "sale-presented/1",
        "provenance-gap-recorded/1",
        "sale-imported/1",
    ]


def test_the_closure_is_the_one_that_the_specification_defines(world: World) -> None:
    busy(world)

    for item in ("cards/1", "cards/2", "cards/9"):
        for upto in (None, world.size() - 9):
            proof = world.prover.prove(item, upto)
            subject = parse_proof(proof).index
            assert indices(proof) == slow_closure(world, item, subject)


def busy(world: World) -> None:
    """Some of everything, published in several steps."""
    world.register("pia", alg="p256")
    world.grant("zoe", "freezer")
    world.grant("shop", "importer", second="bob")
    world.register_item("cards/1")
    world.register_item("cards/2")
    world.publish()
    world.import_sale("cards/9", seller="a", buyer=None)
    world.transfer("cards/1", to="bob", price={"amount": "9900", "currency": "CNY"})
    world.offer("cards/1", to="eve")
    world.refuse("cards/1")
    world.add_key("bob", "bob-2")
    world.publish()
    world.offer("cards/1", to="pia")
    world.accept("cards/1")
    world.freeze("cards/2", by="zoe")
    world.publish_policy(key_cool_down_s=7)
    world.unfreeze("cards/2", by="zoe")
    world.revoke_key("bob", "bob-2")
    world.import_sale("cards/9", seller="c", buyer="d")
    world.transfer("cards/1", to="bob")
    world.publish()


def test_every_entry_has_a_path_to_the_one_checkpoint(world: World) -> None:
    busy(world)
    proof = world.prover.prove("cards/1")
    parsed = parse_proof(proof)
    checkpoint, _ = open_checkpoint(parsed.checkpoint, log=VerifierKey.parse(world.vkey))
    extra = json.loads(parsed.extra)

    assert parsed.checkpoint == world.reader.checkpoint()
    for proven in extra["entries"]:
        raw = encode(proven["entry"])
        row = world.reader.entry(proven["entry"]["index"])
        assert row is not None
        assert raw == row.entry
        check_inclusion(
            leaf=slow_leaf(raw),
            index=row.index,
            size=checkpoint.size,
            path=[base64.b64decode(node) for node in proven["path"]],
            root=checkpoint.root,
        )
    subject = next(e for e in extra["entries"] if e["entry"]["index"] == parsed.index)
    assert [base64.b64encode(node).decode() for node in parsed.path] == subject["path"]
    assert subject["entry"]["stream"] == "item/cards/1"
    assert extra | {"entries": []} == {"entries": [], "item": "cards/1", "schema": 1}
    assert parsed.extra == encode(extra)


def test_a_proof_is_valid_without_the_ledger(world: World) -> None:
    busy(world)

    report = verify_proof(world.prover.prove("cards/1"), world.vkey)

    assert (report.verdict, report.fault) == ("valid", None)
    count = len(slow_closure(world, "cards/1", world.size() - 1))
    assert report.replayed == f"{count}/{count}"
    assert report.more["owner"] == "bob"


def test_a_proof_of_an_earlier_state_ends_there(world: World) -> None:
    busy(world)
    stream = world.reader.stream_entries("item/cards/1")

    for at, (entry, after) in enumerate(zip(stream, [*stream[1:], None], strict=True)):
        for index in (entry.index, after.index - 1 if after else world.size() - 1):
            proof = world.prover.prove("cards/1", index)
            assert parse_proof(proof).index == entry.index
            mine = [d for d in documents(proof) if d["stream"] == "item/cards/1"]
            assert [d["seq"] for d in mine] == list(range(at + 1))
            assert max(indices(proof)) == entry.index
            assert verify_proof(proof, world.vkey).verdict == "valid"


def test_proving_twice_gives_the_same_bytes(world: World) -> None:
    busy(world)

    assert world.prover.prove("cards/1") == Prover(LogReader(world.recorder)).prove("cards/1")


def test_the_last_published_entry_is_proven_by_default(world: World) -> None:
    world.register_item("cards/1")
    world.publish()
    published = world.size()
    world.transfer("cards/1", to="bob")

    proof = world.prover.prove("cards/1")

    assert parse_proof(proof).index == published - 1
    with pytest.raises(NotPublished) as refused:
        world.prover.prove("cards/1", published)
    assert (refused.value.index, refused.value.published) == (published, published)


def test_what_is_not_published_cannot_be_proven(world: World) -> None:
    with pytest.raises(NotPublished) as refused:
        world.prover.prove("cards/1")
    assert (refused.value.index, refused.value.published) == (None, 0)

    world.publish()
    size = world.size()
    world.register_item("cards/1")
    with pytest.raises(NotPublished) as refused:
        world.prover.prove("cards/1")
    assert (refused.value.index, refused.value.published) == (size, size)


def test_what_is_not_in_the_log_cannot_be_proven(world: World) -> None:
    world.register_item("cards/1")
    world.publish()

    with pytest.raises(NothingToProve) as refused:
        world.prover.prove("cards/2")
    assert (refused.value.item, refused.value.index) == ("cards/2", None)
    with pytest.raises(NothingToProve) as refused:
        world.prover.prove("cards/1", 9)
    assert (refused.value.item, refused.value.index) == ("cards/1", 9)


@pytest.mark.parametrize("item", ["cards", "cards/", "/1", "cards/a/b", "Cards/1", "cards/1\n"])
def test_only_an_item_can_be_proven(world: World, item: str) -> None:
    with pytest.raises(Malformed) as refused:
        world.prover.prove(item)
    assert refused.value.field == "item"


def test_a_proof_that_no_verifier_reads_is_not_given(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.register_item("cards/1")
    world.publish()
    size = len(world.prover.prove("cards/1"))
    monkeypatch.setattr("ledger.proof.tlogproof.PROOF_BYTES_MAX", size - 1)

    with pytest.raises(ProofTooLarge) as refused:
        world.prover.prove("cards/1")

    assert (refused.value.item, refused.value.entries) == ("cards/1", 8)
    assert refused.value.size == size


def test_a_proof_is_a_c2sp_file(world: World) -> None:
    world.register_item("cards/1")
    world.publish()
    proof = world.prover.prove("cards/1")
    parsed = parse_proof(proof)

    assert proof == TlogProof(parsed.index, parsed.path, parsed.checkpoint, parsed.extra).format()
    assert proof.startswith(b"c2sp.org/tlog-proof@v1\nextra ")
    assert proof.endswith(b"\n\n" + parsed.checkpoint)

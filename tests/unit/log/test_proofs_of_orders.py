"""Proofs of items that were ordered: whole, offline, and without anybody's turnover."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.proof.bundle import verify_proof
from ledger.proof.tlogproof import parse_proof
from tests import golden_trade
from tests.goods import register_card
from tests.orders import confirm_payment, place_order
from tests.worlds import World


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    with World.create(sqlite_url, "proofs-of-orders") as opened:
        golden_trade.play(opened)
        opened.publish()
        yield opened


def documents(proof: bytes) -> list[dict[str, Any]]:
    return [proven["entry"] for proven in json.loads(parse_proof(proof).extra)["entries"]]


@pytest.mark.parametrize("item", ["card-4", "card-5", "card-6", "card-7", "blade"])
def test_a_proof_of_what_was_ordered_is_replayed_in_full_and_holds_no_balance(
    world: World, item: str
) -> None:
    proof = world.prover.prove(f"mias/{item}")

    report = verify_proof(proof, world.vkey)
    streams = {document["stream"] for document in documents(proof)}
    assert report.verdict == "valid"
    assert report.replayed == f"{len(documents(proof))}/{len(documents(proof))}"
    assert not any(stream.startswith("balance/") for stream in streams)
    assert "policy/trade" in streams
    assert any(stream.startswith("order/") for stream in streams)


def test_what_ended_an_order_is_in_the_proof_of_its_items_and_the_orders_since(
    world: World,
) -> None:
    types = [each["type"] for each in documents(world.prover.prove("mias/card-6"))]

    assert types.count("order-placed/1") == 2
    assert types.count("order-expired/1") == 1
    # Both cards were in both orders, and the other one's stream belongs to what the orders expect.
    assert types.count("item-freed/1") == 2
    assert types.count("item-reserved/1") == 4


def test_a_proof_does_not_grow_with_what_the_buyer_pays_elsewhere(world: World) -> None:
    before = world.prover.prove("mias/card-4")
    for number in (20, 21):
        register_card(world, f"mias/card-{number}", "mia", agent="system")
        order = place_order(world, "zoe", "mias/points", f"mias/card-{number}")
        confirm_payment(world, order, "kay", 1)
    world.publish()

    after = documents(world.prover.prove("mias/card-4"))
    assert [each["index"] for each in after] == [each["index"] for each in documents(before)]

"""The whole way of one sale, from an empty database to a verdict, and what is forged of it.

`shop` sells `bob` two cards that the platform delivers: bob accepts the first, and the second stays
in escrow. Everything goes through `Ledger.submit` and is judged by the offline verifier alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.log.export import export_log
from ledger.proof.audit import audit
from ledger.proof.bundle import verify_proof
from ledger.proof.database import DatabaseSource
from ledger.proof.report import Report
from ledger.proof.sources import folder_source
from ledger.proof.tlogproof import parse_proof
from ledger.record.database import reading
from ledger.rules.compose import Draft
from ledger.rules.entries import Entry, read_entry
from ledger.rules.model import Fact
from ledger.rules.text import b64encode, format_time
from tests.credit import grant_credit, update_level
from tests.deposits import agree_deposit, fund_deposit
from tests.duplicates import report_duplicate
from tests.escrow import accept, close_claim, deliver, delivery_draft, open_claim
from tests.goods import CARD_CLASS, register_card
from tests.js.exports import Forger, write_export
from tests.money import top_up
from tests.orders import line_of as line
from tests.orders import order_draft, order_of, pay_order, place_order
from tests.shops import publish_listing, qualify
from tests.terms import publish_terms, terms
from tests.worlds import World

FIRST, SECOND, THIRD = "cards/1", "cards/2", "cards/3"
LISTING = "cards/gift"
PRICE, FEE = 9900, 247
KEY = b64encode(bytes([9] * 32))
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Sale:
    """A ledger in which a card was sold, and the number of the order."""

    world: World
    order: str

    def entries(self) -> list[Entry]:
        rows = self.world.reader.entries(0, self.world.size())
        return [read_entry(row.entry) for row in rows]


@pytest.fixture
def sale(sqlite_url: str) -> Iterator[Sale]:
    """From entry 0 to the acceptance of the first card."""
    with World.create(sqlite_url, "skeleton") as world:
        publish_terms(world, terms())
        world.register("shop", kind="merchant")
        for party in ("bob", "eve", "rex", "kay"):
            world.register(party)
        world.grant("rex", "reviewer")
        world.grant("kay", "cashier", second="eve")
        world.open_namespace("cards", "shop")
        qualify(world, "shop", "rex", namespace="cards", **{"class": CARD_CLASS})
        publish_listing(world, LISTING, "shop", **{"class": CARD_CLASS})
        for card in (FIRST, SECOND, THIRD):
            register_card(world, card, "shop", agent="system")
        top_up(world, "bob", "kay", 100_000)
        order = place_order(world, "bob", LISTING, FIRST, SECOND, key=KEY)
        pay_order(world, order)
        deliver(world, order, 1)
        accept(world, order, 1)
        world.publish()
        yield Sale(world, order)


def of_database(world: World) -> Report:
    def query(sql: str) -> Iterator[tuple[Any, ...]]:
        with reading(world.recorder.engine) as connection:
            yield from (tuple(row) for row in connection.exec_driver_sql(sql))

    return audit(DatabaseSource(query), world.vkey)


def test_database_and_export_of_a_sale_are_valid_and_replayed_whole(
    sale: Sale, tmp_path: Path
) -> None:
    world, size = sale.world, sale.world.size()
    export_log(world.reader, tmp_path / "log")

    for report in (of_database(world), audit(folder_source(tmp_path / "log"), world.vkey)):
        assert (report.verdict, report.fault) == ("valid", None)
        assert (report.size, report.replayed) == (size, f"{size}/{size}")


def test_the_proof_of_the_sold_card_is_whole_and_holds_nobodys_turnover(sale: Sale) -> None:
    proof = sale.world.prover.prove(FIRST)
    report = verify_proof(proof, sale.world.vkey)
    documents = [each["entry"] for each in json.loads(parse_proof(proof).extra)["entries"]]
    streams = {document["stream"] for document in documents}

    assert (report.verdict, report.replayed) == ("valid", f"{len(documents)}/{len(documents)}")
    assert report.more["owner"] == sale.world.item(FIRST).owner == "bob"
    assert f"order/{sale.order}" in streams
    assert not any(stream.startswith(("balance/", "deposit/")) for stream in streams)


def test_the_proof_of_a_card_found_twice_is_whole_whichever_of_the_two_was_sold(sale: Sale) -> None:
    world = sale.world
    report_duplicate(world, FIRST, THIRD)
    alert = read_entry(world.reader.entries(world.size() - 4, world.size())[0].entry).stream
    world.publish()
    for item in (FIRST, THIRD):
        proof = world.prover.prove(item)
        report = verify_proof(proof, world.vkey)
        documents = [each["entry"] for each in json.loads(parse_proof(proof).extra)["entries"]]
        streams = {document["stream"] for document in documents}

        assert (report.verdict, report.replayed) == ("valid", f"{len(documents)}/{len(documents)}")
        assert {f"item/{FIRST}", f"item/{THIRD}", f"order/{sale.order}", alert} <= streams
        assert not any(stream.startswith(("balance/", "deposit/")) for stream in streams)


def test_the_proof_of_a_claimed_card_is_whole_and_holds_nobodys_deposit(sale: Sale) -> None:
    world = sale.world
    top_up(world, "shop", "kay", 700)
    agree_deposit(world, "shop")
    fund_deposit(world, "shop", 500)
    claim = open_claim(world, sale.order, 2, kind="not-delivered")
    close_claim(world, claim, "none", world.signs("bob", "buyer"))
    deliver(world, sale.order, 2)
    world.publish()
    proof = world.prover.prove(SECOND)
    report = verify_proof(proof, world.vkey)
    documents = [each["entry"] for each in json.loads(parse_proof(proof).extra)["entries"]]
    streams = {document["stream"] for document in documents}

    assert (report.verdict, report.replayed) == ("valid", f"{len(documents)}/{len(documents)}")
    assert f"claim/{claim}" in streams
    assert not any(stream.startswith(("balance/", "deposit/")) for stream in streams)


def test_the_proof_of_a_card_tells_its_buyers_level_and_nobodys_credit(sale: Sale) -> None:
    world = sale.world
    grant_credit(world, "bob", "kay", 10_000, "CREDIT")
    update_level(world, "bob", "vip")
    order = place_order(world, "bob", LISTING, THIRD)
    pay_order(world, order)
    deliver(world, order, 1)
    world.publish()
    proof = world.prover.prove(THIRD)
    report = verify_proof(proof, world.vkey)
    documents = [each["entry"] for each in json.loads(parse_proof(proof).extra)["entries"]]
    (placed,) = (
        each for each in documents if each["stream"] == f"order/{order}" and not each["seq"]
    )

    assert (report.verdict, report.replayed) == ("valid", f"{len(documents)}/{len(documents)}")
    assert placed["data"]["tier"] == "vip"
    assert not any(each["stream"].startswith("credit/") for each in documents)


def test_the_money_of_a_sale_is_where_the_rules_say(sale: Sale) -> None:
    accounts: dict[str, int] = {}
    for entry in sale.entries():
        for posting in entry.data.get("postings", []):
            accounts.setdefault(posting["account"], 0)
            accounts[posting["account"]] += int(posting["amount"])

    assert accounts == {
        "balance/bob": 100_000 - 2 * PRICE,
        "balance/shop": PRICE - FEE,
        "external/internal": -100_000,
        f"escrow/{sale.order}/1": 0,
        f"escrow/{sale.order}/2": PRICE,
        "fees": FEE,
    }


# What an operator forges who holds every key: each command is signed by whom it names


def append(forging: Forger, draft: Draft, *facts: Fact) -> int:
    """Seal a command with these facts, and return its index."""
    index = len(forging.entries)
    forging.append(forging.world.submission(draft), *facts)
    return index


def postings(*moved: tuple[str, int]) -> list[dict[str, str]]:
    return [
        {"account": account, "amount": str(amount), "currency": "CNY"}
        for account, amount in sorted(moved)
    ]


def balance(party: str, amount: int) -> Fact:
    after = [{"amount": str(amount), "currency": "CNY"}]
    return Fact(f"balance/{party}", "balance-changed/1", {"after": after})


def released(sale: Sale, forging: Forger, number: int, had: int) -> int:
    """Release a line by the timer, though its time has not come."""
    world, order = sale.world, sale.order
    body = {"due": format_time(world.clock.now()), "order": order}
    draft = Draft("release-lines/1", "system", [world.signs("system", "system")], body)
    moved = (f"escrow/{order}/{number}", -PRICE), ("balance/shop", PRICE - FEE), ("fees", FEE)
    data = {"lines": [number], "postings": postings(*moved)}
    own = Fact(f"order/{order}", "escrow-released/1", data)
    return append(forging, draft, own, balance("shop", had + PRICE - FEE))


def undelivered(sale: Sale, forging: Forger) -> int:
    return released(sale, forging, 2, PRICE - FEE)


def delivered_twice(sale: Sale, forging: Forger) -> int:
    """Sell the card that is bob's to eve too."""
    world, order = sale.world, "01930000-0000-7000-8000-0000000000ff"
    lines = [line(world, FIRST, LISTING)]
    draft = order_draft(world, order, "eve", lines)
    data = {"classes": [CARD_CLASS], "fees": [str(FEE)], "labels": [[]], "tier": "ordinary"}
    data["pay_by"] = format_time(world.clock.now() + 900_000_000)
    own = Fact(f"order/{order}", "order-placed/1", data)
    reserved = Fact(f"item/{FIRST}", "item-reserved/1", {"order": order})
    return append(forging, draft, own, reserved)


def delivered_again(sale: Sale, forging: Forger) -> int:
    """Deliver the first line once more, with another parcel."""
    world, order = sale.world, sale.order
    draft = delivery_draft(world, order, 1)
    until = format_time(world.clock.now() + 3 * DAY_US)
    own = Fact(f"order/{order}", "lines-delivered/1", {"inspect_by": [until]})
    data = {"from": "bob", "order": order, "to": "bob"}
    return append(forging, draft, own, Fact(f"item/{FIRST}", "item-sold/1", data))


def paid_twice(sale: Sale, forging: Forger) -> int:
    """Take the price of the order from bob's balance a second time."""
    world, order = sale.world, sale.order
    money = {"amount": str(2 * PRICE), "currency": "CNY"}
    stream = f"order/{order}"
    draft = Draft(
        "pay-order/1",
        "bob",
        [world.signs("bob", "buyer")],
        {"amount": money, "order": order},
        {stream: world.head(stream)},
    )
    moved = ("balance/bob", -2 * PRICE), *((f"escrow/{order}/{n}", PRICE) for n in (1, 2))
    due = [format_time(world.clock.now() + 7_200_000_000)] * 2
    data = {"deliver_by": due, "outcome": "funded", "postings": postings(*moved)}
    own = Fact(stream, "payment-confirmed/1", data)
    return append(forging, draft, own, balance("bob", 100_000 - 4 * PRICE))


def rewritten_order(sale: Sale, forging: Forger) -> int:
    """Let bob order the third card at a price that shop never listed."""
    world, order = sale.world, "01930000-0000-7000-8000-0000000000fe"
    draft = order_draft(world, order, "bob", [line(world, THIRD, LISTING, price="1")])
    data = {"classes": [CARD_CLASS], "fees": ["0"], "labels": [[]], "tier": "ordinary"}
    data["pay_by"] = format_time(world.clock.now() + 900_000_000)
    own = Fact(f"order/{order}", "order-placed/1", data)
    reserved = Fact(f"item/{THIRD}", "item-reserved/1", {"order": order})
    return append(forging, draft, own, reserved)


FORGED: dict[str, tuple[Callable[[Sale, Forger], int], str]] = {
    "money that is released for what was not delivered": (undelivered, "timer-not-due"),
    "a card that is sold to a second buyer": (delivered_twice, "item-not-for-sale"),
    "a line that is delivered twice": (delivered_again, "line-not-held"),
    "a payment that is taken twice": (paid_twice, "order-not-open"),
    "an order whose price was rewritten": (rewritten_order, "price-differs"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_an_operator_forges_of_a_sale_is_tampered_and_named(
    sale: Sale, tmp_path: Path, name: str
) -> None:
    forge, code = FORGED[name]
    forging = Forger(sale.world, [entry.raw for entry in sale.entries()], sale.world.clock.now())
    index = forge(sale, forging)
    signer = sale.world.key("checkpoint")
    write_export(tmp_path, forging.entries, origin=sale.world.origin, signer=signer)

    report = audit(folder_source(tmp_path), sale.world.vkey)
    assert report.verdict == "tampered"
    assert report.fault is not None
    assert (report.fault["step"], report.fault["index"]) == ("rule", index)
    assert report.fault["field"] == code


def test_an_order_whose_key_was_exchanged_in_place_breaks_its_signature(
    sale: Sale, tmp_path: Path
) -> None:
    """Not even the operator can have the cards encrypted to a key that is not the buyer's."""
    entries = sale.entries()
    index = next(entry.index for entry in entries if entry.type == "order-placed/1")
    raws = [entry.raw for entry in entries]
    raws[index] = raws[index].replace(KEY.encode(), b64encode(bytes([7] * 32)).encode())
    signer = sale.world.key("checkpoint")
    write_export(tmp_path, raws, origin=sale.world.origin, signer=signer)

    report = audit(folder_source(tmp_path), sale.world.vkey)
    assert report.verdict == "tampered"
    assert report.fault is not None
    assert (report.fault["step"], report.fault["index"]) == ("signature", index)
    assert order_of(sale.world, sale.order).key == KEY

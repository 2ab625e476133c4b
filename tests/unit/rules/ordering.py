"""A log in which things are ordered: `shop` sells, `bob` buys, `ann` is the cashier.

`shop` lists a card of 9,900 (fee 247), has three of them in escrow with `system`, and two of
another class, which is paid for within an hour instead of a quarter of one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.rules.commands import Command
from ledger.rules.compose import Draft, uuid7
from ledger.rules.digests import listing_digest, terms_digest, timer_id
from ledger.rules.order_state import Order
from ledger.rules.state import Item, Stream
from ledger.rules.text import format_time
from ledger.rules.trade_state import Deposit
from tests.money import money_body
from tests.shops import listing_body
from tests.terms import HOUR_S, item_class, terms
from tests.unit.rules.small import HOUR_US, Small

CARD, SWORD = "cards/gift", "cards/sword"
ITEMS = ("cards/1", "cards/2", "cards/3")
SWORDS = ("cards/s1", "cards/s2")
PRICE, SWORD_PRICE = 9900, 50_001
TERMS = terms(
    classes=[
        item_class("point-card", deliver_s=2 * HOUR_S, unpaid_s=900),
        item_class("virtual-equipment", deliver_s=5 * HOUR_S, sells="item", unpaid_s=HOUR_S),
    ]
)
ORDER = uuid7(0, bytes(range(10)))
STREAM = f"order/{ORDER}"
SECOND_US = 1_000_000


def listing(name: str, **changes: Any) -> dict[str, Any]:
    """The body of a listing of `shop`'s: a card, or a sword."""
    sword = {"class": "virtual-equipment", "product": "swords"} if name == SWORD else {}
    price = {"amount": str(SWORD_PRICE if sword else PRICE), "currency": "CNY"}
    return listing_body(name, "shop", **({"class": "point-card", "price": price} | sword | changes))


def escrowed(small: Small, item: str, name: str, **changes: Any) -> None:
    """Put an item of `shop`'s, of what a listing names, into escrow with `system`.

    `changes` are made to its state by hand, whatever the rules say.
    """
    body = listing(name)
    goods = {"class": body["class"], "product": body["product"], "terms": terms_digest(TERMS)}
    goods |= {"agent": "system", "item": item}
    if name == CARD:
        commitments = {"card": "c" * 64, "code": "d" * 64}
        small.act("register-card/1", ("shop", "owner"), **commitments, **goods)
    else:
        small.register_item(item, "shop")
        small.act("place-in-escrow/1", ("shop", "owner"), **goods)
    if changes:
        changed(small, item, **changes)


def changed(small: Small, item: str, **changes: Any) -> None:
    """Change the state of an item by hand."""
    before = small.streams[f"item/{item}"]
    assert isinstance(before.state, Item)
    small.streams[f"item/{item}"] = Stream(before.head, before.state._replace(**changes))


def trading() -> Small:
    """Open the log and fill the shop."""
    small = Small()
    small.register("shop", "ann", "bob", "eve")
    small.grant("ann", "cashier", second="bob")
    small.grant("ann", "reviewer")
    small.open_namespace("cards", "shop")
    body = {"effective_at": None, "policy": TERMS, "replaces": None}
    small.act("publish-trade-policy/1", ("operator", "root"), **body)
    for name in (CARD, SWORD):
        qualified(small, listing(name)["class"])
        small.act("publish-listing/1", ("shop", "merchant"), **listing(name))
    for item in ITEMS:
        escrowed(small, item, CARD)
    for item in SWORDS:
        escrowed(small, item, SWORD)
    small.act("top-up/1", ("ann", "cashier"), **money_body("bob", 1_000_000))
    return small


def qualified(small: Small, name: str, hours: int = 48, origin: str | None = None) -> None:
    until = format_time(small.at + hours * HOUR_US)
    body = {"class": name, "merchant": "shop", "namespace": "cards", "origin": origin}
    places = [("shop", "merchant"), ("ann", "reviewer")]
    small.act("qualify-merchant/1", *places, **body, until=until)


def line(item: str, name: str = CARD, **changes: Any) -> dict[str, Any]:
    """A line of an order, as the listing stands."""
    body = listing(name)
    return {
        "item": item,
        "listing": name,
        "merchant": "shop",
        "price": body["price"]["amount"],
        "snapshot": listing_digest(body),
        **changes,
    }


def placing(small: Small, *lines: dict[str, Any], by: str = "bob", **changes: Any) -> Draft:
    """Draft an order of one card, or of these lines."""
    body = {
        "agreement": TERMS["agreement"],
        "currency": "CNY",
        "key": None,
        "lines": list(lines) or [line(ITEMS[0])],
        "order": ORDER,
        "terms": terms_digest(TERMS),
        **changes,
    }
    return small.draft("place-order/1", (by, "buyer"), **body)


def placed(*lines: dict[str, Any], **changes: Any) -> Small:
    """Open the log, fill the shop, and place an order in it."""
    small = trading()
    small.do(placing(small, *lines, **changes))
    return small


def paying(
    small: Small, amount: int = PRICE, *, by: str = "bob", order: str = ORDER, currency: str = "CNY"
) -> Draft:
    money = {"amount": str(amount), "currency": currency}
    return small.draft("pay-order/1", (by, "buyer"), amount=money, order=order)


def confirming(
    small: Small,
    amount: int = PRICE,
    *,
    by: str = "ann",
    order: str = ORDER,
    currency: str = "CNY",
    provider: str = "alipay",
) -> Draft:
    money = {"amount": str(amount), "currency": currency}
    body = {"amount": money, "order": order, "provider": provider}
    return small.draft("confirm-payment/1", (by, "cashier"), **body)


def order(small: Small, stream: str = STREAM) -> Order:
    found = small.state(stream)
    assert isinstance(found, Order)
    return found


def timer(
    small: Small, kind: str, rule: str, due: int, *, stream: str = STREAM, identifier: str = ""
) -> Command:
    """The command of `system` that says that a rule fell due on an order."""
    at = format_time(due)
    body = {"due": at, "order": stream.removeprefix("order/")}
    known = identifier or timer_id(stream, rule, at)
    return small.command(small.draft(kind, ("system", "system"), **body), identifier=known)


def expiring(small: Small, due: int | None = None, **changes: Any) -> Command:
    when = order(small).pay_by if due is None else due
    return timer(small, "expire-order/1", "order-unpaid", when, **changes)


def run(small: Small, command: Command) -> Command:
    """Derive and fold a command without moving the clock."""
    small.append(command, small.derive(command))
    return command


def traded(small: Small) -> None:
    """In another log of `shop`, `ann` and `eve`: one order is paid, one expires."""
    qualified(small, "point-card", origin="platform-direct")
    named = {"labels": ["platform-direct"], "merchant": "shop"}
    small.act("update-labels/1", ("system", "system"), **named)
    small.act("publish-listing/1", ("shop", "merchant"), **listing("cards/gift-2"))
    pinned = {"terms": terms_digest(terms()), "agreement": terms()["agreement"]}
    for number, item in enumerate(("cards/o1", "cards/o2")):
        goods = {"agent": "system", "class": "point-card", "item": item, "product": "gift-cards"}
        commitments = {"card": "c" * 64, "code": "d" * 64, "terms": pinned["terms"]}
        small.act("register-card/1", ("shop", "owner"), **commitments, **goods)
        lines = [line(item, "cards/gift-2")]
        small.do(placing(small, *lines, by="eve", order=ORDER[:-1] + str(number), **pinned))
    small.act("top-up/1", ("ann", "cashier"), **money_body("eve", PRICE))
    small.do(paying(small, by="eve", order=ORDER[:-1] + "0"))
    stream = f"order/{ORDER[:-1]}1"
    small.do(confirming(small, 1, order=ORDER[:-1] + "1"))
    small.at = order(small, stream).pay_by
    run(small, expiring(small, small.at, stream=stream))
    resolved(small, pinned)


def resolved(small: Small, pinned: dict[str, Any]) -> None:
    """In the same log, paid lines end: accepted, inspected, not delivered, refunded, claimed."""
    items = [f"cards/r{number}" for number in range(4)]
    for item in items:
        goods = {"agent": "system", "class": "point-card", "item": item, "product": "gift-cards"}
        commitments = {"card": "c" * 64, "code": "d" * 64, "terms": pinned["terms"]}
        small.act("register-card/1", ("shop", "owner"), **commitments, **goods)
    lines, number = [line(item, "cards/gift-2") for item in items], ORDER[:-1] + "2"
    stream = f"order/{number}"
    small.do(placing(small, *lines, by="eve", order=number, **pinned))
    small.act("top-up/1", ("ann", "cashier"), **money_body("eve", 4 * PRICE))
    small.do(paying(small, 4 * PRICE, by="eve", order=number))
    parcels = [{"line": each, "parcel": None} for each in (1, 2, 3)]
    small.act("deliver-lines/1", ("system", "agent"), order=number, parcels=parcels)
    small.act("accept-lines/1", ("eve", "buyer"), lines=[1], order=number)
    small.act("reveal-card/1", ("eve", "owner"), item=items[0], line=1, order=number)
    used = {"outcome": "failure", "platform": "steam", "time": format_time(small.at)}
    small.act("record-activation/1", ("eve", "buyer"), item=items[0], order=number, **used)
    money = {"amount": "5", "currency": "CNY"}
    small.act("give-refund/1", ("shop", "merchant"), amount=money, line=2, order=number)
    for stage in ("received", "lost"):
        lines_ = [{"amount": "700", "line": 1}] if stage == "received" else []
        body = {"case": uuid7(4, bytes(10)), "lines": lines_, "order": number, "stage": stage}
        small.act("record-chargeback/1", ("ann", "cashier"), provider="alipay", **body)
    claim = uuid7(3, bytes(10))
    body = {"claim": claim, "kind": "key-invalid", "line": 3, "order": number}
    small.do(renamed(small, "open-claim/1", ("eve", "buyer"), body))
    small.act("close-claim/1", ("shop", "merchant"), claim=claim, outcome="refund", to_buyer=None)
    undelivered, inspected = order(small, stream).lines[3], order(small, stream).lines[1]
    assert undelivered.deliver_by is not None
    assert inspected.inspect_by is not None
    small.at = undelivered.deliver_by
    late = timer(small, "refund-lines/1", "order-undelivered", small.at, stream=stream)
    run(small, late)
    small.at = inspected.inspect_by
    run(small, timer(small, "release-lines/1", "order-inspected", small.at, stream=stream))
    recovered(small)


def recovering(
    small: Small, due: int, *, currency: str = "CNY", merchant: str = "shop", identifier: str = ""
) -> Command:
    """The command of `system` that says that what a merchant owes in a currency fell due."""
    at = format_time(due)
    body = {"currency": currency, "due": at, "merchant": merchant}
    known = identifier or timer_id(f"deposit/{merchant}", f"chargeback-owed/{currency}", at)
    draft = small.draft("recover-chargeback/1", ("system", "system"), **body)
    return small.command(draft, identifier=known)


def recovered(small: Small) -> None:
    """In any log in which `shop` owes: it is taken from it once it is due."""
    deposit = small.state("deposit/shop")
    assert isinstance(deposit, Deposit)
    (owed,) = deposit.owed
    small.at = max(small.at, owed.due)
    run(small, recovering(small, owed.due))


def renamed(small: Small, kind: str, place: tuple[str, str], body: dict[str, Any]) -> Draft:
    """Draft a command whose body has a field `kind` of its own."""
    without = {name: value for name, value in body.items() if name != "kind"}
    return replace(small.draft(kind, place, **without), body=body)

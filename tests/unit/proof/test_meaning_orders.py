"""What orders and their payments must mean together, read from plain documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_orders import OrdersMeaning
from ledger.proof.meaning_shops import ShopsMeaning
from ledger.proof.meaning_terms import TermsMeaning
from ledger.rules.digests import listing_digest, terms_digest
from ledger.rules.text import format_time, time_us
from tests.shops import listing_body
from tests.terms import item_class, terms

NOON = "2026-12-01T12:00:00.000000Z"
ORDER, SECOND = "01930000-0000-7000-8000-000000000001", "01930000-0000-7000-8000-000000000002"
NAME = f"order/{ORDER}"
POLICY = terms(
    classes=[item_class("card", unpaid_s=900), item_class("sword", deliver_s=60, unpaid_s=901)]
)
CARD = listing_body("cards/gift", "mia", **{"class": "card"})
SWORD = listing_body(
    "cards/sword", "mia", price={"amount": "501", "currency": "CNY"}, **{"class": "sword"}
)
OWNERS = {"item/cards/1": "mia", "item/cards/2": "mia", "item/cards/3": "eve"}
TOTAL = 9900 + 501
Broken = tuple[Any, ...]


def later(seconds: int, microseconds: int = 0, at: str = NOON) -> str:
    return format_time(time_us(at, field="at") + seconds * 1_000_000 + microseconds)


def trading(*, complete: bool = True) -> OrdersMeaning:
    """A log in which `mia` lists a card and a sword."""
    shops, policies = ShopsMeaning(), TermsMeaning()
    body = {"effective_at": None, "policy": POLICY, "replaces": None}
    policies.take({"at": NOON}, {"body": body})
    for each in ("card", "sword"):
        more = {"class": each, "origin": None, "until": later(10_000)}
        body = {"merchant": "mia", "namespace": "cards", **more}
        signers = [{"party": "mia"}, {"party": "rex"}]
        shops.qualify({"body": body, "signers": signers}, {"cards": "mia"})
    for listing in (CARD, SWORD):
        data = {"material": [], "snapshot": listing_digest(listing)}
        command = {"body": listing, "signers": [{"party": "mia"}]}
        shops.publish({"at": NOON, "data": data}, command)
    return OrdersMeaning(complete, shops, policies)


def line(item: str, listing: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "item": item,
        "listing": listing["listing"],
        "merchant": listing["merchant"],
        "price": listing["price"]["amount"],
        "snapshot": listing_digest(listing),
        **changes,
    }


LINES = [line("cards/1", CARD), line("cards/2", SWORD)]


def place(
    meaning: OrdersMeaning,
    *,
    lines: list[dict[str, Any]] | None = None,
    by: str = "bob",
    at: str = NOON,
    stream: str = NAME,
    data: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Place an order of a card and a sword, but for these changes."""
    body = {
        "agreement": POLICY["agreement"],
        "currency": "CNY",
        "lines": LINES if lines is None else lines,
        "order": stream.removeprefix("order/"),
        "terms": terms_digest(POLICY),
        **changes,
    }
    said = {"classes": ["card", "sword"], "fees": ["247", "12"], "pay_by": later(900, at=at)}
    said["labels"] = [[] for _ in body["lines"]]
    document = {"at": at, "data": said | (data or {}), "stream": stream}
    meaning.place(document, {"body": body, "signers": [{"party": by}]}, OWNERS.get)


def reserve(meaning: OrdersMeaning, *items: str, order: str = ORDER) -> None:
    for item in items or ("cards/1", "cards/2"):
        meaning.reserve({"data": {"order": order}, "stream": f"item/{item}"})


def free(meaning: OrdersMeaning, *items: str) -> None:
    for item in items or ("cards/1", "cards/2"):
        meaning.free({"stream": f"item/{item}"})


def placed(**how: Any) -> OrdersMeaning:
    meaning = trading(**how)
    place(meaning)
    reserve(meaning)
    meaning.end()
    return meaning


def expire(meaning: OrdersMeaning, seconds: int = 900, microseconds: int = 0) -> None:
    meaning.expire({"at": later(seconds, microseconds), "stream": NAME})


def pay(
    meaning: OrdersMeaning,
    postings: dict[str, int],
    *,
    by: str = "bob",
    outcome: str = "funded",
    deliver_by: list[str] | None = None,
    at: str = NOON,
    **how: Any,
) -> None:
    """Pay from a balance, or as a cashier saw it come in by `provider`."""
    money = {"amount": str(how.get("amount", TOTAL)), "currency": how.get("currency", "CNY")}
    body, kind = {"amount": money, "order": ORDER}, "pay-order/1"
    if "provider" in how:
        body, kind = body | {"provider": how["provider"]}, "confirm-payment/1"
    moved = [
        {"account": name, "amount": str(change), "currency": how.get("in_", money["currency"])}
        for name, change in sorted(postings.items())
    ]
    data = {"deliver_by": deliver_by, "outcome": outcome, "postings": moved}
    document = {"at": at, "data": data, "stream": how.get("stream", NAME)}
    meaning.pay(document, {"body": body, "kind": kind, "signers": [{"party": by}]})


ESCROW = {f"escrow/{ORDER}/1": 9900, f"escrow/{ORDER}/2": 501}
DUE = [later(7200), later(60)]


def broken(what: str, act: Callable[[], None]) -> Broken:
    with pytest.raises(Tampered) as caught:
        act()
    error = caught.value
    assert (error.step, error.field) == ("meaning", what)
    return error.message, error.expected, error.found


def test_an_order_is_placed_reserved_and_paid_from_a_balance() -> None:
    meaning = placed()
    pay(meaning, {"balance/bob": -TOTAL, **ESCROW}, deliver_by=DUE)

    assert meaning.orders[NAME].state == "paid"
    assert meaning.orders[NAME].total == TOTAL
    assert meaning.reserved == {"item/cards/1": NAME, "item/cards/2": NAME}


def test_an_order_that_nobody_pays_frees_what_another_may_take() -> None:
    meaning = placed()
    expire(meaning)
    free(meaning)
    meaning.end()
    assert meaning.orders[NAME].state == "expired"
    assert meaning.reserved == {}

    place(meaning, stream=f"order/{SECOND}")
    reserve(meaning, order=SECOND)
    meaning.end()


def test_an_order_is_placed_once_on_its_own_stream() -> None:
    meaning = placed()
    again = ("an order was placed twice", ORDER, NAME)
    assert broken("order", lambda: place(meaning)) == again

    other = ("an order was placed twice", SECOND, NAME)
    assert broken("order", lambda: place(trading(), order=SECOND)) == other


def test_an_order_pins_the_policy_in_force_and_its_agreement() -> None:
    digest = terms_digest(POLICY)
    found = broken("order", lambda: place(trading(), terms="0" * 64))
    assert found == ("an order pins another trade policy", digest, "0" * 64)
    early = later(0, -1)
    found = broken("order", lambda: place(trading(), at=early))
    assert found == ("an order pins another trade policy", None, digest)

    found = broken("order", lambda: place(trading(), agreement=None))
    assert found == ("an order without its agreement", POLICY["agreement"], None)


def test_the_policy_in_force_changes_on_its_day() -> None:
    meaning = trading()
    later_policy = POLICY | {"id": "b"}
    day = later(8 * 86_400)
    body = {"effective_at": day, "policy": later_policy, "replaces": terms_digest(POLICY)}
    meaning.terms.take({"at": NOON}, {"body": body})

    place(meaning)
    found = broken("order", lambda: place(trading_from(meaning), at=day))
    assert found == (
        "an order pins another trade policy",
        terms_digest(later_policy),
        body["replaces"],
    )


def trading_from(meaning: OrdersMeaning) -> OrdersMeaning:
    return OrdersMeaning(complete=True, shops=meaning.shops, terms=meaning.terms)


def with_line(**changes: Any) -> list[dict[str, Any]]:
    return [LINES[0], LINES[1] | changes]


def test_a_line_is_of_what_is_listed() -> None:
    act = lambda: place(trading(), lines=with_line(listing="cards/no"))  # noqa: E731
    assert broken("order", act) == ("an order of what is not listed", None, "cards/no")

    meaning = trading()
    meaning.shops.end({"body": {"listing": "cards/sword"}, "signers": [{"party": "mia"}]})
    assert broken("order", lambda: place(meaning)) == (
        "an order of what is not listed",
        None,
        "cards/sword",
    )


@pytest.mark.parametrize("changes", [{"price": "502"}, {"merchant": "eve"}])
def test_a_line_has_price_and_merchant_of_the_listing(changes: dict[str, str]) -> None:
    signed = (changes.get("merchant", "mia"), changes.get("price", "501"), "CNY")

    found = broken("order", lambda: place(trading(), lines=with_line(**changes)))
    assert found == ("an order at another price", str(("mia", "501", "CNY")), str(signed))


def test_an_order_is_in_the_currency_of_its_listings() -> None:
    found = broken("order", lambda: place(trading(), currency="ETH"))

    seen = ("mia", "9900", "CNY")
    assert found == ("an order at another price", str(seen), str((*seen[:2], "ETH")))


def test_a_line_pins_the_listing_as_it_stands() -> None:
    found = broken("order", lambda: place(trading(), lines=with_line(snapshot="0" * 64)))

    assert found == ("an order at another snapshot", listing_digest(SWORD), "0" * 64)


def test_nothing_is_sold_from_the_end_of_a_qualification_on() -> None:
    end = later(10_000)
    place(trading(), at=later(10_000, -1))

    found = broken("order", lambda: place(trading(), at=end))
    assert found == (
        "an order from who is not qualified",
        "mia",
        end.replace("T", " ").replace(".000000Z", "+00:00"),
    )
    meaning = trading()
    body = {"class": "card", "merchant": "mia"}
    meaning.shops.revoke({"body": body, "signers": [{"party": "rex"}]})
    found = broken("order", lambda: place(meaning))
    assert found == ("an order from who is not qualified", "mia", None)


def test_an_item_is_its_merchants_and_is_not_bought_by_that() -> None:
    act = lambda: place(trading(), lines=with_line(item="cards/3"))  # noqa: E731
    assert broken("order", act) == ("an order of what is not the merchant's", "mia", "eve")
    act = lambda: place(trading(), lines=with_line(item="cards/9"))  # noqa: E731
    assert broken("order", act) == ("an order of what is not the merchant's", "mia", None)
    found = broken("order", lambda: place(trading(), by="mia"))
    assert found == ("an order of what is not the merchant's", "mia", "mia")


def test_an_item_is_not_ordered_while_it_is_reserved() -> None:
    meaning = placed()

    found = broken("order", lambda: place(meaning, stream=f"order/{SECOND}"))
    assert found == ("an item was ordered twice", NAME, "item/cards/1")


def test_a_class_without_terms_is_not_ordered() -> None:
    meaning = trading()
    document = POLICY | {"classes": POLICY["classes"][:1]}
    meaning.terms.documents[terms_digest(POLICY)] = document

    found = broken("order", lambda: place(meaning))
    assert found == ("an order of a class without terms", None, "sword")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"classes": ["sword", "card"]},
            ("an order of other classes", "['card', 'sword']", "['sword', 'card']"),
        ),
        ({"fees": ["248", "12"]}, ("an order with other fees", "['247', '12']", "['248', '12']")),
        (
            {"pay_by": later(901)},
            ("an order with another time to pay", "2026-12-01 12:15:00+00:00", later(901)),
        ),
    ],
)
def test_fees_classes_and_the_time_to_pay_follow_from_the_policy(
    data: dict[str, Any], said: Broken
) -> None:
    assert broken("order", lambda: place(trading(), data=data)) == said


# Effects


def test_all_items_of_an_order_are_reserved_at_once() -> None:
    meaning = trading()
    place(meaning)
    reserve(meaning, "cards/1")

    said = ("an item did not follow its order", "item-reserved/1", "item/cards/2")
    assert broken("order", meaning.end) == said


def test_a_proof_shows_the_effects_of_its_own_items_only() -> None:
    meaning = trading(complete=False)
    place(meaning)
    reserve(meaning, "cards/1")
    meaning.end()

    assert meaning.due == {}
    assert meaning.reserved == {"item/cards/1": NAME}


def test_an_item_is_reserved_by_its_order_and_for_it() -> None:
    meaning = trading()
    act = lambda: reserve(meaning, "cards/1")  # noqa: E731
    assert broken("order", act) == ("an item follows no order", None, "item-reserved/1")

    place(meaning)
    act = lambda: reserve(meaning, "cards/1", order=SECOND)  # noqa: E731
    assert broken("order", act) == ("an item was reserved for another order", NAME, SECOND)
    assert broken("order", lambda: free(meaning, "cards/2")) == (
        "an item follows no order",
        "item-reserved/1",
        "item-freed/1",
    )


def test_one_order_names_an_item_once() -> None:
    meaning = trading()
    place(meaning, lines=[LINES[0], line("cards/1", SWORD)])
    reserve(meaning, "cards/1")

    act = lambda: reserve(meaning, "cards/1")  # noqa: E731
    assert broken("order", act) == ("an item follows no order", None, "item-reserved/1")


def test_an_item_that_is_reserved_is_not_reserved_again() -> None:
    meaning = placed()
    meaning.due = {"item/cards/1": ("item-reserved/1", NAME)}

    act = lambda: reserve(meaning, "cards/1")  # noqa: E731
    assert broken("order", act) == ("an item was ordered twice", NAME, "item/cards/1")


def test_an_item_is_freed_by_the_order_that_holds_it() -> None:
    meaning = placed()
    meaning.due = {"item/cards/1": ("item-freed/1", f"order/{SECOND}")}

    said = ("an item was freed by another order", f"order/{SECOND}", "item/cards/1")
    assert broken("order", lambda: free(meaning, "cards/1")) == said


def test_all_items_of_an_expired_order_are_freed() -> None:
    meaning = placed()
    expire(meaning)
    free(meaning, "cards/2")

    said = ("an item did not follow its order", "item-freed/1", "item/cards/1")
    assert broken("order", meaning.end) == said


def test_a_reserved_item_does_not_move() -> None:
    meaning = placed()

    said = ("a reserved item moved", NAME, "item/cards/1")
    assert broken("order", lambda: meaning.check_free("item/cards/1")) == said
    meaning.check_free("item/cards/3")


def test_an_order_expires_unpaid_and_on_time() -> None:
    meaning = placed()
    due = "2026-12-01 12:15:00+00:00"
    act = lambda: expire(meaning, 900, -1)  # noqa: E731
    assert broken("order", act) == ("an order expired that could be paid", due, "unpaid")

    pay(meaning, {"balance/bob": -TOTAL, **ESCROW}, deliver_by=DUE)
    said = ("an order expired that could be paid", due, "paid")
    assert broken("order", lambda: expire(meaning)) == said
    meaning = placed()
    expire(meaning)
    said = ("an order expired that could be paid", due, "expired")
    assert broken("order", lambda: expire(meaning)) == said
    act = lambda: trading().expire({"at": NOON, "stream": NAME})  # noqa: E731
    assert broken("order", act) == ("what was never ordered", None, NAME)


# Payments


def test_only_the_buyers_own_balance_pays() -> None:
    act = lambda: pay(placed(), {"balance/eve": -TOTAL, **ESCROW}, by="eve", deliver_by=DUE)  # noqa: E731

    assert broken("payment", act) == ("another party's balance paid", "bob", "eve")
    pay(
        placed(), {"external/wechat": -TOTAL, **ESCROW}, by="kay", deliver_by=DUE, provider="wechat"
    )


def test_a_cashier_confirms_no_payment_of_its_own_order() -> None:
    moved = {"external/wechat": -TOTAL, **ESCROW}
    act = lambda: pay(placed(), moved, deliver_by=DUE, provider="wechat")  # noqa: E731

    assert broken("payment", act) == ("a cashier served itself", None, "bob")


def by_alipay(meaning: OrdersMeaning, postings: dict[str, int], **how: Any) -> None:
    amount = how.get("amount", TOTAL)
    pay(meaning, {"external/alipay": -amount, **postings}, by="kay", provider="alipay", **how)


@pytest.mark.parametrize("state", ["unpaid", "late", "expired", "paid"])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_the_outcome_of_a_payment_follows_from_time_state_and_amount(state: str, more: int) -> None:
    meaning, at = placed(), later(900)
    if state == "paid":
        by_alipay(meaning, ESCROW, deliver_by=DUE)
    elif state == "expired":
        expire(meaning)
    elif state == "late":
        at = later(900, 1)
    outcome = {"paid": "surplus", "unpaid": "short" if more < 0 else "funded"}.get(state, "late")
    funded, due = outcome == "funded", [later(7200, at=at), later(60, at=at)]
    rest = {"balance/bob": more if funded else TOTAL + more} if more or not funded else {}
    right = {**(ESCROW if funded else {}), **rest}
    how = {"amount": TOTAL + more, "at": at, "deliver_by": due if funded else None}

    for wrong in {"funded", "short", "surplus", "late"} - {outcome}:
        act = lambda wrong=wrong: by_alipay(meaning, right, outcome=wrong, **how)  # noqa: E731
        assert broken("payment", act) == ("another outcome of a payment", outcome, wrong)
    by_alipay(meaning, right, outcome=outcome, **how)
    assert meaning.orders[NAME].state == {"unpaid": "paid" if funded else "unpaid"}.get(
        state, "unpaid" if state == "late" else state
    )


def test_money_in_another_currency_pays_nothing() -> None:
    how = {"currency": "ETH", "outcome": "short"}
    by_alipay(placed(), {"balance/bob": TOTAL}, **how)

    act = lambda: by_alipay(placed(), {"balance/bob": TOTAL}, **how, in_="CNY")  # noqa: E731
    same = f"[('balance/bob', {TOTAL}), ('external/alipay', {-TOTAL})]"
    assert broken("payment", act) == ("a payment went elsewhere", same, same)


@pytest.mark.parametrize(
    "postings",
    [
        {f"escrow/{ORDER}/1": 9900, f"escrow/{ORDER}/2": 502},
        {f"escrow/{ORDER}/1": 501, f"escrow/{ORDER}/2": 9900},
        {f"escrow/{ORDER}/1": TOTAL},
        {"balance/bob": TOTAL},
        {**ESCROW, "fees": 1},
        {**ESCROW, "balance/bob": 1},
    ],
)
def test_a_payment_that_funds_goes_to_the_lines(postings: dict[str, int]) -> None:
    right = sorted({**ESCROW, "external/alipay": -TOTAL}.items())

    act = lambda: by_alipay(placed(), postings, deliver_by=DUE)  # noqa: E731
    found = sorted({**postings, "external/alipay": -TOTAL}.items())
    assert broken("payment", act) == ("a payment went elsewhere", str(right), str(found))


@pytest.mark.parametrize("account", ["balance/mia", "fees"])
def test_a_payment_that_funds_nothing_is_the_buyers(account: str) -> None:
    right = [("balance/bob", 5), ("external/alipay", -5)]

    act = lambda: by_alipay(placed(), {account: 5}, amount=5, outcome="short")  # noqa: E731
    found = sorted([(account, 5), ("external/alipay", -5)])
    assert broken("payment", act) == ("a payment went elsewhere", str(right), str(found))


@pytest.mark.parametrize("said", [None, DUE[::-1], DUE[:1]])
def test_the_deadlines_begin_with_the_payment(said: list[str] | None) -> None:
    act = lambda: by_alipay(placed(), ESCROW, deliver_by=said)  # noqa: E731

    message, _, found = broken("payment", act)
    assert (message, found) == (
        "a payment with other deadlines",
        None if said is None else str(said),
    )


def test_a_payment_that_funds_nothing_begins_no_deadline() -> None:
    how = {"amount": 5, "outcome": "short", "deliver_by": DUE}

    act = lambda: by_alipay(placed(), {"balance/bob": 5}, **how)  # noqa: E731
    assert broken("payment", act) == ("a payment with other deadlines", None, str(DUE))


def test_a_payment_is_for_an_order() -> None:
    act = lambda: by_alipay(trading(), ESCROW, deliver_by=DUE)  # noqa: E731

    assert broken("order", act) == ("what was never ordered", None, NAME)


# Escrow


def moving(meaning: OrdersMeaning, account: str, stream: str = NAME, currency: str = "CNY") -> None:
    posting = {"account": account, "amount": "1", "currency": currency}
    meaning.check_accounts({"data": {"postings": [posting]}, "stream": stream})


def test_only_the_streams_of_an_order_and_its_claims_move_its_escrow() -> None:
    meaning = placed()
    moving(meaning, f"escrow/{ORDER}/2")
    moving(meaning, f"escrow/{ORDER}/2", f"claim/{SECOND}")
    moving(meaning, "balance/bob", "balance/bob", "ETH")

    for account, stream in (
        (f"escrow/{ORDER}/3", NAME),
        (f"escrow/{SECOND}/1", NAME),
        (f"escrow/{ORDER}/1", f"order/{SECOND}"),
        (f"escrow/{ORDER}/1", "balance/bob"),
    ):
        act = lambda account=account, stream=stream: moving(meaning, account, stream)  # noqa: E731
        assert broken("held", act) == ("escrow of no line of the order", stream, account)
    act = lambda: moving(meaning, f"escrow/{ORDER}/1", currency="ETH")  # noqa: E731
    assert broken("held", act) == ("escrow in another currency", "CNY", "ETH")


@pytest.mark.parametrize("said", [[["gold"], []], [[], []], [["gold", "new"], ["gold"]]])
def test_an_order_copies_the_labels_that_stand(said: list[list[str]]) -> None:
    meaning = trading()
    meaning.shops.labels["mia"] = ["gold"]
    with pytest.raises(Tampered, match="an order with other labels") as caught:
        place(meaning, data={"labels": said})
    assert (caught.value.field, caught.value.expected) == ("order", "[['gold'], ['gold']]")
    place(meaning, data={"labels": [["gold"], ["gold"]]})

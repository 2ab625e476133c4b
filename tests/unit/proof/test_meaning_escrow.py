"""What becomes of the lines of a paid order, read from plain documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.proof.meaning_escrow import EscrowMeaning
from ledger.rules.digests import terms_digest
from tests.unit.proof.test_meaning_orders import (
    DUE,
    ESCROW,
    LINES,
    NAME,
    NOON,
    ORDER,
    POLICY,
    TOTAL,
    Broken,
    broken,
    later,
    pay,
    place,
    reserve,
    trading,
)

KEY = "A" * 43 + "="
FEE, SWORD_FEE = 247, 12
# Both classes are inspected for three days.
INSPECT_BY = later(3 * 86_400)
TERMS = terms_digest(POLICY)
AGENTS = {"item/cards/1": "system", "item/cards/2": "system"}
SECOND = "01930000-0000-7000-8000-000000000002"
Act = Callable[[], None]


def said(at: str) -> str:
    """A time as the meaning writes it."""
    return at.replace("T", " ").replace(".000000Z", "+00:00").replace("Z", "+00:00")


def ordered(*, key: str | None = None, complete: bool = True) -> EscrowMeaning:
    """Bob has ordered a card and a sword of mia's, which are reserved for him."""
    orders = trading(complete=complete)
    place(orders)
    reserve(orders)
    orders.end()
    meaning = EscrowMeaning(orders)
    fees = [str(FEE), str(SWORD_FEE)]
    meaning.place(
        {"data": {"fees": fees}, "stream": NAME},
        {"body": {"key": key, "lines": LINES, "terms": TERMS}},
    )
    return meaning


def paid(**how: Any) -> EscrowMeaning:
    meaning = ordered(**how)
    pay(meaning.orders, {"balance/bob": -TOTAL, **ESCROW}, deliver_by=DUE)
    meaning.pay({"data": {"deliver_by": DUE}, "stream": NAME})
    return meaning


def deliver(
    meaning: EscrowMeaning,
    *numbers: int,
    by: tuple[str, str] = ("system", "agent"),
    at: str = NOON,
    parcel: str | None = None,
    inspect_by: list[str] | None = None,
) -> None:
    parcels = [{"line": number, "parcel": parcel} for number in numbers or (1, 2)]
    inspect_by = inspect_by or [INSPECT_BY] * len(parcels)
    document = {"at": at, "data": {"inspect_by": inspect_by}, "stream": NAME}
    signers = [{"party": by[0], "role": by[1]}]
    meaning.deliver(document, {"body": {"parcels": parcels}, "signers": signers}, AGENTS.get)


def sell(meaning: EscrowMeaning, item: str, to: str = "bob", order: str = ORDER) -> None:
    meaning.sell({"data": {"from": "mia", "order": order, "to": to}, "stream": f"item/{item}"})


def delivered(**how: Any) -> EscrowMeaning:
    meaning = paid(**how)
    deliver(meaning)
    for item in ("cards/1", "cards/2"):
        sell(meaning, item)
    meaning.orders.end()
    return meaning


def postings(changes: dict[str, int], currency: str = "CNY") -> list[dict[str, str]]:
    return [
        {"account": account, "amount": str(amount), "currency": currency}
        for account, amount in changes.items()
    ]


RELEASED = {
    "balance/mia": TOTAL - FEE - SWORD_FEE,
    f"escrow/{ORDER}/1": -9900,
    f"escrow/{ORDER}/2": -501,
    "fees": FEE + SWORD_FEE,
}


def release(
    meaning: EscrowMeaning,
    *lines: int,
    kind: str = "accept-lines/1",
    by: str = "bob",
    at: str = NOON,
    moved: dict[str, int] | None = None,
    currency: str = "CNY",
) -> None:
    data = {"lines": list(lines or (1, 2)), "postings": postings(moved or RELEASED, currency)}
    document = {"at": at, "data": data, "stream": NAME}
    meaning.release(document, {"kind": kind, "signers": [{"party": by}]})


REFUNDED = {"balance/bob": 501, f"escrow/{ORDER}/2": -501}


def refund(
    meaning: EscrowMeaning,
    line: int = 2,
    amount: int = 501,
    *,
    at: str = DUE[1],
    moved: dict[str, int] | None = None,
) -> None:
    lines = [{"amount": str(amount), "line": line}]
    data = {"lines": lines, "postings": postings(moved or REFUNDED)}
    meaning.refund(
        {"at": at, "data": data, "stream": NAME}, {"kind": "refund-lines/1", "signers": []}
    )


def test_lines_are_delivered_sold_accepted_and_released() -> None:
    meaning = delivered()
    release(meaning)

    lines = meaning.lines[NAME]
    assert [(line.held, line.released, line.refunded) for line in lines] == [
        (0, 9900, 0),
        (0, 501, 0),
    ]
    assert meaning.orders.reserved == {}


def test_the_time_to_inspect_releases_too() -> None:
    meaning = delivered()
    release(meaning, kind="release-lines/1", by="system", at=INSPECT_BY)

    assert [line.held for line in meaning.lines[NAME]] == [0, 0]


def test_what_is_not_delivered_in_time_goes_back() -> None:
    meaning = paid()
    refund(meaning)
    meaning.orders.free({"stream": "item/cards/2"})
    meaning.orders.end()

    assert [(line.held, line.refunded) for line in meaning.lines[NAME]] == [(9900, 0), (0, 501)]
    assert meaning.orders.reserved == {"item/cards/1": NAME}


def test_a_payment_that_funds_nothing_puts_nothing_into_escrow() -> None:
    meaning = ordered()
    meaning.pay({"data": {"deliver_by": None}, "stream": NAME})

    assert [(line.held, line.deliver_by) for line in meaning.lines[NAME]] == [(0, None)] * 2


@pytest.mark.parametrize(
    ("by", "expected"),
    [(("mia", "agent"), "system"), (("system", "merchant"), "mia"), (("eve", "agent"), "system")],
)
def test_only_agent_and_merchant_deliver(by: tuple[str, str], expected: str) -> None:
    found = broken("delivery", lambda: deliver(paid(), by=by))
    assert found == ("another party delivered", expected, by[0])


def test_the_merchant_delivers_without_its_agent() -> None:
    meaning = paid()
    deliver(meaning, by=("mia", "merchant"))

    assert {said(INSPECT_BY)} == {str(line.inspect_by) for line in meaning.lines[NAME]}


def test_a_line_is_delivered_once() -> None:
    meaning = delivered()

    found = broken("delivery", lambda: deliver(meaning, 2))
    assert found == ("a line was delivered twice", None, "item/cards/2")


def test_a_line_is_delivered_while_it_is_paid_for() -> None:
    unpaid = ("a delivery of what is not paid", None, "item/cards/1")
    assert broken("delivery", lambda: deliver(ordered())) == unpaid

    meaning = paid()
    meaning.lines[NAME][0].held = 0
    assert broken("delivery", lambda: deliver(meaning)) == unpaid


def test_a_line_is_delivered_in_time() -> None:
    deliver(paid(), 2, at=DUE[1], inspect_by=[later(3 * 86_400 + 60)])
    late = later(60, 1)

    found = broken("delivery", lambda: deliver(paid(), 2, at=late))
    assert found == ("a delivery after its time", said(DUE[1]), said(late))


@pytest.mark.parametrize(
    ("key", "line", "parcel"), [(KEY, 1, None), (None, 1, "9" * 64), (KEY, 2, "9" * 64)]
)
def test_a_parcel_is_there_exactly_for_a_card_and_a_key(
    key: str | None, line: int, parcel: str | None
) -> None:
    meaning = paid(key=key)
    for each, sells in zip(meaning.lines[NAME], ("card", "item"), strict=True):
        each.periods = {**each.periods, "sells": sells}

    found = broken("delivery", lambda: deliver(meaning, line, parcel=parcel))
    assert found == ("a delivery with another parcel", str(parcel is None), parcel)


def test_the_time_to_inspect_follows_from_the_policy() -> None:
    wrong = later(3 * 86_400 + 1)

    message, expected, found = broken("delivery", lambda: deliver(paid(), 1, inspect_by=[wrong]))
    assert message == "a delivery with another time to inspect"
    assert "2026, 12, 4, 12, 0" in str(expected)
    assert "2026, 12, 4, 12, 0, 1" in str(found)


def test_a_line_that_was_never_ordered() -> None:
    said = ("a line that was never ordered", "2", "3")
    assert broken("delivery", lambda: deliver(paid(), 3)) == said
    assert broken("delivery", lambda: release(delivered(), 3)) == said


# Sold items


def test_a_delivered_item_is_sold_to_the_buyer_of_its_order() -> None:
    def sold(to: str = "bob", order: str = ORDER) -> Broken:
        meaning = paid()
        deliver(meaning)
        return broken("delivery", lambda: sell(meaning, "cards/1", to, order))

    right = str((NAME, "bob"))
    message = "an item was sold to another"
    assert sold(to="eve") == (message, right, str((ORDER, "eve")))
    assert sold(order=SECOND) == (message, right, str((SECOND, "bob")))


def test_every_delivered_item_is_sold_at_once() -> None:
    meaning = paid()
    deliver(meaning)
    sell(meaning, "cards/1")

    found = broken("order", meaning.orders.end)
    assert found == ("an item did not follow its order", "item-sold/1", "item/cards/2")


def test_an_item_is_sold_by_a_delivery_and_once() -> None:
    said = ("an item follows no order", None, "item-sold/1")
    assert broken("order", lambda: sell(paid(), "cards/1")) == said
    assert broken("order", lambda: sell(delivered(), "cards/1")) == said

    meaning = paid()
    deliver(meaning, 2)
    assert broken("order", lambda: sell(meaning, "cards/1")) == said


def test_a_delivered_item_is_not_freed() -> None:
    meaning = paid()
    deliver(meaning)

    found = broken("order", lambda: meaning.orders.free({"stream": "item/cards/1"}))
    assert found == ("an item follows no order", "item-sold/1", "item-freed/1")


# Released


def test_only_the_buyer_accepts() -> None:
    found = broken("release", lambda: release(delivered(), by="mia"))
    assert found == ("another party accepted", "bob", "mia")


def test_nothing_is_released_that_was_not_delivered() -> None:
    found = broken("release", lambda: release(paid()))
    assert found == ("a release of what was not delivered", None, "item/cards/1")


def test_nothing_is_released_before_its_time() -> None:
    early = later(3 * 86_400, -1)

    act = lambda: release(delivered(), kind="release-lines/1", at=early)  # noqa: E731
    assert broken("release", act) == ("a release before its time", said(INSPECT_BY), said(early))


def test_what_is_held_leaves_once() -> None:
    meaning = delivered()
    release(meaning)

    found = broken("release", lambda: release(meaning))
    assert found == ("what is not held left", None, "item/cards/1")
    found = broken("release", lambda: release(ordered()))
    assert found == ("what is not held left", None, "item/cards/1")


def test_frozen_funds_stay() -> None:
    meaning = delivered()
    meaning.lines[NAME][1].claims.update(("c2", "c1"))
    frozen = ("frozen funds left", None, "c1")
    assert broken("claims", lambda: release(meaning)) == frozen

    meaning = paid()
    meaning.lines[NAME][1].claims.add("c1")
    assert broken("claims", lambda: refund(meaning)) == frozen


@pytest.mark.parametrize(
    "change",
    [
        {"balance/mia": TOTAL, "fees": 0},
        {"fees": FEE + SWORD_FEE + 1, "balance/mia": TOTAL - FEE - SWORD_FEE - 1},
        {"balance/mia": 0, "balance/eve": TOTAL - FEE - SWORD_FEE},
        {f"escrow/{ORDER}/1": -9901},
    ],
)
def test_what_is_released_goes_to_the_merchant_less_the_fee(change: dict[str, int]) -> None:
    moved = RELEASED | change

    message, expected, found = broken("release", lambda: release(delivered(), moved=moved))
    assert message == "escrow went elsewhere"
    assert expected == str({(each, "CNY"): RELEASED[each] for each in sorted(RELEASED)})
    assert found == str({(each, "CNY"): amount for each, amount in moved.items()})


def test_what_is_released_is_in_the_currency_of_the_order() -> None:
    message, *_ = broken("release", lambda: release(delivered(), currency="ETH"))
    assert message == "escrow went elsewhere"


# Refunded


def test_nothing_is_refunded_that_was_delivered_or_could_be() -> None:
    found = broken("refund", lambda: refund(delivered()))
    assert found == ("a refund of what was delivered", None, "item/cards/2")
    early = later(60, -1)
    found = broken("refund", lambda: refund(paid(), at=early))
    assert found == ("a refund before its time", said(DUE[1]), said(early))


def test_all_that_is_held_goes_back_to_the_buyer() -> None:
    found = broken("refund", lambda: refund(paid(), amount=500))
    assert found == ("a refund of another amount", "501", "500")

    moved = {"balance/eve": 501, f"escrow/{ORDER}/2": -501}
    message, *_ = broken("refund", lambda: refund(paid(), moved=moved))
    assert message == "escrow went elsewhere"


def test_an_item_that_was_not_delivered_is_free_again_at_once() -> None:
    meaning = paid()
    refund(meaning)

    found = broken("order", meaning.orders.end)
    assert found == ("an item did not follow its order", "item-freed/1", "item/cards/2")


def test_a_proof_shows_the_effects_of_its_own_items_only() -> None:
    meaning = paid(complete=False)
    deliver(meaning)
    sell(meaning, "cards/1")
    meaning.orders.end()

    assert meaning.orders.due == {}


# Given by the merchant


def give(
    meaning: EscrowMeaning,
    amount: int,
    *,
    by: str = "mia",
    moved: dict[str, int] | None = None,
    line: int = 2,
) -> None:
    held = {"balance/bob": amount, f"escrow/{ORDER}/{line}": -amount}
    lines = [{"amount": str(amount), "line": line}]
    data = {"lines": lines, "postings": postings(moved or held)}
    command = {"kind": "give-refund/1", "signers": [{"party": by}]}
    meaning.refund({"at": NOON, "data": data, "stream": NAME}, command)


def test_a_merchant_refunds_parts_out_of_escrow_and_the_rest_is_released() -> None:
    meaning = delivered()
    give(meaning, 100)
    fee = SWORD_FEE * 401 // 501
    moved = {"balance/mia": 401 - fee, f"escrow/{ORDER}/2": -401, "fees": fee}
    release(meaning, 2, moved=moved)

    line = meaning.lines[NAME][1]
    assert (line.held, line.released, line.refunded) == (0, 401, 100)


def test_what_is_refunded_of_the_released_brings_its_fee_back() -> None:
    meaning = delivered()
    release(meaning)
    back = SWORD_FEE - SWORD_FEE * 401 // 501
    give(meaning, 100, moved={"balance/bob": 100, "balance/mia": back - 100, "fees": -back})
    rest = SWORD_FEE - back
    give(meaning, 401, moved={"balance/bob": 401, "balance/mia": rest - 401, "fees": -rest})

    line = meaning.lines[NAME][1]
    assert (line.held, line.released, line.refunded) == (0, 0, 501)
    meaning.orders.end()


def test_a_refund_before_delivery_frees_the_item_once_nothing_is_held() -> None:
    meaning = paid()
    give(meaning, 100)
    meaning.orders.end()
    give(meaning, 401)
    meaning.orders.free({"stream": "item/cards/2"})
    meaning.orders.end()

    assert meaning.orders.reserved == {"item/cards/1": NAME}


@pytest.mark.parametrize("amount", [0, 502, -1])
def test_a_merchant_refunds_no_more_than_is_left(amount: int) -> None:
    found = broken("refund", lambda: give(delivered(), amount))
    assert found == ("a refund of more than is left", "501", str(amount))

    meaning = delivered()
    release(meaning)
    give(meaning, 501, moved={"balance/bob": 501, "balance/mia": SWORD_FEE - 501, "fees": -12})
    found = broken("refund", lambda: give(meaning, 1))
    assert found == ("a refund of more than is left", "0", "1")


def test_only_the_lines_merchant_gives_and_nothing_that_is_frozen() -> None:
    found = broken("refund", lambda: give(delivered(), 1, by="eve"))
    assert found == ("another party refunded", "mia", "eve")

    meaning = delivered()
    meaning.lines[NAME][1].claims.update(("c2", "c1"))
    assert broken("claims", lambda: give(meaning, 1)) == ("frozen funds left", None, "c1")


def test_the_fee_comes_back_to_whom_it_was_taken_from() -> None:
    meaning = delivered()
    release(meaning)

    moved = {"balance/bob": 501, "balance/mia": -501}
    message, *_ = broken("refund", lambda: give(meaning, 501, moved=moved))
    assert message == "escrow went elsewhere"

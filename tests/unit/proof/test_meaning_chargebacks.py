"""What chargebacks must mean together, read from plain documents."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.meaning_chargebacks import ChargebacksMeaning
from ledger.proof.meaning_escrow import EscrowMeaning
from tests.unit.proof.test_meaning_escrow import FEE, delivered, paid, postings, release, said
from tests.unit.proof.test_meaning_orders import NAME, NOON, ORDER, broken, later

ONE, TWO = "01930000-0000-7000-8000-0000000000d1", "01930000-0000-7000-8000-0000000000d2"
PRICE = 9900
HELD = f"escrow/{ORDER}/1"
TAKEN = {HELD: -PRICE, "external/alipay": PRICE}


def given(moved: dict[str, int]) -> dict[str, int]:
    return {account: -amount for account, amount in moved.items()}


def command(stage: str, case: str, lines: list[dict[str, Any]], by: str) -> dict[str, Any]:
    body = {"case": case, "lines": lines, "order": ORDER, "provider": "alipay", "stage": stage}
    return {"body": body, "signers": [{"party": by, "role": "cashier"}]}


def take(
    meaning: ChargebacksMeaning,
    moved: dict[str, int],
    *parts: tuple[int, int],
    case: str = ONE,
    by: str = "kay",
) -> None:
    lines = [{"amount": str(amount), "line": line} for line, amount in parts or ((1, PRICE),)]
    document = {"at": NOON, "data": {"postings": postings(moved)}, "stream": NAME}
    meaning.take(document, command("received", case, lines, by))


def end(
    meaning: ChargebacksMeaning,
    stage: str,
    moved: dict[str, int] | None = None,
    *,
    case: str = ONE,
    at: str = NOON,
    by: str = "kay",
) -> dict[str, int]:
    document = {"at": at, "data": {"postings": postings(moved or {})}, "stream": NAME}
    return dict(meaning.end(document, command(stage, case, [], by)))


def on(escrow: EscrowMeaning) -> ChargebacksMeaning:
    return ChargebacksMeaning(escrow)


def first(meaning: ChargebacksMeaning) -> tuple[int, int, set[str]]:
    line = meaning.escrow.lines[NAME][0]
    return line.held, line.released, line.claims


def fault(act: Any) -> tuple[str, str | None, str | None]:
    found: tuple[str, str | None, str | None] = broken("chargebacks", act)
    return found


def accepted() -> EscrowMeaning:
    escrow = delivered()
    release(escrow, 1, moved={"balance/mia": PRICE - FEE, HELD: -PRICE, "fees": FEE})
    return escrow


def test_what_is_held_is_taken_and_given_again() -> None:
    meaning = on(delivered())
    take(meaning, TAKEN)
    assert first(meaning) == (0, 0, {ONE})
    end(meaning, "won", given(TAKEN))
    assert first(meaning) == (PRICE, 0, set())


def test_what_a_merchant_got_it_owes_less_the_fee() -> None:
    meaning = on(accepted())
    fee = FEE - FEE * (PRICE - 4000) // PRICE
    owed = {"external/alipay": 4000, "fees": -fee, "receivable/mia": fee - 4000}
    take(meaning, owed, (1, 4000))
    assert first(meaning) == (0, PRICE - 4000, {ONE})
    end(meaning, "won", given(owed))
    assert first(meaning) == (0, PRICE, set())


def owed(released: int, amount: int) -> int:
    """What the merchant must give back of so much that was released, its fee returned."""
    return amount - (FEE * released // PRICE - FEE * (released - amount) // PRICE)


@pytest.mark.parametrize("order", [(ONE, TWO), (TWO, ONE)])
def test_what_is_lost_is_owed_less_the_fee_in_whichever_order_cases_end(
    order: tuple[str, str],
) -> None:
    meaning, parts = on(accepted()), {ONE: 3333, TWO: 6066}
    left = PRICE
    for case, amount in parts.items():
        back = owed(left, amount)
        moved = {"external/alipay": amount, "fees": back - amount, "receivable/mia": -back}
        take(meaning, moved, (1, amount), case=case)
        left -= amount
    first_, last = (end(meaning, "lost", case=case) for case in order)
    rest = PRICE - parts[order[0]]
    assert first_ == {"mia": owed(PRICE, parts[order[0]])}
    assert last == {"mia": owed(rest, parts[order[1]])}


def test_what_is_won_is_owed_no_more() -> None:
    meaning = on(accepted())
    lost = {"external/alipay": 50, "fees": owed(PRICE, 50) - 50, "receivable/mia": -owed(PRICE, 50)}
    take(meaning, lost, (1, 50))
    assert end(meaning, "won", given(lost)) == {"mia": 0}


def test_what_is_lost_stays_where_it_is_and_frees_what_was_never_delivered() -> None:
    meaning = on(paid())
    take(meaning, TAKEN)
    end(meaning, "lost")
    assert first(meaning) == (0, 0, set())
    found = broken("order", meaning.escrow.orders.end)
    assert found == ("an item did not follow its order", "item-freed/1", "item/cards/1")
    sold = on(delivered())
    take(sold, TAKEN)
    end(sold, "lost")
    sold.escrow.orders.end()


def test_an_item_is_free_after_the_last_case_of_its_line() -> None:
    meaning = on(paid())
    take(meaning, {HELD: -1, "external/alipay": 1}, (1, 1))
    take(meaning, {HELD: 1 - PRICE, "external/alipay": PRICE - 1}, (1, PRICE - 1), case=TWO)
    end(meaning, "lost")
    meaning.escrow.orders.end()
    end(meaning, "lost", case=TWO)
    broken("order", meaning.escrow.orders.end)


def test_what_fell_due_meanwhile_is_due_at_the_end() -> None:
    late = later(9 * 86_400)
    for escrow, name in ((paid(), "deliver_by"), (delivered(), "inspect_by")):
        meaning = on(escrow)
        take(meaning, TAKEN)
        end(meaning, "won", given(TAKEN), at=late)
        assert str(getattr(escrow.lines[NAME][0], name)) == said(late)


@pytest.mark.parametrize("amount", [PRICE + 1, 0])
def test_a_provider_takes_no_more_than_there_is(amount: int) -> None:
    moved = {HELD: -amount, "external/alipay": amount} if amount else {}
    message = "a provider took more of a line than is there"
    for escrow in (delivered(), accepted()):
        meaning = on(escrow)
        found = fault(lambda meaning=meaning: take(meaning, moved, (1, amount)))
        assert found == (message, str(PRICE), str(amount))


def test_it_is_taken_out_of_escrow_and_nowhere_else() -> None:
    found = fault(lambda: take(on(delivered()), {"fees": -PRICE, "external/alipay": PRICE}))
    assert found[0] == "escrow went elsewhere"
    meaning = on(delivered())
    take(meaning, TAKEN)
    elsewhere = {"balance/mia": PRICE, "external/alipay": -PRICE}
    assert fault(lambda: end(meaning, "won", elsewhere))[0] == "escrow went elsewhere"
    other = on(delivered())
    take(other, TAKEN)
    assert fault(lambda: end(other, "lost", given(TAKEN)))[0] == "escrow went elsewhere"


@pytest.mark.parametrize("stage", ["won", "lost"])
def test_who_sold_the_lines_is_named_once_at_the_start_and_at_the_end(stage: str) -> None:
    meaning = on(delivered())
    lines = [{"amount": "1", "line": 1}, {"amount": "1", "line": 2}]
    moved = {HELD: -1, f"escrow/{ORDER}/2": -1, "external/alipay": 2}
    document = {"at": NOON, "data": {"postings": postings(moved)}, "stream": NAME}
    assert meaning.take(document, command("received", ONE, lines, "kay")) == ["mia"]
    back = given(moved) if stage == "won" else {}
    document = {"at": NOON, "data": {"postings": postings(back)}, "stream": NAME}
    assert meaning.end(document, command(stage, ONE, [], "kay")) == {"mia": 0}


@pytest.mark.parametrize("by", ["bob", "mia"])
def test_no_side_of_an_order_records_its_chargeback(by: str) -> None:
    message = "a side of an order recorded its chargeback"
    assert fault(lambda: take(on(delivered()), TAKEN, by=by)) == (message, None, by)
    meaning = on(delivered())
    take(meaning, TAKEN)
    assert fault(lambda: end(meaning, "lost", by=by)) == (message, None, by)


def test_a_case_is_received_once_and_ends_once() -> None:
    meaning = on(delivered())
    assert fault(lambda: end(meaning, "lost")) == ("what ended is no open chargeback", None, ONE)
    take(meaning, {HELD: -1, "external/alipay": 1}, (1, 1))
    again = {HELD: -1, "external/alipay": 1}
    found = fault(lambda: take(meaning, again, (1, 1)))
    assert found == ("a chargeback was received twice", None, ONE)
    end(meaning, "lost")
    assert fault(lambda: end(meaning, "lost"))[0] == "what ended is no open chargeback"


def test_a_case_bears_the_number_of_no_claim() -> None:
    meaning = on(delivered())
    meaning.escrow.lines[NAME][0].claims.add(ONE)
    found = fault(lambda: take(meaning, TAKEN))
    assert found == ("a case bears the number of a claim", None, ONE)


def test_frozen_money_does_not_leave() -> None:
    meaning = on(delivered())
    take(meaning, {HELD: -1, "external/alipay": 1}, (1, 1))
    moved = {"balance/mia": PRICE - FEE, HELD: -PRICE, "fees": FEE}
    found = broken("claims", lambda: release(meaning.escrow, 1, moved=moved))
    assert found == ("frozen funds left", None, ONE)

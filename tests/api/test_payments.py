"""Webhooks of payment providers: each payment once, whatever comes how often in which order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.payments.movements import catch_up, movements
from api.payments.notices import take
from api.payments.reconcile import reconcile
from api.payments.statements import PAID, Row
from ledger.crashpoints import CrashPoint, arm
from ledger.record.stored import read_stored
from ledger.rules.compose import Draft, Sealing
from tests.api.serving import Served, house_of, serve
from tests.api.signing import ask, path_of
from tests.goods import CARD_CLASS, register_card
from tests.money import money_body
from tests.orders import order_of, place_order
from tests.paying import (
    FORM,
    Sent,
    alipay,
    alipay_notice,
    rsa_key,
    set_up,
    till_notice,
    wechat,
    wechat_notice,
    wechat_refund,
)
from tests.shops import publish_listing, qualify
from tests.terms import publish_terms, terms

GIFT = "cards/gift"
HOUR_US = 3600 * 1_000_000
Make = Callable[..., Sent]
MAKERS = {"alipay": alipay_notice, "internal": till_notice, "wechat": wechat_notice}
DONE = {"alipay": (200, b"success"), "internal": (204, b""), "wechat": (204, b"")}
PARTIES = {"alipay": "ali", "internal": "till", "wechat": "wex"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A ledger with a member, and a cashier's party for each provider."""
    with serve(tmp_path) as opened:
        world = opened.world
        for party in ("ann", "rex", *PARTIES.values()):
            world.register(party)
        for party in PARTIES.values():
            world.grant(party, "cashier", second="rex")
        keys = tmp_path / "keys"
        keys.mkdir()
        for party in PARTIES.values():
            world.key(party).save(keys / f"{party}.pem")
        set_up(tmp_path)
        yield opened


def post(served: Served, provider: str, sent: Sent) -> Any:
    headers, body = sent
    flat = [(name, value) for name, values in headers.items() for value in values]
    return served.client.post(f"/v1/payments/{provider}", content=body, headers=flat)


def balance(served: Served, party: str = "ann") -> list[dict[str, str]]:
    found: list[dict[str, str]] = served.client.get(f"/v1/balances/{party}").json()["holds"]
    return found


def holds(amount: int) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": "CNY"}] if amount else []


@pytest.mark.parametrize("provider", list(MAKERS))
def test_a_payment_is_topped_up_once(served: Served, provider: str) -> None:
    make, now, size = MAKERS[provider], served.world.clock.now(), served.world.size()

    answers = [post(served, provider, make(now)) for _ in range(3)]

    assert [(each.status_code, each.content) for each in answers] == [DONE[provider]] * 3
    assert answers[0].headers["cache-control"] == "no-store"
    assert balance(served) == holds(8880)
    assert served.world.size() == size + 1


@pytest.mark.parametrize("provider", list(MAKERS))
def test_what_is_recorded_is_signed_by_the_providers_party(served: Served, provider: str) -> None:
    sent = MAKERS[provider](served.world.clock.now())
    index = served.world.size()
    post(served, provider, sent)

    entry = read_stored(served.world.reader.entries(index, index + 1)[0])
    assert entry.command is not None
    party = PARTIES[provider]
    assert [(each.party, each.role) for each in entry.command.signers] == [(party, "cashier")]
    assert entry.command.body == {
        "amount": {"amount": "8880", "currency": "CNY"},
        "party": "ann",
        "provider": provider,
    }
    # The number is sealed for whoever paid, and for nobody else.
    (disclosed,) = ask(served, path_of(index), "ann").json()["disclosures"]
    assert disclosed["value"].encode() not in entry.raw
    assert disclosed["value"].startswith(("42", "2026"))
    assert ask(served, path_of(index), "rex").status_code == 403


def test_many_at_once_are_recorded_once(served: Served) -> None:
    now, size = served.world.clock.now(), served.world.size()

    with ThreadPoolExecutor(8) as pool:
        sent = [wechat_notice(now) for _ in range(24)]
        answers = list(pool.map(lambda one: post(served, "wechat", one), sent))

    assert {each.status_code for each in answers} == {204}
    assert balance(served) == holds(8880)
    assert served.world.size() == size + 1


def test_two_payments_are_two(served: Served) -> None:
    now = served.world.clock.now()
    for sent in (wechat_notice(now), wechat_notice(now, transaction_id="4200000002")):
        assert post(served, "wechat", sent).status_code == 204
    # Another provider may give the same number to another payment.
    assert post(served, "alipay", alipay_notice(now, trade_no="4200000002")).content == b"success"

    assert balance(served) == holds(3 * 8880)


def test_a_payment_that_a_person_recorded_is_not_recorded_again(served: Served) -> None:
    world = served.world
    seal = [Sealing("transaction", "ann", world.dice(32), "4200000009")]
    body = money_body("ann", 8880, provider="wechat")
    world.submit(Draft("top-up/1", "ali", [world.signs("ali", "cashier")], body, seal=seal))

    sent = wechat_notice(world.clock.now(), transaction_id="4200000009")
    assert post(served, "wechat", sent).status_code == 204

    assert balance(served) == holds(8880)


@pytest.mark.parametrize("provider", list(MAKERS))
def test_what_is_forged_changes_nothing(served: Served, provider: str) -> None:
    size, now = served.world.size(), served.world.clock.now()
    headers, body = MAKERS[provider](now)
    forged = (headers, body.replace(b"T-", b"X-").replace(b"EV-", b"EX-"))
    stranger = alipay_notice(now, key=rsa_key("mallory"))

    answer = post(served, provider, forged)
    assert answer.status_code == 401
    if provider == "alipay":
        assert answer.content == b"fail"
        assert post(served, provider, stranger).status_code == 401
    elif provider == "internal":
        assert answer.json()["code"] == "notice-signature-invalid"
    else:
        assert answer.json() == {"code": "FAIL", "message": "notice-signature-invalid"}
    assert served.world.size() == size


def test_an_old_notice_is_refused_and_a_repeated_one_counts_once(served: Served) -> None:
    sent = wechat_notice(served.world.clock.now())
    post(served, "wechat", sent)
    served.world.clock.advance(HOUR_US)

    answer = post(served, "wechat", sent)
    assert (answer.status_code, answer.json()["message"]) == (401, "notice-stale")
    # Signed again by the provider, as it does when it repeats one.
    assert post(served, "wechat", wechat_notice(served.world.clock.now())).status_code == 204
    assert balance(served) == holds(8880)


@pytest.mark.parametrize("first", ["payment", "refund"])
def test_payment_and_refund_may_come_in_either_order(served: Served, first: str) -> None:
    now = served.world.clock.now()
    both = [wechat_notice(now), wechat_refund(now)]
    for sent in both if first == "payment" else both[::-1]:
        assert post(served, "wechat", sent).status_code == 204

    # What was recorded stays, and what was refunded before it was recorded never is by itself.
    assert balance(served) == holds(8880 if first == "payment" else 0)
    for sent in both:
        post(served, "wechat", sent)
    assert balance(served) == holds(8880 if first == "payment" else 0)


def test_what_is_not_paid_yet_does_not_keep_it_from_being_paid(served: Served) -> None:
    now, size = served.world.clock.now(), served.world.size()
    for status in ("WAIT_BUYER_PAY", "TRADE_CLOSED"):
        sent = alipay_notice(now, trade_status=status, gmt_payment=None)
        assert post(served, "alipay", sent).content == b"success"
    assert served.world.size() == size

    post(served, "alipay", alipay_notice(now))
    post(served, "alipay", alipay_notice(now, trade_status="TRADE_FINISHED"))
    assert balance(served) == holds(8880)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"attach": None}, 422, "notice-unassigned"),
        ({"attach": "balance/nobody"}, 409, "unknown-party"),
        ({"attach": "balance/wex"}, 422, "wrong-signers"),
        ({"mchid": "1900000999"}, 403, "notice-not-ours"),
        ({"transaction_id": None}, 400, "malformed"),
    ],
)
def test_what_cannot_be_recorded_is_sent_again_by_its_provider(
    served: Served, sent: dict[str, Any], status: int, code: str
) -> None:
    size = served.world.size()
    answer = post(served, "wechat", wechat_notice(served.world.clock.now(), **sent))

    assert answer.status_code == status
    assert answer.json() == {"code": "FAIL", "message": code}
    assert served.world.size() == size


def test_a_payment_for_somebody_unknown_is_recorded_once_he_is_known(served: Served) -> None:
    sent = wechat_notice(served.world.clock.now(), attach="balance/bob")
    assert post(served, "wechat", sent).status_code == 409
    served.world.register("bob")

    assert post(served, "wechat", sent).status_code == 204
    assert post(served, "wechat", sent).status_code == 204
    assert balance(served, "bob") == holds(8880)


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("alipay", b"fail"),
        ("internal", b"provider-not-configured"),
        ("wechat", b"provider-not-configured"),
    ],
)
def test_a_provider_that_is_not_set_up_is_not_found(
    tmp_path: Path, provider: str, body: bytes
) -> None:
    with serve(tmp_path) as served:
        answer = post(served, provider, MAKERS[provider](served.world.clock.now()))

    assert answer.status_code == 404
    assert body in answer.content


def test_too_much_is_refused_before_it_is_looked_at(served: Served) -> None:
    answer = served.client.post(
        "/v1/payments/alipay", content=b"a=" * 40_000, headers={"content-type": FORM}
    )

    assert (answer.status_code, answer.content) == (413, b"fail")


def test_a_query_is_refused(served: Served) -> None:
    sent = wechat_notice(served.world.clock.now())
    answer = served.client.post("/v1/payments/wechat?x=1", content=sent[1])

    assert (answer.status_code, answer.json()["message"]) == (400, "malformed")


class Killed(BaseException):
    """The process was killed."""


@pytest.mark.parametrize(
    ("point", "recorded"),
    [
        (CrashPoint.NOTICE_RESERVED, False),
        (CrashPoint.DECIDED, False),
        (CrashPoint.BEFORE_COMMIT, False),
        (CrashPoint.COMMITTED, True),
    ],
)
def test_a_process_that_dies_over_a_notice_leaves_it_to_be_recorded_once(
    served: Served, point: CrashPoint, *, recorded: bool
) -> None:
    world = served.world
    house = served.app.state.rooms.house
    now = world.clock.now()
    victim = threading.get_ident()

    def kill(reached: CrashPoint) -> None:
        # The keeper of the served app publishes at the same time, in threads of its own.
        if reached is point and threading.get_ident() == victim:
            raise Killed

    def work() -> None:
        submission = take(house, wechat(), *wechat_notice(now))
        assert submission is not None
        world.ledger.submit([submission])

    arm(kill)
    try:
        with pytest.raises(Killed):
            work()
    finally:
        arm(None)
    assert (balance(served) == holds(8880)) is recorded

    assert post(served, "wechat", wechat_notice(now)).status_code == 204
    assert balance(served) == holds(8880)


def test_two_processes_that_both_composed_record_it_once(served: Served, tmp_path: Path) -> None:
    world = served.world
    other = house_of(world, tmp_path)
    now, size = world.clock.now(), world.size()

    # Both are past the book before either has written.
    first = take(served.app.state.rooms.house, wechat(), *wechat_notice(now))
    second = take(other, wechat(), *wechat_notice(now))
    assert first is not None
    assert second is not None
    assert first.command != second.command
    outcomes = world.send(first, second)

    assert [getattr(each, "code", "recorded") for each in outcomes] == [
        "recorded",
        "command-conflict",
    ]
    assert world.size() == size + 1
    assert take(other, wechat(), *wechat_notice(now)) is None
    other.notices.close()


@pytest.mark.parametrize("lost", ["notices.sqlite", "notice-pepper"])
def test_a_book_that_was_lost_is_written_again_from_the_vault(
    served: Served, tmp_path: Path, lost: str
) -> None:
    now = served.world.clock.now()
    for provider, make in MAKERS.items():
        post(served, provider, make(now))
    size = served.world.size()
    served.app.state.rooms.house.notices.close()
    (tmp_path / "vault" / lost).unlink()
    other = house_of(served.world, tmp_path)

    assert take(other, wechat(), *wechat_notice(now)) is None
    assert take(other, alipay(), *alipay_notice(now)) is None
    assert other.notices.known(size) == size
    other.notices.close()


def test_what_the_vault_no_longer_opens_keeps_nothing_else_from_being_learned(
    served: Served,
) -> None:
    world, now = served.world, served.world.clock.now()
    post(served, "wechat", wechat_notice(now))
    world.register("bob")
    sent = alipay_notice(now, passback_params="balance/bob")
    post(served, "alipay", sent)
    world.vault.erase("ann")
    house = served.app.state.rooms.house
    house.notices.known(0)

    catch_up(house)
    assert take(house, alipay(), *sent) is None
    # What was in the book before stays there, so that the log knows the command's id.
    again = take(house, wechat(), *wechat_notice(now))
    assert again is not None
    assert [getattr(each, "code", None) for each in world.send(again)] == ["command-conflict"]


@pytest.fixture
def shop(served: Served) -> Served:
    """A shop with cards at 9,900 beside the cashiers."""
    world = served.world
    world.register("mia")
    world.grant("rex", "reviewer")
    world.open_namespace("cards", "mia")
    publish_terms(world, terms())
    qualify(world, "mia", "rex", **{"class": CARD_CLASS})
    publish_listing(world, GIFT, "mia", **{"class": CARD_CLASS})
    for number in range(2):
        register_card(world, f"cards/{number}", "mia", agent="system")
    return served


def paid_by(served: Served, provider: str, order: str, minor: int, transaction: str) -> Sent:
    """A notice that an order was paid."""
    now = served.world.clock.now()
    if provider == "wechat":
        amount = {"total": minor, "currency": "CNY"}
        return wechat_notice(
            now, amount=amount, attach=f"order/{order}", transaction_id=transaction
        )
    if provider == "internal":
        pays = f"order/{order}"
        return till_notice(now, amount=str(minor), pays=pays, transaction=transaction)
    total = f"{minor // 100}.{minor % 100:02}"
    number = order.replace("-", "")
    carried: dict[str, Any] = {"passback_params": None, "out_trade_no": number}
    return alipay_notice(now, total_amount=total, trade_no=transaction, **carried)


def outcomes(served: Served, order: str) -> list[str]:
    rows = served.world.reader.stream_entries(f"order/{order}")
    read = [read_stored(row) for row in rows]
    return [each.data["outcome"] for each in read if each.type == "payment-confirmed/1"]


@pytest.mark.parametrize("provider", list(MAKERS))
def test_an_order_is_funded_once_however_often_its_payment_is_told(
    shop: Served, provider: str
) -> None:
    order = place_order(shop.world, "ann", GIFT, "cards/0")
    sent = paid_by(shop, provider, order, 9900, "4300000001")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(shop, provider, sent), range(16)))

    assert {(each.status_code, each.content) for each in answers} == {DONE[provider]}
    assert outcomes(shop, order) == ["funded"]
    assert [line.state for line in order_of(shop.world, order).lines] == ["held"]
    assert balance(shop) == []


@pytest.mark.parametrize(
    ("minor", "outcome", "rest"), [(9900, "funded", 0), (9899, "short", 9899), (9950, "funded", 50)]
)
def test_nothing_of_a_payment_is_kept(shop: Served, minor: int, outcome: str, rest: int) -> None:
    order = place_order(shop.world, "ann", GIFT, "cards/0")
    for _ in range(2):
        assert post(shop, "wechat", paid_by(shop, "wechat", order, minor, "1")).status_code == 204

    assert outcomes(shop, order) == [outcome]
    assert balance(shop) == holds(rest)


def test_a_second_payment_is_a_surplus_even_by_another_provider(shop: Served) -> None:
    order = place_order(shop.world, "ann", GIFT, "cards/0")
    assert post(shop, "wechat", paid_by(shop, "wechat", order, 9900, "1")).status_code == 204
    for _ in range(2):
        assert post(shop, "alipay", paid_by(shop, "alipay", order, 9900, "1")).status_code == 200

    assert outcomes(shop, order) == ["funded", "surplus"]
    assert balance(shop) == holds(9900)


def test_a_payment_that_comes_late_goes_to_the_buyers_balance(shop: Served) -> None:
    order = place_order(shop.world, "ann", GIFT, "cards/0")
    shop.world.clock.advance(order_of(shop.world, order).pay_by - shop.world.clock.now() + 1)

    assert post(shop, "wechat", paid_by(shop, "wechat", order, 9900, "1")).status_code == 204
    assert outcomes(shop, order) == ["late"]
    assert balance(shop) == holds(9900)


def test_a_payment_of_an_order_that_nobody_placed_is_refused_until_it_is(shop: Served) -> None:
    size = shop.world.size()
    nobody = "0190a8c3-5a77-7d2e-8f6b-3a9f4f2d9c10"
    answer = post(shop, "wechat", paid_by(shop, "wechat", nobody, 9900, "1"))

    assert (answer.status_code, answer.json()["message"]) == (409, "unknown-order")
    assert shop.world.size() == size


def test_a_process_that_dies_over_an_orders_payment_funds_it_once(shop: Served) -> None:
    world, house = shop.world, shop.app.state.rooms.house
    order = place_order(world, "ann", GIFT, "cards/0")
    first = take(house, wechat(), *paid_by(shop, "wechat", order, 9900, "1"))
    assert first is not None

    # The first was composed and never heard of again, until after the provider's repetition.
    assert post(shop, "wechat", paid_by(shop, "wechat", order, 9900, "1")).status_code == 204
    assert [getattr(each, "code", None) for each in world.send(first)] == ["command-conflict"]
    assert outcomes(shop, order) == ["funded"]
    assert balance(shop) == []


def test_what_was_recorded_reconciles_with_the_providers_statement(shop: Served) -> None:
    house = shop.app.state.rooms.house
    order = place_order(shop.world, "ann", GIFT, "cards/0")
    post(shop, "wechat", paid_by(shop, "wechat", order, 9900, "1"))
    post(shop, "wechat", wechat_notice(shop.world.clock.now(), transaction_id="2"))
    post(shop, "alipay", alipay_notice(shop.world.clock.now()))
    number = order.replace("-", "")
    rows = [Row(2, "1", number, 9900, "CNY", PAID), Row(3, "2", "T-2001", 8880, "CNY", PAID)]

    moved = [each for each in movements(house, 0, shop.world.size()) if each.provider == "wechat"]
    assert reconcile(rows, moved).differences == []
    (late,) = reconcile(rows[1:], moved).differences
    assert (late["difference"], late["for"]) == ("not-in-statement", f"order/{order}")

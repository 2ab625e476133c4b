"""Unpaid orders: a buyer has so many at once, and whoever pays is never held up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from ledger.rules.canonical import encode
from ledger.rules.commands import read_command
from ledger.rules.compose import Draft, uuid7
from ledger.rules.text import b64encode
from ledger.submission import Submission
from tests import golden_trade
from tests.api.serving import JSON, Served, document_of, serve
from tests.goods import register_card
from tests.money import top_up
from tests.orders import line_of, order_draft, order_of, pay_order

MOST = 5


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The golden shop: zoe has no unpaid order, and the trade policy allows five."""
    with serve(tmp_path, seed="limits") as opened:
        golden_trade.play(opened.world)
        for number in range(MOST + 2):
            register_card(opened.world, f"mias/cheap-{number}", "mia", agent="system")
        yield opened


def ordering(served: Served, number: int, buyer: str = "zoe") -> tuple[str, Submission]:
    """Sign an order of one card; its number and the submission."""
    world = served.world
    order = uuid7(world.clock.now(), world.dice(10))
    lines = [line_of(world, f"mias/cheap-{number}", "mias/points")]
    return order, world.submission(order_draft(world, order, buyer, lines))


def send(served: Served, *submissions: Submission) -> Any:
    found = [document_of(one) for one in submissions]
    answer = served.post(encode(found[0] if len(found) == 1 else found))
    served.catch_up()
    return answer


def codes(answer: Any) -> list[str]:
    return [each["problem"]["code"] if "problem" in each else "ok" for each in answer.json()]


def filled(served: Served) -> list[tuple[str, Submission]]:
    """Place as many orders as zoe may have."""
    placed = [ordering(served, number) for number in range(MOST)]
    for _, submission in placed:
        assert send(served, submission).status_code == 201
    return placed


def test_one_unpaid_order_too_many_is_refused_and_nothing_is_recorded(served: Served) -> None:
    filled(served)
    size = served.world.size()

    answer = send(served, ordering(served, MOST)[1])
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-unpaid")
    assert answer.json()["evidence"] == {"most": MOST, "party": "zoe"}
    assert served.world.size() == size
    assert send(served, ordering(served, MOST, "rex")[1]).status_code == 201


def test_the_same_order_again_is_answered_as_it_was(served: Served) -> None:
    *_, (_, last) = filled(served)

    assert send(served, last).status_code == 200


def test_whoever_pays_may_order_again(served: Served) -> None:
    (first, _), *_ = filled(served)
    top_up(served.world, "zoe", "kay", order_of(served.world, first).total)
    pay_order(served.world, first)
    served.catch_up()

    assert send(served, ordering(served, MOST)[1]).status_code == 201


def test_what_can_no_longer_be_paid_does_not_count(served: Served) -> None:
    filled(served)
    # The views show them as unpaid until their timers have fired.
    served.world.clock.advance(3600 * 1_000_000)

    assert send(served, ordering(served, MOST)[1]).status_code == 201


def test_orders_of_one_request_count_together(served: Served) -> None:
    answer = send(served, *(ordering(served, number)[1] for number in range(MOST + 1)))

    assert codes(answer) == ["ok"] * MOST + ["too-many-unpaid"]


def test_an_order_that_its_own_request_pays_does_not_count(served: Served) -> None:
    filled(served)
    world = served.world
    top_up(world, "zoe", "kay", 9900)
    order, placing = ordering(served, MOST)
    body = {"amount": {"amount": "9900", "currency": "CNY"}, "order": order}
    after = {f"order/{order}": read_command(placing.command).digest}
    paying = world.submission(
        Draft("pay-order/1", "zoe", [world.signs("zoe", "buyer")], body, after=after)
    )

    assert codes(send(served, placing, paying)) == ["ok", "ok"]
    assert order_of(world, order).state == "paid"


def test_a_payment_that_is_refused_frees_nobody_from_the_limit(served: Served) -> None:
    world, sent, placed = served.world, list[Submission](), 2 * MOST + 1
    for number in range(MOST + 2, placed):
        register_card(world, f"mias/cheap-{number}", "mia", agent="system")
    for number in range(placed):
        order, placing = ordering(served, number)
        body = {"amount": {"amount": "1", "currency": "CNY"}, "order": order}
        after = {f"order/{order}": read_command(placing.command).digest}
        places = [world.signs("zoe", "buyer")]
        sent += [
            placing,
            world.submission(Draft("pay-order/1", "zoe", places, body, after=after)),
        ]

    *others, last, paying = codes(send(served, *sent))
    assert others == ["ok", "amount-differs"] * 2 * MOST
    assert (last, paying) == ("too-many-unpaid", "stale-expectation")


def test_requests_at_once_have_no_more_unpaid_orders_than_one_after_another(
    served: Served,
) -> None:
    world, count = served.world, 4 * MOST
    for number in range(MOST + 2, count):
        register_card(world, f"mias/cheap-{number}", "mia", agent="system")
    bodies = [encode(document_of(ordering(served, number)[1])) for number in range(count)]
    start = Barrier(count)

    def post(body: bytes) -> int:
        start.wait()
        answer = served.client.post("/v1/commands", content=body, headers=JSON)
        return int(answer.status_code)

    with ThreadPoolExecutor(count) as threads:
        answers = Counter(threads.map(post, bodies))

    assert answers == {201: MOST, 429: count - MOST}


def test_what_was_refused_or_nobody_signed_counts_for_nobody(served: Served) -> None:
    for number in range(2 * MOST):
        document = document_of(ordering(served, number % MOST)[1])
        document["sigs"] = [b64encode(bytes(64))]
        answer = served.client.post("/v1/commands", content=encode(document), headers=JSON)
        assert answer.json()["code"] == "signature-invalid"
    refused = [ordering(served, 0)[1] for _ in range(2 * MOST)]
    assert send(served, ordering(served, 0)[1]).status_code == 201
    for one in refused:
        assert served.post(encode(document_of(one))).json()["code"] == "stale-expectation"

    for number in range(1, MOST):
        assert served.post(encode(document_of(ordering(served, number)[1]))).status_code == 201
    assert send(served, ordering(served, MOST)[1]).status_code == 429


@pytest.mark.parametrize("name", [[], {}, [[]]])
def test_an_order_whose_number_is_no_text_is_refused_as_malformed(
    served: Served, name: object
) -> None:
    document = document_of(ordering(served, 0)[1])
    document["command"]["body"]["order"] = name

    answer = served.post(encode(document))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer.json()["evidence"]["field"] == "command.body.order"


def test_without_a_trade_policy_the_rules_answer(tmp_path: Path) -> None:
    with serve(tmp_path) as opened:
        world = opened.world
        world.register("zoe")
        body = {
            **{"agreement": None, "currency": "CNY", "key": None, "terms": "0" * 64},
            **{"lines": [], "order": "01930000-0000-7000-8000-000000000000"},
        }
        places = [world.signs("zoe", "buyer")]
        empty = world.submission(Draft("place-order/1", "zoe", places, body))

        assert send(opened, empty).json()["code"] == "malformed"

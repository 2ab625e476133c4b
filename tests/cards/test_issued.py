"""Which items a verification code was issued with, whatever crashed or was made anew since."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from api.cards import card_order
from api.desk import Hand, write
from api.house import House
from ledger.application import Accepted
from ledger.cards.commitments import Opening, Place, commit, write_opening
from ledger.cards.index import CardIndex
from ledger.crashpoints import CrashPoint, arm
from ledger.errors import CardIndexUnavailable
from ledger.rules.errors import Malformed
from ledger.submission import Submission
from tests.cards.selling import PRODUCT, SHARED_CLASS, goods, submit
from tests.cards.test_registry import Stopped, _failing, only, quiet, reopened

CODES = ("ABCDEFGHIJKLMNOPQRST", "BBCDEFGHIJKLMNOPQRST")
BLINDING = b"r" * 32


def with_code(
    house: House, key: str, code: str, merchant: str = "shop", **changes: Any
) -> tuple[str, Submission]:
    """Sign a card that is issued with a code of the test's own; the item, and what is handed in."""
    hand = Hand(merchant, "owner", house.signer(merchant))
    order = card_order(goods(house, merchant, **changes), hand, key, os.urandom)
    item, opening = order.body["item"], Opening(code, BLINDING)
    body = {**order.body, "code": commit(Place("code", item, PRODUCT), opening)}
    seal = {**order.seal, "code": (merchant, write_opening("code", opening))}
    return item, write(house.context(), replace(order, body=body, seal=seal), random=os.urandom)[1]


def registered(house: House, key: str, code: str, merchant: str = "shop", **changes: Any) -> str:
    item, one = with_code(house, key, code, merchant, **changes)
    assert isinstance(only(submit(house, one)), Accepted)
    return item


def issued(house: House, code: str) -> set[str]:
    return house.registry.issued(code, house.ledger.stream)


@pytest.fixture(autouse=True)
def disarmed() -> Any:
    yield
    arm(None)


def test_a_code_names_the_items_that_it_was_issued_with(shop: House) -> None:
    first = registered(shop, "K1", CODES[0])

    assert (issued(shop, CODES[0]), issued(shop, CODES[1])) == ({first}, set())
    # Whoever learns a code cannot take it away from its item.
    copied = registered(shop, "K2", CODES[0], "rival")
    assert issued(shop, CODES[0]) == {first, copied}


def test_a_card_whose_key_another_item_shares_has_its_own_code(shop: House) -> None:
    shared = {"item_class": SHARED_CLASS}
    items = [registered(shop, "LOOP-1", code, **shared) for code in CODES]

    assert [issued(shop, code) for code in CODES] == [{items[0]}, {items[1]}]


@pytest.mark.parametrize(
    ("point", "recorded"),
    [
        (CrashPoint.INDEXED, False),
        (CrashPoint.BEFORE_COMMIT, False),
        (CrashPoint.COMMIT_SENT, True),
        (CrashPoint.COMMITTED, True),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_after_a_crash_a_code_is_issued_where_the_log_has_its_item(
    shop: House, point: CrashPoint, *, recorded: bool
) -> None:
    item, one = with_code(shop, "K1", CODES[0])
    arm(_failing(point))
    with pytest.raises(Stopped):
        submit(shop, one)
    arm(None)

    with reopened(shop) as after:
        assert issued(after, CODES[0]) == ({item} if recorded else set())
        submit(after, one)
        assert issued(after, CODES[0]) == {item}


def test_codes_are_found_in_an_index_that_was_made_anew_and_under_another_pepper(
    shop: House,
) -> None:
    items = [registered(shop, f"K{number}", code) for number, code in enumerate(CODES)]

    assert shop.registry.reindex(shop.ledger.stream, quiet).cards == 2
    assert [issued(shop, code) for code in CODES] == [{items[0]}, {items[1]}]
    shop.registry.repepper(shop.ledger.stream, quiet)
    index = CardIndex(shop.registry._path)
    for code, item in zip(CODES, items, strict=True):
        (_, newest) = shop.registry._peppers.code_fingerprints(code)
        assert index.issued([newest], shop.registry.is_recorded) == {item}
    index.close()


def test_an_index_from_before_codes_were_kept_reads_the_cards_of_the_log_again(
    shop: House,
) -> None:
    item = registered(shop, "K1", CODES[0])
    shop.registry.close()
    with sqlite3.connect(shop.registry._path) as old:
        old.execute("DROP TABLE code")
        old.execute("PRAGMA user_version = 0")
    old.close()

    with reopened(shop) as after:
        assert issued(after, CODES[0]) == {item}
        assert after.registry.look().lacking == 0


def test_without_its_pepper_nobody_can_tell_what_a_code_was_issued_with(shop: House) -> None:
    registered(shop, "K1", CODES[0])
    shop.registry.close()
    (shop.folder / "vault" / "pepper-1").unlink()

    with reopened(shop) as after, pytest.raises(CardIndexUnavailable) as caught:
        issued(after, CODES[0])
    assert caught.value.evidence == {"reason": "pepper-1 differs"}


@pytest.mark.parametrize("code", ["1", "BACDEFGHIJKLMNOPQRS", "abcdefghijklmnopqrst", "A" * 21])
def test_nobody_commits_to_a_code_that_can_be_guessed(shop: House, code: str) -> None:
    refused = only(submit(shop, with_code(shop, "K1", code)[1]))

    assert isinstance(refused, Malformed)
    assert refused.field == "disclosures.code.code"
    assert code not in str(refused)


def test_what_is_read_for_a_code_does_not_tell_whether_there_is_such_a_code(
    shop: House,
) -> None:
    registered(shop, "K1", CODES[0])
    index = shop.registry.ready(shop.ledger.stream)
    asked: list[str] = []
    index._connection.set_trace_callback(asked.append)

    counts = []
    for code in CODES:
        asked.clear()
        issued(shop, code)
        counts.append(len(asked))

    assert counts == [1, 1]

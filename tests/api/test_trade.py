"""Reading merchants, listings and balances over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.rules.digests import listing_digest, terms_digest
from ledger.rules.entries import read_entry
from ledger.rules.text import format_time
from tests.api.serving import Served, serve
from tests.credit import claw_back, grant_credit, update_level
from tests.deposits import agree_deposit, fund_deposit, request_deposit
from tests.money import pay_out, top_up
from tests.shops import (
    DAY_US,
    end_listing,
    listing_body,
    publish_listing,
    qualify,
    revoke_qualification,
    update_labels,
)
from tests.terms import publish_terms, terms

GIFT = "/v1/listings/cards/gift"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A ledger with a merchant to be, a reviewer and a cashier."""
    with serve(tmp_path) as opened:
        world = opened.world
        for party in ("mia", "rex", "kay"):
            world.register(party)
        world.grant("rex", "reviewer")
        world.grant("kay", "cashier", second="rex")
        world.open_namespace("cards", "mia")
        yield opened


def read(served: Served, path: str) -> dict[str, Any]:
    answer = served.client.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("path", "code"),
    [("/v1/merchants/mia", "merchant-not-found"), (GIFT, "listing-not-found")],
)
def test_what_the_log_does_not_know_is_not_found(served: Served, path: str, code: str) -> None:
    answer = served.client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_a_merchant_shows_what_it_is_qualified_for_and_what_has_ended(served: Served) -> None:
    world = served.world
    ends = world.clock.now() + DAY_US
    qualify(world, "mia", "rex", origin="platform-direct")
    last = qualify(world, "mia", "rex", **{"class": "a", "until": format_time(ends)})

    found = read(served, "/v1/merchants/mia")
    later = found["qualified"].pop()
    assert found == {
        "head_index": last.index,
        "labels": [],
        "merchant": "mia",
        "namespace": "cards",
        "qualified": [
            {"class": "a", "ended": False, "origin": None, "until": format_time(ends)},
        ],
    }
    assert (later["class"], later["origin"]) == ("game-card", "platform-direct")
    world.clock.advance(ends - world.clock.now())
    ended = {
        each["class"]: each["ended"] for each in read(served, "/v1/merchants/mia")["qualified"]
    }
    assert ended == {"a": True, "game-card": False}
    revoke_qualification(world, "mia", "rex", "game-card")
    assert [each["class"] for each in read(served, "/v1/merchants/mia")["qualified"]] == ["a"]


def test_a_listing_is_shown_as_it_was_published_last(served: Served) -> None:
    world = served.world
    qualify(world, "mia", "rex")
    publish_listing(world, "cards/gift", "mia")
    last = publish_listing(world, "cards/gift", "mia", region="global")
    body = listing_body("cards/gift", "mia", region="global")

    expected = {"ended": False, "head_index": last.index, "labels": [], "listing": body}
    assert read(served, GIFT) == {**expected, "snapshot": listing_digest(body)}
    last = end_listing(world, "cards/gift", "mia")
    expected = {"ended": True, "head_index": last.index, "labels": [], "listing": body}
    assert read(served, GIFT) == {**expected, "snapshot": listing_digest(body)}


def test_labels_are_shown_with_since_when_also_beside_a_listing(served: Served) -> None:
    world = served.world
    publish_terms(world, terms())
    qualify(world, "mia", "rex", origin="platform-direct")
    publish_listing(world, "cards/gift", "mia")
    given = update_labels(world, "mia", "platform-direct")
    since = read_entry(world.reader.entries(given.index, given.index + 1)[0].entry).document["at"]

    expected = [{"label": "platform-direct", "since": since}]
    assert read(served, "/v1/merchants/mia")["labels"] == expected
    assert read(served, GIFT)["labels"] == expected


def test_a_balance_shows_what_it_holds_now(served: Served) -> None:
    world = served.world
    assert read(served, "/v1/balances/mia") == {"head_index": None, "holds": [], "party": "mia"}

    top_up(world, "mia", "kay", 500)
    top_up(world, "mia", "kay", 7, currency="ETH")
    last = pay_out(world, "mia", "kay", 500)
    assert read(served, "/v1/balances/mia") == {
        "head_index": last.index,
        "holds": [{"amount": "7", "currency": "ETH"}],
        "party": "mia",
    }


def test_credit_shows_what_a_member_has_and_owes_and_its_level(served: Served) -> None:
    world, path = served.world, "/v1/credit/mia"
    assert served.client.get("/v1/credit/nobody").json()["code"] == "party-not-found"
    nothing = {"head_index": None, "held": [], "level": None, "owed": [], "party": "mia"}
    assert read(served, path) == nothing

    publish_terms(world, terms())
    grant_credit(world, "mia", "kay", 20_000, "CREDIT")
    grant_credit(world, "mia", "kay", 5, "POINTS")
    last = claw_back(world, "mia", "kay", 7, "POINTS")
    named = [each["tier"] for each in terms()["tiers"] if int(each["credit_min"]) <= 20_000]
    update_level(world, "mia", named[-1])
    assert read(served, path) == {
        "head_index": last.index,
        "held": [{"amount": "20000", "currency": "CREDIT"}],
        "level": named[-1],
        "owed": [{"amount": "2", "currency": "POINTS"}],
        "party": "mia",
    }


def test_a_deposit_shows_what_it_holds_and_when_it_may_leave(served: Served) -> None:
    world, path = served.world, "/v1/merchants/mia/deposit"
    publish_terms(world, terms())
    assert served.client.get(path).json()["code"] == "merchant-not-found"
    qualify(world, "mia", "rex")
    none = {"agreed": None, "claims": 0, "due": None, "head_index": None, "requested_at": None}
    nothing: dict[str, Any] = {"available": [], "forfeited": [], "owed": [], "reserved": []}
    assert read(served, path) == {**none, **nothing, "merchant": "mia"}

    top_up(world, "mia", "kay", 500)
    agree_deposit(world, "mia")
    fund_deposit(world, "mia", 300)
    last = request_deposit(world, "mia", 100)
    entry = read_entry(world.reader.entries(last.index, last.index + 1)[0].entry)
    assert read(served, path) == {
        **{"claims": 0, "forfeited": [], "merchant": "mia", "owed": []},
        "agreed": {"cool_down_s": 3600, "minimum": [], "terms": terms_digest(terms())},
        "available": [{"amount": "200", "currency": "CNY"}],
        "due": format_time(entry.at + 3_600_000_000),
        "head_index": last.index,
        "requested_at": format_time(entry.at),
        "reserved": [{"amount": "100", "currency": "CNY"}],
    }


@pytest.mark.parametrize("path", ["/v1/merchants/mia", GIFT, "/v1/balances/mia"])
def test_a_query_is_refused(served: Served, path: str) -> None:
    answer = served.client.get(f"{path}?at_index=1")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    "path", ["/v1/merchants/a%20b", "/v1/listings/Cards/gift", "/v1/balances/a%20b"]
)
def test_a_name_that_is_none_is_malformed(served: Served, path: str) -> None:
    answer = served.client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")

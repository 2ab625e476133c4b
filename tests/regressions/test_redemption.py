"""A buyer of a used card is not told that it was used: whoever asks is, and by whose word.

Nobody can be asked whether a key was redeemed. What its buyer or the platform recorded is told to
everybody with the item's provenance, and a success stands there once, however many say so at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ledger.rules.compose import Draft, Sealing
from ledger.rules.text import format_time
from tests.api.serving import Served, body_of
from tests.escrow import open_claim, record_activation
from tests.regressions.shops import CARDS, delivered, entries


def told(shop: Served) -> dict[str, Any]:
    """What anybody is told of the first card."""
    shop.catch_up()
    answer = shop.client.get(f"/v1/items/{CARDS[0]}/provenance")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_whoever_asks_is_told_whether_a_card_was_used_and_whether_it_is_disputed(
    shop: Served,
) -> None:
    order = delivered(shop, CARDS[0])
    assert (told(shop)["activation"], told(shop)["flag"]) == (None, "clean")

    record_activation(shop.world, CARDS[0], "failure")
    assert told(shop)["activation"]["outcome"] == "failure"
    open_claim(shop.world, order, 1)
    assert told(shop)["flag"] == "disputed"
    shop.world.clock.advance(25 * 3_600_000_000)
    record_activation(shop.world, CARDS[0])
    activation = told(shop)["activation"]
    assert (activation["outcome"], activation["late"]) == ("success", True)
    # Whose account it was, and what was shown for it, is nobody's business.
    entry = shop.client.get(f"/v1/entries/{activation['index']}")
    assert entry.status_code == 200
    assert "activation-recorded/1" in entry.text
    assert "lou-1990" not in entry.text


def test_of_many_who_say_at_once_that_a_card_works_one_is_recorded(shop: Served) -> None:
    order, world = delivered(shop, CARDS[0]), shop.world
    buyer = world.item(CARDS[0]).owner
    body = {
        "item": CARDS[0],
        "order": order,
        "outcome": "success",
        "platform": "game-shop",
        "time": format_time(world.clock.now()),
    }
    stream = f"item/{CARDS[0]}"
    bodies = []
    for party, role in ((buyer, "buyer"), ("system", "system")) * 4:
        names = ("account", "error", "evidence")
        seal = [Sealing(name, party, world.dice(32), "text") for name in names]
        places, expect = [world.signs(party, role)], {stream: world.head(stream)}
        draft = Draft("record-activation/1", party, places, body, expect, seal=seal)
        bodies.append(body_of(world.submission(draft)))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(shop.post, bodies))

    codes = sorted((each.status_code, each.json().get("code")) for each in answers)
    assert codes[0] == (201, None)
    assert set(codes[1:]) == {(409, "stale-expectation")}
    assert sum(each.type == "activation-recorded/1" for each in entries(world, 0)) == 1

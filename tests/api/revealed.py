"""Cards whose commitments open, for tests that show them."""

from __future__ import annotations

from ledger.application import Accepted
from ledger.cards.commitments import Opening, Place, commit, write_opening
from ledger.rules.compose import Draft, Sealing
from tests.goods import card_body, terms_now
from tests.worlds import World

PRODUCT, CODE = "gift-cards", "ABCDEFGHIJKLMNOPQRST"


def register_real_card(
    world: World, item: str, owner: str, key: str, *, sealed_key: str | None = None
) -> Accepted:
    """Register a card with an agent; `sealed_key` is sealed instead of what is committed to."""
    blinding = world.dice(32)
    body = card_body(item, agent="system", terms=terms_now(world), product=PRODUCT)
    body["card"] = commit(Place("card", item, PRODUCT), Opening(key, blinding))
    opening, code = (
        write_opening("card", Opening(sealed_key or key, blinding)),
        Opening(CODE, blinding),
    )
    body["code"] = commit(Place("code", item, PRODUCT), code)
    seal = [
        Sealing("card", owner, world.dice(32), opening),
        Sealing("code", owner, world.dice(32), write_opening("code", code)),
    ]
    places = [world.signs(owner, "owner")]
    return world.submit(Draft("register-card/1", owner, places, body, seal=seal))

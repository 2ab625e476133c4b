"""What an operator could write of verification codes if the rules said yes.

In the market the code of `mias/paid-16` was verified and revoked, and one question of zoe's waits;
`mias/paid-13` and `-14` are lou's by now, and `mias/paid-20` is awaited by his last order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ledger.rules.compose import uuid7
from ledger.rules.model import Fact
from ledger.rules.text import format_time
from tests.codes import answer_draft, check_draft, revoking_draft
from tests.tamper.order_cases import take_back
from tests.tamper.trade_cases import Step
from tests.worlds import World

ONE, TWO, RESERVED, REVOKED = (f"mias/paid-{number}" for number in (13, 14, 20, 16))
IDS = [uuid7(17, bytes([number] * 10)) for number in range(12)]
_Do = Callable[[World], Step]


def revoke(item: str, by: str = "lou") -> _Do:
    """Revoke an item's code."""
    fact = Fact(f"item/{item}", "code-revoked/1", {})
    return lambda world: (replace(revoking_draft(world, item, by), expect={}), [fact])


def ask(number: int | None = 0, by: str = "kay", stream: str | None = None) -> _Do:
    """Ask a question; `number` names it, None stands for any other."""
    fact = Fact(f"checks/{stream or by}", "code-asked/1", {})
    named = None if number is None else IDS[number]
    return lambda world: (check_draft(world, by, check=named), [fact])


def told(
    result: str,
    item: str | None = ONE,
    *,
    number: int = 0,
    found: str | None = None,
    first: bool = False,
    **more: str,
) -> _Do:
    """Answer a question: with this result, which is what follows or is not.

    `first` writes on the item that its code is verified; `more` may name another party, another
    stream of it, and when the code was first verified.
    """
    party = more.get("party", "kay")
    data = {"check": IDS[number], "first_at": more.get("first_at"), "result": result}
    answered = Fact(f"checks/{more.get('stream', party)}", "check-answered/1", data)
    facts = [Fact(f"item/{item}", "code-verified/1", {})] if first else []
    if result != "nothing":
        facts.append(answered)
    return lambda world: (answer_draft(world, party, IDS[number], item, found), facts)


def again(world: World) -> Step:
    """Answer a question under an id of its own."""
    draft, facts = told("invalid", None)(world)
    return replace(draft, id=IDS[11]), facts  # type: ignore[call-arg]  # it is named


def verified(number: int = 0, item: str = ONE) -> list[_Do]:
    """Ask, and verify a code for the first time."""
    return [ask(number), told("valid", item, number=number, first=True)]


def _wrong(times: int) -> list[_Do]:
    """Ask so often about codes that are none."""
    steps = [(ask(number), told("invalid", None, number=number)) for number in range(times)]
    return [each for pair in steps for each in pair]


def first_at(world: World) -> str:
    """When whatever is forged happens."""
    return format_time(world.clock.now())


def already(party: str, item: str = ONE) -> _Do:
    """Tell a party that a code was verified before."""
    return lambda world: told(
        *("already_verified", item), number=1, party=party, first_at=first_at(world)
    )(world)


CODES: dict[str, list[_Do]] = {
    "a code that another party revokes": [revoke(ONE, "mia")],
    "a code that is revoked twice": [revoke(REVOKED)],
    "a code of what has none": [revoke("mias/sword", "mia")],
    "a code that is revoked under an order": [revoke(RESERVED, "mia")],
    "a question in another's name": [ask(stream="lou")],
    "a question more than may be asked within an hour": [ask(None, "zoe")] * 18,
    "a question while its party is locked": [*_wrong(5), ask(5)],
    "an answer to what nobody asked": [told("invalid", None)],
    "an answer to another party's question": [ask(), told("invalid", None, party="lou")],
    "a question that is answered twice": [ask(), told("invalid", None), again],
    "a code that is verified first twice": [*verified(), *verified(1)],
    "a code that is verified after it was revoked": [revoke(TWO), *verified(item=TWO)],
    "a code of a thing that is verified": verified(item="mias/sword"),
    "a wrong code that is verified": [ask(), told("valid", first=True, found="other")],
    "a code that is verified for nobody": [
        ask(),
        told("nothing", first=True),
        lambda w: take_back(w, "mias/card-1"),
    ],
    "a first verification that is told as wrong": [ask(), told("invalid", first=True)],
    "a good code that its item says nothing of": [ask(), told("valid")],
    "a good code that is told as wrong": [*verified(), ask(1), told("invalid", number=1)],
    "a revoked code that is valid": [ask(), told("valid", REVOKED)],
    "a stranger who learns that a code was revoked": [ask(), told("revoked", REVOKED)],
    "a stranger who learns whose a code is": [ask(), told("wrong_item", found="other")],
    "a stranger who learns when a code was verified": [*verified(), ask(1), already("kay")],
    "an owner who does not learn that a code was verified": [
        *verified(),
        ask(1, "lou"),
        told("valid", number=1, party="lou"),
    ],
    "an answer about what nobody registered": [ask(), told("invalid", "mias/none")],
    "an answer that stands on another's stream": [ask(), told("invalid", None, stream="lou")],
}
CODE_CASES = {name: ("codes", steps) for name, steps in CODES.items()}
HONEST_CODES: dict[str, list[_Do]] = {
    "a code is verified, and its owner learns when": [
        *verified(),
        ask(1, "lou"),
        already("lou"),
    ],
    "a code is revoked, and a stranger and its owner ask": [
        revoke(TWO),
        ask(),
        told("invalid", TWO),
        ask(1, "lou"),
        told("revoked", TWO, number=1, party="lou"),
    ],
    "five codes are wrong, and one of them another's": [
        *_wrong(4),
        ask(4),
        told("invalid", number=4, found="other"),
    ],
    "as many questions as may be asked within an hour": [ask(None, "zoe")] * 17,
}

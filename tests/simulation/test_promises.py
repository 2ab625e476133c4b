"""Each promise of `tests.simulation.promises` fails when an entry breaks it.

The entries are made by hand, a short story of one order of two lines, and one of them is a lie.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ledger.proof.tiles import decode_bundle
from tests.simulation.promises import Document, Promises
from tests.vectors.test_golden import GOLDEN

ORDER = "order/o"
FIRST, SECOND = "escrow/o/1", "escrow/o/2"
BUYER, SHOP, SALE = "balance/buyer", "balance/shop", "external/cash"


def entry(
    stream: str,
    type_: str,
    data: Document,
    *,
    body: Document | None = None,
    by: str = "buyer",
) -> Document:
    """An entry with a command of its own if a body is given, else an effect."""
    made: Document = {"stream": stream, "type": f"{type_}/1", "data": data}
    if body is not None:
        made["command"] = {"body": body, "signers": [{"party": by}]}
    return made


def posted(*moves: tuple[str, int]) -> Document:
    """Data with postings of amounts in one currency."""
    return {
        "postings": [
            {"account": account, "amount": str(amount), "currency": "CNY"}
            for account, amount in moves
        ]
    }


def registered(name: str, owner: str = "shop") -> Document:
    return entry(f"item/{name}", "card-registered", {"owner": owner}, body={}, by=owner)


def topped_up(amount: int = 30) -> Document:
    return entry(BUYER, "balance-topped-up", posted((BUYER, amount), (SALE, -amount)), body={})


def placed() -> Document:
    lines = [
        {"item": "red", "merchant": "shop", "price": "10"},
        {"item": "blue", "merchant": "shop", "price": "20"},
    ]
    return entry(ORDER, "order-placed", {}, body={"lines": lines})


def paid(*moves: tuple[str, int]) -> Document:
    moved = posted(*(moves or ((BUYER, -30), (FIRST, 10), (SECOND, 20))))
    return entry(ORDER, "payment-confirmed", {"outcome": "funded", **moved}, body={})


def delivered(*lines: int) -> Document:
    body = {"parcels": [{"line": line} for line in lines]}
    return entry(ORDER, "lines-delivered", {}, body=body, by="shop")


def sold(name: str, to: str = "buyer", **more: str) -> Document:
    return entry(f"item/{name}", "item-sold", {"order": "o", "to": to, **more})


def released(line: int, *moves: tuple[str, int]) -> Document:
    return entry(ORDER, "escrow-released", {"lines": [line], **posted(*moves)}, body={})


def refunded(line: int, amount: int, *moves: tuple[str, int]) -> Document:
    back = [{"line": line, "amount": str(amount)}]
    return entry(ORDER, "escrow-refunded", {"lines": back, **posted(*moves)}, body={})


def claimed(line: int, claim: str = "c") -> list[Document]:
    return [
        entry(f"claim/{claim}", "claim-opened", {}, body={}),
        entry(ORDER, "escrow-frozen", {"claim": claim, "line": line}),
    ]


def closed(claim: str, *moves: tuple[str, int]) -> Document:
    return entry(f"claim/{claim}", "claim-closed", posted(*moves), body={"claim": claim})


def settled(claim: str, line: int, to_shop: int, to_buyer: int) -> Document:
    data = {"claim": claim, "line": line, "released": str(to_shop), "refunded": str(to_buyer)}
    return entry(ORDER, "escrow-settled", data)


def charged(*moves: tuple[str, int]) -> Document:
    body = {"case": "k", "lines": [{"line": 1, "amount": "10"}]}
    return entry(ORDER, "chargeback-recorded", posted(*moves), body=body)


def ended(stage: str, *moves: tuple[str, int]) -> Document:
    return entry(ORDER, "chargeback-ended", posted(*moves), body={"case": "k", "stage": stage})


def deposited(amount: int, other: str, stream: str = "deposit/shop") -> Document:
    moved = posted(("deposit/shop", amount), (other, -amount))
    return entry(stream, "deposit-changed", moved, body={})


def owed(amount: int) -> Document:
    moved = posted(("receivable/shop", -amount), (SALE, amount))
    return entry(ORDER, "chargeback-recorded", moved, body={"case": "k", "lines": []})


def recovered(amount: int, *moves: tuple[str, int]) -> Document:
    moved = posted(*moves, ("receivable/shop", amount))
    return entry("deposit/shop", "recourse-taken", moved, body={}, by="system")


def revealed(by: str = "buyer") -> Document:
    return entry("item/red", "card-revealed", {}, body={}, by=by)


def flagged(name: str) -> list[Document]:
    return [
        entry("alert/a", "duplicate-reported", {}, body={}, by="system"),
        entry(f"item/{name}", "item-flagged", {"alert": "a"}),
    ]


def timed(made: Document, day: int = 22) -> Document:
    """The same entry, at noon of a day."""
    return made | {"at": f"2026-11-{day}T12:00:00.000000Z"}


def asked(check: str = "q", day: int = 22) -> list[Document]:
    """A question of eve's about a code."""
    return [timed(entry("checks/eve", "code-asked", {}, body={}, by="eve"), day)]


def answered(result: str, check: str = "q", *, own: bool, day: int = 22) -> Document:
    """Its answer, which is about the red one, as an entry of its own or an effect."""
    body = {"check": check, "item": "red", "party": "eve"} if own else None
    data = {"check": check, "first_at": None, "result": result}
    return timed(entry("checks/eve", "check-answered", data, body=body, by="system"), day)


def code_verified(check: str = "q") -> Document:
    """That the code of the red one is verified for the first time."""
    body = {"check": check, "item": "red", "party": "eve"}
    return timed(entry("item/red", "code-verified", {}, body=body, by="system"))


def code_revoked() -> Document:
    return timed(entry("item/red", "code-revoked", {}, body={"item": "red"}, by="shop"))


def verified() -> list[Document]:
    """Eve verifies the code of the red one."""
    return [*asked(), code_verified(), answered("valid", own=False)]


GOODS = [registered("red"), registered("blue")]
PAID = [*GOODS, topped_up(), placed(), paid()]
SOLD = [*PAID, delivered(1), sold("red", **{"from": "shop"})]
BLUE = sold("blue", **{"from": "shop"})
TO_SHOP, TO_BUYER = ((FIRST, -10), (SHOP, 10)), ((FIRST, -10), (BUYER, 10))
ALL_BACK = refunded(1, 10, *TO_BUYER)
CLAIMED = [*PAID, *claimed(1)]
CHARGED = [*SOLD, charged((FIRST, -10), (SALE, 10))]
WON = ended("won", (SALE, -10), (FIRST, 10))
LOCKED = [each for n in "abcde" for each in (*asked(n), answered("invalid", n, own=True))]

TRUE: dict[str, list[Document]] = {
    "bought, delivered, shown and released": [*SOLD, revealed(), released(1, *TO_SHOP)],
    "found twice after its sale": [*SOLD, *flagged("red"), revealed()],
    "verified, guessed at and revoked": [
        *[*GOODS, *verified(), *asked("r"), answered("valid", "r", own=True)],
        *[*LOCKED, *asked("s", day=23), answered("wrong_item", "s", own=True, day=23)],
        *[*asked("t", day=23), code_revoked()],
    ],
    "refunded from escrow": [*PAID, ALL_BACK],
    "refunded after its release": [
        *SOLD,
        released(1, *TO_SHOP),
        refunded(1, 4, (SHOP, -4), (BUYER, 4)),
    ],
    "claimed and settled": [
        *CLAIMED,
        closed("c", (FIRST, -10), (SHOP, 3), (BUYER, 7)),
        settled("c", 1, 3, 7),
    ],
    "claimed beside a line that is released": [
        *PAID,
        *claimed(1),
        delivered(2),
        BLUE,
        released(2, (SECOND, -20), (SHOP, 20)),
    ],
    "charged back from escrow and won": [*CHARGED, WON, released(1, *TO_SHOP)],
    "charged back from the shop and lost": [
        *SOLD,
        released(1, *TO_SHOP),
        charged((SHOP, -10), (SALE, 10)),
        ended("lost"),
    ],
    "a deposit that is paid in and out": [deposited(5, SALE), *PAID, deposited(-5, SHOP)],
    "a deposit that is paid out after a chargeback": [
        *[deposited(5, SALE), *CHARGED, WON, deposited(-5, SHOP)],
    ],
    "a deposit that is taken for what is owed while a claim is open": [
        *[deposited(5, SALE), *CLAIMED, owed(7), recovered(5, ("deposit/shop", -5))],
        *[deposited(2, SALE), recovered(2, ("deposit/shop", -2))],
    ],
    "imported once more": [
        entry("item/old", "sale-imported", {"owner": "a"}, body={}),
        entry("item/old", "sale-imported", {"owner": "b"}, body={}),
    ],
}

LINE = "('o', 1)"
FORGED: dict[str, list[Document]] = {
    "balance/buyer falls below zero": [*GOODS, topped_up(29), placed(), paid()],
    "deposit/shop falls below zero": [deposited(-1, SHOP)],
    "deposit/shop leaves while a claim is open": [
        deposited(5, SALE),
        *CLAIMED,
        deposited(-5, SHOP),
    ],
    "deposit/shop leaves while a provider disputes a sale": [
        *[deposited(5, SALE), *CHARGED, deposited(-5, SHOP)],
    ],
    "deposit/shop leaves while its merchant owes": [
        *[deposited(5, SALE), owed(1), deposited(-5, SHOP)],
    ],
    "more is taken than receivable/shop lacks": [
        *[deposited(5, SALE), owed(4), recovered(5, ("deposit/shop", -5))],
    ],
    "deposit/shop leaves by an entry of balance/shop": [
        deposited(5, SALE),
        deposited(-5, SHOP, SHOP),
    ],
    "escrow/o/1 falls below zero": [*SOLD, released(1, (FIRST, -11), (SHOP, 11))],
    "postings of payment-confirmed/1 make or lose money": [
        *PAID[:-1],
        paid((BUYER, -29), (FIRST, 10), (SECOND, 20)),
    ],
    "money leaves escrow/o/1, which is claimed": [*SOLD, *claimed(1), released(1, *TO_SHOP)],
    f"{LINE} holds money of nobody": [
        *PAID[:-1],
        entry(BUYER, "balance-paid-out", posted((BUYER, -1), (FIRST, 1)), body={}),
    ],
    f"{LINE}: money is missing or too much": [*SOLD, released(1, (FIRST, -9), (SHOP, 9))],
    f"{LINE}: who paid has neither money nor goods": [
        *CLAIMED,
        closed("c", *TO_SHOP),
        settled("c", 1, 10, 0),
    ],
    f"{LINE}: nothing is held for its claim": [*PAID, ALL_BACK, *claimed(1)],
    "an order is paid twice": [*PAID, paid((BUYER, 0))],
    "an unpaid line is delivered": [*PAID[:-1], delivered(1)],
    "a line is delivered twice": [*PAID, delivered(1), delivered(1)],
    "a refunded line is delivered": [*PAID, ALL_BACK, delivered(1)],
    "money is released before goods": [*PAID, released(1, *TO_SHOP)],
    "money is released that a provider disputes": [*CHARGED, released(1)],
    "money is refunded that a provider disputes": [*CHARGED, refunded(1, 0)],
    "o/k is charged back twice": [*CHARGED, charged()],
    "o/k is ended twice": [*CHARGED, WON, ended("lost")],
    "a claim freezes twice": [*PAID, *claimed(1), *claimed(2)],
    "what was not frozen is settled": [*CLAIMED, closed("c"), settled("d", 1, 0, 0)],
    "item/red is given by another": [*PAID, delivered(1), sold("red", **{"from": "eve"})],
    "item/red gets a second owner": [*GOODS, registered("red", "eve")],
    "red is sold by o twice": [*SOLD, sold("red", **{"from": "buyer"})],
    "blue is sold and not delivered": [*SOLD, BLUE],
    "red goes to a stranger": [*PAID, delivered(1), sold("red", "eve", **{"from": "shop"})],
    "red is sold and was found twice": [
        *[*PAID, *flagged("red"), delivered(1)],
        sold("red", **{"from": "shop"}),
    ],
    "red is ordered and was found twice": [
        *[*GOODS, *flagged("red"), placed()],
        entry("item/red", "item-reserved", {"order": "o"}),
    ],
    "item/red is revoked twice": [*GOODS, *[code_revoked()] * 2],
    "item/red is verified twice": [*GOODS, *verified(), *asked("r"), code_verified("r")],
    "item/red is verified and was revoked": [*GOODS, code_revoked(), code_verified()],
    "item/red is valid and nobody wrote it down": [*GOODS, *asked(), answered("valid", own=True)],
    "item/red is valid and was revoked": [
        *[*GOODS, *verified(), code_revoked(), *asked("r")],
        answered("valid", "r", own=True),
    ],
    "checks/eve q is answered twice": [*GOODS, *asked(), *[answered("invalid", own=True)] * 2],
    "checks/eve learns what became of item/red": [
        *[*GOODS, *verified(), *asked("r")],
        answered("already_verified", "r", own=True),
    ],
    "checks/eve asks and is locked": [*GOODS, *LOCKED, *asked("r")],
    "checks/eve asks too often": [*GOODS, *[each for n in range(21) for each in asked(f"{n}")]],
    "item/red is revealed twice": [*SOLD, revealed(), revealed()],
    "item/red is shown to a stranger": [*SOLD, revealed("shop")],
}


def read(story: list[Document]) -> Promises:
    promises = Promises()
    for one in story:
        promises.read(one)
    promises.check_lines()
    return promises


@pytest.mark.parametrize("told", TRUE)
def test_a_true_story_keeps_every_promise(told: str) -> None:
    assert read(TRUE[told]).command


@pytest.mark.parametrize("broken", FORGED)
def test_a_forged_entry_breaks_its_promise(broken: str) -> None:
    with pytest.raises(AssertionError, match=f"^{re.escape(broken)}$"):
        read(FORGED[broken])


@pytest.mark.parametrize("broken", FORGED)
def test_a_forged_story_is_true_up_to_its_last_command(broken: str) -> None:
    """Nothing before the lie breaks a promise, so that the lie alone is what is found."""
    story = FORGED[broken]
    last = max(at for at, one in enumerate(story) if "command" in one)
    assert read(story[:last]).orders.keys() <= {"o"}


def test_the_golden_log_of_trade_keeps_every_promise() -> None:
    promises = read(golden())

    assert promises.claims
    assert {what for what, _ in promises.once} > {"revealed"}
    assert {line["paid"] for line in promises.lines.values()} == {True, False}


def golden() -> list[Any]:
    """Every entry of the golden log of trade."""
    folder = GOLDEN / "trade"
    size = int((folder / "checkpoint").read_text(encoding="utf-8").split("\n")[1])
    bundle = (folder / "tile" / "entries" / f"000.p/{size}").read_bytes()
    return [json.loads(raw) for raw in decode_bundle(bundle, width=size)]

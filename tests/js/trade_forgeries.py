"""Forgeries of trade that only an operator with every key could publish; see `forgeries`.

They continue a log that has no trade policy yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.rules.commands import Command
from ledger.rules.compose import Draft
from ledger.rules.digests import terms_digest
from ledger.rules.text import format_time
from tests.js.exports import Forger
from tests.js.forgeries import Expected, Forgery
from tests.js.forgeries import forgery as any_forgery
from tests.terms import terms
from tests.worlds import World

EXPECTED: Expected = {}

DAY_US = 86_400_000_000
STREAM = "policy/trade"
FACT = (STREAM, "trade-policy-published/1", dict[str, Any]())


def forgery(
    verdict: str, offset: int | None = None, step: str | None = None
) -> Callable[[Forgery], Forgery]:
    """Register a forgery of trade with the verdict it must get."""
    return any_forgery(verdict, offset, step, among=EXPECTED)


def _publish(
    forger: Forger,
    world: World,
    policy: dict[str, Any],
    *,
    after: Command | None = None,
    notice: int = 7 * DAY_US,
    replaces: str | None = None,
) -> Command:
    """Append a trade policy: the first one, or one that follows upon a command."""
    body = {
        "effective_at": None if after is None else format_time(forger.at + notice),
        "policy": policy,
        "replaces": None if after is None else replaces or terms_digest(after.body["policy"]),
    }
    expect = {STREAM: None} if after is None else {}
    chained = {} if after is None else {STREAM: after.digest}
    places = [world.signs("operator", "root")]
    draft = Draft("publish-trade-policy/1", "operator", places, body, expect, chained)
    return forger.append(world.submission(draft), FACT)


@forgery("valid")
def trade_policies_with_their_notice(forger: Forger, world: World) -> None:
    first = _publish(forger, world, terms())
    second = _publish(forger, world, terms(id="b"), after=first)
    forger.at += 7 * DAY_US
    world.clock.advance(7 * DAY_US)
    _publish(forger, world, terms(), after=second)


@forgery("tampered", 1, "rule")
def a_trade_policy_a_microsecond_too_soon(forger: Forger, world: World) -> None:
    first = _publish(forger, world, terms())
    _publish(forger, world, terms(id="b"), after=first, notice=7 * DAY_US - 1)


@forgery("tampered", 1, "rule")
def a_trade_policy_without_the_longer_notice_that_was_promised(
    forger: Forger, world: World
) -> None:
    first = _publish(forger, world, terms(notice_days=30))
    _publish(forger, world, terms(id="b"), after=first, notice=29 * DAY_US)


@forgery("tampered", 1, "rule")
def a_trade_policy_that_waits_for_years(forger: Forger, world: World) -> None:
    first = _publish(forger, world, terms())
    _publish(forger, world, terms(id="b"), after=first, notice=730 * DAY_US + 1)


@forgery("tampered", 1, "rule")
def a_trade_policy_that_replaces_another_one(forger: Forger, world: World) -> None:
    first = _publish(forger, world, terms())
    _publish(forger, world, terms(id="b"), after=first, replaces="0" * 64)


@forgery("tampered", 1, "rule")
def a_trade_policy_published_again(forger: Forger, world: World) -> None:
    first = _publish(forger, world, terms())
    _publish(forger, world, terms(), after=first)


@forgery("tampered", 2, "rule")
def a_trade_policy_while_another_one_waits(forger: Forger, world: World) -> None:
    first = _publish(forger, world, terms())
    second = _publish(forger, world, terms(id="b"), after=first)
    digest = terms_digest(first.body["policy"])
    _publish(forger, world, terms(id="c"), after=second, notice=20 * DAY_US, replaces=digest)


WRONG = {
    "whose_lowest_tier_asks_for_credit": terms(tiers=[terms()["tiers"][0]]),
    "with_seats_that_are_not_odd": terms(
        appeal=terms()["appeal"]
        | {
            "committee": terms()["appeal"]["committee"]
            | {
                "seats": [
                    {"n": 2, "seat": "legal-adviser"},
                    {"n": 1, "seat": "member-rep"},
                    {"n": 1, "seat": "operator"},
                ]
            }
        }
    ),
    "with_evidence_that_no_claim_takes": terms(
        classes=[terms()["classes"][0] | {"evidence": ["video"]}]
    ),
    "with_labels_below_the_least_deposit": terms(
        merchant=terms()["merchant"]
        | {
            "deposit": terms()["merchant"]["deposit"]
            | {"minimum": [{"amount": "1", "currency": "CNY"}]}
        }
    ),
    "with_names_out_of_order": terms(tiers=terms()["tiers"][::-1]),
    "with_six_days_of_notice": terms(notice_days=6),
    "with_a_field_too_many": terms(more=1),
}


def _forge(policy: dict[str, Any]) -> Any:
    def forge(forger: Forger, world: World) -> None:
        _publish(forger, world, policy)

    return forge


for _name, _policy in WRONG.items():
    _made = _forge(_policy)
    _made.__name__ = f"a_trade_policy_{_name}"
    forgery("tampered", 0, "rule")(_made)

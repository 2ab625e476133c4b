"""Trade policies: what publishing one asks for, and which one is in force when."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ledger.rules import errors, terms_document
from ledger.rules.commands import Command
from ledger.rules.digests import policy_digest, terms_digest
from ledger.rules.errors import Malformed
from ledger.rules.model import TERMS_STREAM, Given
from ledger.rules.state import Policy, Terms
from ledger.rules.terms import OLD_KEPT, terms_in_force, terms_of
from ledger.rules.text import format_time
from tests.terms import terms
from tests.unit.rules.small import POLICY, Small

DAY_US = 24 * 3600 * 1_000_000
OTHER = "0" * 64


def state(small: Small) -> Terms:
    found = small.state(TERMS_STREAM)
    assert isinstance(found, Terms)
    return found


def publishing(small: Small, policy: dict[str, Any], effective_at: int | None = None) -> Command:
    """The command that publishes a policy at the time of `small`, naming the one in force."""
    found = small.stream(TERMS_STREAM)
    body = {
        "effective_at": None if effective_at is None else format_time(effective_at),
        "policy": policy,
        "replaces": None if found is None else state(small).at(small.at).digest,
    }
    return small.command(small.draft("publish-trade-policy/1", ("operator", "root"), **body))


def publish(small: Small, policy: dict[str, Any], effective_at: int | None = None) -> Command:
    command = publishing(small, policy, effective_at)
    small.append(command, small.derive(command))
    return command


def given(small: Small) -> Given:
    policy = Policy(policy_digest(POLICY), dict(POLICY))
    command = next(each.command for each in reversed(small.entries) if each.command)
    return Given(command, small.at, len(small.entries), small, policy)


def test_the_first_takes_effect_with_its_entry() -> None:
    small = Small()
    publish(small, terms())

    found = state(small)
    assert found.in_force == (terms_digest(terms()), small.entries[-1].at, terms())
    assert (found.pending, found.old) == (None, ())


def test_before_the_first_there_is_none() -> None:
    assert terms_in_force(given(Small())) is None
    assert terms_of(given(Small()), OTHER) is None


def test_a_successor_is_in_force_from_its_very_moment_on() -> None:
    small = Small()
    publish(small, terms())
    due = small.at + 30 * DAY_US
    publish(small, terms(id="b"), due)

    in_force = []
    for small.at in (due - 1, due, due + 1):
        found = terms_in_force(given(small))
        assert found is not None
        in_force.append(found.document["id"])
    assert in_force == ["small", "b", "b"]


def test_what_was_pinned_is_found_by_its_digest_before_and_after() -> None:
    small = Small()
    publish(small, terms())
    for name in ("b", "c"):
        due = small.at + 8 * DAY_US
        publish(small, terms(id=name), due)
        small.at = due

    for name in ("small", "b", "c"):
        found = terms_of(given(small), terms_digest(terms(id=name)))
        assert found is not None
        assert found.document == terms(id=name)
    assert terms_of(given(small), OTHER) is None
    assert [each.document["id"] for each in state(small).old] == ["small"]


def test_the_oldest_is_forgotten_when_sixty_four_newer_ones_were_superseded() -> None:
    small = Small()
    publish(small, terms(id="0"))
    for number in range(1, OLD_KEPT + 3):
        due = small.at + 7 * DAY_US
        publish(small, terms(id=str(number)), due)
        small.at = due

    kept = [each.document["id"] for each in state(small).old]
    assert kept == [str(number) for number in range(1, OLD_KEPT + 1)]


def test_seven_days_are_enough_and_a_microsecond_less_is_not() -> None:
    small = Small()
    publish(small, terms())
    earliest = small.at + 7 * DAY_US

    with pytest.raises(errors.NoticeTooShort) as refusal:
        small.derive(publishing(small, terms(id="b"), earliest - 1))
    assert refusal.value.evidence == {
        "effective_at": format_time(earliest - 1),
        "earliest": format_time(earliest),
    }
    (fact,) = small.derive(publishing(small, terms(id="b"), earliest))
    assert fact == (TERMS_STREAM, "trade-policy-published/1", {})


def test_the_notice_is_the_one_that_the_policy_in_force_asks_for() -> None:
    small = Small()
    publish(small, terms(notice_days=30))
    earliest = small.at + 30 * DAY_US

    with pytest.raises(errors.NoticeTooShort):
        small.derive(publishing(small, terms(notice_days=7), earliest - 1))
    assert small.derive(publishing(small, terms(notice_days=7), earliest))


def test_two_years_ahead_is_the_most() -> None:
    small = Small()
    publish(small, terms())
    latest = small.at + 730 * DAY_US

    with pytest.raises(errors.NoticeTooLong) as refusal:
        small.derive(publishing(small, terms(id="b"), latest + 1))
    assert refusal.value.evidence == {
        "effective_at": format_time(latest + 1),
        "latest": format_time(latest),
    }
    assert small.derive(publishing(small, terms(id="b"), latest))


def test_while_one_waits_no_other_is_published() -> None:
    small = Small()
    publish(small, terms())
    due = small.at + 7 * DAY_US
    waiting = terms(id="b")
    publish(small, waiting, due)
    small.at = due - 1

    with pytest.raises(errors.PolicyPending) as refusal:
        small.derive(publishing(small, terms(id="c"), due + 8 * DAY_US))
    assert refusal.value.evidence == {
        "pending": terms_digest(waiting),
        "effective_at": format_time(due),
    }
    small.at = due
    assert small.derive(publishing(small, terms(id="c"), due + 8 * DAY_US))


def test_the_one_in_force_is_not_published_again() -> None:
    small = Small()
    publish(small, terms())

    with pytest.raises(errors.PolicyUnchanged) as refusal:
        small.derive(publishing(small, terms(), small.at + 8 * DAY_US))
    assert refusal.value.evidence == {"policy": terms_digest(terms())}


@pytest.mark.parametrize("first", [True, False])
def test_another_one_to_replace_is_refused(*, first: bool) -> None:
    small = Small()
    if not first:
        publish(small, terms())
    body = {"effective_at": format_time(small.at + 8 * DAY_US), "policy": terms(id="b")}
    draft = small.draft("publish-trade-policy/1", ("operator", "root"), replaces=OTHER, **body)

    with pytest.raises(errors.PolicyNotInForce) as refusal:
        small.derive(small.command(draft))
    in_force = None if first else terms_digest(terms())
    assert refusal.value.evidence == {"named": OTHER, "in_force": in_force}


def test_a_second_first_one_is_refused() -> None:
    small = Small()
    publish(small, terms())
    body = {"effective_at": None, "policy": terms(id="b"), "replaces": None}
    draft = small.draft("publish-trade-policy/1", ("operator", "root"), **body)

    with pytest.raises(errors.PolicyNotInForce) as refusal:
        small.derive(small.command(draft))
    assert refusal.value.evidence == {"named": None, "in_force": terms_digest(terms())}


@pytest.mark.parametrize(
    ("replaces", "effective_at"), [(None, "2027-01-01T00:00:00.000000Z"), (OTHER, None)]
)
def test_a_first_one_has_no_date_and_a_later_one_has(
    replaces: str | None, effective_at: str | None
) -> None:
    small = Small()
    body = {"effective_at": effective_at, "policy": terms(), "replaces": replaces}
    draft = small.draft("publish-trade-policy/1", ("operator", "root"), **body)

    with pytest.raises(Malformed) as refusal:
        small.derive(small.command(draft))
    assert str(refusal.value) == "command.body.effective_at: is null exactly where replaces is"


def test_no_other_stream_is_expected_with_it() -> None:
    small = Small()
    body = {"effective_at": None, "policy": terms(), "replaces": None}
    draft = small.draft("publish-trade-policy/1", ("operator", "root"), **body)
    more = replace(draft, expect={**draft.expect, "log": small.head("log")})

    with pytest.raises(Malformed) as refusal:
        small.derive(small.command(more))
    assert str(refusal.value) == "command.expect: names log, which is not asked for"


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small policy with one value replaced; numbers in the path are places in arrays."""
    document: Any = terms()
    place = document
    *above, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in above:
        place = place[part]
    place[last] = value
    return dict(document)


CNY = {"amount": "1", "currency": "CNY"}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("notice_days", 6, "policy.notice_days: is not a whole number from 7 to 365"),
        ("v", 2, "policy.v: is not a whole number from 1 to 1"),
        ("timezone", "Asia/Shanghai ", "policy.timezone: is not a time zone such as Asia/Shanghai"),
        (
            "merchant.fee_bp",
            10_001,
            "policy.merchant.fee_bp: is not a whole number from 0 to 10000",
        ),
        (
            "tiers.0.tier",
            "Diamond",
            "policy.tiers[0].tier: is not a name: a small letter, then up to 39 small letters, "
            "digits or -",
        ),
        ("tiers.1.tier", "zeta", "policy.tiers: is not sorted by tier, each once"),
        ("tiers.1.tier", "diamond", "policy.tiers: is not sorted by tier, each once"),
        ("claims.kinds", ["key-invalid"] * 2, "policy.claims.kinds: is not sorted, each once"),
        (
            "merchant.deposit.minimum",
            [CNY, CNY],
            "policy.merchant.deposit.minimum: is not sorted by currency, each once",
        ),
        (
            "compensation.order",
            ["penalty", "penalty", "points", "incidental"],
            "policy.compensation.order: does not name each of incidental, penalty, points, "
            "refund-or-reissue once",
        ),
        (
            "tiers.1.credit_min",
            1,
            "policy.tiers[1].credit_min: is not 0, though no tier has less: every member is in one",
        ),
        ("tiers.2.credit_min", 100_000, "policy.tiers[2].credit_min: is that of diamond too"),
        (
            "tiers.2.first_response_s",
            86_401,
            "policy.tiers[2].first_response_s: is longer than that of ordinary, which needs less "
            "credit",
        ),
        (
            "tiers.0.arbitration",
            {"n": 169, "unit": "hours"},
            "policy.tiers[0].arbitration: is longer than that of vip, which needs less credit",
        ),
        (
            "classes.1.evidence",
            ["video"],
            "policy.classes[1].evidence[0]: is not among claims.evidence_types",
        ),
        (
            "compensation.penalty.min_bp",
            3001,
            "policy.compensation.penalty.min_bp: is above max_bp, 3000",
        ),
        (
            "compensation.delay.options",
            ["reissue"],
            "policy.compensation.delay.on_timeout: is not among compensation.delay.options",
        ),
        (
            "appeal.committee.seats.0.n",
            2,
            "policy.appeal.committee.seats: are 4 together, which is not odd",
        ),
        (
            "merchant.deposit.minimum",
            [{"amount": "1000001", "currency": "CNY"}],
            "policy.merchant.labels[0].deposit_min: asks for less CNY than "
            "merchant.deposit.minimum, 1000001",
        ),
        (
            "merchant.deposit.minimum",
            [{"amount": "1", "currency": "USD"}],
            "policy.merchant.labels[0].deposit_min: asks for less USD than "
            "merchant.deposit.minimum, 1",
        ),
    ],
)
def test_a_document_says_what_is_wrong_with_it(path: str, value: Any, said: str) -> None:
    with pytest.raises(Malformed) as refusal:
        terms_document.trade_policy(changed(path, value), "policy")
    assert str(refusal.value) == said


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tiers.0.arbitration", {"n": 168, "unit": "hours"}),
        ("tiers.0.arbitration", {"n": 7, "unit": "working-days"}),
        ("compensation.penalty.min_bp", 3000),
        ("merchant.deposit.minimum", []),
        ("exclusions", []),
        ("merchant.labels", []),
        ("notice_days", 365),
    ],
)
def test_what_just_fits_is_accepted(path: str, value: Any) -> None:
    terms_document.trade_policy(changed(path, value), "policy")


def test_four_seats_are_well_where_the_number_may_be_any() -> None:
    document = changed("appeal.committee.size", "any")
    document["appeal"]["committee"]["seats"][0]["n"] = 2

    terms_document.trade_policy(document, "policy")


def test_every_contradiction_is_named_and_not_the_first_alone() -> None:
    document = deepcopy(changed("compensation.penalty.min_bp", 9000))
    document["tiers"][1]["credit_min"] = 5

    assert [fault.field for fault in terms_document.faults(document)] == [
        "tiers[1].credit_min",
        "compensation.penalty.min_bp",
    ]

"""Labels: what facts give them, who may record them, and that an order keeps what it was shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules import errors, trade_errors
from ledger.rules.compose import Draft
from ledger.rules.errors import Malformed
from ledger.rules.kinds import kind_of
from ledger.rules.labels import Computed, labels_of, origins_at
from ledger.rules.model import Fact
from ledger.rules.schema import check_object
from ledger.rules.trade_errors import UnknownMerchant
from ledger.rules.trade_state import Label, Merchant, Qualification
from tests.terms import terms
from tests.unit.rules.ordering import line, order, paying, placing, qualified, trading
from tests.unit.rules.small import HOUR_US, Small

DIRECT, GOLD = "platform-direct", "gold"
POLICY = terms()
NAMES = st.sampled_from(("a", "b", "c"))
AMOUNTS = st.dictionaries(st.sampled_from(("CNY", "USD")), st.integers(0, 3))


def labelling(small: Small, *labels: str, merchant: str = "shop", by: str = "system") -> Draft:
    return small.draft("update-labels/1", (by, "system"), labels=list(labels), merchant=merchant)


def direct() -> Small:
    """A log of orders whose `shop` is reviewed as a direct source too, for two days."""
    small = trading()
    qualified(small, "point-card", origin=DIRECT)
    return small


def labels(small: Small) -> tuple[Label, ...]:
    found = small.state("merchant/shop")
    assert isinstance(found, Merchant)
    return found.labels


def refused(small: Small, draft: Draft, error: type[errors.Refused], **evidence: Any) -> None:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    assert caught.value.evidence == evidence


@pytest.mark.parametrize(
    ("origins", "deposit", "expected"),
    [
        (set(), {"CNY": 1_000_000}, ()),
        ({None}, {}, ()),
        ({None}, {"CNY": 999_999}, ()),
        ({None}, {"USD": 1_000_000}, ()),
        ({None}, {"CNY": 1_000_000}, (GOLD,)),
        ({"distributor"}, {"CNY": 1_000_000}, (GOLD,)),
        ({DIRECT}, {}, (DIRECT,)),
        ({None, DIRECT}, {"CNY": 1_000_001}, (GOLD, DIRECT)),
    ],
)
def test_a_label_asks_for_its_origin_its_deposit_and_good_standing(
    origins: set[str | None], deposit: dict[str, int], expected: tuple[str, ...]
) -> None:
    assert labels_of(POLICY, origins, deposit) == Computed(expected, expected)


def test_without_a_policy_nobody_is_called_anything() -> None:
    assert labels_of(None, {DIRECT}, {"CNY": 10**9}) == Computed((), ())


def test_where_no_deposit_is_known_a_label_that_asks_for_one_is_possible_and_not_sure() -> None:
    assert labels_of(POLICY, {DIRECT}, None) == Computed((DIRECT,), (GOLD, DIRECT))
    assert labels_of(POLICY, {None}, None) == Computed((), (GOLD,))
    assert labels_of(POLICY, set(), None) == Computed((), ())


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """What of a trade policy labels are computed from."""
    found = []
    for name in sorted(draw(st.sets(NAMES))):
        least = [{"amount": str(n), "currency": c} for c, n in draw(AMOUNTS).items()]
        origin = draw(st.none() | NAMES)
        found.append({"deposit_min": least, "label": name, "origin": origin})
    return {"merchant": {"labels": found}}


@given(policies(), st.sets(st.none() | NAMES), AMOUNTS, AMOUNTS)
def test_more_deposit_or_more_origins_never_take_a_label_away(
    policy: dict[str, Any], origins: set[str | None], deposit: dict[str, int], more: dict[str, int]
) -> None:
    found = labels_of(policy, origins, deposit)
    richer = {name: deposit.get(name, 0) + more.get(name, 0) for name in {*deposit, *more}}

    assert found.sure == found.possible == tuple(sorted(set(found.sure)))
    assert set(found.sure) <= set(labels_of(policy, origins, richer).sure)
    assert not origins or set(found.sure) <= set(labels_of(policy, origins | {"a"}, deposit).sure)
    unknown = labels_of(policy, origins, None)
    assert set(unknown.sure) <= set(found.sure) <= set(unknown.possible)
    assert unknown.sure == labels_of(policy, origins, {}).sure


def test_an_origin_counts_until_the_last_microsecond_of_its_review() -> None:
    reviews = (Qualification("a", DIRECT, 10), Qualification("b", None, 20))
    merchant = Merchant("shop", "cards", reviews)

    assert origins_at(merchant, 9) == {DIRECT, None}
    assert origins_at(merchant, 10) == {None}
    assert origins_at(merchant, 20) == set()


def test_the_system_records_a_label_once_with_its_time() -> None:
    small = direct()
    small.at += 5
    draft = labelling(small, DIRECT)
    facts = small.derive(small.command(draft))
    small.do(draft)

    assert facts == [Fact("merchant/shop", "labels-changed/1", {})]
    assert labels(small) == (Label(DIRECT, small.entries[-1].at),)
    unchanged = trade_errors.LabelsUnchanged
    refused(small, labelling(small, DIRECT), unchanged, merchant="shop")


def test_a_label_that_stays_keeps_the_time_since_when_it_stands() -> None:
    small = direct()
    small.do(labelling(small, DIRECT))
    first = small.entries[-1].at
    small.at += 9
    small.knows_accounts = lambda: False  # type: ignore[method-assign]
    small.do(labelling(small, GOLD, DIRECT))

    assert labels(small) == (Label(GOLD, small.entries[-1].at), Label(DIRECT, first))
    assert small.entries[-1].at > first


def test_a_review_does_not_change_labels_by_itself() -> None:
    small = direct()
    small.do(labelling(small, DIRECT))
    before = labels(small)
    qualified(small, "sword")

    assert labels(small) == before


@pytest.mark.parametrize("named", [(GOLD,), (GOLD, DIRECT), ("nobody-heard-of",)])
def test_nobody_is_given_a_label_that_the_policy_does_not_give(named: tuple[str, ...]) -> None:
    differ = trade_errors.LabelsDiffer
    refused(direct(), labelling(direct(), *named), differ, merchant="shop", labels=DIRECT)


def test_a_label_is_not_kept_from_who_has_a_right_to_it() -> None:
    small = direct()
    small.do(labelling(small, DIRECT))
    differ = trade_errors.LabelsDiffer
    refused(small, labelling(small), differ, merchant="shop", labels=DIRECT)


def test_a_proof_judges_what_no_deposit_decides() -> None:
    small = direct()
    small.knows_accounts = lambda: False  # type: ignore[method-assign]
    small.derive(small.command(labelling(small, GOLD, DIRECT)))
    small.derive(small.command(labelling(small, DIRECT)))

    differ = trade_errors.LabelsDiffer
    refused(small, labelling(small, GOLD), differ, merchant="shop", labels=DIRECT)
    refused(small, labelling(small, "other", DIRECT), differ, merchant="shop", labels=DIRECT)


@pytest.mark.parametrize("named", [[DIRECT, GOLD], [GOLD, GOLD]])
def test_labels_are_sorted_and_named_once(named: list[str]) -> None:
    body = {"labels": named, "merchant": "shop"}
    with pytest.raises(Malformed) as caught:
        check_object(body, kind_of("update-labels/1").body, "command.body")
    assert str(caught.value) == "command.body.labels: is not sorted, each once"


def test_only_who_was_reviewed_once_has_labels() -> None:
    refused(direct(), labelling(direct(), merchant="bob"), UnknownMerchant, merchant="bob")


def test_a_label_ends_with_the_review_that_gave_it() -> None:
    small = direct()
    small.do(labelling(small, DIRECT))
    small.at += 48 * HOUR_US
    small.do(labelling(small))

    assert labels(small) == ()


def test_an_order_keeps_the_label_that_its_merchant_loses_before_it_is_paid() -> None:
    small = direct()
    small.do(labelling(small, DIRECT))
    small.do(placing(small, line("cards/1"), line("cards/2")))
    body = {"class": "point-card", "ground": "rules-broken", "merchant": "shop"}
    small.act("revoke-qualification/1", ("ann", "reviewer"), **body)
    small.do(labelling(small))
    small.do(paying(small, 2 * 9900))

    assert labels(small) == ()
    assert small.entries[-1].type == "balance-changed/1"
    assert [each.labels for each in order(small).lines] == [(DIRECT,), (DIRECT,)]

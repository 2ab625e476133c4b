"""What merchants and listings must mean together, read from plain documents."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_shops import ShopsMeaning
from ledger.proof.meaning_terms import TermsMeaning
from ledger.rules.digests import listing_digest
from tests.shops import listing_body
from tests.terms import terms

NOON, LATER = "2026-12-01T12:00:00.000000Z", "2026-12-02T12:00:00.000000Z"
OWNERS = {"cards": "mia", "toys": "tom", "more": "mia"}


def qualifying(*, by: tuple[str, str] = ("mia", "rex"), **changes: Any) -> dict[str, Any]:
    body = {"class": "game-card", "merchant": "mia", "namespace": "cards", "origin": None}
    body["until"] = LATER
    return {"body": body | changes, "signers": [{"party": party} for party in by]}


def qualified() -> ShopsMeaning:
    meaning = ShopsMeaning()
    meaning.qualify(qualifying(), OWNERS)
    return meaning


def publish(
    meaning: ShopsMeaning,
    *,
    at: str = NOON,
    by: str = "mia",
    listing: str = "cards/gift",
    data: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    body = listing_body(listing, "mia", **changes)
    derived = {"material": [], "snapshot": listing_digest(body)} | (data or {})
    meaning.publish({"at": at, "data": derived}, {"body": body, "signers": [{"party": by}]})


def end(meaning: ShopsMeaning, *, by: str = "mia", listing: str = "cards/gift") -> None:
    meaning.end({"body": {"listing": listing}, "signers": [{"party": by}]})


def revoking(*, by: str = "rex", item_class: str = "game-card") -> dict[str, Any]:
    return {"body": {"class": item_class, "merchant": "mia"}, "signers": [{"party": by}]}


def said(error: Tampered) -> tuple[Any, ...]:
    assert error.step == "meaning"
    return error.field, error.message, error.expected, error.found


def test_a_merchant_that_is_reviewed_lists_edits_and_ends() -> None:
    meaning = qualified()
    publish(meaning)
    publish(meaning, region="global", text="c" * 64, data={"material": ["region"]})
    end(meaning)

    assert meaning.listings == {"cards/gift": None}


@pytest.mark.parametrize("by", [("mia", "mia"), ("tom", "rex")])
def test_a_merchant_is_reviewed_by_another_and_signs_itself(by: tuple[str, str]) -> None:
    with pytest.raises(Tampered) as caught:
        ShopsMeaning().qualify(qualifying(by=by), OWNERS)

    message = "a merchant was not reviewed by another"
    assert said(caught.value) == ("qualification", message, "mia", by[1])


@pytest.mark.parametrize(("namespace", "owner"), [("toys", "tom"), ("never-opened", None)])
def test_a_namespace_is_its_owners(namespace: str, owner: str | None) -> None:
    with pytest.raises(Tampered) as caught:
        ShopsMeaning().qualify(qualifying(namespace=namespace), OWNERS)

    message = "a merchant took another's namespace"
    assert said(caught.value) == ("qualification", message, owner, "mia")


def test_a_merchant_keeps_its_namespace() -> None:
    meaning = qualified()
    with pytest.raises(Tampered) as caught:
        meaning.qualify(qualifying(namespace="more"), OWNERS)

    message = "a merchant changed its namespace"
    assert said(caught.value) == ("qualification", message, "cards", "more")


def test_nobody_revokes_its_own_qualification() -> None:
    with pytest.raises(Tampered) as caught:
        qualified().revoke(revoking(by="mia"))

    message = "a merchant was not reviewed by another"
    assert said(caught.value) == ("qualification", message, "mia", None)


def test_only_what_is_there_is_revoked_and_only_once() -> None:
    meaning = qualified()
    meaning.revoke(revoking())

    with pytest.raises(Tampered) as caught:
        meaning.revoke(revoking())
    message = "what was revoked was not there"
    assert said(caught.value) == ("qualification", message, "game-card", None)


def test_nothing_is_listed_after_a_revocation_or_for_another_class() -> None:
    message = "a listing without a qualification"
    meaning = qualified()
    with pytest.raises(Tampered) as caught:
        publish(meaning, **{"class": "licence"})
    assert said(caught.value) == ("qualification", message, "mia", None)

    meaning.revoke(revoking())
    with pytest.raises(Tampered) as caught:
        publish(meaning)
    assert said(caught.value) == ("qualification", message, "mia", None)


def test_a_qualification_ends_with_its_very_moment() -> None:
    meaning = qualified()
    publish(meaning, at="2026-12-02T11:59:59.999999Z")

    with pytest.raises(Tampered) as caught:
        publish(meaning, at=LATER)
    message, until = "a listing without a qualification", "2026-12-02 12:00:00+00:00"
    assert said(caught.value) == ("qualification", message, "mia", until)


def test_nobody_lists_for_another_merchant() -> None:
    meaning = qualified()
    meaning.qualify(qualifying(by=("tom", "rex"), merchant="tom", namespace="toys"), OWNERS)

    with pytest.raises(Tampered) as caught:
        publish(meaning, by="tom")
    assert caught.value.message == "a listing without a qualification"


def test_a_merchant_lists_in_its_own_namespace() -> None:
    with pytest.raises(Tampered) as caught:
        publish(qualified(), listing="toys/gift")

    message = "a listing in another namespace"
    assert said(caught.value) == ("qualification", message, "cards", "toys/gift")


def test_an_entry_names_the_digest_of_the_listing() -> None:
    with pytest.raises(Tampered) as caught:
        publish(qualified(), data={"snapshot": "0" * 64})

    right = listing_digest(listing_body("cards/gift", "mia"))
    message = "a listing has another digest"
    assert said(caught.value) == ("listing", message, right, "0" * 64)


@pytest.mark.parametrize(
    ("changes", "material", "right"),
    [
        ({}, ["price"], []),
        ({"text": "c" * 64}, ["text"], []),
        ({"validity_days": None}, [], ["validity_days"]),
        ({"product": "x", "promises": "e" * 64}, [], ["product", "promises"]),
    ],
)
def test_an_edit_says_which_material_fields_it_changed(
    changes: dict[str, Any], material: list[str], right: list[str]
) -> None:
    meaning = qualified()
    publish(meaning)

    with pytest.raises(Tampered) as caught:
        publish(meaning, data={"material": material}, **changes)
    message = "an edit changed other fields"
    assert said(caught.value) == ("listing", message, str(right), str(material))


def test_what_has_ended_is_not_published_again_nor_ended() -> None:
    meaning = qualified()
    publish(meaning)
    end(meaning)

    with pytest.raises(Tampered) as caught:
        publish(meaning)
    message = "an ended listing was published again"
    assert said(caught.value) == ("listing", message, None, "cards/gift")
    with pytest.raises(Tampered) as caught:
        end(meaning)
    assert said(caught.value) == ("listing", "a listing was ended by another", None, "mia")


def test_only_its_merchant_ends_a_listing() -> None:
    meaning = qualified()
    publish(meaning)

    with pytest.raises(Tampered) as caught:
        end(meaning, by="tom")
    assert said(caught.value) == ("listing", "a listing was ended by another", "mia", "tom")


def small_policy(*labels: tuple[str, str | None, str]) -> TermsMeaning:
    """A trade policy in force since noon that gives labels: name, origin, least deposit."""
    policies = TermsMeaning()
    given = [
        {"deposit_min": [{"amount": least, "currency": "CNY"}], "label": name, "origin": origin}
        for name, origin, least in labels
    ]
    policy = terms()
    policy["merchant"]["labels"] = given
    body = {"effective_at": None, "policy": policy, "replaces": None}
    policies.take({"at": NOON}, {"body": body})
    return policies


POLICY = small_policy(("direct", "maker", "0"), ("gold", None, "5"), ("known", None, "0"))


def label(
    meaning: ShopsMeaning, *labels: str, at: str = NOON, merchant: str = "mia", deposit: int = 0
) -> None:
    body = {"labels": list(labels), "merchant": merchant}
    meaning.label({"at": at}, body, POLICY, {"CNY": deposit})


def sourced(*, complete: bool = True) -> ShopsMeaning:
    meaning = ShopsMeaning(complete)
    meaning.qualify(qualifying(origin="maker"), OWNERS)
    return meaning


def test_a_merchant_gets_the_labels_of_its_reviews_and_loses_them_with_those() -> None:
    meaning = sourced()
    label(meaning, "direct", "known")
    assert meaning.labels == {"mia": ["direct", "known"]}
    meaning.qualify(qualifying(), OWNERS)
    label(meaning, "known")
    label(meaning, at=LATER)
    assert meaning.labels == {"mia": []}


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("direct", "gold", "known"), "gold"),
        (("direct",), "known"),
        (("known",), "direct"),
        (("best", "direct", "known"), "best"),
    ],
)
def test_a_merchant_has_the_very_labels_that_the_policy_gives(
    labels: tuple[str, ...], found: str
) -> None:
    with pytest.raises(Tampered, match="a merchant has other labels") as caught:
        label(sourced(), *labels)
    assert (caught.value.field, caught.value.expected) == ("labels", found)


def test_a_deposit_gives_the_label_that_asks_for_no_more() -> None:
    label(sourced(), "direct", "gold", "known", deposit=5)
    label(sourced(), "direct", "known", deposit=4)
    with pytest.raises(Tampered, match="a merchant has other labels") as caught:
        label(sourced(), "direct", "known", deposit=5)
    assert (caught.value.field, caught.value.expected) == ("labels", "gold")


def test_a_revoked_review_gives_no_label() -> None:
    meaning = sourced()
    meaning.revoke({"body": {"class": "game-card", "merchant": "mia"}, "signers": [{"party": "x"}]})
    with pytest.raises(Tampered, match="a merchant has other labels"):
        label(meaning, "direct", "known")


def test_the_review_of_another_merchant_gives_no_label() -> None:
    with pytest.raises(Tampered, match="a merchant has other labels"):
        label(sourced(), "direct", "known", merchant="tom")


def test_a_change_of_labels_is_one() -> None:
    meaning = sourced()
    label(meaning, "direct", "known")
    with pytest.raises(Tampered, match="labels changed to what they were"):
        label(meaning, "direct", "known")
    with pytest.raises(Tampered, match="labels changed to what they were"):
        label(meaning, merchant="tom")


def test_a_part_of_a_log_does_not_judge_a_label_that_asks_for_a_deposit() -> None:
    meaning = sourced(complete=False)
    label(meaning, "direct", "gold", "known")
    label(meaning, "direct", "known")
    with pytest.raises(Tampered, match="a merchant has other labels"):
        label(meaning, "direct", "gold")
    with pytest.raises(Tampered, match="a merchant has other labels"):
        label(meaning, "direct", "gold", "known", at=LATER)


def test_before_any_policy_nobody_has_a_label() -> None:
    body = {"labels": ["known"], "merchant": "mia"}
    with pytest.raises(Tampered, match="a merchant has other labels"):
        sourced().label({"at": NOON}, body, TermsMeaning(), {})

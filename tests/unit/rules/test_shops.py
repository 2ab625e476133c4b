"""Merchants and listings: who reviews whom, what is listed until when, what an edit says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.commands import Command
from ledger.rules.compose import Draft
from ledger.rules.digests import listing_digest
from ledger.rules.errors import Malformed
from ledger.rules.listings import MATERIAL
from ledger.rules.merchants import CLASSES_MAX
from ledger.rules.text import format_time
from ledger.rules.trade_state import Listing, Merchant, Qualification
from tests.shops import listing_body
from tests.unit.rules.small import HOUR_US, Small, key

PLACES = (("shop", "merchant"), ("ann", "reviewer"))
GIFT = "cards/gift"


def reviewed() -> Small:
    """A log in which `ann` reviews, and `shop` owns `cards` and `toys`."""
    small = Small()
    small.register("shop", "ann", "bob")
    small.grant("ann", "reviewer")
    for namespace in ("cards", "toys"):
        small.open_namespace(namespace, "shop")
    small.open_namespace("bobs", "bob")
    return small


def qualifying(small: Small, *places: tuple[str, str], **changes: Any) -> Draft:
    body = {
        "class": "game-card",
        "merchant": "shop",
        "namespace": "cards",
        "origin": None,
        "until": format_time(small.at + HOUR_US),
        **changes,
    }
    return small.draft("qualify-merchant/1", *(places or PLACES), **body)


def qualified() -> Small:
    small = reviewed()
    small.do(qualifying(small))
    return small


def listing(small: Small, *, by: str = "shop", **changes: Any) -> Draft:
    body = listing_body(changes.pop("listing", GIFT), "shop", **changes)
    return small.draft("publish-listing/1", (by, "merchant"), **body)


def ending(small: Small, *, by: str = "shop", name: str = GIFT) -> Draft:
    return small.draft("end-listing/1", (by, "merchant"), listing=name)


def revoking(small: Small, *, by: str = "ann", item_class: str = "game-card") -> Draft:
    body = {"class": item_class, "ground": "rules-broken", "merchant": "shop"}
    return small.draft("revoke-qualification/1", (by, "reviewer"), **body)


def refused(small: Small, draft: Draft, error: type[errors.RuleError]) -> errors.RuleError:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    return caught.value


def malformed(small: Small, what: Draft | Command) -> str:
    with pytest.raises(Malformed) as caught:
        small.derive(what if isinstance(what, Command) else small.command(what))
    return str(caught.value)


def test_a_qualification_is_kept_by_class_and_the_last_review_holds() -> None:
    small = qualified()
    small.do(qualifying(small, **{"class": "a", "origin": "platform-direct"}))
    last = small.at + 9 * HOUR_US
    small.do(qualifying(small, until=format_time(last)))

    found = small.state("merchant/shop")
    assert isinstance(found, Merchant)
    assert (found.party, found.namespace) == ("shop", "cards")
    assert [each.item_class for each in found.qualified] == ["a", "game-card"]
    assert found.qualified[0].origin == "platform-direct"
    assert found.qualification("game-card") == Qualification("game-card", None, last)
    assert found.qualification("b") is None


def test_a_revoked_class_is_gone_and_the_others_stay() -> None:
    small = qualified()
    small.do(qualifying(small, **{"class": "a"}))
    small.do(revoking(small))

    found = small.state("merchant/shop")
    assert isinstance(found, Merchant)
    assert [each.item_class for each in found.qualified] == ["a"]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ((("bob", "merchant"), ("ann", "reviewer")), "another party signs"),
        ((("ann", "merchant"), ("ann", "reviewer", "a2")), "a merchant does not review itself"),
    ],
)
def test_a_merchant_signs_for_itself_and_is_reviewed_by_another(
    places: tuple[Any, ...], message: str
) -> None:
    small = reviewed()
    body = {"key": key("a2"), "party": "ann"}
    small.act("add-key/1", ("ann", "party"), ("ann", "new", "a2"), **body)
    merchant = "shop" if places[0][0] == "bob" else "ann"
    error = refused(small, qualifying(small, *places, merchant=merchant), errors.WrongSigners)

    assert str(error) == message


def test_a_party_of_entry_0_is_no_merchant() -> None:
    small = reviewed()
    places = (("operator", "merchant"), ("ann", "reviewer"))
    draft = qualifying(small, *places, merchant="operator")

    assert str(refused(small, draft, errors.WrongSigners)) == "a party of entry 0 is no merchant"


def test_the_reviewer_holds_the_role() -> None:
    small = reviewed()
    draft = qualifying(small, ("shop", "merchant"), ("bob", "reviewer"))

    refused(small, draft, errors.RoleMissing)


@pytest.mark.parametrize(
    ("namespace", "error"),
    [("none", errors.UnknownNamespace), ("bobs", errors.NotNamespaceOwner)],
)
def test_a_merchants_namespace_is_open_and_its_own(
    namespace: str, error: type[errors.Refused]
) -> None:
    small = reviewed()

    refused(small, qualifying(small, namespace=namespace), error)


def test_a_qualification_must_end_after_it_begins() -> None:
    small = reviewed()

    refused(small, qualifying(small, until=format_time(small.at)), trade_errors.QualificationEnded)
    assert small.derive(small.command(qualifying(small, until=format_time(small.at + 1))))


def test_a_merchant_is_qualified_for_so_many_classes_and_no_more() -> None:
    small = reviewed()
    for number in range(CLASSES_MAX):
        small.do(qualifying(small, **{"class": f"c{number}"}))

    error = refused(small, qualifying(small, **{"class": "more"}), errors.TooLarge)
    assert isinstance(error, errors.Refused)
    assert error.evidence == {"classes": CLASSES_MAX, "most": CLASSES_MAX}
    assert small.derive(small.command(qualifying(small, **{"class": "c0"})))


@pytest.mark.parametrize("kind", ["qualify", "revoke", "publish", "end"])
def test_nothing_else_is_expected_with_it(kind: str) -> None:
    small = qualified()
    small.do(listing(small))
    drafts = {
        "qualify": qualifying(small),
        "revoke": revoking(small),
        "publish": listing(small, region="global"),
        "end": ending(small),
    }
    draft = drafts[kind]
    more = replace(draft, expect={**draft.expect, "log": small.head("log")})

    assert small.derive(small.command(draft))
    message = "command.expect: names log, which is not asked for"
    assert malformed(small, more) == message


def test_a_stream_that_never_was_is_not_expected_either() -> None:
    small = qualified()
    draft = listing(small)
    more = replace(draft, expect={**draft.expect, "item/cards/never": None})

    message = "command.expect: names item/cards/never, which is not asked for"
    assert malformed(small, more) == message


def test_a_listing_is_its_last_edit_with_the_digest_of_it() -> None:
    small = qualified()
    small.do(listing(small))
    small.do(listing(small, region="global"))

    body = listing_body(GIFT, "shop", region="global")
    assert small.state(f"listing/{GIFT}") == Listing(listing_digest(body), body)
    assert small.entries[-2].data["material"] == []
    assert small.entries[-1].data == {"material": ["region"], "snapshot": listing_digest(body)}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("class", "licence"),
        ("price", {"amount": "1", "currency": "CNY"}),
        ("product", "cards"),
        ("promises", "c" * 64),
        ("region", "global"),
        ("validity_days", None),
        ("text", "c" * 64),
    ],
)
def test_an_edit_names_the_material_fields_that_it_changes(field: str, value: Any) -> None:
    small = qualified()
    small.do(qualifying(small, **{"class": "licence"}))
    small.do(listing(small))
    small.do(listing(small, **{field: value}))

    expected = [field] if field in MATERIAL else []
    assert small.entries[-1].data["material"] == expected
    assert (field == "text") == (expected == [])


def test_a_listing_is_the_merchants_own_to_publish() -> None:
    small = qualified()
    error = refused(small, listing(small, by="bob"), errors.WrongSigners)

    assert str(error) == "another party signs"


def test_a_price_is_more_than_nothing_and_in_a_known_currency() -> None:
    small = qualified()
    free = listing(small, price={"amount": "0", "currency": "CNY"})
    strange = listing(small, price={"amount": "1", "currency": "USD"})

    assert malformed(small, free) == "command.body.price.amount: is zero"
    refused(small, strange, errors.UnknownCurrency)


def test_a_qualification_holds_until_its_very_end() -> None:
    small = qualified()
    merchant = small.state("merchant/shop")
    assert isinstance(merchant, Merchant)
    until = merchant.qualified[0].until

    small.at = until - 1
    assert small.derive(small.command(listing(small)))
    small.at = until
    refused(small, listing(small), trade_errors.SupplierNotQualified)


def test_a_merchant_that_is_not_qualified_any_more_still_ends_its_listings() -> None:
    small = qualified()
    small.do(listing(small))
    small.do(revoking(small))

    refused(small, listing(small, region="global"), trade_errors.SupplierNotQualified)
    small.do(ending(small))
    found = small.state(f"listing/{GIFT}")
    assert isinstance(found, Listing)
    assert found.ended


def test_an_ended_listing_is_neither_edited_nor_ended_again() -> None:
    small = qualified()
    small.do(listing(small))
    small.do(ending(small))

    refused(small, listing(small, region="global"), trade_errors.ListingEnded)
    refused(small, ending(small), trade_errors.ListingEnded)


def test_a_listing_is_ended_by_its_merchant() -> None:
    small = qualified()
    small.do(listing(small))

    refused(small, ending(small, by="bob"), errors.WrongSigners)


def test_a_merchant_does_not_revoke_its_own_qualification() -> None:
    small = qualified()
    small.grant("shop", "reviewer")

    error = refused(small, revoking(small, by="shop"), errors.WrongSigners)
    assert str(error) == "a merchant does not review itself"

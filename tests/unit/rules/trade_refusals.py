"""One minimal command for every refusal of the rules of trade."""

from __future__ import annotations

from ledger.rules import errors, trade_errors
from ledger.rules.digests import listing_digest, terms_digest
from ledger.rules.text import format_time
from tests.goods import CARD_CLASS
from tests.shops import listing_body
from tests.terms import terms
from tests.unit.rules.refusing import Found, expect, refusal
from tests.unit.rules.small import HOUR_US, Small
from tests.unit.rules.test_balances import counter, paying_out, topping_up
from tests.unit.rules.test_cards import (
    CARD,
    SWORD,
    TERMS,
    armed,
    placed,
    placing,
    registering,
    reserved,
    stocked,
    withdrawing,
)
from tests.unit.rules.test_labels import DIRECT, direct, labelling
from tests.unit.rules.test_shops import (
    GIFT,
    ending,
    listing,
    qualified,
    qualifying,
    reviewed,
)
from tests.unit.rules.test_terms import DAY_US, publish, publishing


@refusal(errors.NoticeTooShort)
def _notice_too_short() -> Found:
    small = Small()
    publish(small, terms())
    at = small.at + 7 * DAY_US
    asked, earliest = format_time(at - 1), format_time(at)
    return expect(
        small, publishing(small, terms(id="b"), at - 1), effective_at=asked, earliest=earliest
    )


@refusal(errors.NoticeTooLong)
def _notice_too_long() -> Found:
    small = Small()
    publish(small, terms())
    at = small.at + 730 * DAY_US
    asked, latest = format_time(at + 1), format_time(at)
    return expect(
        small, publishing(small, terms(id="b"), at + 1), effective_at=asked, latest=latest
    )


@refusal(errors.PolicyPending)
def _policy_pending() -> Found:
    small = Small()
    publish(small, terms())
    due = small.at + 8 * DAY_US
    publish(small, terms(id="b"), due)
    again = publishing(small, terms(id="c"), due + 8 * DAY_US)
    return expect(small, again, pending=terms_digest(terms(id="b")), effective_at=format_time(due))


@refusal(errors.PolicyUnchanged)
def _policy_unchanged() -> Found:
    small = Small()
    publish(small, terms())
    again = publishing(small, terms(), small.at + 8 * DAY_US)
    return expect(small, again, policy=terms_digest(terms()))


@refusal(trade_errors.UnknownMerchant)
def _unknown_merchant() -> Found:
    small = reviewed()
    return expect(small, listing(small), merchant="shop")


@refusal(trade_errors.NamespaceDiffers)
def _namespace_differs() -> Found:
    small = qualified()
    return expect(small, qualifying(small, namespace="toys"), namespace="toys", merchant="cards")


@refusal(trade_errors.QualificationEnded)
def _qualification_ended() -> Found:
    small = reviewed()
    until = format_time(small.at)
    return expect(small, qualifying(small, until=until), until=until)


@refusal(trade_errors.SupplierNotQualified)
def _supplier_not_qualified() -> Found:
    small = qualified()
    until = small.at + HOUR_US - 1_000_000
    small.at = until
    return expect(small, listing(small), merchant="shop", until=format_time(until))


@refusal(trade_errors.UnknownListing)
def _unknown_listing() -> Found:
    small = qualified()
    return expect(small, ending(small), listing=GIFT)


@refusal(trade_errors.ListingEnded)
def _listing_ended() -> Found:
    small = qualified()
    small.do(listing(small))
    small.do(ending(small))
    return expect(small, listing(small), listing=GIFT)


@refusal(trade_errors.ListingUnchanged)
def _listing_unchanged() -> Found:
    small = qualified()
    small.do(listing(small))
    return expect(small, listing(small), snapshot=listing_digest(listing_body(GIFT, "shop")))


@refusal(trade_errors.BalanceTooLow)
def _balance_too_low() -> Found:
    small = counter()
    small.do(topping_up(small, 5))
    return expect(small, paying_out(small, 6), currency="CNY", held="5", asked="6")


@refusal(trade_errors.ClassWithoutTerms)
def _class_without_terms() -> Found:
    small = stocked()
    draft = registering(small, agent="ann", terms=TERMS, **{"class": "voucher"})
    return expect(small, draft, item_class="voucher")


@refusal(trade_errors.GoodsDiffer)
def _goods_differ() -> Found:
    small = armed()
    draft = placing(small, **{"class": CARD_CLASS})
    return expect(small, draft, item=SWORD, item_class=CARD_CLASS, product="swords")


@refusal(trade_errors.ItemEscrowed)
def _item_escrowed() -> Found:
    small = placed()
    draft = placing(small, item=CARD)
    return expect(small, draft, item=CARD, agent="ann")


@refusal(trade_errors.ItemNotEscrowed)
def _item_not_escrowed() -> Found:
    small = armed()
    return expect(small, withdrawing(small, item=SWORD), item=SWORD)


@refusal(trade_errors.ItemReserved)
def _item_reserved() -> Found:
    small = placed()
    reserved(small, CARD)
    return expect(small, withdrawing(small), item=CARD, order="some order")


@refusal(trade_errors.LabelsUnchanged)
def _labels_unchanged() -> Found:
    small = direct()
    small.do(labelling(small, DIRECT))
    return expect(small, labelling(small, DIRECT), merchant="shop")


@refusal(trade_errors.LabelsDiffer)
def _labels_differ() -> Found:
    small = direct()
    return expect(small, labelling(small, "gold"), merchant="shop", labels=DIRECT)

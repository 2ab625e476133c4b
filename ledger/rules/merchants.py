"""Merchants: which party may list which class of goods, by whose review and until when.

A qualification is signed by the merchant and by a reviewer, another party; its documents are
sealed. It ends by its `until`, without an event, or by a revocation. Specification: docs/spec.md
section 9.9.
"""

from __future__ import annotations

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.entries import Entry
from ledger.rules.errors import NotNamespaceOwner, TooLarge, UnknownNamespace, WrongSigners
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.parties import party_of
from ledger.rules.state import Namespace, State
from ledger.rules.text import format_time, time_us
from ledger.rules.trade_errors import (
    NamespaceDiffers,
    QualificationEnded,
    SupplierNotQualified,
    UnknownMerchant,
)
from ledger.rules.trade_state import Merchant, Qualification

CLASSES_MAX = 64
GROUNDS = ("documents-expired", "documents-false", "merchant-asked", "rules-broken")


def merchant_stream(party: str) -> str:
    """Name the stream of a merchant."""
    return f"merchant/{party}"


def merchant_of(given: Given) -> Merchant:
    """Read the body's merchant, which must have been qualified once. Raises `UnknownMerchant`."""
    party = given.body["merchant"]
    found = given.view.stream(merchant_stream(party))
    if found is None:
        raise UnknownMerchant(f"{party} was never qualified", merchant=party)
    return as_merchant(found.state)


def check_merchant_signs(given: Given, *, party: str) -> None:
    """Accept the merchant's own signature. Raises `WrongSigners`."""
    signer = given.command.signers[0].party
    if signer != party:
        raise WrongSigners("another party signs", party=party, signer=signer)


def check_qualified(given: Given, merchant: Merchant, item_class: str) -> None:
    """Accept a merchant that may sell this class now. Raises `SupplierNotQualified`."""
    found = merchant.qualification(item_class)
    if found is None or found.until <= given.at:
        raise SupplierNotQualified(
            f"{merchant.party} is not qualified for {item_class}",
            merchant=merchant.party,
            until=None if found is None else format_time(found.until),
        )


def as_merchant(state: State | None) -> Merchant:
    """Take a state for what the stream's name says it is."""
    assert isinstance(state, Merchant)  # noqa: S101 - the stream's name says what it holds
    return state


def _qualify(given: Given) -> list[Fact]:
    party, reviewer = given.body["merchant"], given.command.signers[1].party
    check_merchant_signs(given, party=party)
    if reviewer == party:
        raise WrongSigners("a merchant does not review itself", party=party, signer=reviewer)
    if party_of(given, party).founder:
        raise WrongSigners("a party of entry 0 is no merchant", party=party, signer=party)
    _check_namespace(given, party)
    until = given.body["until"]
    if time_us(until, field="command.body.until") <= given.at:
        raise QualificationEnded("the qualification ends before it begins", until=until)
    found = given.view.stream(merchant_stream(party))
    if found is not None:
        _check_again(given, as_merchant(found.state))
    return [Fact(merchant_stream(party), "merchant-qualified/1", {})]


def _check_namespace(given: Given, party: str) -> None:
    namespace = given.body["namespace"]
    found = given.view.stream(f"namespace/{namespace}")
    if found is None:
        raise UnknownNamespace(f"nobody opened {namespace}", namespace=namespace)
    assert isinstance(found.state, Namespace)  # noqa: S101 - by the stream's name
    owner = found.state.owner
    if owner != party:
        raise NotNamespaceOwner(f"{namespace} is not {party}'s", namespace=namespace, owner=owner)


def _check_again(given: Given, merchant: Merchant) -> None:
    named, classes = given.body["namespace"], len(merchant.qualified)
    if named != merchant.namespace:
        raise NamespaceDiffers(
            "a merchant has one namespace", namespace=named, merchant=merchant.namespace
        )
    if merchant.qualification(given.body["class"]) is None and classes >= CLASSES_MAX:
        raise TooLarge(
            "the merchant is qualified for as many classes as it may be",
            classes=classes,
            most=CLASSES_MAX,
        )


def _qualified(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    body = entry.command.body
    until = time_us(body["until"], field="command.body.until")
    fresh = Qualification(body["class"], body["origin"], until)
    merchant = (
        Merchant(body["merchant"], body["namespace"], ()) if state is None else as_merchant(state)
    )
    others = _without(merchant, body["class"])
    return merchant._replace(qualified=tuple(sorted((*others, fresh))))


def _without(merchant: Merchant, item_class: str) -> tuple[Qualification, ...]:
    return tuple(each for each in merchant.qualified if each.item_class != item_class)


def _revoke(given: Given) -> list[Fact]:
    merchant, named = merchant_of(given), given.body["class"]
    signer = given.command.signers[0].party
    if signer == merchant.party:
        raise WrongSigners("a merchant does not review itself", party=signer, signer=signer)
    if merchant.qualification(named) is None:
        raise SupplierNotQualified(
            f"{merchant.party} is not qualified for {named}", merchant=merchant.party, until=None
        )
    return [Fact(merchant_stream(merchant.party), "qualification-revoked/1", {})]


def _revoked(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    merchant = as_merchant(state)
    return merchant._replace(qualified=_without(merchant, entry.command.body["class"]))


def _both_streams(command: Command) -> tuple[str, ...]:
    body = command.body
    return (merchant_stream(body["merchant"]), f"namespace/{body['namespace']}")


KINDS = (
    Kind(
        "qualify-merchant/1",
        (("merchant", "reviewer"),),
        {
            "class": schema.name,
            "merchant": schema.identifier,
            "namespace": schema.namespace,
            "origin": schema.nullable(schema.name),
            "until": schema.time,
        },
        _qualify,
        sealed=("documents", "issuer"),
        expects=_both_streams,
        exact=True,
    ),
    Kind(
        "revoke-qualification/1",
        (("reviewer",),),
        {
            "class": schema.name,
            "ground": schema.one_of(GROUNDS),
            "merchant": schema.identifier,
        },
        _revoke,
        sealed=("reason",),
        exact=True,
    ),
)
EVENTS = (
    EventType("merchant-qualified/1", {}, _qualified, "a merchant was qualified for a class"),
    EventType("qualification-revoked/1", {}, _revoked, "a qualification was revoked"),
)

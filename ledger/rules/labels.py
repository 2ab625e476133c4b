"""Labels: what the trade policy in force calls a merchant, computed from facts.

A label asks for a deposit, for documents of an origin, or for both, and always for a merchant in
good standing: one that is qualified for something now. `system` records every change; an order
copies the labels that stand when it is placed. Specification: docs/spec.md section 9.17.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final, NamedTuple

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.deposits import deposit_of
from ledger.rules.entries import Entry
from ledger.rules.merchants import as_merchant, merchant_of, merchant_stream
from ledger.rules.model import TERMS_STREAM, EventType, Fact, Given, Kind
from ledger.rules.state import State
from ledger.rules.terms import terms_in_force
from ledger.rules.trade_errors import LabelsDiffer, LabelsUnchanged
from ledger.rules.trade_state import Label, Merchant

LABELS_MAX: Final = 32


class Computed(NamedTuple):
    """Labels that a merchant has in any case, and those it may have; each sorted.

    They are the same wherever its deposit is known.
    """

    sure: tuple[str, ...]
    possible: tuple[str, ...]


def labels_of(
    policy: Mapping[str, Any] | None, origins: Set[str | None], deposit: Mapping[str, int] | None
) -> Computed:
    """Compute the labels of a merchant.

    Args:
        policy: The trade policy in force, if there is one.
        origins: The origins of the merchant's qualifications that have not ended.
        deposit: What of its deposit is available, by currency; None where that is not known.

    """
    asked = policy["merchant"]["labels"] if policy is not None and origins else []
    possible = [each for each in asked if each["origin"] is None or each["origin"] in origins]
    sure = [each for each in possible if _covers(deposit or {}, each["deposit_min"])]
    known = possible if deposit is None else sure
    return Computed(_names(sure), _names(known))


def _covers(deposit: Mapping[str, int], least: list[dict[str, str]]) -> bool:
    return all(deposit.get(each["currency"], 0) >= int(each["amount"]) for each in least)


def _names(labels: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(each["label"] for each in labels))


def origins_at(merchant: Merchant, at: int) -> frozenset[str | None]:
    """Name the origins of what a merchant is qualified for at a time (microseconds)."""
    return frozenset(each.origin for each in merchant.qualified if each.until > at)


def _update(given: Given) -> list[Fact]:
    merchant, named = merchant_of(given), tuple(given.body["labels"])
    if named == merchant.label_names:
        raise LabelsUnchanged("the merchant has these labels", merchant=merchant.party)
    terms = terms_in_force(given)
    deposit = (
        dict(deposit_of(given, merchant.party).available) if given.view.knows_accounts() else None
    )
    computed = labels_of(
        None if terms is None else terms.document, origins_at(merchant, given.at), deposit
    )
    if not set(computed.sure) <= set(named) <= set(computed.possible):
        raise LabelsDiffer(
            "the trade policy gives the merchant other labels",
            merchant=merchant.party,
            labels=",".join(computed.sure),
        )
    return [Fact(merchant_stream(merchant.party), "labels-changed/1", {})]


def _changed(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    merchant = as_merchant(state)
    since = {each.name: each.since for each in merchant.labels}
    names = entry.command.body["labels"]
    return merchant._replace(labels=tuple(Label(name, since.get(name, entry.at)) for name in names))


def _merchant_and_terms(command: Command) -> tuple[str, ...]:
    return (merchant_stream(command.body["merchant"]), TERMS_STREAM)


KINDS = (
    Kind(
        "update-labels/1",
        (("system",),),
        {
            "labels": schema.sorted_items(schema.name, most=LABELS_MAX),
            "merchant": schema.identifier,
        },
        _update,
        reads=_merchant_and_terms,
        exact=True,
    ),
)
EVENTS = (EventType("labels-changed/1", {}, _changed, "a merchant's labels changed"),)

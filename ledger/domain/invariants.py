"""What must hold before a write, checked by other code than the rules that decided it.

The same invariants are checked after the read by `ledger.proof.meaning`. A break here is a bug of
ours: the command is refused, nothing is written, and the evidence says which rule failed.
Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ledger.rules.commands import Command
from ledger.rules.errors import Refused
from ledger.rules.model import Fact, View
from ledger.rules.state import UNKNOWN, Item

_MOVES = frozenset({"item-transferred/1", "sale-imported/1", "provenance-gap-recorded/1"})
_RESERVED = "item-reserved/1"
_BY_IMPORT = frozenset({"sale-imported/1", "provenance-gap-recorded/1"})


class InvariantBroken(Refused):
    """The rules decided something that must never happen."""

    code = "invariant-broken"


def check_before_write(command: Command, facts: Sequence[Fact], view: View) -> None:
    """Check what a command is about to do.

    Args:
        command: The command, its signatures verified.
        facts: What derive made of it, in order.
        view: The state before.

    Raises:
        InvariantBroken: An item would move without its owner, while frozen, or from somebody who
            does not hold it; or an import would touch what a key holder signed for; or an item
            would be reserved twice; or money would come from nowhere, or from another order.

    """
    signed = {signer.party for signer in command.signers}
    owners: dict[str, str] = {}
    for fact in facts:
        if "postings" in fact.data:
            _check_balanced(fact.data["postings"])
            _check_escrow(fact)
        if not fact.stream.startswith("item/"):
            continue
        found = view.stream(fact.stream)
        before = found.state if found and isinstance(found.state, Item) else None
        owner = owners.get(fact.stream, before.owner if before else UNKNOWN)
        if fact.type == _RESERVED:
            _check_reserved(before)
        if fact.type in _MOVES:
            _check_move(fact, before, owner, signed)
        if "to" in fact.data or "owner" in fact.data:
            owners[fact.stream] = fact.data.get("to") or fact.data["owner"]


def _check_balanced(postings: Sequence[Mapping[str, str]]) -> None:
    sums: Counter[str] = Counter()
    for posting in postings:
        sums[posting["currency"]] += int(posting["amount"])
    for currency, total in sums.items():
        if total:
            raise InvariantBroken("money would come from nowhere", currency=currency, sum=total)


def _check_escrow(fact: Fact) -> None:
    """Check that an order's stream moves the escrow of its own lines alone."""
    room, _, order = fact.stream.partition("/")
    for posting in fact.data["postings"]:
        account = posting["account"]
        own = room == "claim" or account.startswith(f"escrow/{order}/")
        if account.startswith("escrow/") and not own:
            raise InvariantBroken("another order's escrow would move", order=order, account=account)


def _check_reserved(before: Item | None) -> None:
    goods = before.goods if before else None
    if goods is None or goods.order is not None:
        order = goods.order if goods else None
        raise InvariantBroken("an item would be reserved twice", order=order)


def _check_move(fact: Fact, before: Item | None, owner: str, signed: set[str]) -> None:
    if fact.data["from"] != owner:
        raise InvariantBroken("an item would leave another hand", owner=owner, **fact.data)
    if before is not None and before.frozen:
        raise InvariantBroken("a frozen item would move", owner=owner)
    if fact.type in _BY_IMPORT:
        if before is not None and not before.imports_only:
            raise InvariantBroken("an import would move a signed item", owner=owner)
        return
    offer = before.offer if before else None
    offered = offer is not None and offer.to == fact.data["to"]
    if owner not in signed and not offered:
        raise InvariantBroken("an item would move without its owner", owner=owner)
    if fact.data["to"] not in signed:
        raise InvariantBroken("an item would go to who did not sign", to=fact.data["to"])

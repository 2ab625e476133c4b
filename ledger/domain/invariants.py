"""What must hold before a write, checked by other code than the rules that decided it.

The same invariants are checked after the read by `ledger.proof.meaning`. A break here is a bug of
ours: the command is refused, nothing is written, and the evidence says which rule failed.
Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ledger.rules.commands import Command
from ledger.rules.errors import Refused
from ledger.rules.model import Fact, View
from ledger.rules.order_state import Order
from ledger.rules.schema import UNITS
from ledger.rules.state import UNKNOWN, Item
from ledger.rules.trade_state import Account, Claim, Deposit

_MOVES = frozenset({"item-transferred/1", "sale-imported/1", "provenance-gap-recorded/1"})
_RESERVED, _SOLD = "item-reserved/1", "item-sold/1"
_CHARGED, _RECOURSE = "chargeback-recorded/1", "recourse-taken/1"
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
            would be reserved twice, or sold to another than the buyer it is reserved for; or money
            would come from nowhere, from another order, or from a line that is frozen; or a
            deposit would leave that nobody asked for, or while a claim is open; or more would be
            taken of a merchant than it owes; or credit or points would be mixed with money.

    """
    signed = {signer.party for signer in command.signers}
    owners: dict[str, str] = {}
    for fact in facts:
        if "postings" in fact.data:
            _check_balanced(fact.data["postings"])
            _check_escrow(fact, view)
            _check_deposit(fact, view)
            _check_recourse(fact, view)
            _check_units(fact)
        if not fact.stream.startswith("item/"):
            continue
        found = view.stream(fact.stream)
        before = found.state if found and isinstance(found.state, Item) else None
        owner = owners.get(fact.stream, before.owner if before else UNKNOWN)
        if fact.type == _RESERVED:
            _check_reserved(before)
        if fact.type == _SOLD:
            _check_sold(fact, before, signed, view)
        if fact.type in _MOVES:
            _check_move(fact, before, owner, signed)
        if "to" in fact.data or "owner" in fact.data:
            owners[fact.stream] = fact.data.get("to") or fact.data["owner"]


def _check_balanced(postings: Sequence[Mapping[str, str]]) -> None:
    sums: defaultdict[str, int] = defaultdict(int)
    for posting in postings:
        sums[posting["currency"]] += int(posting["amount"])
    for currency, total in sums.items():
        if total:
            raise InvariantBroken("money would come from nowhere", currency=currency, sum=total)


def _check_escrow(fact: Fact, view: View) -> None:
    """Check that an order's stream moves escrow of its own lines alone, and of no frozen one."""
    room, _, order = fact.stream.partition("/")
    closing = None
    if room == "claim":
        order, closing = _claimed_order(view, order), order
    for posting in fact.data["postings"]:
        account = posting["account"]
        if not account.startswith("escrow/"):
            continue
        if not account.startswith(f"escrow/{order}/"):
            raise InvariantBroken("another order's escrow would move", order=order, account=account)
        amount = int(posting["amount"])
        if amount < 0:
            taken = fact.type == _CHARGED
            _check_leaving(_order(view, order), account, -amount, closing, taken=taken)


def _claimed_order(view: View, claim: str) -> str:
    found = view.stream(f"claim/{claim}")
    state = found.state if found else None
    return state.order if isinstance(state, Claim) and state.open else ""


def _check_leaving(
    order: Order, account: str, amount: int, closing: str | None, *, taken: bool
) -> None:
    line = order.lines[int(account.rpartition("/")[2]) - 1]
    others = [claim for claim in line.claims if claim != closing]
    # No freezing of ours keeps a provider from taking back what was paid through it.
    if others and not taken:
        raise InvariantBroken("frozen money would leave", account=account, claim=others[0])
    if amount > line.held:
        raise InvariantBroken("more would leave than is held", account=account, held=line.held)


def _check_deposit(fact: Fact, view: View) -> None:
    """Check that a deposit moves on its own stream alone, and leaves as it was asked for."""
    for posting in fact.data["postings"]:
        account, amount, currency = posting["account"], int(posting["amount"]), posting["currency"]
        if not account.startswith("deposit/"):
            continue
        if account != fact.stream:
            raise InvariantBroken("another's deposit would move", account=account)
        before = _deposit(view, account)
        if fact.type != _RECOURSE:
            _check_paid_back(before, currency, -amount)
        held = sum(Account(part).held(currency) for part in (before.available, before.reserved))
        after = fact.data["after"]
        says = sum(
            int(each["amount"])
            for each in (*after["available"], *after["reserved"])
            if each["currency"] == currency
        )
        if says != held + amount:
            raise InvariantBroken("a deposit would hold another amount", held=held, says=says)


def _deposit(view: View, stream: str) -> Deposit:
    found = view.stream(stream)
    return found.state if found and isinstance(found.state, Deposit) else Deposit()


def _check_paid_back(before: Deposit, currency: str, amount: int) -> None:
    if amount > 0 and before.claims:
        raise InvariantBroken("a claimed deposit would leave", claims=before.claims)
    if amount > 0 and before.owed:
        raise InvariantBroken("a deposit would leave that is owed", owed=before.owed[0].amount)
    if amount > Account(before.reserved).held(currency):
        asked = Account(before.reserved).held(currency)
        raise InvariantBroken("more of a deposit would leave than was asked for", asked=asked)


def _check_recourse(fact: Fact, view: View) -> None:
    """Check that what is taken of a merchant is what it owes no longer, and kept where it was."""
    if fact.type != _RECOURSE:
        return
    merchant = fact.stream.partition("/")[2]
    own = {fact.stream, f"balance/{merchant}", f"receivable/{merchant}"}
    before = {each.currency: each.amount for each in _deposit(view, fact.stream).owed}
    after = {each["currency"]: int(each["amount"]) for each in fact.data["after"]["owed"]}
    for posting in fact.data["postings"]:
        account, amount, currency = posting["account"], int(posting["amount"]), posting["currency"]
        if account not in own:
            raise InvariantBroken("another would pay what is owed", account=account)
        given = amount if account.startswith("receivable/") else 0
        if given < 0 or (not given and amount > 0):
            raise InvariantBroken("recourse would pay out", account=account, amount=amount)
        before[currency] = before.get(currency, 0) - given
    left = {currency: amount for currency, amount in before.items() if amount}
    if left != after:
        currency = min(each for each in before | after if left.get(each) != after.get(each))
        raise InvariantBroken(
            "a merchant would owe another amount",
            currency=currency,
            left=left.get(currency, 0),
            says=after.get(currency, 0),
        )


def _check_units(fact: Fact) -> None:
    """Check that credit and points move on their own streams alone, and no money there."""
    own = fact.stream.startswith("credit/")
    for posting in fact.data["postings"]:
        if (posting["currency"] in UNITS) != own:
            raise InvariantBroken(
                "credit or points would be mixed with money",
                account=posting["account"],
                currency=posting["currency"],
            )


def _order(view: View, name: str) -> Order:
    found = view.stream(f"order/{name}")
    if found is None or not isinstance(found.state, Order):
        raise InvariantBroken("no such order", order=name)
    return found.state


def _check_sold(fact: Fact, before: Item | None, signed: set[str], view: View) -> None:
    goods = before.goods if before else None
    if before is None or goods is None or goods.order != fact.data["order"]:
        raise InvariantBroken("an item would be sold that no order is made for", **fact.data)
    if before.frozen:
        raise InvariantBroken("a frozen item would move", owner=before.owner)
    agent = goods.escrow.agent if goods.escrow else None
    if signed.isdisjoint({before.owner, agent}):
        raise InvariantBroken("an item would move without its owner", owner=before.owner)
    buyer = _order(view, fact.data["order"]).buyer
    if (fact.data["from"], fact.data["to"]) != (before.owner, buyer):
        raise InvariantBroken("an item would be sold to another", buyer=buyer, **fact.data)


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

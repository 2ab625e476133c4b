"""Deposits: money of a merchant that stands for its promises until nothing can be asked of it.

The merchant agrees to a trade policy's terms of deposits, moves money there from its balance, and
asks back what it wants. What it asked for is reserved at once and no longer available, and is paid
back after the cool-down, while no claim or chargeback on what it sold is open, it owes nothing by
those it lost, and the rest is the minimum.
Every entry says the whole deposit. Specification: docs/spec.md section 9.18.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.rules import schema
from ledger.rules.balances import amount_of
from ledger.rules.commands import Command
from ledger.rules.entries import Entry
from ledger.rules.errors import PolicyNotInForce
from ledger.rules.merchants import check_merchant_signs, merchant_of, merchant_stream
from ledger.rules.model import TERMS_STREAM, UNJUDGED, EventType, Fact, Given, Kind
from ledger.rules.money import (
    AFTER,
    HOLDINGS_MAX,
    POSTINGS,
    account_of,
    balance_changes,
    balance_stream,
    changed,
    moved,
    written,
)
from ledger.rules.state import State
from ledger.rules.terms import terms_in_force
from ledger.rules.text import format_time, time_us
from ledger.rules.trade_errors import (
    DepositAgreed,
    DepositNotAgreed,
    DepositTooLow,
    WithdrawalBlocked,
    WithdrawalNotRequested,
    WithdrawalRequested,
)
from ledger.rules.trade_state import Account, Agreed, Deposit, Merchant, Owed

SECOND_US: Final = 1_000_000
CLAIMS_LIMIT: Final = 10**15 - 1
COOL_DOWN, OPEN_CLAIMS, BELOW_MINIMUM = "cool-down", "open-claims", "below-minimum"
OWED: Final = "owed"


def deposit_stream(merchant: str) -> str:
    """Name the stream of a merchant's deposit, which is the account's name too."""
    return f"deposit/{merchant}"


def deposit_of(given: Given, merchant: str) -> Deposit:
    """Read a merchant's deposit; an empty one where none was ever written."""
    found = given.view.stream(deposit_stream(merchant))
    return Deposit() if found is None else as_deposit(found.state)


def as_deposit(state: State | None) -> Deposit:
    """Take a state for what the stream's name says it is."""
    assert isinstance(state, Deposit)  # noqa: S101 - the stream's name says what it holds
    return state


def claim_counted(given: Given, merchant: str, change: int, debt: Owed | None = None) -> Fact:
    """Write what follows for a deposit when a claim or a chargeback opens (1) or closes (-1).

    Where the view does not know accounts, what the deposit holds is left unjudged.

    Args:
        given: The command at its place.
        merchant: Whose deposit it is; it need not have agreed to one.
        change: 1 or -1.
        debt: What the merchant owes from now on. Who owes in this currency already is given no
            further time: the due of what it owes stays.

    Raises:
        TooLarge: It would owe an amount of 39 digits, or in too many currencies.

    """
    stream = deposit_stream(merchant)
    if not given.view.knows_accounts():
        return Fact(stream, "deposit-claimed/1", UNJUDGED)
    before = deposit_of(given, merchant)
    after = before._replace(claims=before.claims + change)
    if debt is not None:
        after = after._replace(owed=_plus_debt(before.owed, debt))
    return Fact(stream, "deposit-claimed/1", {"after": written_deposit(after)})


def _plus_debt(owed: tuple[Owed, ...], debt: Owed) -> tuple[Owed, ...]:
    dues = {each.currency: each.due for each in owed}
    before = Account(tuple((each.currency, each.amount) for each in owed))
    after = changed(before, debt.currency, debt.amount)
    due = {debt.currency: debt.due} | dues
    return tuple(Owed(currency, amount, due[currency]) for currency, amount in after.holdings)


def _agree(given: Given) -> list[Fact]:
    merchant, before = _own(given)
    named, terms = given.body["terms"], terms_in_force(given)
    if terms is None or terms.digest != named:
        in_force = None if terms is None else terms.digest
        raise PolicyNotInForce("another trade policy is in force", named=named, in_force=in_force)
    if before.agreed is not None and before.agreed.terms == named:
        raise DepositAgreed("the merchant agreed to it", merchant=merchant.party, terms=named)
    asked = terms.document["merchant"]["deposit"]
    cool_down = asked["cool_down_s"] if COOL_DOWN in asked["blocked_if"] else 0
    least = ((each["currency"], int(each["amount"])) for each in asked["minimum"])
    agreed = Agreed(named, cool_down, tuple(each for each in least if each[1]))
    after = before._replace(agreed=agreed)
    return [_fact(given, "deposit-agreed/1", after)]


def _fund(given: Given) -> list[Fact]:
    merchant, before = _agreed(given)
    currency, amount = amount_of(given)
    after = before._replace(available=_plus(before.available, currency, amount))
    return _moved(given, merchant.party, after, currency, amount)


def _request(given: Given) -> list[Fact]:
    merchant, before = _agreed(given)
    if given.body["amount"] is None:
        return [_fact(given, "deposit-reserved/1", _taken_back(merchant, before))]
    currency, amount = amount_of(given)
    if before.requested_at is not None:
        raise WithdrawalRequested(
            "the merchant has asked for a part of its deposit",
            merchant=merchant.party,
            requested_at=format_time(before.requested_at),
        )
    held = Account(before.available).held(currency)
    if held < amount:
        raise DepositTooLow(
            "less is available of the deposit",
            currency=currency,
            available=str(held),
            asked=str(amount),
        )
    after = before._replace(
        available=_plus(before.available, currency, -amount),
        reserved=_plus(before.reserved, currency, amount),
        requested_at=given.at,
    )
    return [_fact(given, "deposit-reserved/1", after)]


def _taken_back(merchant: Merchant, before: Deposit) -> Deposit:
    """Put what was asked for back to what is available."""
    available = before.available
    for currency, amount in _requested(merchant, before):
        available = _plus(available, currency, amount)
    return before._replace(available=available, reserved=(), requested_at=None)


def _withdraw(given: Given) -> list[Fact]:
    merchant, before = _agreed(given)
    ((currency, amount),) = _requested(merchant, before)
    _check_free(given, merchant, before)
    after = before._replace(reserved=(), requested_at=None)
    return _moved(given, merchant.party, after, currency, -amount)


def _requested(merchant: Merchant, before: Deposit) -> tuple[tuple[str, int], ...]:
    if before.requested_at is None:
        raise WithdrawalNotRequested(
            "the merchant has asked for no part of its deposit", merchant=merchant.party
        )
    return before.reserved


def _check_free(given: Given, merchant: Merchant, before: Deposit) -> None:
    """Accept a withdrawal that nothing stands against. Raises `WithdrawalBlocked`."""
    agreed, requested_at = before.agreed, before.requested_at
    assert agreed is not None  # noqa: S101 - nothing is asked for before
    assert requested_at is not None  # noqa: S101 - looked at by the caller
    due = requested_at + agreed.cool_down * SECOND_US
    if given.at < due:
        raise WithdrawalBlocked("the cool-down is not over", reason=COOL_DOWN, due=format_time(due))
    if before.claims:
        raise WithdrawalBlocked(
            "claims or chargebacks on what the merchant sold are open",
            reason=OPEN_CLAIMS,
            claims=before.claims,
        )
    if before.owed:
        owed = before.owed[0]
        raise WithdrawalBlocked(
            "the merchant owes what it lost by chargebacks",
            reason=OWED,
            currency=owed.currency,
            owed=str(owed.amount),
        )
    # Who may sell nothing any more leaves with all of it.
    sells = any(each.until > given.at for each in merchant.qualified)
    left = Account(before.available)
    for currency, least in agreed.minimum if sells else ():
        if left.held(currency) < least:
            raise WithdrawalBlocked(
                "less than the minimum would be left",
                reason=BELOW_MINIMUM,
                currency=currency,
                left=str(left.held(currency)),
                minimum=str(least),
            )


def _own(given: Given) -> tuple[Merchant, Deposit]:
    """Find the merchant, which signs, and its deposit."""
    merchant = merchant_of(given)
    check_merchant_signs(given, party=merchant.party)
    return merchant, deposit_of(given, merchant.party)


def _agreed(given: Given) -> tuple[Merchant, Deposit]:
    merchant, deposit = _own(given)
    if deposit.agreed is None:
        raise DepositNotAgreed("the merchant agreed to no deposit", merchant=merchant.party)
    return merchant, deposit


def _plus(
    amounts: tuple[tuple[str, int], ...], currency: str, change: int
) -> tuple[tuple[str, int], ...]:
    return changed(Account(amounts), currency, change).holdings


def _moved(given: Given, merchant: str, after: Deposit, currency: str, amount: int) -> list[Fact]:
    """Write what follows when an amount comes to a deposit from its merchant's balance."""
    postings = moved(balance_stream(merchant), deposit_stream(merchant), amount, currency)
    own = Fact(
        deposit_stream(merchant),
        "deposit-changed/1",
        {"after": written_deposit(after), "postings": postings},
    )
    return [own, *balance_changes(given, postings)]


def _fact(given: Given, type_: str, after: Deposit) -> Fact:
    return Fact(deposit_stream(given.body["merchant"]), type_, {"after": written_deposit(after)})


def written_deposit(deposit: Deposit) -> dict[str, Any]:
    """Write all that is known of a deposit, as `after` in an entry."""
    agreed, asked = deposit.agreed, deposit.requested_at
    return {
        "agreed": None
        if agreed is None
        else {
            "cool_down_s": agreed.cool_down,
            "minimum": written(Account(agreed.minimum)),
            "terms": agreed.terms,
        },
        "available": written(Account(deposit.available)),
        "claims": deposit.claims,
        "forfeited": written(Account(deposit.forfeited)),
        "owed": [
            {"amount": str(each.amount), "currency": each.currency, "due": format_time(each.due)}
            for each in deposit.owed
        ],
        "requested_at": None if asked is None else format_time(asked),
        "reserved": written(Account(deposit.reserved)),
    }


def deposit_after(_state: State | None, entry: Entry) -> State:
    """Read a deposit from the entry alone: it says all of it."""
    after: dict[str, Any] = entry.data["after"]
    agreed, asked = after["agreed"], after["requested_at"]
    return Deposit(
        account_of(after["available"]).holdings,
        account_of(after["reserved"]).holdings,
        account_of(after["forfeited"]).holdings,
        after["claims"],
        None
        if agreed is None
        else Agreed(agreed["terms"], agreed["cool_down_s"], account_of(agreed["minimum"]).holdings),
        None if asked is None else time_us(asked, field="data.after.requested_at"),
        tuple([_owed(each) for each in after["owed"]]),
    )


def _owed(each: dict[str, str]) -> Owed:
    due = time_us(each["due"], field="data.after.owed")
    return Owed(each["currency"], int(each["amount"]), due)


def _merchant(command: Command) -> tuple[str, ...]:
    return (merchant_stream(command.body["merchant"]),)


def _merchant_and_terms(command: Command) -> tuple[str, ...]:
    return (merchant_stream(command.body["merchant"]), TERMS_STREAM)


_AGREED: Final[schema.Schema] = {
    "cool_down_s": schema.whole(0, schema.SECONDS_MAX),
    "minimum": AFTER,
    "terms": schema.hex32,
}
_OWED: Final[schema.Schema] = {
    "amount": schema.amount,
    "currency": schema.currency,
    "due": schema.time,
}
_DEPOSIT: Final[schema.Schema] = {
    "agreed": schema.nullable(schema.nested(_AGREED)),
    "available": AFTER,
    "claims": schema.whole(0, CLAIMS_LIMIT),
    "forfeited": AFTER,
    "owed": schema.sorted_items(schema.nested(_OWED), most=HOLDINGS_MAX, by="currency"),
    "requested_at": schema.nullable(schema.time),
    "reserved": AFTER,
}
DEPOSIT_SAID: Final[schema.Schema] = {"after": schema.nested(_DEPOSIT)}
_SIGNED: Final = (("merchant",),)

KINDS = (
    Kind(
        "agree-deposit/1",
        _SIGNED,
        {"merchant": schema.identifier, "terms": schema.hex32},
        _agree,
        reads=_merchant_and_terms,
        exact=True,
    ),
    Kind(
        "fund-deposit/1",
        _SIGNED,
        {"amount": schema.money, "merchant": schema.identifier},
        _fund,
        reads=_merchant,
        exact=True,
    ),
    Kind(
        "request-deposit/1",
        _SIGNED,
        {"amount": schema.nullable(schema.money), "merchant": schema.identifier},
        _request,
        reads=_merchant,
        exact=True,
    ),
    Kind(
        "withdraw-deposit/1",
        _SIGNED,
        {"merchant": schema.identifier},
        _withdraw,
        reads=_merchant,
        exact=True,
    ),
)
EVENTS = (
    EventType(
        "deposit-agreed/1",
        DEPOSIT_SAID,
        deposit_after,
        "a merchant agreed to the terms of a deposit",
    ),
    EventType(
        "deposit-changed/1",
        DEPOSIT_SAID | {"postings": POSTINGS},
        deposit_after,
        "money came to a deposit or left it",
    ),
    EventType(
        "deposit-reserved/1",
        DEPOSIT_SAID,
        deposit_after,
        "a merchant asked for a part of its deposit",
    ),
    EventType(
        "deposit-claimed/1",
        DEPOSIT_SAID,
        deposit_after,
        "a claim or a chargeback on what a merchant sold opened or closed",
    ),
)

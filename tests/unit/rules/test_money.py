"""What follows from postings for the balances that they name."""

from __future__ import annotations

import pytest

from ledger.rules.errors import TooLarge
from ledger.rules.model import UNJUDGED, Fact, Given
from ledger.rules.money import balance_changes
from ledger.rules.state import Head, Policy, Stream
from ledger.rules.trade_errors import BalanceTooLow
from ledger.rules.trade_state import Account
from tests.unit.rules.small import Small

HEAD = Head(0, 0, "0" * 64, None)
MOST = 10**38 - 1


class Blind(Small):
    """A view that does not know what accounts hold, as that of a proof."""

    def knows_accounts(self) -> bool:
        return False


def given(small: Small, **held: int) -> Given:
    for party, amount in held.items():
        account = Account((("CNY", amount),))
        small.streams[f"balance/{party}"] = Stream(HEAD, account)
    command = small.command(small.opening())
    return Given(command, 0, 1, small, Policy("", {}))


def posting(account: str, amount: int, currency: str = "CNY") -> dict[str, str]:
    return {"account": account, "amount": str(amount), "currency": currency}


def test_each_balance_that_postings_name_says_what_it_holds_afterwards() -> None:
    postings = [
        posting("balance/tim", 3),
        posting("balance/tim", 4, "ETH"),
        posting("balance/ann", -7),
        posting("fees", 4),
    ]
    facts = balance_changes(given(Small(), ann=7, tim=1), postings)

    wanted = [{"amount": "4", "currency": "CNY"}, {"amount": "4", "currency": "ETH"}]
    assert facts == [
        Fact("balance/ann", "balance-changed/1", {"after": []}),
        Fact("balance/tim", "balance-changed/1", {"after": wanted}),
    ]


def test_a_balance_never_pays_more_than_it_holds() -> None:
    with pytest.raises(BalanceTooLow) as caught:
        balance_changes(given(Small(), ann=6), [posting("balance/ann", -7)])
    assert caught.value.evidence == {"currency": "CNY", "held": "6", "asked": "7"}
    with pytest.raises(BalanceTooLow):
        balance_changes(given(Small()), [posting("balance/new", -1)])


def test_a_balance_never_holds_39_digits() -> None:
    with pytest.raises(TooLarge):
        balance_changes(given(Small(), ann=MOST), [posting("balance/ann", 1)])


def test_where_accounts_are_not_known_nothing_is_refused_and_nothing_is_said() -> None:
    facts = balance_changes(given(Blind()), [posting("balance/ann", -7), posting("fees", 7)])

    assert len(facts) == 1
    assert facts[0].data is UNJUDGED
    assert facts[0][:2] == ("balance/ann", "balance-changed/1")

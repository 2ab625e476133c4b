"""The trial balance: what all accounts hold, added up from the postings of every entry.

Money is neither made nor lost: in every currency the sum over all accounts is nothing after every
entry. This adds up what is stored, by none of the rules that wrote it. Specification: docs/spec.md
section 9.10.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.log.reader import LogReader

_AT_ONCE: Final = 1000
# So that nothing but an entry with postings is parsed.
_MARK: Final = b'"postings":['

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Trial:
    """What the first `size` entries come to.

    Attributes:
        size: How many entries were read.
        movements: How many of them move money.
        accounts: What each account holds, by (account, currency), in minor units; none of nothing.
        unbalanced: The first entry after which a currency does not sum to nothing: its index, the
            currency and the sum; None where there is none.

    """

    size: int
    movements: int = 0
    accounts: Counter[tuple[str, str]] = field(default_factory=Counter)
    unbalanced: tuple[int, str, int] | None = None

    def sums(self) -> dict[str, int]:
        """Sum up every currency over all accounts."""
        found: Counter[str] = Counter()
        for (_, currency), amount in self.accounts.items():
            found[currency] += amount
        return {currency: found[currency] for currency in sorted(found)}

    def document(self) -> dict[str, Any]:
        """Write it as JSON; amounts in minor units, as text."""
        index, currency, amount = self.unbalanced or (None, None, None)
        return {
            "accounts": [
                {
                    "account": account,
                    "amount": str(self.accounts[account, named]),
                    "currency": named,
                }
                for account, named in sorted(self.accounts)
                if self.accounts[account, named]
            ],
            "movements": self.movements,
            "size": self.size,
            "sums": [{"amount": str(held), "currency": each} for each, held in self.sums().items()],
            "unbalanced": None
            if index is None
            else {"amount": str(amount), "currency": currency, "index": index},
        }


def trial_balance(reader: LogReader, *, size: int, progress: Progress) -> Trial:
    """Add up all postings of the first `size` entries.

    Args:
        reader: Of the log.
        size: At most that of the log.
        progress: Called with (entries read, entries in all).

    """
    trial, sums = Trial(size), Counter[str]()
    for index, postings in _movements(reader, size, progress):
        trial.movements += 1
        for posting in postings:
            amount, currency = int(posting["amount"]), posting["currency"]
            trial.accounts[posting["account"], currency] += amount
            sums[currency] += amount
        wrong = min((each for each in sums if sums[each]), default=None)
        if wrong is not None and trial.unbalanced is None:
            trial.unbalanced = (index, wrong, sums[wrong])
    return trial


def _movements(
    reader: LogReader, size: int, progress: Progress
) -> Iterator[tuple[int, list[dict[str, str]]]]:
    for start in range(0, size, _AT_ONCE):
        stop = min(start + _AT_ONCE, size)
        for row in reader.entries(start, stop):
            if _MARK in row.entry:
                postings = json.loads(row.entry)["data"].get("postings", [])
                if postings:
                    yield row.index, postings
        progress(stop, size)

"""What movements of money must mean together: another reading than that of the rules.

  money       the postings of an entry are sorted by account and currency, none is nothing, and they
              sum to nothing in every currency; only `external/`, `issued` and `receivable/` fall
              below zero; what a balance is said to hold afterwards is the sum of all its postings

Where every entry is balanced, so is the whole log at every index. With a partial log only the
postings themselves are judged. Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.proof.errors import Tampered

_MAY_OWE: Final = ("external/", "issued", "receivable/")
# What these hold is said by the entry on their own stream; of the others nobody says it.
_SAID: Final = ("balance/",)


@dataclass(slots=True)
class MoneyMeaning:
    """What every account holds so far, by currency."""

    complete: bool
    accounts: dict[str, Counter[str]] = field(default_factory=dict)
    # Accounts that the last command moved and whose entry has not come yet.
    due: set[str] = field(default_factory=set)

    def take(self, document: dict[str, Any]) -> None:
        """Check the entry of a movement of money and add it up.

        Raises:
            Tampered: An invariant breaks.

        """
        postings = document["data"]["postings"]
        self._check_postings(postings)
        if not self.complete:
            return
        for posting in postings:
            self._add(posting)
        self.due = {each["account"] for each in postings if each["account"].startswith(_SAID)}
        if document["stream"].startswith(_SAID):
            self.say(document)

    def say(self, document: dict[str, Any]) -> None:
        """Check an entry that says what an account holds after its command's postings.

        Raises:
            Tampered: It holds another amount, or nothing moved it.

        """
        if not self.complete:
            return
        stream = document["stream"]
        if stream not in self.due:
            raise _broken("an account changed that no posting names", None, stream)
        self.due.discard(stream)
        held = self.accounts[stream]
        after = [
            {"amount": str(amount), "currency": currency}
            for currency, amount in sorted(held.items())
            if amount
        ]
        if document["data"]["after"] != after:
            raise _broken("an account holds another amount", after, document["data"]["after"])

    def end(self) -> None:
        """Check that every account that the last command moved was said.

        Raises:
            Tampered: One was not.

        """
        if self.due:
            raise _broken("an account moved and nothing says so", None, min(self.due))

    @staticmethod
    def _check_postings(postings: list[dict[str, str]]) -> None:
        places = [(each["account"], each["currency"]) for each in postings]
        if places != sorted(set(places)):
            raise _broken("postings are not sorted, each account once", sorted(set(places)), places)
        sums: Counter[str] = Counter()
        for each in postings:
            if each["amount"] == "0":
                raise _broken("a posting of nothing", None, each["account"])
            sums[each["currency"]] += int(each["amount"])
        for currency, total in sorted(sums.items()):
            if total:
                raise _broken(f"postings in {currency} do not sum to nothing", 0, total)

    def _add(self, posting: dict[str, str]) -> None:
        account, currency = posting["account"], posting["currency"]
        held = self.accounts.setdefault(account, Counter())
        held[currency] += int(posting["amount"])
        if held[currency] < 0 and not account.startswith(_MAY_OWE):
            raise _broken(f"{account} falls below zero", 0, held[currency])


def _broken(message: str, expected: object, found: object) -> Tampered:
    return Tampered(
        "meaning",
        message,
        field="money",
        expected=None if expected is None else str(expected),
        found=str(found),
    )

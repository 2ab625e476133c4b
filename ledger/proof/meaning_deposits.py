"""What deposits must mean together: another reading than that of the rules.

  deposits    a merchant agrees to the trade policy in force, moves its own money there, and asks
              for one part at a time of what is available; that part alone is paid back, after the
              cool-down that was agreed, with no claim or chargeback open on what it sold, nothing
              owed and the minimum left;
              what it lost by chargebacks is owed for the time that the order's policy gives, and
              then taken, no more than is owed: from its balance, then from its deposit, for good;
              what an entry says of a deposit is what the account holds and what was asked of it

With a partial log nothing of it is judged. Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ledger.proof.errors import Tampered
from ledger.proof.meaning_money import MoneyMeaning
from ledger.proof.meaning_shops import ShopsMeaning
from ledger.proof.meaning_terms import TermsMeaning


@dataclass(slots=True)
class _Owed:
    """What is owed in one currency, and when it is taken."""

    amount: int
    due: datetime


@dataclass(slots=True)
class _Deposit:
    """What was agreed and asked for of a deposit; what it holds lies on its account."""

    agreed: dict[str, Any] | None = None
    asked: dict[str, str] | None = None
    since: str | None = None
    claims: int = 0
    owed: dict[str, _Owed] = field(default_factory=dict)
    forfeited: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class DepositsMeaning:
    """The deposits so far, and those that must say of a claim or chargeback next."""

    complete: bool
    shops: ShopsMeaning
    terms: TermsMeaning
    money: MoneyMeaning
    deposits: dict[str, _Deposit] = field(default_factory=dict)
    due: list[str] = field(default_factory=list)

    def agree(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check the entry of an `agree-deposit/1`.

        Raises:
            Tampered: An invariant breaks.

        """
        deposit, body = self._signed(command), command["body"]
        digest, policy = self.terms.in_force(_moment(document["at"]))
        if body["terms"] != digest:
            raise _broken("a deposit under a policy that is not in force", digest, body["terms"])
        asks = policy["merchant"]["deposit"]
        deposit.agreed = {
            "cool_down_s": asks["cool_down_s"] if "cool-down" in asks["blocked_if"] else 0,
            "minimum": [each for each in asks["minimum"] if int(each["amount"])],
            "terms": digest,
        }
        self.check_said(document, body["merchant"])

    def ask(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check the entry of a `request-deposit/1`.

        Raises:
            Tampered: An invariant breaks.

        """
        deposit, body = self._signed(command), command["body"]
        if (deposit.asked is None) != (body["amount"] is not None):
            raise _broken("a deposit was asked for twice", deposit.asked, body["amount"])
        deposit.asked = body["amount"]
        deposit.since = None if body["amount"] is None else document["at"]
        self.check_said(document, body["merchant"])

    def move(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check the entry of a `fund-deposit/1` or `withdraw-deposit/1`; its money is added up.

        Raises:
            Tampered: An invariant breaks.

        """
        deposit, body = self._signed(command), command["body"]
        money, name = body.get("amount"), body["merchant"]
        change = 1
        if money is None:
            self._check_free(document, name, deposit)
            money, change = deposit.asked, -1
            deposit.asked = deposit.since = None
        if self.complete and money is not None:
            amount, currency = change * int(money["amount"]), money["currency"]
            right = [
                {"account": f"balance/{name}", "amount": str(-amount), "currency": currency},
                {"account": f"deposit/{name}", "amount": str(amount), "currency": currency},
            ]
            if document["data"]["postings"] != right:
                found = document["data"]["postings"]
                raise _broken("other money came to a deposit or left it", right, found)
        self.check_said(document, name)

    def _check_free(self, document: dict[str, Any], name: str, deposit: _Deposit) -> None:
        """Check that nothing stands against paying back what was asked for."""
        if not self.complete:
            return
        agreed, at = deposit.agreed, _moment(document["at"])
        if deposit.since is None or agreed is None:
            raise _broken("a deposit was paid back that nobody asked for", None, name)
        due = _moment(deposit.since) + timedelta(seconds=agreed["cool_down_s"])
        if at < due:
            raise _broken("a deposit was paid back before its cool-down", due, at)
        if deposit.claims:
            raise _broken("a deposit was paid back while a claim is open", 0, deposit.claims)
        if deposit.owed:
            raise _broken("a deposit was paid back while its merchant owes", None, name)
        left = self.money.accounts.get(f"deposit/{name}", Counter())
        for least in agreed["minimum"] if self.shops.sells(name, at) else ():
            if left[least["currency"]] < int(least["amount"]):
                found = left[least["currency"]]
                raise _broken("a deposit was paid back below its minimum", least["amount"], found)

    def count(self, merchant: str, change: int) -> None:
        """Remember that something on what a merchant sold opened (1) or closed (-1)."""
        self.deposits.setdefault(merchant, _Deposit()).claims += change
        self.due.append(merchant)

    def owe(self, merchant: str, currency: str, amount: int, at: str, terms: str) -> None:
        """Remember what a merchant lost at a time by an order under a trade policy."""
        owed = self.deposits.setdefault(merchant, _Deposit()).owed
        period = self.terms.documents[terms]["merchant"]["recourse_s"]
        due = _moment(at) + timedelta(seconds=period)
        owed.setdefault(currency, _Owed(0, due)).amount += amount

    def recover(self, document: dict[str, Any], body: dict[str, Any]) -> None:
        """Check the entry of a `recover-chargeback/1` before its money is added up.

        Raises:
            Tampered: An invariant breaks.

        """
        if not self.complete:
            return
        name, currency, at = body["merchant"], body["currency"], _moment(document["at"])
        deposit = self.deposits.setdefault(name, _Deposit())
        owed = deposit.owed.get(currency)
        if owed is None or _moment(body["due"]) != owed.due or at < owed.due:
            due = None if owed is None else _text(owed.due)
            raise _broken("recourse that was not due", due, body["due"])
        available = self.available(name)[currency]
        has = self.money.accounts.get(f"balance/{name}", Counter())[currency]
        holds = self.money.accounts.get(f"deposit/{name}", Counter())[currency]
        first = min(has, owed.amount)
        second = min(holds, owed.amount - first)
        sides = (("balance", -first), ("deposit", -second), ("receivable", first + second))
        right = [
            {"account": f"{room}/{name}", "amount": str(change), "currency": currency}
            for room, change in sides
            if change
        ]
        if not right or document["data"]["postings"] != right:
            found = document["data"]["postings"]
            raise _broken("recourse took other money than there is", right, found)
        deposit.forfeited[currency] += second
        self._unask(deposit, second - available)
        owed.amount -= first + second
        owed.due = at + timedelta(days=1)
        if not owed.amount:
            del deposit.owed[currency]

    @staticmethod
    def _unask(deposit: _Deposit, amount: int) -> None:
        """Take an amount, if it is one, off what was asked for."""
        if amount <= 0 or deposit.asked is None:
            return
        left = int(deposit.asked["amount"]) - amount
        deposit.asked = {**deposit.asked, "amount": str(left)} if left else None
        deposit.since = deposit.since if left else None

    def claimed(self, document: dict[str, Any]) -> None:
        """Check what a deposit says when something opened or closed: an effect of that command.

        Raises:
            Tampered: It says something else.

        """
        name = document["stream"].removeprefix("deposit/")
        if name not in self.due:
            raise _broken("another deposit says of a claim", min(self.due, default=None), name)
        self.due.remove(name)
        self.check_said(document, name)

    def end(self) -> None:
        """Check that the deposits of the last claim or chargeback said so.

        Raises:
            Tampered: It did not.

        """
        if self.due and self.complete:
            raise _broken("a claim and the deposit does not say so", self.due[0], None)
        self.due.clear()

    def check_accounts(self, document: dict[str, Any]) -> None:
        """Check that an entry's postings touch no deposit but its own.

        Raises:
            Tampered: They do.

        """
        for each in document["data"]["postings"]:
            account = each["account"]
            if account.startswith("deposit/") and account != document["stream"]:
                raise _broken("money of a deposit moved elsewhere", document["stream"], account)

    def available(self, merchant: str) -> Counter[str]:
        """Return what a deposit holds that was not asked for, by currency."""
        held = Counter(self.money.accounts.get(f"deposit/{merchant}", Counter()))
        deposit = self.deposits.get(merchant)
        if deposit is not None and deposit.asked is not None:
            held[deposit.asked["currency"]] -= int(deposit.asked["amount"])
        return held

    def _signed(self, command: dict[str, Any]) -> _Deposit:
        merchant, signer = command["body"]["merchant"], command["signers"][0]["party"]
        if signer != merchant:
            raise _broken("another party's deposit", merchant, signer)
        if self.complete and merchant not in self.shops.spaces:
            raise _broken("a deposit of no merchant", None, merchant)
        deposit = self.deposits.setdefault(merchant, _Deposit())
        if self.complete and deposit.agreed is None and command["kind"] != "agree-deposit/1":
            raise _broken("a deposit that was not agreed", None, merchant)
        return deposit

    def check_said(self, document: dict[str, Any], name: str) -> None:
        """Check what an entry says of a whole deposit.

        Raises:
            Tampered: It says something else.

        """
        if not self.complete:
            return
        deposit, available = self.deposits[name], self.available(name)
        if min(available.values(), default=0) < 0:
            raise _broken("more of a deposit was asked for than it holds", None, deposit.asked)
        after = {
            "agreed": deposit.agreed,
            "available": _listed(available),
            "claims": deposit.claims,
            "forfeited": _listed(deposit.forfeited),
            "owed": [
                {"amount": str(each.amount), "currency": currency, "due": _text(each.due)}
                for currency, each in sorted(deposit.owed.items())
            ],
            "requested_at": deposit.since,
            "reserved": [] if deposit.asked is None else [deposit.asked],
        }
        found = document["data"]["after"]
        for part, right in after.items():
            if found[part] != right:
                raise _broken(f"a deposit says other than it is: {part}", right, found[part])


def _listed(amounts: Counter[str]) -> list[dict[str, str]]:
    return [
        {"amount": str(amount), "currency": currency}
        for currency, amount in sorted(amounts.items())
        if amount
    ]


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _broken(message: str, expected: object, found: object) -> Tampered:
    return Tampered(
        "meaning",
        message,
        field="deposits",
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )

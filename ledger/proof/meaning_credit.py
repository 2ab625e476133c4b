"""What credit, points and levels must mean together: another reading than that of the rules.

  credit   credit and points lie on `credit/` of a member, on `issued` and on `receivable/` alone,
           and no money lies there beside what a merchant owes; another party gives them and takes
           them back, the member itself redeems no more than it has; a line of an order earns its
           buyer what the trade policy says, once it has ended and once alone; what cannot be taken
           back is owed and comes off what is given next; an entry says what the accounts hold
  level    a member has the level that the trade policy in force gives it by its credit, each change
           is one, and an order keeps the one that its buyer has

With a partial log nobody knows what a member has: a level is one of the policy in force.
Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ledger.proof.errors import Tampered
from ledger.proof.meaning_escrow import Line
from ledger.proof.meaning_money import MoneyMeaning
from ledger.proof.meaning_terms import TermsMeaning

_UNITS: Final = ("CREDIT", "POINTS")
_GIVEN: Final = ("earn-credit/1", "grant-credit/1")


@dataclass(slots=True)
class CreditMeaning:
    """The levels so far; what members have lies on their accounts."""

    complete: bool
    terms: TermsMeaning
    money: MoneyMeaning
    levels: dict[str, str] = field(default_factory=dict)
    earned: set[tuple[str, int, str]] = field(default_factory=set)

    def check_accounts(self, document: dict[str, Any]) -> None:
        """Check that an entry's postings mix no units with money.

        Raises:
            Tampered: They do.

        """
        stream = document["stream"]
        own = stream.startswith("credit/")
        places = {stream, "issued", "receivable/" + stream.partition("/")[2]} if own else set()
        for each in document["data"]["postings"]:
            account, unit = each["account"], each["currency"]
            if (unit in _UNITS) != own:
                raise _broken("credit or points were mixed with money", stream, unit)
            if own and account not in places:
                raise _broken("credit or points lie elsewhere", sorted(places), account)
            if not own and (account == "issued" or account.startswith("credit/")):
                raise _broken("money lies among credit and points", stream, account)

    def take(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check an entry about a member's credit or points, which are added up already.

        Raises:
            Tampered: An invariant breaks.

        """
        body, name = command["body"], document["stream"].removeprefix("credit/")
        signer, kind = command["signers"][0]["party"], command["kind"]
        if name != body["party"]:
            raise _broken("another member's credit", body["party"], name)
        if (signer == name) != (kind == "redeem-credit/1"):
            raise _broken("another party decided about credit", name, signer)
        moved = Counter({each["account"]: int(each["amount"]) for each in _postings(document)})
        amount = int(body["amount"])
        issued = -amount if kind in _GIVEN else amount
        if moved["issued"] != issued or {each["currency"] for each in _postings(document)} != {
            body["unit"]
        }:
            raise _broken("another amount of credit or points", issued, moved["issued"])
        if self.complete:
            self._check_sides(document, name, body["unit"], moved)
            self._check_said(document, name)

    def earn(self, body: dict[str, Any], buyer: str, line: Line, terms: str) -> None:
        """Check what an order's line gave its buyer; the entry is checked by `take`.

        Raises:
            Tampered: An invariant breaks.

        """
        unit, what = body["unit"], "a line earned"
        if body["party"] != buyer:
            raise _broken(f"{what} another party credit", buyer, body["party"])
        if line.held or line.claims:
            raise _broken(f"{what} credit before it ended", None, body["line"])
        shares = self.terms.documents[terms]["credit"]
        share = shares["purchase_bp"] if unit == "CREDIT" else shares["points_bp"]
        right = line.released * share // 10_000
        if int(body["amount"]) != right:
            raise _broken(f"{what} another amount", right, body["amount"])
        place = (body["order"], body["line"], unit)
        if place in self.earned:
            raise _broken(f"{what} credit twice", None, place)
        self.earned.add(place)

    def _check_sides(
        self, document: dict[str, Any], name: str, unit: str, moved: Counter[str]
    ) -> None:
        """Check that nobody owes while it has some, nor by redeeming."""
        owed = -self._held("receivable/" + name)[unit]
        has = self._held("credit/" + name)[unit]
        if owed < 0 or min(owed, has) > 0:
            raise _broken("a member has what it owes", owed, has)
        more = -moved["receivable/" + name]
        if document["type"] == "credit-redeemed/1" and more:
            raise _broken("what a member redeems is not owed", None, more)

    def _check_said(self, document: dict[str, Any], name: str) -> None:
        for part, account, sign in (("held", "credit/", 1), ("owed", "receivable/", -1)):
            held = self._held(account + name)
            right = [
                {"amount": str(sign * held[unit]), "currency": unit}
                for unit in _UNITS
                if held[unit]
            ]
            found = document["data"]["after"][part]
            if found != right:
                raise _broken(f"credit says other than it is: {part}", right, found)

    def _held(self, account: str) -> Counter[str]:
        return self.money.accounts.get(account, Counter())

    def level(self, document: dict[str, Any], body: dict[str, Any]) -> None:
        """Check the entry of an `update-level/1` under the trade policy in force.

        Raises:
            Tampered: An invariant breaks.

        """
        name, named, at = body["party"], body["level"], _moment(document["at"])
        policy = self.terms.in_force(at)[1]
        least = {each["tier"]: each["credit_min"] for each in policy["tiers"]} if policy else {}
        if named not in least:
            raise _broken("a level that no trade policy knows", sorted(least), named, what="level")
        if named == self._tier(name, least):
            raise _broken("a level changed to what it was", name, named, what="level")
        credit = self._held("credit/" + name)["CREDIT"]
        reached = sorted((asked, tier) for tier, asked in least.items() if asked <= credit)
        if self.complete and named != reached[-1][1]:
            raise _broken("a member has another level", reached[-1][1], named, what="level")
        self.levels[name] = named

    def check_tier(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check that an order keeps its buyer's level.

        Raises:
            Tampered: It keeps another one.

        """
        policy = self.terms.in_force(_moment(document["at"]))[1]
        least = {each["tier"]: each["credit_min"] for each in policy["tiers"]}
        right = self._tier(command["signers"][0]["party"], least)
        if document["data"]["tier"] != right:
            found = document["data"]["tier"]
            raise _broken("an order with another level", right, found, what="level")

    def _tier(self, name: str, least: dict[str, int]) -> str:
        level = self.levels.get(name)
        return level if level in least else min(least, key=lambda tier: least[tier])


def _postings(document: dict[str, Any]) -> list[dict[str, str]]:
    postings: list[dict[str, str]] = document["data"]["postings"]
    return postings


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _broken(message: str, expected: object, found: object, what: str = "credit") -> Tampered:
    return Tampered(
        "meaning",
        message,
        field=what,
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )

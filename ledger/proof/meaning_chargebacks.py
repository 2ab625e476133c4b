"""What chargebacks must mean together: another reading than that of the rules.

  chargebacks  a cashier that is no side of an order says what a provider took of its lines: out of
               escrow, or of what a merchant got, which then owes it less the fee; never more than
               is there, nothing leaves a line while a case of it is open, and a case ends once:
               all of it is given back where it was taken, or nothing; the deposits of its lines'
               merchants count it while it is open, and say what is owed by it once it is lost

Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ledger.proof.errors import Tampered
from ledger.proof.meaning_escrow import EscrowMeaning, Line


class _Part(NamedTuple):
    line: int
    amount: int
    in_escrow: bool


@dataclass(slots=True)
class _Case:
    provider: str
    parts: list[_Part]
    open: bool = True


@dataclass(slots=True)
class ChargebacksMeaning:
    """The chargebacks so far, by order and number."""

    escrow: EscrowMeaning
    cases: dict[tuple[str, str], _Case] = field(default_factory=dict)

    def take(self, document: dict[str, Any], command: dict[str, Any]) -> list[str]:
        """Check the entry of a chargeback that was received; returns the merchants of its lines.

        Raises:
            Tampered: An invariant breaks.

        """
        name, body = document["stream"], command["body"]
        self._check_cashier(name, command)
        if (name, body["case"]) in self.cases or body["stage"] != "received":
            raise _broken("a chargeback was received twice", None, body["case"])
        right: Counter[str] = Counter()
        case = _Case(body["provider"], [])
        for each in body["lines"]:
            line, amount = self.escrow.line(name, each["line"]), int(each["amount"])
            part = _Part(each["line"], amount, bool(line.held))
            if not 0 < amount <= (line.held or line.released):
                left = line.held or line.released
                raise _broken("a provider took more of a line than is there", left, amount)
            if body["case"] in line.claims:
                raise _broken("a case bears the number of a claim", None, body["case"])
            case.parts.append(part)
            self._move(right, name, case, part, 1)
            line.claims.add(body["case"])
        self.cases[name, body["case"]] = case
        self.escrow.check_postings(name, right, document["data"]["postings"], "chargebacks")
        return self._merchants(name, case)

    def end(self, document: dict[str, Any], command: dict[str, Any]) -> Counter[str]:
        """Check the entry of a chargeback that was won or lost; returns what each merchant owes.

        Merchants that owe nothing by it are named too, with 0.

        Raises:
            Tampered: An invariant breaks.

        """
        name, body = document["stream"], command["body"]
        self._check_cashier(name, command)
        case = self.cases.get((name, body["case"]))
        if case is None or not case.open:
            raise _broken("what ended is no open chargeback", None, body["case"])
        case.open = False
        owed = Counter(dict.fromkeys(self._merchants(name, case), 0))
        if body["stage"] == "lost":
            self._owe(owed, name, case)
        right: Counter[str] = Counter()
        for part in case.parts if body["stage"] == "won" else ():
            self._move(right, name, case, part, -1)
        self.escrow.check_postings(name, right, document["data"]["postings"], "chargebacks")
        gone = []
        for part in case.parts:
            line = self.escrow.line(name, part.line)
            line.claims.discard(body["case"])
            _resume(line, _moment(document["at"]))
            others = {number for order, number in self.cases if order == name}
            if not line.released and line.claims.isdisjoint(others):
                gone.append(part.line)
        self.escrow.expect_freed(name, gone if body["stage"] == "lost" else ())
        return owed

    def _owe(self, owed: Counter[str], name: str, lost: _Case) -> None:
        """Add up what merchants got of the lines of a case and must give back, less the fee.

        What is still open counts as theirs: it may be won.
        """
        taken: Counter[int] = Counter()
        for (order, _), case in self.cases.items():
            if order == name and case.open:
                taken.update({part.line: part.amount for part in case.parts if not part.in_escrow})
        for part in lost.parts:
            if part.in_escrow:
                continue
            line = self.escrow.line(name, part.line)
            rest = line.released + taken[part.line]
            fee = line.fee_on(rest + part.amount) - line.fee_on(rest)
            owed[line.merchant] += part.amount - fee

    def _merchants(self, name: str, case: _Case) -> list[str]:
        return sorted({self.escrow.line(name, part.line).merchant for part in case.parts})

    def _check_cashier(self, name: str, command: dict[str, Any]) -> None:
        signer = command["signers"][0]["party"]
        merchants = {line.merchant for line in self.escrow.lines[name]}
        if signer in {self.escrow.orders.orders[name].buyer, *merchants}:
            raise _broken("a side of an order recorded its chargeback", None, signer)

    def _move(self, right: Counter[str], name: str, case: _Case, part: _Part, sign: int) -> None:
        """Take a part of a line (1), or give it back (-1)."""
        line, amount = self.escrow.line(name, part.line), sign * part.amount
        right[f"external/{case.provider}"] += amount
        if part.in_escrow:
            right[f"escrow/{name.removeprefix('order/')}/{part.line}"] -= amount
            line.held -= amount
            return
        before = line.fee_on(line.released)
        line.released -= amount
        fee = before - line.fee_on(line.released)
        right[f"receivable/{line.merchant}"] -= amount - fee
        right["fees"] -= fee


def _resume(line: Line, at: datetime) -> None:
    """Let a line go on that holds something: what fell due meanwhile is due now."""
    if not line.held:
        return
    if line.inspect_by is not None:
        line.inspect_by = max(line.inspect_by, at)
    elif line.deliver_by is not None:
        line.deliver_by = max(line.deliver_by, at)


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _broken(message: str, expected: object, found: object) -> Tampered:
    return Tampered(
        "meaning",
        message,
        field="chargebacks",
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )

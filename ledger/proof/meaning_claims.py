"""What claims must mean together: another reading than that of the rules.

  claims      a buyer claims a line of its own that holds something, and the line is frozen at once;
              a claim is closed once, by the buyer, the merchant or an arbitrator that is neither,
              with an outcome that is theirs to choose; money leaves with the last claim alone, as
              the outcome says, and none of it to the merchant for what was not delivered

Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ledger.proof.errors import Tampered
from ledger.proof.meaning_escrow import EscrowMeaning, Line
from ledger.rules.text import format_time

_OUTCOMES: Final = {
    "arbitrator": {"none", "refund", "split"},
    "buyer": {"none", "release"},
    "merchant": {"refund"},
}
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(slots=True)
class _Claim:
    order: str
    line: int
    open: bool = True


@dataclass(slots=True)
class ClaimsMeaning:
    """The claims so far, and what the order's stream must say next of the last one."""

    complete: bool
    escrow: EscrowMeaning
    claims: dict[str, _Claim] = field(default_factory=dict)
    due: tuple[str, dict[str, Any]] | None = None

    def open(self, document: dict[str, Any], command: dict[str, Any]) -> str:
        """Check the entry of an `open-claim/1`; returns the merchant that it is about.

        Raises:
            Tampered: An invariant breaks.

        """
        body, name = command["body"], document["stream"]
        order, signer = f"order/{body['order']}", command["signers"][0]["party"]
        if name in self.claims or name != f"claim/{body['claim']}":
            raise _broken("a claim was opened twice", body["claim"], name)
        line = self.escrow.line(order, body["line"])
        self._check_buyer(order, signer)
        if body["claim"] in line.claims:
            raise _broken("a claim bears the number of a chargeback", None, body["claim"])
        if not line.held:
            raise _broken("a claim on what holds nothing", None, line.item)
        kinds = self._policy(order)["claims"]["kinds"]
        if body["kind"] not in kinds:
            raise _broken("a claim that the trade policy does not take", kinds, body["kind"])
        self.claims[name] = _Claim(order, body["line"])
        line.claims.add(body["claim"])
        self.due = (order, {"claim": body["claim"], "line": body["line"]})
        return line.merchant

    def _check_buyer(self, order: str, signer: str) -> None:
        buyer = self.escrow.orders.orders[order].buyer
        if signer != buyer:
            raise _broken("another party claimed", buyer, signer)

    def follow(self, document: dict[str, Any]) -> None:
        """Check what an order's stream says of a claim: the effect of the last command.

        Raises:
            Tampered: It says something else.

        """
        found = (document["stream"], document["data"])
        if found != self.due:
            raise _broken("an order says another thing of a claim", self.due, found)
        self.due = None

    def end(self) -> None:
        """Check that the order of the last claim said so.

        Raises:
            Tampered: It did not.

        """
        if self.due is not None and self.complete:
            raise _broken("a claim and its order does not say so", self.due[0], None)
        self.due = None

    def close(self, document: dict[str, Any], command: dict[str, Any]) -> str:
        """Check the entry of a `close-claim/1`, and take from the line what leaves it.

        Returns the merchant that the claim is about.

        Raises:
            Tampered: An invariant breaks.

        """
        body, claim = command["body"], self.claims.get(document["stream"])
        if claim is None or not claim.open:
            raise _broken("what was closed is not open", body["claim"], document["stream"])
        line = self.escrow.line(claim.order, claim.line)
        self._check_closer(claim, line, command)
        if body["outcome"] != "none" and line.claims != {body["claim"]}:
            others = min(line.claims - {body["claim"]})
            raise _broken("money left while a claim is open", None, others)
        claim.open = False
        line.claims.discard(body["claim"])
        released, refunded = _parts(line, body)
        if released and line.inspect_by is None:
            raise _broken("a claim paid for what was not delivered", None, line.item)
        right: Counter[str] = Counter()
        self.escrow.let_go(right, claim.order, claim.line, released)
        self.escrow.give_back(right, claim.order, claim.line, refunded)
        self.escrow.check_postings(claim.order, right, document["data"]["postings"], "claims")
        # A line of which a provider took all may hold nothing before its claim is closed.
        self.escrow.expect_freed(claim.order, [claim.line] if refunded else ())
        self._expect_settled(claim, line, document, command, (released, refunded))
        return line.merchant

    def _check_closer(self, claim: _Claim, line: Line, command: dict[str, Any]) -> None:
        signer, outcome = command["signers"][0], command["body"]["outcome"]
        sides = {"buyer": self.escrow.orders.orders[claim.order].buyer, "merchant": line.merchant}
        own = sides.get(signer["role"])
        if own is None and signer["party"] in sides.values():
            raise _broken("a party to a claim decided it", None, signer["party"])
        if own is not None and signer["party"] != own:
            raise _broken("another party closed a claim", own, signer["party"])
        if outcome not in _OUTCOMES[signer["role"]]:
            raise _broken("an outcome for the other side to choose", signer["role"], outcome)

    def _expect_settled(
        self,
        claim: _Claim,
        line: Line,
        document: dict[str, Any],
        command: dict[str, Any],
        parts: tuple[int, int],
    ) -> None:
        body, inspect_by, deliver_by = command["body"], None, None
        if body["outcome"] == "none" and line.inspect_by is not None:
            until = _moment(document["at"])
            if command["signers"][0]["role"] == "arbitrator":
                until += timedelta(days=self._appeal_days(claim.order))
            line.inspect_by = max(line.inspect_by, until)
            inspect_by = _text(line.inspect_by)
        elif body["outcome"] == "none" and line.deliver_by is not None:
            # Its time may have come for other lines while this one was frozen.
            line.deliver_by = max(line.deliver_by, _moment(document["at"]))
            deliver_by = _text(line.deliver_by)
        times = {"deliver_by": deliver_by, "inspect_by": inspect_by}
        said = {**times, "line": claim.line, "outcome": body["outcome"]}
        released, refunded = map(str, parts)
        amounts = {"refunded": refunded, "released": released}
        self.due = (claim.order, {"claim": body["claim"], **said, **amounts})

    def _appeal_days(self, order: str) -> int:
        return int(self._policy(order)["appeal"]["window_days"])

    def _policy(self, order: str) -> dict[str, Any]:
        return self.escrow.orders.terms.documents[self.escrow.terms[order]]


def _parts(line: Line, body: dict[str, Any]) -> tuple[int, int]:
    """Say what leaves a line: to its merchant with the fee, and to the buyer."""
    match body["outcome"]:
        case "release":
            return line.held, 0
        case "refund":
            return 0, line.held
        case "split":
            refunded = int(body["to_buyer"] or 0)
            if not 0 < refunded < line.held:
                raise _broken("a split gives one side all", line.held, refunded)
            return line.held - refunded, refunded
    return 0, 0


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _text(moment: datetime) -> str:
    return format_time((moment - _EPOCH) // timedelta(microseconds=1))


def _broken(message: str, expected: object, found: object) -> Tampered:
    return Tampered(
        "meaning",
        message,
        field="claims",
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )

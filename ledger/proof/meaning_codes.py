"""What questions about verification codes must mean: another reading than that of the rules.

  codes  an owner revokes the code of its card once, while no order is made for it; a party asks
         while fewer than 64 of its questions wait, not more often within an hour than the trade
         policy in force allows, and not after too many wrong answers, for as long as it says; each
         question is answered once, as follows from what was found; a code is first verified once,
         unless it was revoked, and its item and the answer say so

With a partial log nobody knows what a party asked: only what stands on the items is judged.
Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from ledger.proof.errors import Tampered
from ledger.proof.meaning_terms import TermsMeaning

_WAITING_MOST: Final = 64
_WITHOUT_POLICY: Final = {"lock_after": 10, "lock_s": 86_400, "per_hour": 100}
_HOUR: Final = timedelta(hours=1)
_WRONG_KEPT: Final = 64
"""No trade policy asks about more wrong answers."""
_WRONG: Final = ("invalid", "wrong_item")


class Coded(NamedTuple):
    """An item as its stream shows it: whose it is, and whether it is a card, which has a code."""

    owner: str
    is_card: bool


@dataclass(slots=True)
class CodesMeaning:
    """The questions so far, what became of each code, and the answer that must come at once."""

    complete: bool
    terms: TermsMeaning
    waiting: dict[str, set[str]] = field(default_factory=dict)
    wrong: dict[str, list[datetime]] = field(default_factory=dict)
    asked: dict[str, list[datetime]] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    due: tuple[str, dict[str, Any]] | None = None

    def revoke(
        self, document: dict[str, Any], command: dict[str, Any], item: Coded, order: str | None
    ) -> None:
        """Check the entry of a `revoke-code/1`; `order` is the one that is made for the item.

        Raises:
            Tampered: An invariant breaks.

        """
        stream, signer = document["stream"], command["signers"][0]["party"]
        if signer != item.owner:
            raise _broken("another party revoked a code", item.owner, signer)
        if not item.is_card or stream in self.revoked:
            raise _broken("a code was revoked that is none any more", None, stream)
        if order is not None:
            raise _broken("a code was revoked that an order counts on", order, stream)
        self.revoked.add(stream)

    def ask(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check the entry of a `check-code/1`.

        Raises:
            Tampered: An invariant breaks.

        """
        stream, party = document["stream"], command["signers"][0]["party"]
        if stream != f"checks/{party}":
            raise _broken("a question of another party", f"checks/{party}", stream)
        waiting, at = self.waiting.setdefault(stream, set()), _moment(document["at"])
        if self.complete and len(waiting) >= _WAITING_MOST:
            raise _broken("more questions wait than may", _WAITING_MOST, len(waiting))
        if self.complete:
            self._check_limits(stream, at)
        waiting.add(command["id"])
        # Of a busy party's years a question must not look at more than the last hour.
        self.asked[stream] = [each for each in self.asked.get(stream, []) if at - each < _HOUR]
        self.asked[stream].append(at)

    def _check_limits(self, stream: str, at: datetime) -> None:
        limits = self.terms.in_force(at)[1].get("checks", _WITHOUT_POLICY)
        most, period = limits["lock_after"], timedelta(seconds=limits["lock_s"])
        wrong = self.wrong.get(stream, [])
        # All that came less than the period before the last one, while that one is no older.
        close = [each for each in wrong if wrong[-1] - each < period]
        if len(close) >= most and at - wrong[-1] < period:
            raise _broken("a party asked that is locked", most, len(close))
        recent = [each for each in self.asked.get(stream, []) if at - each < _HOUR]
        if len(recent) >= limits["per_hour"]:
            raise _broken("a party asked too often", limits["per_hour"], len(recent))

    def verify(self, document: dict[str, Any], body: dict[str, Any], item: Coded) -> None:
        """Check that a code is verified for the first time, and wait for the answer that says so.

        Raises:
            Tampered: An invariant breaks.

        """
        stream = document["stream"]
        if body["found"] != "this" or not item.is_card:
            raise _broken("a code was verified that was not found", body["found"], stream)
        if stream in self.first:
            raise _broken("a code was verified first twice", self.first[stream], document["at"])
        if stream in self.revoked:
            raise _broken("a revoked code was verified", None, stream)
        self.first[stream] = document["at"]
        told = {"check": body["check"], "first_at": None, "result": "valid"}
        self.due = (f"checks/{body['party']}", told)

    def answer(self, document: dict[str, Any], body: dict[str, Any], item: Coded | None) -> None:
        """Check an answer: to a question that waits, and as it follows from what was found.

        Args:
            document: The entry.
            body: That of the `answer-check/1`.
            item: The item that it names; None where it names none, or the log does not show it.

        Raises:
            Tampered: An invariant breaks.

        """
        stream, data = document["stream"], document["data"]
        waiting = self.waiting.setdefault(stream, set())
        if self.complete and body["check"] not in waiting:
            raise _broken("a question was answered that does not wait", stream, body["check"])
        expected, self.due = self.due or self._follows(body, item), None
        if expected is not None and expected != (stream, data):
            raise _broken("another answer than follows", expected, (stream, data))
        waiting.discard(body["check"])
        if data["result"] in _WRONG:
            wrong = [*self.wrong.get(stream, []), _moment(document["at"])]
            self.wrong[stream] = wrong[-_WRONG_KEPT:]

    def _follows(
        self, body: dict[str, Any], item: Coded | None
    ) -> tuple[str, dict[str, Any]] | None:
        """Say what is answered without writing on the item; None where the log does not show it."""
        if item is None and body["item"] is not None:
            if self.complete:
                raise _broken("an answer about what nobody registered", None, body["item"])
            return None
        result, first = self._result(body, item)
        told = {"check": body["check"], "first_at": first, "result": result}
        return f"checks/{body['party']}", told

    def _result(self, body: dict[str, Any], item: Coded | None) -> tuple[str, str | None]:
        if item is None:
            return "invalid", None
        stream, mine = f"item/{body['item']}", item.owner == body["party"]
        if not item.is_card:
            raise _broken("an answer about what has no code", None, stream)
        if body["found"] == "other" or stream in self.revoked:
            learns = "wrong_item" if body["found"] == "other" else "revoked"
            return (learns if mine else "invalid"), None
        if stream not in self.first:
            raise _broken("a good code was not verified on its item", None, stream)
        return ("already_verified", self.first[stream]) if mine else ("valid", None)

    def end(self) -> None:
        """Check that the answer of the last first verification came. Raises `Tampered`."""
        if self.due and self.complete:
            raise _broken("a code was verified for nobody", self.due, None)
        self.due = None


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _broken(message: str, expected: object, found: object) -> Tampered:
    return Tampered(
        "meaning",
        message,
        field="codes",
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )

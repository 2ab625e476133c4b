"""Labels: what the trade policy calls merchants is looked at in every round, and kept up.

Whatever changes it (a review, an end of one, a policy that takes effect), the next round records
it, once: a second process is told that the labels are unchanged. Specification: docs/spec.md
section 9.17.
"""

from __future__ import annotations

from typing import Final

from api.desk import Hand, Order, write
from api.house import House
from api.timers import SYSTEM
from ledger.application import Accepted
from ledger.record.stored import read_stored
from ledger.rules.evolve import evolve
from ledger.rules.labels import NO_DEPOSIT, labels_of, origins_at
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Published, State, Stream, Terms
from ledger.rules.trade_errors import LabelsDiffer, LabelsUnchanged
from ledger.rules.trade_state import Merchant
from ledger.submission import Submission

CHUNK: Final = 256
# What decides about labels, and the labels themselves.
_DECIDING: Final = (
    *("merchant-qualified/1", "qualification-revoked/1", "labels-changed/1"),
    "trade-policy-published/1",
)
# Another process was first, or something changed in between: the next round looks again.
_PASSED: Final = (LabelsDiffer, LabelsUnchanged)


class Labeller:
    """Keeps up the labels of every merchant of a ledger."""

    def __init__(self, house: House) -> None:
        """Take a house that is open for writing."""
        self._house = house
        self._states: dict[str, State] = {}
        self._read = dict.fromkeys(_DECIDING, 0)

    def keep_up(self) -> int:
        """Record every change that is due.

        Returns:
            How many merchants got other labels here.

        Raises:
            RuleError: The ledger refuses a change for another reason than that it was not due.
            DatabaseUnavailable: The rest waits for the next call.

        """
        self._learn()
        now, terms = self._house.clock.now(), self._states.get(TERMS_STREAM)
        policy = terms.at(now) if isinstance(terms, Terms) else None
        merchants = [each for each in self._states.values() if isinstance(each, Merchant)]
        found = [self._change(each, policy, now) for each in merchants]
        wanted = [each for each in found if each is not None]
        changed = 0
        for start in range(0, len(wanted), CHUNK):
            for outcome in self._house.ledger.submit(wanted[start : start + CHUNK]):
                if isinstance(outcome, Accepted):
                    changed += 1
                elif not isinstance(outcome, _PASSED):
                    raise outcome
        return changed

    def _learn(self) -> None:
        """Read what was written since the last call, by whichever process."""
        of_type, changed = self._house.recorder.entries_of_type, dict[str, None]()
        for type_ in _DECIDING:
            start = self._read[type_]
            while rows := of_type(type_, start, limit=CHUNK):
                changed.update(dict.fromkeys(read_stored(row).stream for row in rows))
                start = rows[-1].index + 1
            self._read[type_] = start
        for stream in changed:
            self._states[stream] = self._state(stream)

    def _state(self, stream: str) -> State:
        found: Stream | None = None
        for row in self._house.recorder.stream_entries(stream):
            found = evolve(found, read_stored(row), command=row.command.hex())
        assert found is not None  # noqa: S101 - an entry of it was read just now
        return found.state

    def _change(self, merchant: Merchant, policy: Published | None, now: int) -> Submission | None:
        """Write the change of a merchant's labels, if they are to change."""
        document = None if policy is None else policy.document
        names = labels_of(document, origins_at(merchant, now), NO_DEPOSIT).sure
        if names == merchant.label_names:
            return None
        order = Order(
            "update-labels/1",
            [Hand(SYSTEM, SYSTEM, self._house.signer(SYSTEM))],
            {"labels": list(names), "merchant": merchant.party},
        )
        return write(self._house.context(), order, random=self._house.random)[1]

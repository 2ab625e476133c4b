"""Labels: what the trade policy calls merchants is looked at in every round, and kept up.

Whatever changes it (a review, an end of one, a policy that takes effect, a deposit), the next
round records it, once: a second process is told that the labels are unchanged. Specification:
docs/spec.md section 9.17.
"""

from __future__ import annotations

from typing import Final

from api.desk import Hand, Order, write
from api.following import CHUNK, Follower, hand_in
from api.house import House
from api.timers import SYSTEM
from ledger.rules.deposits import deposit_stream
from ledger.rules.labels import labels_of, origins_at
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Published, State, Terms
from ledger.rules.trade_errors import LabelsDiffer, LabelsUnchanged
from ledger.rules.trade_state import Deposit, Merchant
from ledger.submission import Submission

# What decides about labels, and the labels themselves.
_DECIDING: Final = (
    *("merchant-qualified/1", "qualification-revoked/1", "labels-changed/1"),
    *("trade-policy-published/1", "deposit-changed/1", "deposit-reserved/1"),
    "recourse-taken/1",
)
# Another process was first, or something changed in between: the next round looks again.
_PASSED: Final = (LabelsDiffer, LabelsUnchanged)


class Labeller:
    """Keeps up the labels of every merchant of a ledger."""

    def __init__(self, house: House) -> None:
        """Take a house that is open for writing."""
        self._house = house
        self._follower = Follower(house, _DECIDING)
        self._states: dict[str, State] = {}

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
        pieces = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
        return sum(hand_in(self._house, piece, _PASSED) for piece in pieces)

    def _learn(self) -> None:
        """Read what was written since the last call, by whichever process."""
        for stream in self._follower.changed():
            self._states[stream] = self._follower.state(stream)

    def _change(self, merchant: Merchant, policy: Published | None, now: int) -> Submission | None:
        """Write the change of a merchant's labels, if they are to change."""
        document = None if policy is None else policy.document
        deposit = self._states.get(deposit_stream(merchant.party))
        available = dict(deposit.available) if isinstance(deposit, Deposit) else {}
        names = labels_of(document, origins_at(merchant, now), available).sure
        if names == merchant.label_names:
            return None
        order = Order(
            "update-labels/1",
            [Hand(SYSTEM, SYSTEM, self._house.signer(SYSTEM))],
            {"labels": list(names), "merchant": merchant.party},
        )
        return write(self._house.context(), order, random=self._house.random)[1]

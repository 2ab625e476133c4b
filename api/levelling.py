"""Levels: what credit makes of members is looked at in every round, and kept up.

Whatever changes it (credit that is given or taken back, a policy that takes effect), the next round
records it, once: a second process is told that the level is unchanged. Specification: docs/spec.md
section 9.21.
"""

from __future__ import annotations

from typing import Final

from api.desk import Hand, Order, write
from api.following import CHUNK, Follower, hand_in
from api.house import House
from api.timers import SYSTEM
from ledger.rules.credit import CREDIT
from ledger.rules.levels import level_of, recorded_level
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Party, Published, State, Terms
from ledger.rules.text import party_stream
from ledger.rules.trade_errors import LevelDiffers, LevelUnchanged
from ledger.rules.trade_state import Account, Credit
from ledger.submission import Submission

# What decides about levels, and the levels themselves.
_DECIDING: Final = (
    *("credit-granted/1", "credit-clawed-back/1", "credit-redeemed/1", "credit-earned/1"),
    *("trade-policy-published/1", "level-changed/1"),
)
_CREDIT: Final = "credit/"
# Another process was first, or something changed in between: the next round looks again.
_PASSED: Final = (LevelDiffers, LevelUnchanged)


class Leveller:
    """Keeps up the level of every member that was ever given credit."""

    def __init__(self, house: House) -> None:
        """Take a house that is open for writing."""
        self._house = house
        self._follower = Follower(house, _DECIDING)
        self._states: dict[str, State] = {}
        # The policy that all levels were compared under, and whom to look at before the next one.
        self._under: Published | None = None
        self._waiting: dict[str, None] = {}

    def keep_up(self) -> int:
        """Record every change that is due.

        Returns:
            How many members got another level here.

        Raises:
            RuleError: The ledger refuses a change for another reason than that it was not due.
            DatabaseUnavailable: The rest waits for the next call.

        """
        self._learn()
        terms = self._states.get(TERMS_STREAM)
        if not isinstance(terms, Terms):
            return 0
        policy = terms.at(self._house.clock.now())
        if policy is not self._under:
            everybody = [name for name in self._states if name.startswith(_CREDIT)]
            self._waiting.update(dict.fromkeys(name.removeprefix(_CREDIT) for name in everybody))
        changed = self._record(policy)
        self._under = policy
        return changed

    def _record(self, policy: Published) -> int:
        """Compare whom there is to look at, and record what differs."""
        changed, waiting = 0, list(self._waiting)
        for start in range(0, len(waiting), CHUNK):
            parties = waiting[start : start + CHUNK]
            found = [self._change(party, policy) for party in parties]
            wanted = [each for each in found if each is not None]
            changed += hand_in(self._house, wanted, _PASSED)
            for party in parties:
                del self._waiting[party]
        return changed

    def _learn(self) -> None:
        """Read what was written since the last call, by whichever process."""
        for stream in self._follower.changed():
            if stream.startswith((_CREDIT, "party/")):
                self._waiting[stream.partition("/")[2]] = None
            if not stream.startswith("party/"):
                self._states[stream] = self._follower.state(stream)

    def _change(self, name: str, policy: Published) -> Submission | None:
        """Write the change of a member's level, if it is to change."""
        credit, party = self._states.get(_CREDIT + name), self._follower.state(party_stream(name))
        assert isinstance(party, Party)  # noqa: S101 - the stream's name says what it holds
        held = Account(credit.held).held(CREDIT) if isinstance(credit, Credit) else 0
        level = level_of(policy.document, held)
        if level == recorded_level(policy.document, party):
            return None
        order = Order(
            "update-level/1",
            [Hand(SYSTEM, SYSTEM, self._house.signer(SYSTEM))],
            {"level": level, "party": name},
        )
        return write(self._house.context(), order, random=self._house.random)[1]

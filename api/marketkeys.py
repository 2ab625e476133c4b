"""Key changes on the market day: rotated, revoked, objected to, and one that was lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.desk import Hand, Order
from api.market import Market
from api.timers import SYSTEM
from ledger.rules.digests import timer_id
from ledger.rules.parties import KEY_CHANGE_RULE
from ledger.rules.text import format_time, party_stream
from ledger.signer import LocalSigner

OFFICERS = ("elder-1", "elder-2")
# Places in the list of members.
ROTATES, REVOKES_LATER, OBJECTS, LOSES = (2, 3, 4), (7, 8), 10, 16
_POINTLESS = "0" * 64


@dataclass
class KeyChanges:
    """What some members do about their keys in the morning, and what comes of it at night."""

    market: Market
    members: list[str]
    _new: dict[str, LocalSigner] = field(default_factory=dict)
    _lost: str = ""

    def begin(self) -> None:
        """Add keys, ask for revocations, object to one, recover a lost one."""
        for place in (*ROTATES, *REVOKES_LATER, OBJECTS):
            self._add(self.members[place])
        for place in REVOKES_LATER:
            self._ask(self.members[place])
        contested = self.members[OBJECTS]
        self._ask(contested)
        self._object(contested)
        # Whoever lost the key cannot trade until it is replaced.
        self._lost = self.members.pop(LOSES)
        self._recover(self._lost)

    def end(self) -> None:
        """Complete what was due and give up the old keys."""
        for place in ROTATES:
            self._retire(self.members[place])
        for party in (*(self.members[place] for place in REVOKES_LATER), self._lost):
            self._complete(party)
            self.market.wallets[party].append(self._new[party])
        self.members.insert(LOSES, self._lost)

    def _make(self, party: str) -> LocalSigner:
        self._new[party] = self.market.make_key(party)
        # It is not in use before it has cooled down.
        return self.market.wallets[party].pop()

    def _add(self, party: str) -> None:
        new = self._make(party)
        hands = [self.market.hand(party, "party"), Hand(party, "new", new)]
        order = Order("add-key/1", hands, {"key": new.key(), "party": party})
        self.market.say(order, streams=[party_stream(party)])
        self._too_early(party, new)

    def _too_early(self, party: str, new: LocalSigner) -> None:
        """Use a new key for a risky act before it has cooled down."""
        body = {"item": "curios/nothing", "offer": _POINTLESS}
        order = Order("accept-transfer/1", [Hand(party, "recipient", new)], body)
        self.market.say(order, streams=["item/curios/nothing"], refused="key-cooling-down")

    def _ask(self, party: str) -> None:
        """Ask with the new key to revoke the one in use."""
        key = self.market.wallets[party][-1].key_id
        hands = [Hand(party, "party", self._new[party])]
        order = Order("revoke-key/1", hands, {"key": key, "party": party})
        self.market.say(order, streams=[party_stream(party)])

    def _object(self, party: str) -> None:
        body = {"change": self._change(party)[0], "party": party}
        self.market.say(Order("object-key-change/1", [self.market.hand(party, "party")], body))
        self.market.flush()

    def _recover(self, party: str) -> None:
        new = self._make(party)
        officers = [self.market.hand(officer, "officer") for officer in OFFICERS]
        body = {"key": new.key(), "party": party}
        self.market.say(Order("recover-party/1", [Hand(party, "new", new), *officers], body))
        self.market.flush()

    def _retire(self, party: str) -> None:
        """Revoke the old key with itself, which holds at once, and try it once more."""
        old = self.market.wallets[party][-1]
        self.market.wallets[party].append(self._new[party])
        for refused in (None, "key-not-valid"):
            hands = [Hand(party, "party", old)]
            order = Order("revoke-key/1", hands, {"key": old.key_id, "party": party})
            self.market.say(order, streams=[party_stream(party)], refused=refused)

    def _complete(self, party: str) -> None:
        change, due = self._change(party)
        hands = [self.market.hand(SYSTEM, SYSTEM)]
        timer = timer_id(party_stream(party), KEY_CHANGE_RULE, due)
        body = {"change": change, "due": due, "party": party}
        self.market.say(Order("complete-key-change/1", hands, body, command_id=timer))

    def _change(self, party: str) -> tuple[str, str]:
        change = self.market.party(party).change
        assert change is not None  # noqa: S101 - the script asked for it
        return change.digest, format_time(change.due)

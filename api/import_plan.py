"""The plan of an import: the ledger as it will be, on which the rules are run beforehand."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from api.house import House
from ledger.rules.commands import Command
from ledger.rules.model import Fact
from ledger.rules.state import UNKNOWN, Head, Item, Stream
from ledger.rules.text import party_stream, time_us

_UNSEEN = Item(owner=UNKNOWN, imports_only=True)


class Plan:
    """The ledger as it will be after the rows planned so far: a view for the rules."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.context = house.context()
        self.policy = house.policy()
        self._ahead: dict[str, Stream] = {}
        self._read: dict[str, Stream | None] = {}

    def read_ahead(self, items: Collection[str], parties: Collection[str]) -> None:
        """Read what rows will ask for, in a few questions and not in one each.

        Args:
            items: Streams of the items that are sold.
            parties: Who buys them.

        Raises:
            DatabaseUnavailable: It cannot be read.

        """
        ledger = self._house.ledger
        ledger.read_ahead(items)
        # The rules ask of every owner whether somebody holds a key for them.
        found = [self.stream(item) for item in items]
        owners = {each.state.owner for each in found if each and isinstance(each.state, Item)}
        ledger.read_ahead({party_stream(party) for party in owners.union(parties) - {UNKNOWN}})

    def stream(self, name: str) -> Stream | None:
        """Return head and state of a stream, or None if it does not exist."""
        ahead = self._ahead.get(name)
        if ahead is not None:
            return ahead
        if name not in self._read:
            self._read[name] = self._house.ledger.stream(name)
        return self._read[name]

    def command_at(self, index: int) -> str | None:
        """Return the digest of the command that wrote the entry at `index`."""
        found = self._house.recorder.entry_at(index)
        return None if found is None else found.command.hex()

    def seen_root(self, size: int) -> str | None:
        """Return None: imports name no published tree."""
        return None

    def key_holder(self, key_id: str) -> str | None:
        """Return the party that registered this key."""
        found = self._house.recorder.find_key(bytes.fromhex(key_id))
        return None if found is None else found.party

    def independent_party(self, *, besides: frozenset[str]) -> bool:
        """Say whether a party exists that is not among `besides`."""
        return self._house.recorder.other_party_exists(besides)

    def knows_accounts(self) -> bool:
        """Return true: this is the whole log."""
        return True

    def expect(self, stream: str) -> dict[str, Any]:
        """Return what a command must expect of a stream: a leaf, nothing, or an earlier command."""
        found = self._ahead.get(stream)
        if found is not None:
            return {"after": {stream: str(found.head.command)}}
        read = self.stream(stream)
        return {"expect": {stream: None if read is None else read.head.leaf}}

    def take(self, command: Command, facts: list[Fact]) -> None:
        """Go on as if the command had been added."""
        name = facts[0].stream
        before = self.stream(name)
        state = before.state if before and isinstance(before.state, Item) else _UNSEEN
        after = state._replace(
            owner=facts[-1].data["to"],
            last_sale=time_us(command.body["time"], field="time"),
            sales=(*state.sales, facts[0].data["identity"]),
        )
        # Index and leaf do not exist yet; what follows is chained to the command itself.
        self._ahead[name] = Stream(Head(-1, -1, "", command.digest), after)

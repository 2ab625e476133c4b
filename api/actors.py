"""Who acts through the client, and what its commands are before and after they were sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.desk import Hand
from ledger.rules.text import b64encode
from ledger.signer import Signer


@dataclass(frozen=True, slots=True)
class Actor:
    """A party and a key of its own."""

    party: str
    key: Signer

    def hand(self, role: str) -> Hand:
        """Let this party sign in a role."""
        return Hand(self.party, role, self.key)

    def public_key(self) -> dict[str, str]:
        """Write the public key as it stands in a command's body."""
        return {"alg": self.key.alg, "public": b64encode(self.key.public)}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed command, ready to be sent as often as it takes."""

    command: bytes
    digest: str
    sigs: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A recorded command. `again`: it had been recorded before this request."""

    index: int
    digest: str
    receipt: Mapping[str, Any]
    again: bool

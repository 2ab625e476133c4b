"""The desk: composes commands for keys that lie in this process, signs them and hands them in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.house import House, Random
from ledger.application import Accepted
from ledger.rules.commands import Command, Signer
from ledger.rules.compose import ID_RANDOM_BYTES, Context, Draft, Sealing, compose, uuid7
from ledger.rules.text import b64encode
from ledger.signer import Signer as Key
from ledger.submission import SealedValue, Submission

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Hand:
    """Who signs: a party, in a role, with a key."""

    party: str
    role: str
    key: Key


@dataclass(frozen=True, slots=True)
class Order:
    """A command to be written: what differs from one to the next.

    Attributes:
        kind: With version.
        hands: Who signs, in order; the first is `by`.
        body: As its kind wants it.
        expect: Stream to head leaf (hex), None for a stream that does not exist.
        after: Stream to the digest of the earlier command that wrote its head.
        seal: Name of a sealed field to (subject, value).
        command_id: For timers; a fresh UUIDv7 when None.
        parcels: What is delivered to the order's key, as the body names it.

    """

    kind: str
    hands: Sequence[Hand]
    body: Mapping[str, Any]
    expect: Mapping[str, str | None] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    seal: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    command_id: str | None = None
    parcels: tuple[bytes, ...] = ()


def write(
    context: Context, order: Order, *, random: Random = os.urandom
) -> tuple[Command, Submission]:
    """Compose and sign one command.

    Args:
        context: Log, policy and time.
        order: The command's parts.
        random: Gives random bytes for the id and the salts.

    Returns:
        The command, and what is handed in.

    Raises:
        Malformed: A part is not in its accepted form.
        TooLarge: The command has more than 24 KiB.

    """
    sealings = [
        Sealing(name, subject, random(SALT_BYTES), value)
        for name, (subject, value) in sorted(order.seal.items())
    ]
    draft = Draft(
        kind=order.kind,
        by=order.hands[0].party,
        signers=[Signer(hand.party, hand.role, hand.key.key_id) for hand in order.hands],
        body=order.body,
        expect=order.expect,
        after=order.after,
        seal=sealings,
    )
    identifier = order.command_id or uuid7(context.at, random(ID_RANDOM_BYTES))
    command = compose(context, identifier, draft)
    sigs = tuple(b64encode(hand.key.sign(command.message)) for hand in order.hands)
    opened = tuple(SealedValue(**sealing.disclosure()) for sealing in sealings)
    return command, Submission(command.raw, sigs, opened, order.parcels)


def send(house: House, order: Order) -> Accepted:
    """Compose, sign and hand in one command.

    Raises:
        RuleError: The ledger refused it; nothing was recorded.
        LedgerError: It is not in order, or could not be written.

    """
    _, submission = write(house.context(), order, random=house.random)
    (outcome,) = house.ledger.submit([submission])
    if isinstance(outcome, Accepted):
        return outcome
    raise outcome

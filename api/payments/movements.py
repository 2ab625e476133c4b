"""What the log says of money that came in or went out by a provider, sealed numbers opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from api.disclosures import OPEN, open_field
from api.house import House
from ledger.record.errors import VaultError
from ledger.record.facts import SealedEntry
from ledger.record.notices import Seen
from ledger.record.stored import read_stored
from ledger.rules.money import balance_stream
from ledger.rules.orders import order_stream

CHUNK: Final = 2_000
_OUT: Final = "pay-out/1"
# The kinds that a cashier signs, and the sealed field that holds the provider's number.
_KINDS: Final[Mapping[str, str]] = {
    "top-up/1": "transaction",
    "confirm-payment/1": "transaction",
    _OUT: "account",
}
_TYPES: Final = frozenset({"balance-topped-up/1", "balance-paid-out/1", "payment-confirmed/1"})


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that moved between a provider and the ledger.

    Attributes:
        entry: Index of its entry.
        at: The entry's time.
        by: The party that signed first.
        command_id: Of its command.
        provider: By whom it moved.
        out: Whether it left.
        order: What it was for: `order/ID` or `balance/PARTY`.
        number: The transaction's number; of what left, the account it went to. None where the
            vault no longer opens it.
        unreadable: Why it does not.
        amount: In minor units.
        currency: Of it.

    """

    entry: int
    at: int
    by: str
    command_id: str
    provider: str
    out: bool
    order: str
    number: str | None
    unreadable: str | None
    amount: int
    currency: str


def movements(house: House, start: int, stop: int) -> Iterator[Movement]:
    """Read what moved with the entries `start <= index < stop`, in their order.

    Raises:
        EntryDamaged: An entry was changed, or the row of a box is missing.
        HardwareKeyUnavailable: The vault's keys are wrapped, and the module cannot be used.

    """
    for first in range(start, stop, CHUNK):
        for row in house.reader.entries(first, min(first + CHUNK, stop)):
            if row.type in _TYPES:
                found = _movement(house, row)
                if found is not None:
                    yield found


def catch_up(house: House) -> None:
    """Tell the notice book of every transaction that the log holds by now.

    Raises:
        NoticesUnavailable: The book cannot be used.
        EntryDamaged: As `movements`.

    """
    size = house.reader.size()
    known = house.notices.known(size)
    for first in range(known, size, CHUNK):
        stop = min(first + CHUNK, size)
        seen = [
            Seen(each.provider, each.number, each.command_id, each.entry)
            for each in movements(house, first, stop)
            if each.number is not None and not each.out
        ]
        house.notices.learn(seen, size=stop)


def _movement(house: House, row: SealedEntry) -> Movement | None:
    entry = read_stored(row)
    command = entry.command
    if command is None or command.kind not in _KINDS:
        return None
    name = _KINDS[command.kind]
    (sealed,) = (each for each in command.document["sealed"] if each["name"] == name)
    boxes = {box.name: box.box for box in house.recorder.disclosures(row.index)}
    try:
        opened = open_field(house, row.index, command.id, sealed, boxes.get(name))
        number, state = opened.value, opened.state
    except VaultError as error:
        number, state = None, error.code
    money = command.body["amount"]
    return Movement(
        row.index,
        entry.at,
        command.by,
        command.id,
        command.body["provider"],
        command.kind == _OUT,
        order_stream(command.body["order"])
        if "order" in command.body
        else balance_stream(command.body["party"]),
        number,
        None if state == OPEN else state,
        int(money["amount"]),
        money["currency"],
    )

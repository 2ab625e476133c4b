"""Opening the card of an item for its owner.

The log says first that it was asked for, and who asked; only then is it shown, as often as its
owner wants. What is shown opens the commitment that the merchant signed. Specification:
docs/spec.md section 9.15.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from api.access import Caller, access
from api.disclosures import open_field
from api.errors import NotAuthorised
from api.house import House
from ledger.cards.commitments import Opening, Place, check_opening, read_opening
from ledger.record.stored import read_stored
from ledger.registry import CARD, CODE, TYPE
from ledger.rules.entries import Entry
from ledger.rules.evolve import evolve
from ledger.rules.items import item_stream
from ledger.rules.state import Item, Stream

ACCESS: Final = access(anonymous="none", party="own")


def open_card(house: House, item: str, caller: Caller) -> dict[str, Any]:
    """Open the card of an item that the caller owns and has revealed; blocks.

    Args:
        house: The ledger.
        item: `NS/ID`.
        caller: Who asks.

    Raises:
        NotAuthorised: It is not the caller's, is no card, or nobody asked for it in the log.
        BoxRefused: The box does not open, or holds another value than was sealed.
        CommitmentDiffers: It holds another card than the merchant committed to.
        KeyDamaged: A key of the vault is not one.
        EntryDamaged: The entry was changed, or the row of the box is missing.

    """
    first, state = _item(house, item)
    revealed = state is not None and state.goods is not None and state.goods.revealed
    if first is None or state is None or state.owner != caller.party or not revealed:
        raise NotAuthorised("this is no card that the signer owns and has revealed", item=item)
    card = read_card(house, item, first)
    return {
        "commitment": card.commitment,
        "item": item,
        "key": None if card.opening is None else card.opening.text,
        "opening": card.value,
        "product": card.product,
        "state": card.state,
    }


def open_code(house: House, item: str, caller: Caller) -> dict[str, Any]:
    """Open the verification code of an item that the caller owns; blocks.

    Raises:
        NotAuthorised: It is not the caller's, or no card.
        BoxRefused: As `open_card`, and the other errors likewise.

    """
    first, state = _item(house, item)
    if first is None or state is None or state.owner != caller.party:
        raise NotAuthorised("this is no card that the signer owns", item=item)
    card = read_card(house, item, first, what=CODE)
    return {
        "code": None if card.opening is None else card.opening.text,
        "commitment": card.commitment,
        "item": item,
        "opening": card.value,
        "product": card.product,
        "state": card.state,
    }


def _item(house: House, item: str) -> tuple[Entry | None, Item | None]:
    """Read the entry that registered a card, and what its item is now; None for what is none."""
    found: Stream | None = None
    first: Entry | None = None
    for stored in house.reader.stream_entries(item_stream(item)):
        entry = read_stored(stored)
        first = first or entry
        found = evolve(found, entry, command=stored.command.hex())
    state = None if found is None else found.state
    if first is None or first.type != TYPE or not isinstance(state, Item):
        return None, None
    return first, state


class Card(NamedTuple):
    """What the vault holds of a card.

    Attributes:
        commitment: To its key or code, as the log has it, hex.
        product: Name of the product that the key is for.
        state: `open`, `lost` or `erased`.
        value: What was sealed; None where it is lost or erased.
        opening: The same, read: it opens the commitment.

    """

    commitment: str
    product: str
    state: str
    value: str | None
    opening: Opening | None


def read_card(house: House, item: str, first: Entry, *, what: str = CARD) -> Card:
    """Open the card of an item, or its verification code, whoever asks; blocks.

    Args:
        house: The ledger.
        item: `NS/ID`.
        first: The entry that registered it.
        what: `card` or `code`.

    Raises:
        BoxRefused: The box does not open, or holds another value than was sealed.
        CommitmentDiffers: It holds another card than the merchant committed to.
        KeyDamaged: A key of the vault is not one.
        EntryDamaged: The row of the box is missing.

    """
    command = first.command
    assert command is not None  # noqa: S101 - a card is registered by a command
    sealed = next(each for each in command.document["sealed"] if each["name"] == what)
    boxes = {box.name: box.box for box in house.recorder.disclosures(first.index)}
    field = open_field(house, first.index, command.id, sealed, boxes.get(what))
    commitment, product = command.body[what], command.body["product"]
    opening = None
    if field.value is not None:
        opening = read_opening(what, field.value)
        check_opening(Place(what, item, product), commitment, opening)
    return Card(commitment, product, field.state, field.value, opening)

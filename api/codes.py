"""Answers to questions about verification codes: opened, looked up, and said in the log.

A question is a command whose item and code are sealed. Whether it is answered within its request or
after a crash, the same steps are taken: what was asked is opened, the index of card keys says which
items the code was issued with, and `system` says in one command what was found. Nothing of an item
is read unless the code was issued: a wrong code takes the same way as one for an item that nobody
registered. Specification: docs/spec.md section 9.23.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from api.desk import Hand, Order, write
from api.disclosures import open_field
from api.following import BACKLOG, Follower, hand_in
from api.house import House
from api.timers import SYSTEM
from ledger.cards.codes import read_code
from ledger.record.errors import BoxRefused, EntryDamaged, KeyDamaged
from ledger.rules.code_errors import CheckUnknown
from ledger.rules.codes import ANSWER, CHECK, NONE, OTHER, THIS, answer_id, as_checks, checks_stream
from ledger.rules.commands import Command
from ledger.rules.errors import CommandConflict, Malformed
from ledger.rules.items import item_stream
from ledger.rules.state import Item
from ledger.rules.text import check_item
from ledger.submission import Submission

ASKED: Final = "code-asked/1"
_ANSWERED: Final = "check-answered/1"
_PASSED: Final = (CommandConflict, CheckUnknown)
# What is asked in one stream must not keep the others waiting.
_STUCK: Final = (BoxRefused, KeyDamaged, EntryDamaged)
_STREAM: Final = checks_stream("")


class Answer(NamedTuple):
    """What a party was told.

    Attributes:
        check: Id of the command that asked.
        result: `valid`, `invalid`, `already_verified`, `revoked` or `wrong_item`.
        first_at: When the code was verified first; only for `already_verified`.
        entry: Index of the entry that says so.

    """

    check: str
    result: str
    first_at: str | None
    entry: int

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return self._asdict()


class Question(NamedTuple):
    """What a party asked; None where the vault cannot open it any more."""

    party: str
    check: str
    item: str | None
    code: str | None


def ask(party: Hand, item: str, code: str) -> Order:
    """Write the command that asks whether a code is an item's.

    Raises:
        Malformed: It is no code, or no name of an item.

    """
    seal = {
        "code": (party.party, read_code(code)),
        "item": (party.party, check_item(item, field="item")),
    }
    return Order(CHECK, [party], {}, seal=seal)


def answered(house: House, party: str, check: str) -> Answer | None:
    """Find what a party was told; None where it was not answered yet.

    Raises:
        EntryDamaged: An entry was changed.

    """
    found = house.recorder.find_command(SYSTEM, answer_id(party, check))
    if found is None:
        return None
    # The first verification stands on the item, and the answer follows from it.
    first = house.reader.written(found.index)
    at = found.index + (first.type != _ANSWERED)
    data = house.reader.written(at).data
    return Answer(check, data["result"], data["first_at"], at)


def answer(house: House, party: str, check: str) -> Answer:
    """Answer a question that the log holds, unless it was answered before; blocks.

    Raises:
        CardIndexUnavailable: Nobody can tell now; the keeper tries again.
        BoxRefused: What was asked does not open, or is another value than was sealed.
        KeyFileInvalid: The key of `system` is not at hand.
        DatabaseUnavailable: The keeper tries again.

    """
    wanted = prepare(house, party, check)
    if isinstance(wanted, Answer):
        return wanted
    # Another process may be first, and find something else at another moment.
    hand_in(house, [wanted], _PASSED)
    found = answered(house, party, check)
    assert found is not None  # noqa: S101 - it was written by now, here or there
    return found


def prepare(house: House, party: str, check: str) -> Submission | Answer:
    """Write the answer to a question that the log holds, or find the one that it has; blocks."""
    known = answered(house, party, check)
    if known is not None:
        return known
    order = _order(house, question(house, party, check))
    return write(house.context(), order, random=house.random)[1]


def question(house: House, party: str, check: str) -> Question:
    """Open what a party asked; blocks.

    Raises:
        BoxRefused: It does not open, or is another value than was sealed.
        KeyDamaged: A key of the vault is not one.
        EntryDamaged: The entry was changed, or the row of a box is missing.

    """
    found = house.recorder.find_command(party, check)
    assert found is not None  # noqa: S101 - it was taken from the log, or written just now
    command = house.reader.written(found.index).command
    assert command is not None  # noqa: S101 - it was found by it
    opened = _opened(house, found.index, command)
    return Question(party, check, opened["item"], opened["code"])


def _opened(house: House, index: int, command: Command) -> dict[str, str | None]:
    boxes = {box.name: box.box for box in house.recorder.disclosures(index)}
    fields = [
        open_field(house, index, command.id, each, boxes.get(each["name"]))
        for each in command.document["sealed"]
    ]
    return {field.name: field.value for field in fields}


def _order(house: House, asked: Question) -> Order:
    found = _found(house, asked)
    body = {
        "check": asked.check,
        "found": found,
        "item": None if found == NONE else asked.item,
        "party": asked.party,
    }
    hand = Hand(SYSTEM, SYSTEM, house.signer(SYSTEM))
    return Order(ANSWER, [hand], body, command_id=answer_id(asked.party, asked.check))


def _found(house: House, asked: Question) -> str:
    """Say what the code is to the item, as far as its asker may be told."""
    try:
        item, code = check_item(asked.item or "", field="item"), read_code(asked.code or "")
    except Malformed:
        return NONE
    issued = house.registry.issued(code, house.ledger.stream)
    if not issued:
        return NONE
    stream = house.ledger.stream(item_stream(item))
    state = None if stream is None else stream.state
    goods = state.goods if isinstance(state, Item) else None
    if not isinstance(state, Item) or goods is None or goods.code is None:
        return NONE
    if item in issued:
        # That a code was revoked is its owner's business: to others it is as good as none.
        return THIS if state.owner == asked.party or not goods.code_revoked else NONE
    return OTHER if state.owner == asked.party else NONE


class Answerer:
    """Answers what was left unanswered: by this process when it died, or by another one."""

    def __init__(self, house: House) -> None:
        """Begin before the first question."""
        self._house = house
        self._follower = Follower(house, (ASKED,))
        self._left: set[str] = set()

    def keep_up(self) -> int:
        """Answer the questions that wait, or a part of them, and count the answers.

        Raises:
            CardIndexUnavailable: Nobody can tell now; it is tried again in the next round.
            BoxRefused: As `question`; the others were answered.
            DatabaseUnavailable: It is tried again in the next round.

        """
        accepted, failed = 0, None
        self._left.update(self._follower.changed(BACKLOG))
        for stream in sorted(self._left):
            try:
                accepted += self._answer(stream)
            except _STUCK as error:
                failed = failed or error
            else:
                self._left.discard(stream)
        if failed is not None:
            raise failed
        return accepted

    def _answer(self, stream: str) -> int:
        found = self._house.ledger.stream(stream)
        party = stream.removeprefix(_STREAM)
        pending = () if found is None else as_checks(found.state).pending
        wanted = [prepare(self._house, party, check) for check in pending]
        fresh = [each for each in wanted if isinstance(each, Submission)]
        return hand_in(self._house, fresh, _PASSED)

"""The registry of card keys: whether a key that is uploaded now was registered before.

A key comes in as a sealed value. It is held against the commitment that was signed, and its
fingerprints are reserved in the index, in one transaction for the cards of a batch, before any of
their entries is recorded. Where the index lacks cards of the log (it was lost, or put back from an
older copy), they are read from the vault first; without knowing all of them, none is taken.
Specification: docs/spec.md section 7.1. Decision: docs/adr/0035.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.cards.commitments import Opening, Place, check_opening, read_opening
from ledger.cards.fingerprints import Peppers
from ledger.cards.index import CardIndex, Claim
from ledger.cards.sightings import Sighting
from ledger.errors import CardIndexUnavailable, CommitmentDiffers
from ledger.record.errors import EntryDamaged, VaultError
from ledger.record.recorder import LedgerRecorder
from ledger.record.stored import read_stored
from ledger.record.vault import Vault
from ledger.rules.commands import Command
from ledger.rules.errors import Malformed
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Stream, Terms

KIND: Final = "register-card/1"
TYPE: Final = "card-registered/1"
CARD: Final = "card"
CODE: Final = "code"
BEHIND_MAX: Final = 10_000
"""So many cards that the index lacks are read at once, by whoever uploads next."""
_CHUNK: Final = 500
_DIGEST_BYTES: Final = 32

GetStream = Callable[[str], Stream | None]
Progress = Callable[[int, int], None]


class Double(NamedTuple):
    """Two items of the log that hold one card key."""

    item: str
    other: str


class Filled(NamedTuple):
    """What became of reading the cards of the log.

    Attributes:
        cards: How many there are.
        unreadable: How many of them the vault cannot open any more: they are not told apart.
        doubles: Those that hold a key which another item holds too.

    """

    cards: int
    unreadable: int
    doubles: tuple[Double, ...]


class Standing(NamedTuple):
    """Where the index stands to the log, as it was found.

    Attributes:
        registered: Whether the log holds a card at all.
        there: Whether there is an index.
        ahead: Whether the index knows more than the log.
        lacking: How many cards of the log it lacks, counted up to one more than `BEHIND_MAX`.

    """

    registered: bool
    there: bool
    ahead: bool
    lacking: int


class Registry:
    """The card keys of one ledger. Thread-safe."""

    def __init__(
        self, path: Path, peppers: Peppers, *, recorder: LedgerRecorder, vault: Vault
    ) -> None:
        """Use an index, which is opened when a card is first asked for.

        Args:
            path: File of the index.
            peppers: Secrets that fingerprints are made with.
            recorder: The log's record.
            vault: Opens the cards that the log holds.

        """
        self._path, self._peppers = path, peppers
        self._recorder, self._vault = recorder, vault
        self._lock = threading.RLock()
        self._index: CardIndex | None = None
        self._seen: CardIndex | None = None

    def ready(self, get_stream: GetStream) -> CardIndex:
        """Open the index once, and see that it knows every card of the log.

        Raises:
            CardIndexUnavailable: It cannot be used, a pepper is not the one that it was, or it
                lacks so many cards that `yinzheng cards reindex` must read them first.
            HardwareKeyUnavailable: Peppers are wrapped, and the module cannot be used.

        """
        with self._lock:
            if self._index is None:
                index = self._opened()
                self._catch_up(index, get_stream)
                self._index = index
            self._peppers.refresh()
            return self._index

    def reindex(self, get_stream: GetStream, progress: Progress) -> Filled:
        """Make the index anew from the cards that the vault can open.

        Raises:
            CardIndexUnavailable: It cannot be written, or a pepper cannot be read.
            HardwareKeyUnavailable: Keys are wrapped, and the module cannot be used.

        """
        with self._lock:
            index, self._index = CardIndex(self._path), None
            try:
                with index.writing():
                    index.forget_all()
                    self._mark(index)
                    return self._fill(index, get_stream, progress)
            finally:
                index.close()

    def repepper(self, get_stream: GetStream, progress: Progress) -> tuple[int, Filled]:
        """Add a pepper, and give every card a fingerprint under it.

        Raises:
            CardIndexUnavailable: As `ready`, or it cannot be written.
            HardwareKeyUnavailable: Keys are wrapped, and the module cannot be used.

        """
        with self._lock:
            index = self.ready(get_stream)
            version = self._peppers.add()
            with index.writing():
                self._mark(index)
                return version, self._fill(index, get_stream, progress)

    def look(self) -> Standing:
        """Look where the index stands to the log; changes nothing.

        Raises:
            CardIndexUnavailable: It cannot be read, or a pepper is not the one that it was.
            HardwareKeyUnavailable: Peppers are wrapped, and the module cannot be used.

        """
        index, cards = self._as_it_is(), self._recorder.entries_of_type
        size = 0 if index is None else index.size()
        if index is not None:
            self._check_marks(index)
        return Standing(
            bool(cards(TYPE, 0, limit=1)),
            index is not None,
            size > self._recorder.head().size,
            len(cards(TYPE, size, limit=BEHIND_MAX + 1)),
        )

    def sightings(self) -> list[Sighting]:
        """Return who tried to register keys of others; for staff only.

        Raises:
            CardIndexUnavailable: The index cannot be read.

        """
        index = self._as_it_is()
        return [] if index is None else index.sightings()

    def untold(self) -> list[Sighting]:
        """Return what staff were not told of yet; each is returned once, to one process.

        Raises:
            CardIndexUnavailable: The index cannot be written.

        """
        index = self._as_it_is()
        return [] if index is None else index.untold()

    def close(self) -> None:
        """Close the index, and forget the peppers."""
        with self._lock:
            self._peppers.forget()
            for index in (self._index, self._seen):
                if index is not None:
                    index.close()
            self._index = self._seen = None

    def issued(self, code: str, get_stream: GetStream) -> set[str]:
        """Name the items of the log that a verification code was issued with.

        Args:
            code: As `ledger.cards.codes.read_code` reads it.
            get_stream: The state of the log now.

        Raises:
            CardIndexUnavailable: As `ready`: nobody can tell.
            HardwareKeyUnavailable: Peppers are wrapped, and the module cannot be used.

        """
        index = self.ready(get_stream)
        return index.issued(self._peppers.code_fingerprints(code), self.is_recorded)

    def claim(
        self, command: Command, opening: Opening, code: Opening, get_stream: GetStream
    ) -> Claim:
        """Write what a command claims. Raises as `Peppers.fingerprints` does."""
        body = command.body
        return Claim(
            self._peppers.fingerprints(body["product"], opening.text),
            body["item"],
            command.by,
            command.id,
            bytes.fromhex(command.digest),
            command.not_after,
            _is_shared(body, get_stream),
            self._peppers.code_fingerprints(code.text),
        )

    def is_recorded(self, by: str, command_id: str, digest: bytes) -> bool:
        """Say whether a command is in the log, whoever wrote it last."""
        found = self._recorder.find_command(by, command_id)
        return found is not None and found.digest == digest

    def _as_it_is(self) -> CardIndex | None:
        """Open the index without looking whether it knows all cards; None where there is none."""
        with self._lock:
            if self._index is None and self._seen is None and self._path.exists():
                self._seen = CardIndex(self._path)
            return self._index or self._seen

    def _opened(self) -> CardIndex:
        index = CardIndex(self._path)
        try:
            if not index.pepper_marks() and not self._peppers.versions():
                self._peppers.add()
            self._check_marks(index)
            with index.writing():
                self._mark(index)
        except BaseException:
            index.close()
            raise
        return index

    def _check_marks(self, index: CardIndex) -> None:
        """See that every pepper that was ever used is there, and is the one that it was."""
        self._peppers.refresh()
        found = self._peppers.marks()
        for version, mark in index.pepper_marks().items():
            if not hmac.compare_digest(found.get(version, b""), mark):
                raise CardIndexUnavailable(
                    f"the pepper {version} of card keys is not the one that the index was made "
                    "with; put it back, or run `yinzheng cards reindex`",
                    reason=f"pepper-{version} differs",
                )

    def _mark(self, index: CardIndex) -> None:
        self._peppers.refresh()
        index.keep_pepper_marks(self._peppers.marks())

    def _catch_up(self, index: CardIndex, get_stream: GetStream) -> None:
        size, head = index.size(), self._recorder.head().size
        if size > head:
            raise _behind("the index of card keys knows more than the log", "ahead of the log")
        missing = self._recorder.entries_of_type(TYPE, size, limit=BEHIND_MAX + 1)
        if len(missing) > BEHIND_MAX:
            raise _behind("the index of card keys lacks many cards", "behind the log")
        with index.writing():
            for entry in missing:
                if self._learn(index, entry.index, get_stream) is None:
                    raise _behind("the index lacks a card that does not open", "behind the log")
            index.advance(head)

    def _fill(self, index: CardIndex, get_stream: GetStream, progress: Progress) -> Filled:
        head = self._recorder.head().size
        cards = unreadable = 0
        doubles: list[Double] = []
        for at in self._cards():
            found = self._learn(index, at, get_stream)
            cards += 1
            if found is None:
                unreadable += 1
            else:
                doubles += found
            progress(at, head)
        progress(head, head)
        index.advance(head)
        return Filled(cards, unreadable, tuple(dict.fromkeys(doubles)))

    def _cards(self) -> Iterator[int]:
        start = 0
        while found := self._recorder.entries_of_type(TYPE, start, limit=_CHUNK):
            yield from (entry.index for entry in found)
            start = found[-1].index + 1

    def _learn(self, index: CardIndex, at: int, get_stream: GetStream) -> Sequence[Double] | None:
        """Take in the card of an entry; None when the vault cannot open it any more."""
        stored = self._recorder.entry_at(at)
        command = None if stored is None else read_stored(stored).command
        if command is None:
            raise EntryDamaged(f"entry {at}", "it registers a card and holds no command")
        try:
            card, code = (self._opening(at, command, name) for name in (CARD, CODE))
        except (VaultError, CommitmentDiffers, Malformed):
            return None
        others = index.learn(self.claim(command, card, code, get_stream), at)
        return [Double(command.body["item"], holder.item) for holder in others]

    def _opening(self, at: int, command: Command, name: str) -> Opening:
        subject = next(each["subject"] for each in command.document["sealed"])
        boxes = {box.name: box.box for box in self._recorder.disclosures(at)}
        held = self._vault.open(subject, index=at, name=name, box=boxes.get(name, b""))
        _, _, value = held.decode("utf-8", "replace").partition("\n")
        opening = read_opening(name, value)
        check_sealed(name, command.body, opening)
        return opening


def check_sealed(what: str, body: Mapping[str, Any], opening: Opening) -> None:
    """Hold a sealed card or code against the body that commits to it.

    Raises:
        CommitmentDiffers: It is another one.

    """
    check_opening(Place(what, body["item"], body["product"]), body[what], opening)


def _is_shared(body: Mapping[str, Any], get_stream: GetStream) -> bool:
    """Say whether the policy that a card was registered under lets its class be sold again."""
    if body["terms"] is None:
        return False
    found = get_stream(TERMS_STREAM)
    terms = found.state.of(body["terms"]) if found and isinstance(found.state, Terms) else None
    classes = [] if terms is None else terms.document["classes"]
    return any(each["class"] == body["class"] and each["reusable"] == "yes" for each in classes)


def _behind(message: str, reason: str) -> CardIndexUnavailable:
    return CardIndexUnavailable(
        f"{message}; run `yinzheng cards reindex`", reason=reason, do="yinzheng cards reindex"
    )

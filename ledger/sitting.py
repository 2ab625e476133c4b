"""The cards of one batch: their keys are reserved together, before the batch is recorded.

Specification: docs/spec.md section 7.1. Decision: docs/adr/0035.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from ledger.cards.codes import ALPHABET, LENGTH
from ledger.cards.commitments import Opening, read_opening
from ledger.cards.index import CardIndex, Claim
from ledger.errors import CardIndexUnavailable
from ledger.registry import CARD, CODE, KIND, GetStream, Registry, check_sealed
from ledger.rules.commands import Command
from ledger.rules.errors import Malformed
from ledger.submission import SealedValue


class Sitting:
    """The cards of one batch: reserved together, before the batch is recorded."""

    def __init__(self, registry: Registry) -> None:
        """Begin a batch."""
        self._registry = registry
        self._open = ExitStack()
        self._index: CardIndex | None = None
        self._failed: CardIndexUnavailable | None = None
        self._claims: list[tuple[Claim, int]] = []

    def __enter__(self) -> Sitting:
        return self

    def __exit__(self, *_exception: object) -> None:
        # What was not kept is not reserved.
        self._undo()

    def admit(
        self,
        command: Command,
        opened: Sequence[tuple[str, SealedValue]],
        *,
        at: int,
        index: int,
        get_stream: GetStream,
    ) -> None:
        """Reserve the key of a card; returns at once for any other command.

        Args:
            command: Accepted by the rules.
            opened: Its sealed values.
            at: Time of its entry, in microseconds.
            index: Index of its entry.
            get_stream: The state before it.

        Raises:
            CommitmentDiffers: Key or code is not the one that the command commits to.
            Malformed: A sealed value is no card, or its code is none as spec 7.1 has them.
            CardDuplicate: The signer has registered the key already.
            CardRejected: The key cannot be registered.
            UploadsCapped: Too many of the signer's keys were rejected today.
            CardIndexUnavailable: Nobody can tell.
            HardwareKeyUnavailable: Peppers are wrapped, and the module cannot be used.

        """
        if command.kind != KIND:
            return
        values = {sealed.name: sealed.value for _, sealed in opened}
        opening = _checked(CARD, command.body, values)
        code = _checked(CODE, command.body, values)
        _check_length(code)
        if self._failed is not None:
            raise self._failed
        try:
            found = self._begin(get_stream)
            claim = self._registry.claim(command, opening, code, get_stream)
            found.reserve(claim, now=at, is_recorded=self._registry.is_recorded)
        except CardIndexUnavailable as failed:
            self._failed = failed
            raise
        self._claims.append((claim, index))

    def keep(self) -> None:
        """Make the reservations durable. Raises `CardIndexUnavailable`: there are none."""
        try:
            if self._failed is not None:
                # What was reserved before it failed may be undone: nothing may be recorded.
                raise self._failed
            self._open.close()
        except CardIndexUnavailable:
            self._undo()
            if self._claims:
                raise

    def confirm(self, size: int) -> None:
        """Note that the batch is recorded, and the log's size; good to have, and never needed."""
        if self._index is not None and self._claims:
            with suppress(CardIndexUnavailable):
                self._index.confirm(self._claims, size=size)

    def _undo(self) -> None:
        undone = Undone()
        self._open.__exit__(Undone, undone, None)

    def _begin(self, get_stream: GetStream) -> CardIndex:
        if self._index is None:
            index = self._registry.ready(get_stream)
            self._open.enter_context(index.writing())
            self._index = index
        return self._index


class Undone(Exception):
    """A batch ended without its reservations."""


def _checked(what: str, body: Mapping[str, Any], values: Mapping[str, str]) -> Opening:
    opening = read_opening(what, values[what])
    check_sealed(what, body, opening)
    return opening


def _check_length(code: Opening) -> None:
    """See that nobody commits to a code that can be guessed. Raises `Malformed`."""
    if len(code.text) != LENGTH or not set(code.text) <= set(ALPHABET):
        raise Malformed("disclosures.code.code", f"is not {LENGTH} letters of {ALPHABET}")

"""Ways to flip one bit in every buffer between a request and a signed checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ledger.log.extending import Extension, KeyTreeSigner
from ledger.log.publisher import Publisher
from ledger.record.facts import Checkpoint, HeadRow, SealedEntry, Tile
from ledger.record.recorder import LedgerRecorder
from tests.worlds import ORIGIN, World

Spoil = Callable[[Any], Any]
_SIXTY_THREE = (1 << 63) - 1


def flipped(value: Any, bit: int) -> Any:
    """Flip one bit of bytes, of a text's UTF-8, or of a whole number."""
    if isinstance(value, int):
        # A column takes 63 bits; one bit more would be no number of the database.
        return (value ^ (1 << bit % 63)) & _SIXTY_THREE
    if isinstance(value, str):
        return flipped(value.encode(), bit).decode("utf-8", "replace")
    at, place = divmod(bit, 8)
    return value[:at] + bytes([value[at] ^ (1 << place)]) + value[at + 1 :]


def width(value: Any) -> int:
    """Count the bits that can be flipped."""
    if isinstance(value, int):
        return 63
    return 8 * len(value.encode() if isinstance(value, str) else value)


class FlippedRecorder(LedgerRecorder):
    """A recorder whose disk, cable or memory spoils one thing each time it passes by."""

    def __init__(self, world: World, **spoil: Spoil) -> None:
        super().__init__(world.recorder.engine)
        self._spoil = spoil

    def _pass(self, name: str, value: Any) -> Any:
        return self._spoil[name](value) if name in self._spoil else value

    def entries(self, start: int, stop: int) -> list[SealedEntry]:
        return [self._pass("row", row) for row in super().entries(start, stop)]

    def entry_at(self, index: int) -> SealedEntry | None:
        return self._pass("row", super().entry_at(index))  # type: ignore[no-any-return]

    def leaves(self, start: int, stop: int) -> list[bytes]:
        found = super().leaves(start, stop)
        return self._pass("leaves", found) if found else found

    def head(self) -> HeadRow:
        return self._pass("head", super().head())  # type: ignore[no-any-return]

    def latest_checkpoint(self) -> Checkpoint | None:
        return self._pass("latest", super().latest_checkpoint())  # type: ignore[no-any-return]

    def tile(self, level: int, number: int) -> Tile | None:
        found = super().tile(level, number)
        return self._pass("tile", found) if found else None

    def put_tiles(self, tiles: Sequence[Tile], *, compare: bool = False) -> None:
        super().put_tiles([self._pass("new_tile", tile) for tile in tiles], compare=compare)

    def put_checkpoint(
        self,
        size: int,
        note: bytes,
        previous_size: int | None,
        *,
        check: Callable[[bytes], object] = bytes,
    ) -> None:
        super().put_checkpoint(size, self._pass("note", note), previous_size, check=check)


class FlippedSigner:
    """A way to the signer that spoils what is handed over, asked for or answered."""

    def __init__(self, signer: KeyTreeSigner, **spoil: Spoil) -> None:
        self._signer, self._spoil = signer, spoil

    @contextmanager
    def extend(self) -> Iterator[Extension]:
        with self._signer.extend() as extension:
            yield _FlippedExtension(extension, self._spoil)


class _FlippedExtension:
    def __init__(self, inner: Extension, spoil: dict[str, Spoil]) -> None:
        self._inner, self._spoil = inner, spoil
        self.marked = self._pass("marked", inner.marked)

    def _pass(self, name: str, value: Any) -> Any:
        return self._spoil[name](value) if name in self._spoil else value

    @property
    def size(self) -> int:
        return self._inner.size

    def add(self, entries: Sequence[bytes]) -> None:
        self._inner.add(self._pass("entries", entries))

    def sign(self, size: int, root: bytes) -> bytes:
        asked = self._inner.sign(self._pass("size", size), self._pass("root", root))
        return self._pass("answer", asked)  # type: ignore[no-any-return]


class FlippedKey:
    """The checkpoint key; counts, and spoils what it signs or what it signed."""

    alg = "ed25519"

    def __init__(self, world: World, **spoil: Spoil) -> None:
        self._key, self._spoil = world.key("checkpoint"), spoil
        self.public, self.key_id = self._key.public, self._key.key_id
        self.signed = 0

    def sign(self, message: bytes) -> bytes:
        self.signed += 1
        signature = self._key.sign(self._spoil.get("text", bytes)(message))
        return self._spoil.get("signature", bytes)(signature)  # type: ignore[no-any-return]


class Bench:
    """A ledger with entries to publish, and what was signed and shown of it so far."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = FlippedKey(world)

    def publisher(
        self,
        *,
        recorder: dict[str, Spoil] | None = None,
        signer: dict[str, Spoil] | None = None,
        key: FlippedKey | None = None,
    ) -> Publisher:
        """A publisher that has seen nothing yet, with one thing spoilt."""
        trees = self.world.tree_signer(key=key or self.key)
        return Publisher(
            FlippedRecorder(self.world, **recorder or {}),
            FlippedSigner(trees, **signer or {}),
            ORIGIN,
            self.world.vkey,
        )

    def state(self) -> tuple[object, ...]:
        """All that signing and publishing leaves behind."""
        recorder = self.world.recorder
        marked = self.world.mark.read()
        tiles = [recorder.tile(0, number) for number in range(2)]
        return self.key.signed, list(self.world.reader.checkpoint_sizes()), marked, tiles


def at(index: int, column: str, bit: int) -> Spoil:
    """Flip one bit of one column of the row at an index."""

    def spoil(row: SealedEntry | None) -> SealedEntry | None:
        if row is None or row.index != index:
            return row
        return row._replace(**{column: flipped(getattr(row, column), bit)})

    return spoil

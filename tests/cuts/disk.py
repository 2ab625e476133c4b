"""A disk that knows what is durable, and what a power cut may leave of the rest.

Files are changed by operations. A write is in the cache at once and durable only after a sync of
its file; until then a cut may keep it, lose it or garble it, each 512-byte sector for itself and
in any order, and may give the file another length. A name is durable after a sync of its folder.

A sync that fails is worse than none: the system takes what it could not write for written, so
that no later sync writes it, until it is written anew. That is what Linux does.

What is assumed of the hardware: a sync that returns well is true, and a sector that is cut while it
is written keeps its bytes outside the write (SQLite's "powersafe overwrite").
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from random import Random

SECTOR = 512
PAGE = 4096
Images = dict[str, bytes]


class Kind(Enum):
    """What an operation does."""

    CREATE = auto()
    WRITE = auto()
    TRUNCATE = auto()
    SYNC = auto()
    SYNC_FAILED = auto()
    DELETE = auto()
    FORGET = auto()
    """The cache drops what it believes to be on the disk; what a failed sync left is gone."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a file's history; `at` is an offset or, to truncate, the new size in bytes."""

    kind: Kind
    name: str
    at: int = 0
    data: bytes = b""
    folder: bool = False
    """Whether a sync or a deletion makes the names in the folder durable too."""


@dataclass(slots=True)
class _Piece:
    """A change of one sector that is not durable; `data` None makes the file `at` bytes long."""

    at: int
    data: bytes | None
    write: int
    """Number of the write that it is a part of."""
    dropped: bool = False


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    cache: bytearray = field(default_factory=bytearray)
    pieces: list[_Piece] = field(default_factory=list)
    writes: int = 0

    def write(self, at: int, data: bytes) -> None:
        _put(self.cache, at, data)
        start = 0
        while start < len(data):
            stop = min(len(data), start + SECTOR - (at + start) % SECTOR)
            self.pieces.append(_Piece(at + start, data[start:stop], self.writes))
            start = stop
        self.writes += 1

    def truncate(self, size: int) -> None:
        _resize(self.cache, size)
        self.pieces.append(_Piece(size, None, self.writes))
        self.writes += 1

    def sync(self) -> None:
        """Make the cache durable, but for pages whose last write was dropped by a failed sync."""
        lost = [piece for piece in self.pieces if piece.dropped and piece.data is not None]
        if not lost:
            self.durable[:] = self.cache
            self.pieces.clear()
            return
        saved = {p.at // PAGE for p in self.pieces if not p.dropped and p.data is not None}
        lost = [piece for piece in lost if piece.at // PAGE not in saved]
        before = bytes(self.durable)
        self.durable[:] = self.cache
        for page in {piece.at // PAGE for piece in lost}:
            old = before[page * PAGE : (page + 1) * PAGE].ljust(PAGE, b"\0")
            size = min(PAGE, len(self.durable) - page * PAGE)
            if size > 0:
                self.durable[page * PAGE : page * PAGE + size] = old[:size]
        self.pieces[:] = lost

    def fail_to_sync(self) -> None:
        for piece in self.pieces:
            piece.dropped = True

    def forget(self) -> None:
        """Read everything from the disk again; only what is still to be written stays."""
        self.pieces[:] = [piece for piece in self.pieces if not piece.dropped]
        self.cache[:] = self.durable
        for piece in self.pieces:
            if piece.data is None:
                _resize(self.cache, piece.at)
            else:
                _put(self.cache, piece.at, piece.data)


class Disk:
    """The files of one folder, changed by operations in order."""

    def __init__(self) -> None:
        self._names: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}

    @classmethod
    def holding(cls, images: Images) -> Disk:
        """A disk on which these files, and nothing else, are durable."""
        disk = cls()
        for name, image in images.items():
            disk._names[name] = _File(bytearray(image), bytearray(image))
        disk._durable = dict(disk._names)
        return disk

    def copy(self) -> Disk:
        """Another disk in the same state."""
        disk = Disk()
        files = {
            id(file): _File(
                bytearray(file.durable),
                bytearray(file.cache),
                [replace(piece) for piece in file.pieces],
                file.writes,
            )
            for file in (*self._names.values(), *self._durable.values())
        }
        disk._names = {name: files[id(file)] for name, file in self._names.items()}
        disk._durable = {name: files[id(file)] for name, file in self._durable.items()}
        return disk

    def apply(self, operation: Operation) -> None:
        """Do one operation."""
        if operation.kind is Kind.CREATE:
            self._names[operation.name] = _File()
        elif operation.kind is Kind.DELETE:
            self._names.pop(operation.name, None)
        else:
            self._change(self._names[operation.name], operation)
        if operation.folder:
            self._durable = dict(self._names)

    def cache(self) -> Images:
        """What the next process sees when this one is killed and the power stays on."""
        return {name: bytes(file.cache) for name, file in self._names.items()}

    def settled(self) -> bool:
        """Whether a cut can leave one state only."""
        files = (*self._names.values(), *self._durable.values())
        return self._names == self._durable and not any(file.pieces for file in files)

    def cut(self, dice: Random) -> Images:
        """Cut the power: what the disk then holds is one of many states, chosen by the dice."""
        images = {}
        for name in sorted(self._names.keys() | self._durable.keys()):
            old, new = self._durable.get(name), self._names.get(name)
            file = old if old is new else dice.choice((old, new))
            if file is not None:
                images[name] = _remains(file, dice)
        return images

    @staticmethod
    def _change(file: _File, operation: Operation) -> None:
        match operation.kind:
            case Kind.WRITE:
                file.write(operation.at, operation.data)
            case Kind.TRUNCATE:
                file.truncate(operation.at)
            case Kind.SYNC:
                file.sync()
            case Kind.SYNC_FAILED:
                file.fail_to_sync()
            case Kind.FORGET:
                file.forget()


class _Fate(Enum):
    """What becomes of the unsynced pieces of one file at one cut."""

    ALL_LOST = auto()
    ALL_KEPT = auto()
    FIRST_KEPT = auto()
    """The first few are kept, the next one is torn, the rest is lost: a disk without a cache."""
    WRITES_PICKED = auto()
    """Each write is kept or lost as a whole."""
    SECTORS_PICKED = auto()
    """Each sector is kept, lost or garbled."""


_FATES = tuple(_Fate)
_WEIGHTS = (2, 1, 5, 4, 8)


def _remains(file: _File, dice: Random) -> bytes:
    if not file.pieces:
        return bytes(file.durable)
    left = bytearray(file.durable)
    for at, data in _survivors(file.pieces, dice):
        if data is None:
            _resize(left, at)
        else:
            _put(left, at, data)
    # The length is kept apart from the data and may be newer or older than it.
    if dice.random() < 0.25:
        longest = max(len(file.cache), len(left))
        size = dice.randint(len(file.durable), max(longest, len(file.durable)))
        _resize(left, size)
    return bytes(left)


def _survivors(pieces: list[_Piece], dice: Random) -> list[tuple[int, bytes | None]]:
    (fate,) = dice.choices(_FATES, _WEIGHTS)
    if fate is _Fate.ALL_LOST:
        return []
    if fate is _Fate.ALL_KEPT:
        return [(piece.at, piece.data) for piece in pieces]
    if fate is _Fate.FIRST_KEPT:
        kept = dice.randrange(len(pieces))
        torn = [_garbled(pieces[kept], dice)]
        return [(piece.at, piece.data) for piece in pieces[:kept]] + torn
    chance = dice.choice((0.1, 0.5, 0.9))
    if fate is _Fate.WRITES_PICKED:
        kept_writes = {write for write in {p.write: None for p in pieces} if dice.random() < chance}
        return [(piece.at, piece.data) for piece in pieces if piece.write in kept_writes]
    garble = dice.choice((0.0, 0.1, 0.5))
    survivors = []
    for piece in pieces:
        if dice.random() < garble:
            survivors.append(_garbled(piece, dice))
        elif dice.random() < chance:
            survivors.append((piece.at, piece.data))
    return survivors


def _garbled(piece: _Piece, dice: Random) -> tuple[int, bytes | None]:
    """Spoil a piece: cut short, noise, zeros, or one flipped bit."""
    if piece.data is None:
        return piece.at, None
    size = len(piece.data)
    how = dice.randrange(4)
    if how == 0:
        return piece.at, piece.data[: dice.randrange(size)]
    if how == 1:
        return piece.at, dice.randbytes(size)
    if how == 2:
        return piece.at, bytes(size)
    flipped = bytearray(piece.data)
    flipped[dice.randrange(size)] ^= 1 << dice.randrange(8)
    return piece.at, bytes(flipped)


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        _resize(content, at)
    content[at : at + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))

"""The state that a replay knows: of a whole log, or only of what a proof holds.

Both are the `View` that the rules read. A proof never takes what it lacks for absent: a rule that
asks for it is not replayed, and counted so. Specification: docs/spec.md sections 14 and 15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.proof.tree import MemoryTree
from ledger.rules.model import LOG_STREAM
from ledger.rules.state import Log, Stream
from ledger.rules.text import is_imported


class NotInFile(Exception):
    """A partial log lacks a stream that a rule asks for: that rule is not replayed."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"the file does not hold {stream}")
        self.stream = stream


@dataclass(slots=True)
class Known:
    """The state of the whole log so far; the `View` of an audit."""

    tree: MemoryTree = field(default_factory=MemoryTree)
    streams: dict[str, Stream] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)

    def stream(self, name: str) -> Stream | None:
        """Return head and state of a stream, or None if it does not exist."""
        return self.streams.get(name)

    def command_at(self, index: int) -> str | None:
        """Return None: the head of a replayed stream always knows its command."""
        return self.digests.get(index)

    def seen_root(self, size: int) -> str | None:
        """Return the root of the first `size` entries; what is not there was never shown."""
        return self.tree.root(size).hex() if size <= len(self.tree) else None

    def key_holder(self, key_id: str) -> str | None:
        """Return the party that registered this key."""
        return self.keys.get(key_id)

    def independent_party(self, *, besides: frozenset[str]) -> bool:
        """Say whether a party exists that entry 0 does not name and that is not in `besides`."""
        opened = self.streams.get(LOG_STREAM)
        founders = opened.state.founders if opened and isinstance(opened.state, Log) else ()
        return bool(set(self.keys.values()) - besides.union(founders))

    def knows_accounts(self) -> bool:
        """Return true: it is the whole log."""
        return True


class PartialView(Known):
    """The state of the streams that a proof holds; it does not claim what it cannot know."""

    def __init__(self, opened: frozenset[str], seen: Mapping[int, str]) -> None:
        """Take what a proof can not show otherwise.

        Args:
            opened: Streams that open inside the file: before that they are absent.
            seen: Roots that its commands say they saw, by size; they are not judged here, except
                that two commands must not name different ones.

        """
        super().__init__()
        self._opened, self._seen = opened, seen
        self._lost: set[str] = set()

    def lose(self, name: str) -> None:
        """Take a stream for unknown from here on: one of its entries could not be replayed."""
        self._lost.add(name)
        self.streams.pop(name, None)

    def lost(self, name: str) -> bool:
        """Say whether a stream's state is unknown."""
        return name in self._lost

    def stream(self, name: str) -> Stream | None:
        """Return a stream of the file.

        Raises:
            NotInFile: The file lacks it, so nothing may follow from its absence.

        """
        if name in self._lost:
            raise NotInFile(name)
        found = self.streams.get(name)
        # Whether an imported party was claimed is a question of key events: `keys_complete: no`.
        if found is None and name not in self._opened and not is_imported(name):
            raise NotInFile(name)
        return found

    def seen_root(self, size: int) -> str | None:
        """Return what the commands of this file say: a proof holds no other tree."""
        return self._seen.get(size)

    def knows_accounts(self) -> bool:
        """Return false: what accounts hold is judged where the whole log is."""
        return False

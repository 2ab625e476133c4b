"""Who may write now, whatever the rules of the ledger say: asked before a command is decided."""

from __future__ import annotations

from typing import Protocol, TypeVar

from ledger.errors import LedgerError

C_contra = TypeVar("C_contra", contravariant=True)


class Admission(Protocol[C_contra]):
    """Lets a prepared command in, or not."""

    def admit(self, prepared: C_contra) -> LedgerError | None:
        """Count a command, or return why it is not let in."""
        ...

    def take_back(self, prepared: C_contra) -> None:
        """Forget a command that was counted and could not be committed."""
        ...

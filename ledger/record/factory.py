"""eventsourcing's infrastructure factory, closed.

No name in a stored row or in the environment decides which code runs.
"""

from __future__ import annotations

from typing import Any, Never

from eventsourcing.persistence import (
    AggregateRecorder,
    Cipher,
    Compressor,
    InfrastructureFactory,
    Mapper,
    NotSupportedError,
    ProcessRecorder,
    TrackingRecorder,
    Transcoder,
)
from eventsourcing.utils import Environment

from ledger.record.mapper import EntryMapper, EntryTranscoder, EventDecoder
from ledger.record.recorder import LedgerRecorder


class LedgerFactory(InfrastructureFactory[TrackingRecorder]):
    """Gives an application the ledger's recorder and mapper, and nothing else."""

    def __init__(
        self,
        recorder: LedgerRecorder,
        *,
        decode: EventDecoder,
        env: Environment | None = None,
    ) -> None:
        super().__init__(env or Environment())
        self._recorder = recorder
        self._decode = decode

    def transcoder(self) -> Transcoder:
        """Return the transcoder that passes bytes through."""
        return EntryTranscoder()

    def cipher(self) -> Cipher | None:
        """Return None: entries are public, secrets are in the vault."""
        return None

    def compressor(self) -> Compressor | None:
        """Return None: the stored bytes are the hashed bytes."""
        return None

    def mapper(
        self,
        transcoder: Transcoder | None = None,
        mapper_class: Any = None,
    ) -> Mapper[Any]:
        """Return the mapper of entries.

        Raises:
            NotSupportedError: Another mapper class was asked for.

        """
        if mapper_class is not None:
            _refuse("another mapper")
        return EntryMapper(self._decode)

    def application_recorder(self) -> LedgerRecorder:
        """Return the ledger's recorder."""
        return self._recorder

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Return the ledger's recorder for events.

        Raises:
            NotSupportedError: For snapshots; the ledger keeps its heads in memory.

        """
        if purpose != "events":
            _refuse(f"a recorder of {purpose}")
        return self._recorder

    def tracking_recorder(
        self,
        tracking_recorder_class: type[TrackingRecorder] | None = None,
    ) -> TrackingRecorder:
        """Refuse: projections keep their own position.

        Raises:
            NotSupportedError: Always.

        """
        _refuse("a tracking recorder")

    def process_recorder(self) -> ProcessRecorder:
        """Refuse: the ledger follows no other application.

        Raises:
            NotSupportedError: Always.

        """
        _refuse("a process recorder")

    def is_snapshotting_enabled(self) -> bool:
        """Return False, whatever the environment says."""
        return False

    def close(self) -> None:
        """Leave the recorder open: who opened its database closes it.

        An application calls this when it is collected, at any moment, and others use the database
        too: a connection in their hands would not find back to its pool.
        """


def _refuse(what: str) -> Never:
    message = f"the ledger has no {what}"
    raise NotSupportedError(message)

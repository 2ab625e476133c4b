"""The recorder: a batch of sealed entries becomes durable whole, or not at all.

One transaction moves the one head row by a conditional UPDATE, then inserts the entries, command
keys, vault boxes and parcels. The condition (size, leaf and epoch are still those that the batch
was decided on) is the safety of the ledger; unique keys stand behind it; locks are not relied on.

eventsourcing's words: notification id = index + 1, originator version = seq + 1, topic = entry
type, state = entry bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    StoredEvent,
)
from sqlalchemy import Connection, Engine, bindparam, select, update

from ledger.crashpoints import CrashPoint, reach
from ledger.record.database import reading, translated, writing
from ledger.record.driving import change
from ledger.record.errors import DuplicateCommand, FactsDisagree, HeadMoved
from ledger.record.facts import Batch, HeadRow
from ledger.record.inserting import insert_rows
from ledger.record.published import PublishedStore
from ledger.record.reader import LedgerReader
from ledger.record.subscription import PollingSubscription
from ledger.record.tables import COMMAND, DISCLOSURE, ENTRY, HEAD, PARCEL, REGISTERED_KEY

_E: Final = ENTRY.c
# Changes nothing, and takes the row's lock as every change does.
_SAME_HEAD: Final = update(HEAD).where(HEAD.c.id == 1).values(epoch=HEAD.c.epoch)
# Made once: building it again costs more than running it.
_SWAP_HEAD: Final = (
    update(HEAD)
    .where(
        HEAD.c.id == 1,
        HEAD.c.size == bindparam("old_size"),
        HEAD.c.leaf.is_not_distinct_from(bindparam("old_leaf")),
        HEAD.c.epoch == bindparam("old_epoch"),
    )
    .values(size=bindparam("new_size"), leaf=bindparam("new_leaf"), epoch=bindparam("new_epoch"))
)
_STORED: Final = (_E.stream, _E.seq, _E.type, _E.entry)


class LedgerRecorder(LedgerReader, PublishedStore, ApplicationRecorder):
    """eventsourcing's application recorder over the ledger's own tables."""

    def __init__(
        self,
        engine: Engine,
        *,
        originator_id_type: type[UUID] | type[str] = str,
    ) -> None:
        super().__init__(engine)
        self._originator_id_type = originator_id_type
        self._turn: Connection | None = None

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        batch: Batch | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        """Write one batch in one durable transaction.

        Args:
            stored_events: The events of the batch, in the order of its entries.
            batch: The sealed facts and the head that they were decided on.
            kwargs: eventsourcing passes `tracking=None`; anything else is refused.

        Returns:
            Notification ids, index + 1 each; None when there was nothing to write.

        Raises:
            FactsDisagree: Events and batch differ; nothing was written.
            HeadMoved: Another writer was first; nothing was written.
            DuplicateCommand: A command id is recorded already; nothing was written.
            eventsourcing.persistence.IntegrityError: Another unique key refused; nothing was
                written.
            DatabaseUnavailable: Nothing was written.
            OutcomeUnknown: COMMIT gave no clear answer: look the command ids up.

        """
        _check_kwargs(kwargs)
        if batch is None:
            if stored_events:
                raise FactsDisagree(0, "batch")
            return None
        _check_facts(stored_events, batch)
        self.append(batch)
        return [entry.index + 1 for entry in batch.entries]

    def append(self, batch: Batch) -> None:
        """Write one batch, of one entry or more, in one durable transaction.

        Raises:
            FactsDisagree: The entries do not take the next indices; nothing was written.
            HeadMoved: Another writer was first; nothing was written.
            DuplicateCommand: A command id is recorded already; nothing was written.
            eventsourcing.persistence.IntegrityError: Another unique key refused; nothing was
                written.
            DatabaseUnavailable: Nothing was written.
            OutcomeUnknown: COMMIT gave no clear answer: look the command ids up.

        """
        _check_indices(batch)
        try:
            with self._transaction() as connection:
                _move_head(connection, batch)
                _insert_facts(connection, batch)
                reach(CrashPoint.INSERTED)
        except HeadMoved:
            raise
        except IntegrityError as error:
            self._name_duplicate(batch, error)
            raise

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Let no other writer commit until the block ends, then commit what it appended.

        The database lets those who wait for the head row in one after the other. It saves what
        would be decided in vain, and nothing rests on it: the head is compared all the same.

        Raises:
            DatabaseUnavailable: Nothing was written.
            OutcomeUnknown: COMMIT gave no clear answer: look the command ids up.

        """
        with writing(self._engine) as connection:
            connection.execute(_SAME_HEAD)
            self._turn = connection
            try:
                yield
            finally:
                self._turn = None

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Give the transaction of this turn, or one of its own where nobody waited for a turn."""
        if self._turn is not None:
            # Its commit comes with the end of the turn; its errors are named here already.
            with translated(self._engine):
                yield self._turn
        else:
            with writing(self._engine) as connection:
                yield connection

    def raise_epoch(self, expected: HeadRow) -> HeadRow:
        """Start a new writer's term: from its commit on, batches of an older epoch are refused.

        Args:
            expected: The head as last read.

        Raises:
            HeadMoved: The head is another one by now.

        """
        raised = HeadRow(expected.size, expected.leaf, expected.epoch + 1)
        with writing(self._engine) as connection:
            _swap_head(connection, expected, raised)
        return raised

    def settle(self, head: HeadRow) -> None:
        """Return once everything up to a head is as durable as what is acknowledged.

        PostgreSQL shows a commit whose wait for a replica was cancelled, or cut off by a restart,
        like any other. One more commit that does wait follows it to the replica. A replica may
        have taken over since the head was read, and lack what was read with it: that transaction
        looks. SQLite shows nothing before it is synced.

        Args:
            head: As read before what is to be answered or signed; its entries count.

        Raises:
            HeadMoved: Its last entry is not there any more: read and decide again.
            OutcomeUnknown: This wait was cancelled too.
            DatabaseUnavailable: The database is away.

        """
        if self._engine.dialect.name == "sqlite" or head.size == 0:
            return
        last = select(_E.leaf).where(_E.index == head.size - 1)
        with writing(self._engine) as connection:
            connection.execute(_SAME_HEAD)
            if connection.execute(last).scalar_one_or_none() != head.leaf:
                raise HeadMoved(expected=head, found=_head(connection))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the events of one stream; `gt` and `lte` bound the originator version."""
        query = select(*_STORED).where(_E.stream == str(originator_id)).limit(limit)
        query = query.order_by(_E.seq.desc() if desc else _E.seq)
        if gt is not None:
            query = query.where(_E.seq > gt - 1)
        if lte is not None:
            query = query.where(_E.seq <= lte - 1)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            StoredEvent(self._originator_id_type(stream), seq + 1, kind, entry)
            for stream, seq, kind, entry in rows
        ]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return events in the order of the log; notification id = index + 1."""
        query = select(_E.index, *_STORED).order_by(_E.index).limit(limit)
        if start is not None:
            query = query.where(_E.index >= (start - 1 if inclusive_of_start else start))
        if stop is not None:
            query = query.where(_E.index <= stop - 1)
        if topics:
            query = query.where(_E.type.in_(topics))
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            Notification(self._originator_id_type(stream), seq + 1, kind, entry, index + 1)
            for index, stream, seq, kind, entry in rows
        ]

    def max_notification_id(self) -> int | None:
        """Return the size of the log, None while it is empty."""
        return self.head().size or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> PollingSubscription:
        """Return an iterator over the events after `gt` that waits for new ones until stopped."""
        return PollingSubscription(self, gt=gt, topics=topics)

    def _name_duplicate(self, batch: Batch, error: IntegrityError) -> None:
        """Raise the telling error when a command of the refused batch is recorded already."""
        # Constraint names are spelled differently by each driver; a look-up is not.
        for key in batch.commands:
            found = self.find_command(key.by, key.id)
            if found is not None:
                raise DuplicateCommand(found) from error


def _check_kwargs(kwargs: dict[str, Any]) -> None:
    unknown = [name for name, value in kwargs.items() if (name, value) != ("tracking", None)]
    if unknown:
        message = f"insert_events got unknown facts: {', '.join(unknown)}"
        raise TypeError(message)


def _check_indices(batch: Batch) -> None:
    """Check that the entries take the next indices."""
    if not batch.entries:
        raise FactsDisagree(batch.size, "number of entries")
    for index, entry in enumerate(batch.entries, start=batch.size):
        if entry.index != index:
            raise FactsDisagree(index, "index")


def _check_facts(stored_events: Sequence[StoredEvent], batch: Batch) -> None:
    """Check that events and entries agree."""
    if not batch.entries or len(stored_events) != len(batch.entries):
        raise FactsDisagree(batch.size, "number of entries")
    pairs = zip(stored_events, batch.entries, strict=True)
    for index, (event, sealed) in enumerate(pairs, start=batch.size):
        if str(event.originator_id) != sealed.stream:
            raise FactsDisagree(index, "stream")
        if event.originator_version != sealed.seq + 1:
            raise FactsDisagree(index, "seq")
        if event.topic != sealed.type:
            raise FactsDisagree(index, "type")
        if event.state != sealed.entry:
            raise FactsDisagree(index, "entry")


def _move_head(connection: Connection, batch: Batch) -> None:
    expected = HeadRow(batch.size, batch.leaf, batch.epoch)
    last = batch.entries[-1]
    _swap_head(connection, expected, HeadRow(last.index + 1, last.leaf, batch.epoch))


def _swap_head(connection: Connection, expected: HeadRow, wanted: HeadRow) -> None:
    values = {f"old_{name}": value for name, value in expected._asdict().items()}
    values |= {f"new_{name}": value for name, value in wanted._asdict().items()}
    if change(connection, _SWAP_HEAD, values) != 1:
        raise HeadMoved(expected=expected, found=_head(connection))


def _head(connection: Connection) -> HeadRow:
    head = HEAD.c
    return HeadRow(*connection.execute(select(head.size, head.leaf, head.epoch)).one())


def _insert_facts(connection: Connection, batch: Batch) -> None:
    insert_rows(connection, ENTRY, batch.entries)
    insert_rows(connection, COMMAND, batch.commands)
    insert_rows(connection, DISCLOSURE, batch.disclosures)
    insert_rows(connection, REGISTERED_KEY, batch.keys)
    insert_rows(connection, PARCEL, batch.parcels)

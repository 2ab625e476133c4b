"""Importing sales whose parties signed nothing: the importer attests them (protocol section 7).

The importer runs the ledger's own rules on the heads it read, sends only rows that will be added,
and chains each to the one before it on the same item. Running it again adds nothing: a sale that
is in the ledger is found by its identity, whatever became of the run that sent it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from api.enrolment import enrol, grant, open_namespace
from api.house import House
from api.import_plan import Plan
from api.import_signing import Finish, SigningRoom
from api.rejects import Rejects
from api.sales import Line, RowUnreadable, Sale, SaleTable, TableUnreadable
from ledger.application import Accepted, Outcome, Refusal
from ledger.errors import WriteContended
from ledger.record.errors import OutcomeUnknown
from ledger.rules.commands import Command, Signer
from ledger.rules.compose import ID_RANDOM_BYTES, Draft, compose, uuid7
from ledger.rules.entries import read_entry
from ledger.rules.errors import (
    ItemFrozen,
    ItemUnderSignature,
    OutOfOrder,
    SalePresent,
    StaleExpectation,
)
from ledger.rules.imports import imported_party
from ledger.rules.kinds import kind_of
from ledger.rules.model import Given
from ledger.rules.text import check_namespace
from ledger.submission import Prepared

IMPORTER = "importer"
KIND = "import-sale/1"
BATCH = 500
REJECTS_FOLDER = "rejects"
_ATTEMPTS = 20
_PART = 50
_PARTS_SENT = 10
_PARTS_AHEAD = 20
_PLANNED_MAX = 5000
# Bytes of a file below which a second process costs more than it saves: some hundred rows.
_WORTH_A_PROCESS = 64 * 1024
_CHUNK_BYTES = 1024 * 1024
_DIGEST_SHOWN = 16
_GAP = "provenance-gap-recorded/1"

Progress = Callable[[int, int], None]
Reject = Callable[[Line, str, str], None]


@dataclass(slots=True)
class Tally:
    """What an import did. `accepted` rows are in the ledger now, `added` of them by this run."""

    rows: int = 0
    accepted: int = 0
    added: int = 0
    rejected: int = 0
    unknown_buyer: int = 0
    items: set[str] = field(default_factory=set)
    gaps: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    rejects: Path | None = None

    def document(self) -> dict[str, Any]:
        """Write the figures as JSON."""
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "added": self.added,
            "rejected": self.rejected,
            "items": len(self.items),
            "gaps": self.gaps.total(),
            "unknown_buyer": self.unknown_buyer,
            "gap_reasons": dict(sorted(self.gaps.items())),
            "reject_reasons": dict(sorted(self.reasons.items())),
            "rejects": None if self.rejects is None else str(self.rejects),
        }


class Row(NamedTuple):
    """A readable row: its line, its sale and its ordinal among identical rows of the file."""

    line: Line
    sale: Sale
    ordinal: int


class Planned(NamedTuple):
    """A row that will be added: its command, and the reason of its gap, if any."""

    row: Row
    command: Command
    gap: str | None


class Part(NamedTuple):
    """Rows that are being signed, and how to wait for them."""

    planned: list[Planned]
    finish: Finish


class Importer:
    """Imports one file of sales into one namespace."""

    def __init__(
        self, house: House, signing: SigningRoom, *, namespace: str, file_digest: str
    ) -> None:
        """Take an open ledger in which the importer is enrolled.

        Args:
            house: The ledger.
            signing: Signs for the importer.
            namespace: Owned by the importer.
            file_digest: SHA-256 of the file, hex.

        """
        self._house, self._signing = house, signing
        self._namespace, self._digest = namespace, file_digest
        self._signers = (Signer(IMPORTER, "importer", signing.key.key_id),)
        self._plan: Plan | None = None
        self._planned = 0
        self._parts: deque[Part] = deque()
        self._stale: list[Row] = []
        self._gaps_of_item: dict[str, dict[str, str | None]] = {}
        self.tally = Tally()

    def take(self, rows: list[Row], reject: Reject) -> None:
        """Bring rows into the ledger, though not all of them yet; `finish` does the rest.

        Args:
            rows: In the order of the file, at most `BATCH`.
            reject: Told of every row that the rules refuse, with reason and message.

        Raises:
            WriteContended: Other writers were first, again and again.
            RuleError: The importer may not import here.

        """
        self._gaps_of_item.clear()
        self._begin(rows, reject)
        # What is planned is held in memory, and grows older than the ledger.
        if self._stale or self._planned >= _PLANNED_MAX:
            self.finish(reject)

    def finish(self, reject: Reject) -> None:
        """Commit every row that was taken.

        Raises:
            WriteContended: Other writers were first, again and again.
            RuleError: The importer may not import here.

        """
        self._send_all()
        for _ in range(_ATTEMPTS):
            if not self._stale:
                return
            self._house.ledger.refresh()
            again, self._stale = self._stale, []
            self._begin(again, reject)
            self._send_all()
        if self._stale:
            raise WriteContended("other writers changed the same items", rows=len(self._stale))

    def _begin(self, rows: list[Row], reject: Reject) -> None:
        """Plan rows, have them signed, and commit earlier ones."""
        plan = self._plan = self._plan or Plan(self._house)
        self._planned += len(rows)
        buyers = {imported_party(self._namespace, row.sale.buyer) for row in rows}
        plan.read_ahead({self._stream(row) for row in rows}, buyers)
        for start in range(0, len(rows), _PART):
            planned = self._plan_part(rows[start : start + _PART], plan, reject)
            if planned:
                finish = self._signing.start([each.command for each in planned])
                self._parts.append(Part(planned, finish))
            if len(self._parts) >= _PARTS_AHEAD:
                # The first of them are signed by now; the others will be, after this commit.
                self._send()

    def _send_all(self) -> None:
        while self._parts:
            self._send()
        # What is planned next starts from what is in the ledger.
        self._plan, self._planned = None, 0

    def _send(self) -> None:
        """Commit the rows that were planned first; some may have to be planned again."""
        parts = [self._parts.popleft() for _ in range(min(_PARTS_SENT, len(self._parts)))]
        outcomes = self._commit([one for part in parts for one in part.finish()])
        planned = (each for part in parts for each in part.planned)
        for each, outcome in zip(planned, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                self.tally.added += 1
                self._accept(each.row, each.gap)
            elif _may_change(outcome):
                # What was planned upon it will be refused, too: each is chained to the one before.
                self._stale.append(each.row)
            else:
                raise outcome

    def _plan_part(self, rows: list[Row], plan: Plan, reject: Reject) -> list[Planned]:
        """Plan rows in order, and return those that will be added."""
        planned = []
        for row in rows:
            try:
                planned.append(self._plan_row(row, plan))
            except SalePresent as present:
                self._accept(row, self._gap_in_ledger(row, str(present.evidence["identity"])))
            except (ItemUnderSignature, OutOfOrder, ItemFrozen) as refusal:
                reject(row.line, refusal.code, refusal.message)
        return planned

    def _plan_row(self, row: Row, plan: Plan) -> Planned:
        """Run the ledger's rules for one row on the state after the rows before it."""
        sale = row.sale
        stream = self._stream(row)
        body = {
            "from": sale.seller,
            "item": f"{self._namespace}/{sale.item}",
            "ordinal": row.ordinal,
            "price": sale.price,
            "source": {"file": self._digest, "row": row.line.row},
            "time": sale.time,
            "to": sale.buyer,
            "tx": sale.tx,
        }
        draft = Draft(KIND, IMPORTER, self._signers, body, **plan.expect(stream))
        identifier = uuid7(plan.context.at, self._house.random(ID_RANDOM_BYTES))
        command = compose(plan.context, identifier, draft)
        kind = kind_of(KIND)
        given = Given(command, plan.context.at, 0, plan, plan.policy)
        kind.before_expect(given)
        facts = kind.derive(given)
        plan.take(command, facts)
        gap = next((str(fact.data["reason"]) for fact in facts if fact.type == _GAP), None)
        return Planned(row, command, gap)

    def _stream(self, row: Row) -> str:
        return f"item/{self._namespace}/{row.sale.item}"

    def _commit(self, prepared: list[Prepared]) -> list[Outcome]:
        try:
            return self._house.ledger.commit(prepared)
        except OutcomeUnknown:
            # The same bytes again: what was committed is answered, the rest is appended.
            return self._house.ledger.commit(prepared)

    def _accept(self, row: Row, gap: str | None) -> None:
        self.tally.accepted += 1
        self.tally.items.add(row.sale.item)
        self.tally.unknown_buyer += row.sale.buyer is None
        if gap is not None:
            self.tally.gaps[gap] += 1

    def _gap_in_ledger(self, row: Row, identity: str) -> str | None:
        """Return the reason of the gap before a sale that is in the ledger already."""
        known = self._gaps_of_item.get(row.sale.item)
        if known is None or identity not in known:
            known = self._read_gaps(f"item/{self._namespace}/{row.sale.item}")
            self._gaps_of_item[row.sale.item] = known
        return known.get(identity)

    def _read_gaps(self, stream: str) -> dict[str, str | None]:
        gaps: dict[str, str | None] = {}
        identity = ""
        for stored in self._house.recorder.stream_entries(stream):
            data = read_entry(stored.entry).data
            if stored.type == "sale-presented/1":
                identity = str(data["identity"])
                gaps[identity] = None
            elif stored.type == _GAP:
                gaps[identity] = str(data["reason"])
        return gaps


def import_sales(
    house: House, path: Path, *, namespace: str | None = None, progress: Progress | None = None
) -> Tally:
    """Import a file of sales.

    Args:
        house: The ledger, open for writing.
        path: A CSV file with the columns of `api.sales.COLUMNS`.
        namespace: The file's stem when None.
        progress: Called with (bytes done, bytes in all) now and then.

    Raises:
        TableUnreadable: The file is no table of sales, or changed while it was read.
        Malformed: The namespace is not one.
        RuleError: The importer may not import there.
        DatabaseUnavailable: What was committed before stays; run it again to go on.

    """
    name = check_namespace(path.stem if namespace is None else namespace, field="namespace")
    with _open(path) as file:
        digest, size = _digest(file)
        table = SaleTable(file)
        prepare(house, name)
        rejects = Rejects(house.folder / REJECTS_FOLDER, f"{path.name}-{digest[:_DIGEST_SHOWN]}")
        beside = size >= _WORTH_A_PROCESS
        with rejects, SigningRoom(house, IMPORTER, beside=beside) as signing:
            importer = Importer(house, signing, namespace=name, file_digest=digest)
            for batch in _batches(_rows(table, name, importer.tally, rejects)):
                importer.take(batch, rejects.add)
                if progress is not None:
                    progress(batch[-1].line.end, size)
            importer.finish(rejects.add)
        if _digest(file)[0] != digest:
            raise TableUnreadable(
                "the file changed while it was imported; what was accepted stays, import it again",
                file=str(path),
            )
    tally = importer.tally
    tally.rejected, tally.reasons = rejects.reasons.total(), rejects.reasons
    tally.rejects = rejects.path if tally.rejected else None
    return tally


def prepare(house: House, namespace: str) -> None:
    """Make sure that the importer is registered, may import, and owns the namespace."""
    enrol(house, IMPORTER, class_="service")
    grant(house, IMPORTER, "importer")
    open_namespace(house, namespace, IMPORTER)


def _may_change(outcome: Refusal) -> bool:
    """Say whether the ledger moved between planning and sending, so that planning again helps."""
    moved = (StaleExpectation, SalePresent, ItemUnderSignature, OutOfOrder, ItemFrozen)
    return isinstance(outcome, moved)


def _open(path: Path) -> BinaryIO:
    if not path.is_file():
        raise TableUnreadable("there is no such file", file=str(path))
    try:
        return path.open("rb")
    except OSError as error:
        raise TableUnreadable(f"cannot read the file: {error.strerror}", file=str(path)) from None


def _digest(file: BinaryIO) -> tuple[str, int]:
    """Hash an open file; leave it at its start."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    file.seek(0)
    return digest.hexdigest(), size


def _rows(table: SaleTable, namespace: str, tally: Tally, rejects: Rejects) -> Iterator[Row]:
    """Yield the readable rows with their ordinals; hand the others to the rejects."""
    seen: dict[str, int] = {}
    for line in table.lines():
        tally.rows += 1
        try:
            sale = table.sale(line)
        except RowUnreadable as error:
            rejects.add(line, error.reason, error.message)
            continue
        # Mostly the identity that the row will have: one more look at it costs nothing.
        first = sale.key(namespace, 0)
        ordinal = seen.get(first, 0)
        seen[first] = ordinal + 1
        yield Row(line, sale, ordinal)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch

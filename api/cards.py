"""Uploading card keys: what a merchant's own program does, and then forgets.

For each key it makes the item's id, the blindings, the verification code and both commitments, and
signs one command. Keys come from a file or from stdin, never from the command line; no message
quotes one. Specification: docs/spec.md section 7.1.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TextIO

from api.desk import Hand, Order, write
from api.house import House, Random
from ledger.application import Accepted
from ledger.cards.codes import new_code, new_item_id
from ledger.cards.commitments import BLINDING_BYTES, Opening, Place, commit, write_opening
from ledger.cards.normalise import normalise
from ledger.errors import CardDuplicate, CardRejected, UploadsCapped
from ledger.rules.admission import check_text
from ledger.rules.errors import Malformed

ROWS_MAX: Final = 100_000
BATCH: Final = 250
LIFE_US: Final = 120 * 1_000_000
_NAMES: Final = frozenset({"key", "card", "cardkey", "卡密", "密钥", "卡号"})
_CELL_MAX: Final = 16 * 1024
_LINE_MAX: Final = 4 * _CELL_MAX
_FAULTS_SHOWN: Final = 20

Progress = Callable[[int, int], None]


class CardFileRefused(Exception):
    """A file of card keys cannot be uploaded; nothing of it was. Names rows, never keys."""

    def __init__(self, message: str, *, rows: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.rows = list(rows)


@dataclass(frozen=True, slots=True)
class Row:
    """One key of a file. `number`: the line of the file that it ends on, from 1."""

    number: int
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Goods:
    """What the keys of one upload have in common.

    Attributes:
        merchant: Who signs; its party.
        namespace: Of the items.
        product: Name of the product, in which a key is registered once.
        item_class: Class of goods, as in the trade policy.
        agent: The party that may sell and deliver them.
        terms: Digest of the trade policy that they are placed in escrow under.

    """

    merchant: str
    namespace: str
    product: str
    item_class: str
    agent: str
    terms: str


@dataclass(slots=True)
class Upload:
    """What became of the keys of a file.

    Attributes:
        rows: How many there are.
        accepted: How many were registered.
        duplicates: Rows whose key the merchant had registered before, and the items that have it.
        rejected: How many could not be registered, for a reason that is not told.
        left: How many can be registered later only: too many were rejected today, or a run that
            was interrupted had reserved them.
        retry_after_s: When that is, in seconds.
        first, last: Items that were registered.

    """

    rows: int
    accepted: int = 0
    duplicates: list[tuple[int, str]] = field(default_factory=list)
    rejected: int = 0
    left: int = 0
    retry_after_s: int | None = None
    first: str | None = None
    last: str | None = None

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "duplicates": len(self.duplicates),
            "rejected": self.rejected,
            "left": self.left,
            "retry_after_s": self.retry_after_s,
            "first": self.first,
            "last": self.last,
            "duplicate_rows": [{"row": row, "item": item} for row, item in self.duplicates],
        }


def read_rows(lines: Iterator[str]) -> list[Row]:
    """Read a file of keys: a CSV with a column `key`, or one key a line.

    Args:
        lines: The file's, opened with `newline=""`.

    Raises:
        CardFileRefused: It has no such column, too many rows, or rows that hold no key.

    """
    csv.field_size_limit(_CELL_MAX)
    reader = csv.reader(lines)
    rows: list[Row] = []
    faults: list[int] = []
    column: int | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if column is None:
                column = _column(cells)
                if column is not None:
                    continue
                column = 0
                if len(cells) > 1:
                    raise CardFileRefused("the first line names no column `key`", rows=[1])
            key = cells[column].strip() if column < len(cells) else ""
            (
                rows.append(Row(reader.line_num, key))
                if _is_key(key)
                else (faults.append(reader.line_num))
            )
            if len(rows) + len(faults) > ROWS_MAX:
                raise CardFileRefused(f"the file holds more than {ROWS_MAX} rows")
    except (csv.Error, UnicodeDecodeError):
        # What it says may quote the line.
        raise CardFileRefused("the file is no CSV in UTF-8", rows=[reader.line_num + 1]) from None
    if faults:
        raise CardFileRefused(
            f"{len(faults)} rows hold no key that can be registered", rows=faults[:_FAULTS_SHOWN]
        )
    if not rows:
        raise CardFileRefused(f"the file holds 0 keys, not 1 to {ROWS_MAX}")
    return rows


def upload(house: House, goods: Goods, key: Any, rows: Sequence[Row], step: Progress) -> Upload:
    """Register keys, batch by batch.

    Args:
        house: The ledger.
        goods: What they have in common.
        key: Signs for the merchant.
        rows: The keys.
        step: Called with (keys done, keys in all).

    Raises:
        RuleError: The ledger refuses such a card altogether; what came before is registered.
        LedgerError: Likewise, or nobody can tell now whether a key was registered before.
        RecordError: The database cannot be written.

    """
    told = Upload(len(rows))
    hand = Hand(goods.merchant, "owner", key)
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        # Short: what a crash leaves reserved is free again soon after.
        context = replace(house.context(), not_after=house.clock.now() + LIFE_US)
        orders = [card_order(goods, hand, row.key, house.random) for row in batch]
        signed = [write(context, order, random=house.random)[1] for order in orders]
        outcomes = house.ledger.submit(signed)
        for row, order, outcome in zip(batch, orders, outcomes, strict=True):
            _tell(told, row, str(order.body["item"]), outcome)
        step(start + len(batch), len(rows))
        if any(isinstance(outcome, UploadsCapped) for outcome in outcomes):
            told.left += len(rows) - start - len(batch)
            break
    return told


def _tell(told: Upload, row: Row, item: str, outcome: object) -> None:
    if isinstance(outcome, Accepted):
        told.accepted += 1
        told.first, told.last = told.first or item, item
    elif isinstance(outcome, CardDuplicate | UploadsCapped) and _later(outcome):
        told.left += 1
        told.retry_after_s = max(told.retry_after_s or 0, _later(outcome))
    elif isinstance(outcome, CardDuplicate):
        told.duplicates.append((row.number, str(outcome.evidence["item"])))
    elif isinstance(outcome, CardRejected):
        told.rejected += 1
    else:
        assert isinstance(outcome, Exception)  # noqa: S101 - an outcome is one or the other
        raise outcome


def _later(refusal: CardDuplicate | UploadsCapped) -> int:
    return int(refusal.evidence.get("retry_after_s") or 0)


def card_order(goods: Goods, hand: Hand, key: str, random: Random) -> Order:
    """Write the command that registers one key, with all that it is committed to by."""
    item = f"{goods.namespace}/{new_item_id(random)}"
    openings = {
        "card": Opening(key, random(BLINDING_BYTES)),
        "code": Opening(new_code(random), random(BLINDING_BYTES)),
    }
    committed = {
        what: commit(Place(what, item, goods.product), opening)
        for what, opening in openings.items()
    }
    body = {
        "agent": goods.agent,
        "class": goods.item_class,
        "item": item,
        "product": goods.product,
        "terms": goods.terms,
        **committed,
    }
    seal = {
        what: (goods.merchant, write_opening(what, opening)) for what, opening in openings.items()
    }
    return Order("register-card/1", [hand], body, seal=seal)


def _column(cells: Sequence[str]) -> int | None:
    """Find the column of keys in a first line, if it is a heading."""
    names = ["".join(cell.lower().split()).strip("\ufeff").replace("_", "") for cell in cells]
    return next((place for place, name in enumerate(names) if name in _NAMES), None)


def _is_key(key: str) -> bool:
    try:
        check_text(key, field="key")
        normalise(key)
    except Malformed:
        return False
    return True


def open_file(path: Path) -> Iterator[str]:
    """Yield the lines of a file of keys. Raises `OSError`, and as `lines_of`."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from lines_of(file)


def lines_of(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file that may have no end.

    Raises:
        CardFileRefused: One of them is longer than any row.

    """
    number = 0
    while line := file.readline(_LINE_MAX + 1):
        number += 1
        if len(line) > _LINE_MAX:
            raise CardFileRefused(f"a line is longer than {_LINE_MAX} characters", rows=[number])
        yield line

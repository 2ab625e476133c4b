"""Reconciliation: what a provider says that moved, against what the ledger says, both ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.payments.movements import Movement
from api.payments.port import order_number
from api.payments.statements import PAID, PAID_OUT, REFUNDED, Row

Difference = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared, and every difference in the order of the statement, then of the log."""

    rows: int
    entries: int
    matched: int
    differences: list[Difference]

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "rows": self.rows,
            "entries": self.entries,
            "matched": self.matched,
            "differences": self.differences,
        }


def reconcile(
    rows: Sequence[Row],
    movements: Iterable[Movement],
    *,
    since: int | None = None,
    until: int | None = None,
) -> Reconciliation:
    """Compare a statement with the movements of one provider.

    Args:
        rows: Of the statement.
        movements: Of the log, by the same provider.
        since: What was recorded before is not missed in the statement; in microseconds.
        until: What was recorded then or later neither.

    """
    compared = _Comparison(movements)
    found = [each for row in rows for each in compared.row(row)]
    found += compared.rest(since, until)
    return Reconciliation(len(rows), compared.entries, compared.matched, found)


class _Comparison:
    def __init__(self, movements: Iterable[Movement]) -> None:
        self._in: dict[str, list[Movement]] = defaultdict(list)
        self._out: dict[tuple[str, str, int], list[Movement]] = defaultdict(list)
        self._unreadable: list[Movement] = []
        self._listed: set[str] = set()
        self.entries = self.matched = 0
        for each in movements:
            self.entries += 1
            if each.number is None:
                self._unreadable.append(each)
            elif each.out:
                self._out[each.number, each.currency, each.amount].append(each)
            else:
                self._in[each.number].append(each)

    def row(self, row: Row) -> Iterator[Difference]:
        """Compare one row."""
        if row.state == PAID_OUT:
            left = self._out[row.number, row.currency, row.amount]
            if left:
                left.pop(0)
                self.matched += 1
            else:
                yield _difference("not-in-ledger", row, None)
        elif row.state == REFUNDED:
            yield _difference("refunded", row, next(iter(self._in.get(row.number, ())), None))
        elif row.number in self._listed:
            yield _difference("listed-twice", row, None)
        else:
            self._listed.add(row.number)
            yield from self._payment(row)

    def _payment(self, row: Row) -> Iterator[Difference]:
        held = self._in.get(row.number)
        if not held:
            yield _difference("not-in-ledger", row, None)
            return
        first, *more = held
        kinds = list(_kinds(row, first))
        self.matched += not kinds
        for kind in kinds:
            yield _difference(kind, row, first)
        for each in more:
            yield _difference("recorded-twice", row, each)

    def rest(self, since: int | None, until: int | None) -> Iterator[Difference]:
        """Tell of everything in the log that the statement does not have."""
        ins = [each for number, held in self._in.items() for each in held]
        missing = [each for each in ins if each.number not in self._listed]
        missing += [each for held in self._out.values() for each in held]
        left = [("not-in-statement", each) for each in missing]
        left += [("unreadable", each) for each in self._unreadable]
        for kind, each in sorted(left, key=lambda pair: pair[1].entry):
            if (since is None or since <= each.at) and (until is None or each.at < until):
                yield _difference(kind, None, each)


def _kinds(row: Row, held: Movement) -> Iterator[str]:
    if row.amount != held.amount:
        yield "amount-differs"
    if row.currency != held.currency:
        yield "currency-differs"
    order = order_number(row.order)
    if row.state == PAID and order is not None and order != held.order:
        yield "order-differs"


def _difference(kind: str, row: Row | None, held: Movement | None) -> Difference:
    return {
        "difference": kind,
        "number": row.number if row else held.number if held else None,
        "line": row.line if row else None,
        "stated": None if row is None else f"{row.amount} {row.currency}",
        "entry": held.entry if held else None,
        "recorded": None if held is None else f"{held.amount} {held.currency}",
        "for": held.order if held else (row.order or None) if row else None,
    }

"""Statements of providers: CSV, in the provider's own layout or in one plain one.

The plain layout has the columns `transaction,order,amount,currency,state`: amounts in minor units,
`state` one of `paid`, `refunded`, `paid-out` (then `transaction` is the account). Alipay's and
WeChat Pay's bills are read as they are downloaded.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.payments.port import CNY, yuan
from ledger.rules.errors import Malformed
from ledger.rules.text import check_amount, check_currency

PAID, REFUNDED, PAID_OUT = "paid", "refunded", "paid-out"
BYTES_MAX: Final = 64 * 1024 * 1024
# What providers put around a cell, so that no spreadsheet takes a number for one.
_AROUND: Final = "`\t "
_SUMMARY: Final = "总交易单数"


@dataclass(frozen=True, slots=True)
class Row:
    """One payment, refund or payout of a statement."""

    line: int
    number: str
    order: str
    amount: int
    currency: str
    state: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns hold what; without a currency column amounts are yuan."""

    number: str
    order: str
    amount: str
    refunded: str
    currency: str | None
    state: str
    states: Mapping[str, str]
    minor: bool = False


_LAYOUTS: Final[Sequence[_Layout]] = (
    _Layout(
        *("transaction", "order", "amount", "amount", "currency", "state"),
        {each: each for each in (PAID, REFUNDED, PAID_OUT)},
        minor=True,
    ),
    _Layout(
        *("微信订单号", "商户订单号", "订单金额", "退款金额", "货币种类", "交易状态"),
        {"SUCCESS": PAID, "REFUND": REFUNDED, "REVOKED": REFUNDED},
    ),
    _Layout(
        "支付宝交易号",
        "商户订单号",
        *("订单金额（元）", "订单金额（元）"),  # noqa: RUF001 - as the bill has it
        None,
        "业务类型",
        {"交易": PAID, "退款": REFUNDED},
    ),
)


def read_statement(data: bytes) -> list[Row]:
    """Read a statement, whichever of the layouts it has.

    Raises:
        Malformed: It has none, or a row is not in order; the message names the line.

    """
    if len(data) > BYTES_MAX:
        raise Malformed("statement", f"has more than {BYTES_MAX} bytes")
    table = csv.reader(io.StringIO(_text(data), newline=""), strict=True)
    layout: _Layout | None = None
    header: list[str] = []
    found: list[Row] = []
    try:
        for raw in table:
            cells = [cell.strip(_AROUND) for cell in raw]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if layout is None:
                header, layout = cells, _layout_of(cells)
            elif cells[0] == _SUMMARY:
                break
            else:
                found.append(_row(layout, header, cells, table.line_num))
    except csv.Error as error:
        raise Malformed(f"line {table.line_num}", f"is not CSV: {error}") from None
    if layout is None:
        raise Malformed("statement", "is empty")
    return found


def _text(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Malformed("statement", "is neither UTF-8 nor GB 18030")


def _layout_of(header: Sequence[str]) -> _Layout:
    for layout in _LAYOUTS:
        wanted = {layout.number, layout.order, layout.amount, layout.refunded, layout.state}
        wanted |= {layout.currency} if layout.currency else set()
        if wanted <= set(header) and len(set(header)) == len(header):
            return layout
    raise Malformed("statement", "has the columns of no layout that is known, each once")


def _row(layout: _Layout, header: Sequence[str], cells: Sequence[str], line: int) -> Row:
    place = f"line {line}"
    if len(cells) < len(header):
        raise Malformed(place, "has fewer cells than the header")
    told = dict(zip(header, cells, strict=False))
    state = layout.states.get(told[layout.state])
    if state is None:
        raise Malformed(f"{place}, {layout.state}", "is not a state that is known")
    if not told[layout.number]:
        raise Malformed(f"{place}, {layout.number}", "is empty")
    currency = told[layout.currency] if layout.currency else CNY
    name = layout.refunded if state == REFUNDED else layout.amount
    # A refund may be written as less than nothing.
    text = told[name].removeprefix("-") if state == REFUNDED else told[name]
    field = f"{place}, {name}"
    amount = int(check_amount(text, field)) if layout.minor else yuan(text, field)
    check_currency(currency, f"{place}, currency")
    if not layout.minor and currency != CNY:
        raise Malformed(f"{place}, currency", "is not CNY")
    return Row(line, told[layout.number], told[layout.order], amount, currency, state)

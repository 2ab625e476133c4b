"""Reading a table of sales: every line is either a sale in the ledger's words or a reject.

Lines are taken one by one: a stray quote costs its own line, not the rest of the file. Ids that the
ledger does not accept are mapped so that each can be read back: every byte of its UTF-8 outside
`[A-Za-z0-9._:-]` becomes `~` and two hex digits.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

from ledger.rules.admission import check_text
from ledger.rules.errors import Malformed
from ledger.rules.imports import identity_of
from ledger.rules.text import check_amount, check_id

COLUMNS = ("timestamp", "item_id", "price_eth", "price_wei", "from", "to", "block", "tx")
CURRENCY = "ETH"
LINE_BYTES_MAX = 64 * 1024
RAW_BYTES_MAX = 1024 * 1024
TX_LENGTH_MAX = 200
_BOM = b"\xef\xbb\xbf"
_WEI_DIGITS = 18
_PARTIES_KEPT = 4096

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")
_QUOTED = re.compile(r"[\"\r\n]")
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]*")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_NOBODY = "0x" + "0" * 40
_WHOLE = re.compile(r"[0-9]{1,60}")
_DECIMAL = re.compile(r"([0-9]{1,60})(?:\.([0-9]{1,60}))?")
_FIRST_YEAR = "1970"
_STAMP = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?(?: ?UTC|Z|\+00:00)",
    re.ASCII,
)


class TableUnreadable(Exception):
    """The file is no table of sales at all; nothing was imported."""

    def __init__(self, message: str, **evidence: str) -> None:
        super().__init__(message)
        self.message = message
        self.evidence = evidence


class RowUnreadable(Exception):
    """One row cannot be read; `reason` is stable, the message says more."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Line(NamedTuple):
    """One line of the file below its header. `row` counts from 1, blank lines apart."""

    row: int
    line: int
    raw: bytes
    end: int
    """Bytes of the file up to and with this line."""


class Sale(NamedTuple):
    """A row in the ledger's words, as it stands in an `import-sale/1`."""

    item: str
    seller: str | None
    buyer: str | None
    price: dict[str, str] | None
    time: str
    tx: str | None

    def key(self, namespace: str, ordinal: int) -> str:
        """Return the identity of the row in a namespace (protocol section 7)."""
        price = None if self.price is None else (self.price["amount"], self.price["currency"])
        return identity_of(
            namespace, self.tx, self.item, self.seller, self.buyer, price, self.time, ordinal
        )


@dataclass(slots=True)
class SaleTable:
    """A file of sales, read as a stream.

    Args:
        file: Open at its start, in binary.

    Raises:
        TableUnreadable: The header lacks a column, or is none.

    """

    file: BinaryIO
    header: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Read the header."""
        first = self.file.readline(LINE_BYTES_MAX)
        try:
            self.header = split_line(first.removeprefix(_BOM))
        except RowUnreadable as error:
            raise TableUnreadable(f"the first line is no header: {error.message}") from None
        for column in COLUMNS:
            if self.header.count(column) != 1:
                raise TableUnreadable(
                    f"the header must name the column {column} once",
                    column=column,
                    found=", ".join(self.header)[:200],
                )

    def lines(self) -> Iterator[Line]:
        """Yield every line below the header that is not blank."""
        row, line, end = 0, 1, self.file.tell()
        while raw := self._line():
            line, end = line + 1, self.file.tell()
            stripped = raw.rstrip(b"\r\n")
            if stripped:
                row += 1
                yield Line(row, line, stripped, end)

    def sale(self, line: Line) -> Sale:
        """Read one line.

        Raises:
            RowUnreadable: It is not a sale; the reason says why.

        """
        fields = split_line(line.raw)
        if len(fields) != len(self.header):
            raise RowUnreadable(
                "wrong-column-count", f"{len(fields)} columns, the header has {len(self.header)}"
            )
        return read_sale(dict(zip(self.header, fields, strict=True)))

    def _line(self) -> bytes:
        """Read one line; of an overlong one keep the first bytes, but pass over all of it."""
        raw = self.file.readline(RAW_BYTES_MAX)
        rest = raw
        while rest and len(rest) == RAW_BYTES_MAX and not rest.endswith(b"\n"):
            rest = self.file.readline(RAW_BYTES_MAX)
        return raw


def split_line(raw: bytes) -> list[str]:
    """Split one line of CSV (RFC 4180) into its fields.

    Raises:
        RowUnreadable: Too long, not UTF-8, or quoted in a way that does not end.

    """
    if len(raw) > LINE_BYTES_MAX:
        raise RowUnreadable("too-long", f"the line has more than {LINE_BYTES_MAX} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8"
        raise RowUnreadable("invalid-utf-8", message) from None
    text = text.rstrip("\r\n")
    if text and not _QUOTED.search(text):
        # No work for a reader of CSV: it would split the line at its commas, too.
        return text.split(",")
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise RowUnreadable("bad-quoting", str(error)) from None
    return rows[0] if rows else []


def read_sale(cells: Mapping[str, str]) -> Sale:
    """Read the cells of one row.

    Raises:
        RowUnreadable: A cell does not hold what its column says.

    """
    _check_block(cells["block"])
    if cells.get("currency", CURRENCY) not in {CURRENCY, ""}:
        raise RowUnreadable("unknown-currency", "only prices in ETH can be imported")
    return Sale(
        item=_item(cells["item_id"]),
        seller=_party(cells["from"], "from"),
        buyer=_party(cells["to"], "to"),
        price=_price(cells["price_eth"], cells["price_wei"]),
        time=_time(cells["timestamp"]),
        tx=_tx(cells["tx"]),
    )


def map_id(text: str) -> str:
    """Map any text to an id of the ledger; `unmap_id` gives it back."""
    if text in {".", ".."}:
        return text.replace(".", "~2e")
    if _PLAIN_ID.fullmatch(text):
        return text
    return "".join(chr(b) if b in _PLAIN else f"~{b:02x}" for b in text.encode("utf-8"))


def unmap_id(identifier: str) -> str:
    """Give back the text that `map_id` mapped."""
    head, *rest = identifier.split("~")
    parts = [head.encode("ascii")]
    parts += [bytes.fromhex(part[:2]) + part[2:].encode("ascii") for part in rest]
    return b"".join(parts).decode("utf-8")


def _mapped(text: str, column: str) -> str:
    try:
        return check_id(map_id(text), field=column)
    except Malformed as error:
        raise RowUnreadable("bad-id", f"{error.field}: {error.message}") from None


def _item(text: str) -> str:
    return _mapped(text, "item_id")


@lru_cache(maxsize=_PARTIES_KEPT)
def _party(text: str, column: str) -> str | None:
    # Kept for a while: few parties trade much.
    # Two spellings of one address are one party: the letters' case is only a checksum.
    plain = text.lower() if _ADDRESS.fullmatch(text) else text
    return None if plain in {"", _NOBODY} else _mapped(plain, column)


def _price(eth: str, wei: str) -> dict[str, str] | None:
    if not eth and not wei:
        return None
    amount, decimal = _WHOLE.fullmatch(wei), _DECIMAL.fullmatch(eth)
    if amount is None or decimal is None:
        raise RowUnreadable("bad-number", "a price is not a plain decimal number")
    whole, fraction = decimal[1], decimal[2] or ""
    if len(fraction) > _WEI_DIGITS:
        raise RowUnreadable("bad-number", f"price_eth has more than {_WEI_DIGITS} decimals")
    # price_eth is price_wei as people write it, rounded to so many decimals as it shows.
    last_place: int = 10 ** (_WEI_DIGITS - len(fraction))
    if abs(int(whole + fraction) * last_place - int(wei)) >= last_place:
        raise RowUnreadable("prices-differ", "price_eth is not price_wei, rounded")
    try:
        return {"amount": check_amount(str(int(wei)), field="price_wei"), "currency": CURRENCY}
    except Malformed as error:
        raise RowUnreadable("bad-number", f"{error.field}: {error.message}") from None


def _time(text: str) -> str:
    found = _STAMP.fullmatch(text)
    if found is None:
        raise RowUnreadable("bad-time", "the timestamp is not YYYY-MM-DD HH:MM:SS UTC")
    year, month, day, hour, minute, second, fraction = found.groups()
    try:
        datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        raise RowUnreadable("bad-time", "the timestamp names no moment") from None
    if year < _FIRST_YEAR:
        raise RowUnreadable("bad-time", "the timestamp is before 1970")
    micro = (fraction or "").ljust(6, "0")
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}.{micro}Z"


def _tx(text: str) -> str | None:
    if not text:
        return None
    try:
        check_text(text, field="tx")
    except Malformed as error:
        raise RowUnreadable("bad-tx", f"{error.field}: {error.message}") from None
    if len(text) > TX_LENGTH_MAX or "\n" in text or "\t" in text:
        raise RowUnreadable("bad-tx", f"tx is not one word of at most {TX_LENGTH_MAX} characters")
    return text


def _check_block(text: str) -> None:
    if text and not _WHOLE.fullmatch(text):
        raise RowUnreadable("bad-number", "block is not a whole number")


def reject_document(line: Line, reason: str, message: str) -> dict[str, Any]:
    """Write what is kept of a row that was not imported: nothing of it is lost."""
    kept: dict[str, Any] = {"row": line.row, "line": line.line, "reason": reason}
    kept["message"] = message
    try:
        kept["raw"] = line.raw.decode("utf-8")
    except UnicodeDecodeError:
        # Latin-1 gives every byte one character and back.
        kept["raw_latin1"] = line.raw.decode("latin-1")
    return kept

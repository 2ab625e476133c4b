"""Reading tables of sales: what is a sale, what is not, and how ids are mapped."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.sales import (
    LINE_BYTES_MAX,
    Line,
    RowUnreadable,
    SaleTable,
    TableUnreadable,
    map_id,
    read_sale,
    reject_document,
    split_line,
    unmap_id,
)
from ledger.rules.text import check_id
from tests.cli.running import HEADER, NOBODY, address, row

CELLS = {
    "timestamp": "2017-06-23 21:05:06 UTC",
    "item_id": "544",
    "price_eth": "0.010000",
    "price_wei": "10000000000000000",
    "from": address(1),
    "to": address(2),
    "block": "3919706",
    "tx": "0xb28b",
}


def sale_table(*lines: bytes, header: bytes = HEADER.encode()) -> SaleTable:
    return SaleTable(io.BytesIO(b"\n".join([header, *lines]) + b"\n"))


def test_a_row_becomes_a_sale_in_the_ledgers_words() -> None:
    sale = read_sale(CELLS)

    assert sale.item == "544"
    assert (sale.seller, sale.buyer) == (address(1), address(2))
    assert sale.price == {"amount": "10000000000000000", "currency": "ETH"}
    assert sale.time == "2017-06-23T21:05:06.000000Z"
    assert sale.tx == "0xb28b"


@pytest.mark.parametrize("nobody", ["", NOBODY, NOBODY.replace("0x", "0X").lower()])
def test_nobody_is_null(nobody: str) -> None:
    assert read_sale(CELLS | {"to": nobody}).buyer is None


def test_two_spellings_of_an_address_are_one_party() -> None:
    mixed = "0xC352B534e8b987e036A93539Fd6897F53488e56a"

    assert read_sale(CELLS | {"from": mixed}).seller == mixed.lower()


def test_absent_cells_are_null() -> None:
    sale = read_sale(CELLS | {"price_eth": "", "price_wei": "", "tx": "", "block": ""})

    assert (sale.price, sale.tx) == (None, None)


@pytest.mark.parametrize(
    ("eth", "wei"),
    [
        ("0", "0"),
        ("31.000000", "31000000000000000000"),
        ("0.211740", "211740178513258193"),
        ("0.177096", "177095631641086188"),
        ("0.000000", "200000000"),
        ("1", "1000000000000000001"),
        ("0.000000000000000001", "1"),
    ],
)
def test_the_price_is_the_exact_one_and_the_other_its_rounding(eth: str, wei: str) -> None:
    price = read_sale(CELLS | {"price_eth": eth, "price_wei": wei}).price

    assert price == {"amount": wei, "currency": "ETH"}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"price_eth": "0.02"}, "prices-differ"),
        ({"price_eth": "0.010001"}, "prices-differ"),
        ({"price_wei": "10000000000000000.0"}, "bad-number"),
        ({"price_wei": "1e16"}, "bad-number"),
        ({"price_wei": "-1"}, "bad-number"),
        ({"price_wei": "١٢"}, "bad-number"),
        ({"price_wei": ""}, "bad-number"),
        ({"price_eth": "NaN"}, "bad-number"),
        ({"price_eth": "0." + "0" * 19, "price_wei": "0"}, "bad-number"),
        ({"price_eth": "1" + "0" * 30, "price_wei": "1" + "0" * 48}, "bad-number"),
        ({"price_wei": "9" * 5000}, "bad-number"),
        ({"block": "latest"}, "bad-number"),
        ({"timestamp": "2017-06-23 21:05:06"}, "bad-time"),
        ({"timestamp": "2017-06-23 21:05:06 CET"}, "bad-time"),
        ({"timestamp": "2017-02-30 21:05:06 UTC"}, "bad-time"),
        ({"timestamp": "2017-06-23 24:00:00 UTC"}, "bad-time"),
        ({"timestamp": "1969-12-31 23:59:59 UTC"}, "bad-time"),
        ({"timestamp": ""}, "bad-time"),
        ({"item_id": ""}, "bad-id"),
        ({"item_id": "x" * 129}, "bad-id"),
        ({"item_id": "印" * 20}, "bad-id"),
        ({"tx": "x" * 201}, "bad-tx"),
        ({"tx": "a\u202eb"}, "bad-tx"),
        ({"tx": "a\tb"}, "bad-tx"),
        ({"currency": "BTC"}, "unknown-currency"),
    ],
)
def test_a_cell_that_does_not_hold_what_its_column_says_rejects_the_row(
    cells: dict[str, str], reason: str
) -> None:
    with pytest.raises(RowUnreadable) as caught:
        read_sale(CELLS | cells)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"only,three,cells", "wrong-column-count"),
        (row(1, 1, 1, 2).encode() + b",surplus", "wrong-column-count"),
        (row(1, "\xff", 1, 2).encode("latin-1"), "invalid-utf-8"),
        (b'"' + row(1, 1, 1, 2).encode(), "bad-quoting"),
        (b"x" * (LINE_BYTES_MAX + 1), "too-long"),
    ],
)
def test_a_line_that_is_no_row_costs_only_itself(raw: bytes, reason: str) -> None:
    table = sale_table(raw, row(2, 2, 1, 2).encode())
    bad, good = table.lines()

    with pytest.raises(RowUnreadable) as caught:
        table.sale(bad)

    assert caught.value.reason == reason
    assert table.sale(good).item == "2"
    assert (bad.row, good.row) == (1, 2)


@given(st.text(alphabet='ab,"; \t\0\r\né', min_size=1, max_size=12))
def test_a_line_is_split_as_a_reader_of_csv_splits_it(text: str) -> None:
    stripped = text.rstrip("\r\n")
    try:
        expected = [cell for cells in csv.reader([stripped], strict=True) for cell in cells]
    except csv.Error:
        with pytest.raises(RowUnreadable):
            split_line(text.encode())
    else:
        assert split_line(text.encode()) == expected


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("2020-02-29 23:59:59 UTC", "2020-02-29T23:59:59.000000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("9999-12-31 00:00:00.5+00:00", "9999-12-31T00:00:00.500000Z"),
        ("2017-06-23 21:05:06.000001 UTC", "2017-06-23T21:05:06.000001Z"),
    ],
)
def test_a_timestamp_keeps_its_moment(stamp: str, time: str) -> None:
    assert read_sale(CELLS | {"timestamp": stamp}).time == time


def test_blank_lines_and_windows_ends_of_line_are_not_rows() -> None:
    lines = [b"", row(1, 1, 1, 2).encode() + b"\r", b"\r", row(2, 2, 1, 2).encode()]
    table = sale_table(*lines, header=b"\xef\xbb\xbf" + HEADER.encode() + b"\r")

    read = list(table.lines())

    assert [(line.row, line.line) for line in read] == [(1, 3), (2, 5)]
    assert [table.sale(line).item for line in read] == ["1", "2"]


def test_columns_may_come_in_any_order_and_beside_others() -> None:
    names = ["note", *reversed(HEADER.split(","))]
    cells = ['"a, b"', *reversed(row(1, 9, 1, 2).split(","))]
    table = sale_table(",".join(cells).encode(), header=",".join(names).encode())

    assert [table.sale(line).item for line in table.lines()] == ["9"]


@pytest.mark.parametrize("header", [b"", b"a,b", HEADER.encode() + b",tx", b"\xff", b'"'])
def test_a_header_that_lacks_a_column_is_no_table(header: bytes) -> None:
    with pytest.raises(TableUnreadable):
        sale_table(header=header)


@given(st.text(min_size=1, max_size=20))
def test_every_text_has_one_id_of_its_own(text: str) -> None:
    try:
        mapped = map_id(text)
    except UnicodeEncodeError:
        return

    assert unmap_id(mapped) == text
    if len(mapped) <= 128:
        check_id(mapped, field="id")


@pytest.mark.parametrize(
    ("text", "identifier"),
    [("544", "544"), ("a~b", "a~7eb"), (".", "~2e"), ("a b", "a~20b"), ("é", "~c3~a9")],
)
def test_only_what_must_be_mapped_is_mapped(text: str, identifier: str) -> None:
    assert map_id(text) == identifier


def test_a_reject_keeps_every_byte() -> None:
    raw = bytes(range(32, 256))

    kept = reject_document(Line(3, 5, raw, 0), "invalid-utf-8", "why")

    assert kept["raw_latin1"].encode("latin-1") == raw
    assert (kept["row"], kept["line"], kept["reason"]) == (3, 5, "invalid-utf-8")

"""Importing sales: a file, as `import-sales` does it, against the checks of its signatures."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.folder import LedgerFolder
from api.house import House
from api.importer import IMPORTER, import_sales
from api.sales import COLUMNS
from benching.bench import Bench
from benching.market import Check, verify_all
from benching.turns import Turn, Turns, timed
from ledger.rules.entries import read_entry
from ledger.rules.text import b64decode

SHARED_FILE = "data/cryptopunks-sales-2017-2019.csv"
# The shape of that file, for where it is absent: one row in four names no buyer.
ROWS = 3_253
ITEMS = 2_545
ADDRESSES = 543
NO_BUYER_EVERY = 4
NOBODY = "0x" + "0" * 40


def sales(bench: Bench) -> Turns:
    """Import a file of sales into a namespace of its own each turn."""
    folder = bench.place("import")
    file = _file(bench, folder)
    with LedgerFolder.create(folder / "ledger") as house:
        checks, names = _import(house, file, "warm-up"), count(1)
        while True:
            name = f"sales-{next(names)}"
            yield Turn(
                ours=timed(partial(import_sales, house, file, namespace=name), len(checks)),
                # Those of the import before, which are as many: these are not signed yet.
                base=timed(partial(verify_all, checks), len(checks)),
                units=len(checks),
            )


def _import(house: House, file: Path, namespace: str) -> list[Check]:
    """Import the file once and list the signature checks of what it added."""
    start = house.recorder.head().size
    tally = import_sales(house, file, namespace=namespace)
    public = Ed25519PublicKey.from_public_bytes(house.signer(IMPORTER).public)
    entries = [read_entry(row.entry) for row in house.recorder.entries(start, _size(house))]
    imported = [each for each in entries if each.command and each.type == "sale-presented/1"]
    assert len(imported) == tally.added, "every row that was added has an entry of its own"  # noqa: S101
    return [
        (public.verify, b64decode(each.sigs[0], field="sigs"), each.command.message)
        for each in imported
        if each.command is not None
    ]


def _size(house: House) -> int:
    return house.recorder.head().size


def _file(bench: Bench, folder: Path) -> Path:
    shared = bench.shared / SHARED_FILE
    if shared.is_file() and bench.scale >= 1:
        bench.note = "the shared sales"
        return shared
    bench.note = "synthetic sales of the same shape"
    return _synthetic(folder / "sales.csv", bench.some(ROWS, least=8))


def _synthetic(path: Path, rows: int) -> Path:
    """Write a file of sales in which every item wanders from address to address."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in range(rows):
            item, round_ = row % ITEMS, row // ITEMS
            seller, buyer = _address(item + round_), _address(item + round_ + 1)
            sold = datetime(2017, 6, 23, tzinfo=UTC) + timedelta(hours=row)
            table.writerow(
                [
                    f"{sold:%Y-%m-%d %H:%M:%S} UTC",
                    item,
                    f"0.{1 + row % 9}00000",
                    (1 + row % 9) * 10**17,
                    seller,
                    NOBODY if row % NO_BUYER_EVERY == 0 else buyer,
                    3_919_706 + row,
                    f"0x{row:064x}",
                ]
            )
    return path


def _address(number: int) -> str:
    return f"0x{number % ADDRESSES + 1:040x}"

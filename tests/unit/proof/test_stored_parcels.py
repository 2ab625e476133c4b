"""Stored parcels are those that their deliveries name, and those of the platform are there."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import pytest

from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource
from ledger.proof.errors import Tampered
from ledger.proof.parcels import PARCELS, Parcels
from ledger.proof.tiles import decode_bundle
from ledger.rules.entries import Entry, read_entry
from tests.unit.proof.golden_log import GOLDEN, VALID, VKEY
from tests.unit.proof.golden_tables import golden

NEVER = "01930000-0000-7000-8000-0000000000fe"
Row = tuple[Any, ...]


@lru_cache(maxsize=1)
def deliveries() -> tuple[Entry, ...]:
    """The deliveries of the golden trade, by the platform and by a merchant."""
    (bundle,) = (GOLDEN / "trade/tile/entries/000.p").iterdir()
    raws = decode_bundle(bundle.read_bytes(), width=int(bundle.name))
    entries = map(read_entry, raws)
    return tuple(each for each in entries if each.type == "lines-delivered/1")


def named(*, by: str) -> list[tuple[Entry, Row]]:
    """Every parcel that a party delivered: its entry, and its row but for the bytes."""
    return [
        (entry, (entry.command.body["order"], each["line"], bytes.fromhex(each["parcel"])))
        for entry in deliveries()
        if entry.command is not None and entry.command.by == by
        for each in entry.command.body["parcels"]
        if each["parcel"] is not None
    ]


def observed() -> Parcels:
    parcels = Parcels()
    for entry in deliveries():
        parcels.observe(entry)
    return parcels


def stored(row: Row) -> Row:
    """The row as the golden trade stored it."""
    return (*row, b"a parcel for line %d" % row[1])


def fault(*rows: Row) -> dict[str, Any]:
    with pytest.raises(Tampered) as found:
        observed().check(rows)
    assert found.value.step == "stored"
    return {"message": found.value.message, **found.value.fault()}


def test_the_golden_trade_has_parcels_of_the_platform_and_of_a_merchant() -> None:
    assert len(named(by="system")) == 1
    assert len(named(by="mia")) == 1
    assert len(deliveries()) > 2


def test_what_is_stored_as_it_was_delivered_is_in_order() -> None:
    (_, row), (_, theirs) = named(by="system")[0], named(by="mia")[0]

    assert observed().check([stored(row)]) == 0
    # Nobody has to keep a merchant's parcels, and somebody may.
    assert observed().check([stored(row), stored(theirs)]) == 0


def test_a_parcel_of_the_platform_that_is_not_there_is_counted_as_lost() -> None:
    assert observed().check([]) == 1


@pytest.mark.parametrize("by", ["system", "mia"])
def test_flipped_bytes_are_named_with_their_delivery(by: str) -> None:
    entry, row = named(by=by)[0]
    held = b"A parcel for line %d" % row[1]

    found = fault((*row, held))

    digest = hashlib.sha256(b"yinzheng/parcel/v1\n" + held).hexdigest()
    assert (found["message"], found["field"]) == ("a stored value differs", "parcel.bytes")
    assert (found["index"], found["stream"]) == (entry.index, entry.stream)
    assert (found["expected"], found["found"]) == (row[2].hex(), digest)


def test_what_is_no_bytes_is_no_parcel() -> None:
    _, row = named(by="system")[0]

    found = fault((*row, "a parcel for line 1"))
    assert (found["field"], found["found"]) == ("parcel.bytes", None)


def test_another_digest_is_named_even_where_the_bytes_have_it() -> None:
    _, (order, line, digest) = named(by="system")[0]
    other = hashlib.sha256(b"yinzheng/parcel/v1\nother").digest()

    found = fault((order, line, other, b"other"))

    assert found["field"] == "parcel.digest"
    assert (found["expected"], found["found"]) == (digest.hex(), other.hex())


@pytest.mark.parametrize("change", [{0: NEVER}, {1: 20}, {0: None}, {1: "1"}])
def test_a_row_that_nothing_was_delivered_by_is_surplus(change: dict[int, Any]) -> None:
    _, row = named(by="system")[0]
    made_up = tuple(change.get(at, value) for at, value in enumerate(stored(row)))

    found = fault(made_up)
    assert (found["message"], found["field"]) == ("a row is surplus", "parcel")


def test_a_row_that_is_there_twice_is_surplus() -> None:
    _, row = named(by="system")[0]

    assert fault(stored(row), stored(row))["message"] == "a row is surplus"


def test_an_audit_says_how_many_parcels_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    source = DatabaseSource(golden().query)
    monkeypatch.setattr(source, "_parcels", observed())

    assert audit(source, VKEY).document() == {**VALID, "lost_parcels": 1}


def test_a_database_with_a_parcel_of_nothing_is_tampered_with() -> None:
    tables = golden()
    assert audit(DatabaseSource(tables.query), VKEY).document() == VALID
    tables[PARCELS] = [(NEVER, 1, bytes(32), b"parcel")]

    report = audit(DatabaseSource(tables.query), VKEY)
    assert report.fault is not None
    assert (report.fault["field"], report.fault["derived"]) == ("parcel", True)

"""One bit flipped in each column of each table, on both databases.

`EXPECTED` names every column that there is: a new one without a case fails.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.figures import record
from tests.tamper.copies import Copy
from tests.tamper.flips import flip

ROW = "the row's own"
DELIVERY = "that of the delivery"
# A writer's term orders writers while they run; nonces keep requests from being answered twice.
NO_EVIDENCE = ("head.epoch", "request_nonce.at", "request_nonce.nonce", "request_nonce.party")


class Fault(NamedTuple):
    """What the audit must name. `index` is the row's own, the delivery's, a number, or None."""

    step: str
    field: str | None
    index: Any = None
    derived: bool = True
    verdict: str = "tampered"
    exit_code: int = 1


def _stored(column: str, index: Any = ROW) -> Fault:
    return Fault("stored", column, index)


def _stored_in(table: str, *columns: str) -> dict[str, Fault]:
    return {f"{table}.{column}": _stored(f"{table}.{column}") for column in columns}


EXPECTED: dict[str, Fault] = {
    "alembic_version.version_num": Fault(
        "schema", "alembic_version", derived=False, verdict="unverifiable", exit_code=4
    ),
    "checkpoint.note": Fault("note", "signature", derived=False),
    "checkpoint.previous": _stored("checkpoint.previous", None),
    "checkpoint.size": Fault("checkpoint", "size", derived=False),
    **_stored_in("command", "by", "digest", "id"),
    "command.index": _stored("command"),
    **_stored_in("disclosure", "name", "subject"),
    "disclosure.box": Fault("vault", "disclosure.box", ROW),
    "disclosure.index": _stored("disclosure"),
    **_stored_in("entry", "command", "leaf", "seq", "stream", "type"),
    "entry.entry": Fault("leaf", "entry", ROW, derived=False),
    "entry.index": Fault("index", "index", ROW, derived=False),
    "head.id": _stored("head.id", None),
    "head.leaf": _stored("head.leaf", None),
    "head.size": _stored("head.size", None),
    "parcel.bytes": _stored("parcel.bytes", DELIVERY),
    "parcel.digest": _stored("parcel.digest", DELIVERY),
    "parcel.line": _stored("parcel", None),
    "parcel.order_id": _stored("parcel", None),
    **_stored_in("registered_key", "id", "party"),
    "registered_key.index": _stored("registered_key"),
    "tile.hashes": Fault("tile", "tile/0/003", 3 * 256 + 128),
    "tile.level": _stored("tile.number", None),
    "tile.number": _stored("tile.number", None),
    **_stored_in("view_history", "item", "seq", "at", "type", "kind", "command", "from_party"),
    **_stored_in("view_history", "to_party", "amount", "currency", "source_time", "source_file"),
    **_stored_in("view_history", "source_row", "word", "signers", "reason", "ground", "item_class"),
    "view_history.entry_index": _stored("view_history"),
    **_stored_in("view_goods", "item", "owner", "item_class", "product", "agent", "order_id"),
    **_stored_in("view_goods", "frozen"),
    "view_goods.head_index": _stored("view_goods"),
    **_stored_in("view_order", "order_id", "buyer", "state", "total", "currency", "lines"),
    **_stored_in("view_order", "next_rule", "next_due"),
    "view_order.head_index": _stored("view_order"),
    **_stored_in("view_ownership", "item", "owner", "frozen", "to_index", "from_at"),
    **_stored_in("view_ownership", "source_time"),
    "view_ownership.from_index": _stored("view_ownership"),
    **_stored_in("view_party", "party", "party_class", "attested", "founder", "keys", "roles"),
    **_stored_in("view_party", "change_due", "change_digest"),
    "view_party.head_index": _stored("view_party"),
    "view_position.size": _stored("view_position.size", None),
    "view_position.view": _stored("view_position.size", None),
}


def test_every_column_of_the_schema_has_its_case(copy: Copy) -> None:
    assert copy.columns() == {*EXPECTED, *NO_EVIDENCE}


@pytest.mark.parametrize("column", EXPECTED)
def test_a_flipped_bit_is_found_and_its_place_named(copy: Copy, column: str) -> None:
    places = {ROW: flip(copy, column), DELIVERY: copy.market.index_of("lines-delivered/1")}
    wanted = EXPECTED[column]

    report = copy.audit()

    assert report.fault is not None
    found = {name: report.fault[name] for name in ("step", "field", "index", "derived")}
    assert found == {
        "step": wanted.step,
        "field": wanted.field,
        "index": places.get(wanted.index, wanted.index),
        "derived": wanted.derived,
    }
    assert (report.verdict, report.exit_code) == (wanted.verdict, wanted.exit_code)
    assert report.derived == ("no" if wanted.derived else "not-checked")
    record("tamper cases", 1, unit="cases")


@pytest.mark.parametrize("column", NO_EVIDENCE)
def test_what_is_no_evidence_changes_nothing(copy: Copy, column: str) -> None:
    flip(copy, column)

    assert copy.audit().verdict == "valid"

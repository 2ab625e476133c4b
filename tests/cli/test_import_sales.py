"""`yinzheng import-sales`: every row accounted for, run after run, kill after kill."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from api.folder import LedgerFolder
from api.importer import import_sales
from ledger.record.recorder import LedgerRecorder
from ledger.rules.entries import read_entry
from tests.cli.running import HEADER, Program, row, table
from tests.cli.test_endings import wait_until_begun

ROWS_TO_KILL = 4000
SHARED = "cryptopunks-sales-2017-2019.csv"


def figures(document: dict[str, Any]) -> tuple[int, ...]:
    names = ("rows", "accepted", "added", "rejected", "items", "gaps", "unknown_buyer")
    return tuple(document[name] for name in names)


def state_of(folder: Path) -> dict[str, list[Any]]:
    """Owners, gaps, streams and sale identities, read from the entries themselves."""
    state: dict[str, list[Any]] = {}
    with LedgerFolder.open(folder, read_only=True) as house:
        for stored in house.recorder.entries(0, house.recorder.head().size):
            entry = read_entry(stored.entry)
            if entry.stream.startswith("item/"):
                state.setdefault(entry.stream, []).append((entry.type, entry.data))
    return state


def rejects(folder: Path) -> list[dict[str, Any]]:
    (file,) = (folder / "rejects").iterdir()
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_sales_are_imported_with_their_gaps(program: Program, ledger: Path, tmp_path: Path) -> None:
    rows = [
        row(1, 7, 1, 2, day=1),
        row(2, 7, 2, None, day=2),
        row(3, 7, 3, 4, day=3),
        row(4, 7, 5, 6, day=4),
        row(5, 8, 1, 2, day=5),
    ]

    tally = program.json("import-sales", table(tmp_path / "old.csv", rows), "--dir", ledger)

    assert figures(tally) == (5, 5, 5, 0, 2, 2, 1)
    assert tally["gap_reasons"] == {"buyer-not-recorded": 1, "moved-elsewhere": 1}
    types = [type_ for type_, _ in state_of(ledger)["item/old/7"]]
    assert types == [
        "sale-presented/1",
        "item-first-seen/1",
        "sale-imported/1",
        "sale-presented/1",
        "sale-imported/1",
        "sale-presented/1",
        "provenance-gap-recorded/1",
        "sale-imported/1",
        "sale-presented/1",
        "provenance-gap-recorded/1",
        "sale-imported/1",
    ]
    assert program.json("audit", "--dir", ledger)["gaps"] == 2


def test_importing_again_adds_nothing_and_tells_the_same_figures(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    same = row(1, 7, 1, 2)
    file = table(tmp_path / "old.csv", [same, same, row(2, 7, 9, 4, day=2), b"broken"])
    first = program.json("import-sales", file, "--dir", ledger)
    before = program.json("status", "--dir", ledger)

    again = program.json("import-sales", file, "--dir", ledger)

    assert figures(first) == (4, 3, 3, 1, 1, 2, 0)
    assert figures(again) == (4, 3, 0, 1, 1, 2, 0)
    assert again["gap_reasons"] == first["gap_reasons"]
    after = program.json("status", "--dir", ledger)
    assert (after["size"], after["root"]) == (before["size"], before["root"])


def test_rows_that_cannot_be_read_are_kept_with_number_and_reason(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    bad = row(2, 7, 1, 2).encode().replace(b"2018-01-01", b"2018-13-01")
    rows = [row(1, 1, 1, 2), bad, b"\xff,\xfe", row(4, 2, 1, 2), "a,b"]

    tally = program.json("import-sales", table(tmp_path / "old.csv", rows), "--dir", ledger)

    assert figures(tally)[:4] == (5, 2, 2, 3)
    found = rejects(ledger)
    assert [(each["row"], each["reason"]) for each in found] == [
        (2, "bad-time"),
        (3, "invalid-utf-8"),
        (5, "wrong-column-count"),
    ]
    assert found[0]["raw"].encode() == bad
    assert found[1]["raw_latin1"].encode("latin-1") == b"\xff,\xfe"
    assert tally["rejects"] == str(next((ledger / "rejects").iterdir()))


def test_a_sale_before_the_last_one_is_out_of_order_and_later_rows_go_on(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    rows = [row(1, 7, 1, 2, day=5), row(2, 7, 2, 3, day=4), row(3, 7, 2, 3, day=6)]

    tally = program.json("import-sales", table(tmp_path / "old.csv", rows), "--dir", ledger)

    assert figures(tally)[:4] == (3, 2, 2, 1)
    assert [(each["row"], each["reason"]) for each in rejects(ledger)] == [(2, "out-of-order")]


def test_frozen_items_are_not_moved(program: Program, ledger: Path, tmp_path: Path) -> None:
    first = table(tmp_path / "old.csv", [row(1, 7, 1, 2, day=1)])
    program.json("import-sales", first, "--dir", ledger)
    program.json("keys", "register", "warden", "--dir", ledger)
    program.json("keys", "grant", "warden", "freezer", "--dir", ledger)
    how = ("--as", "warden", "--ground", "in-dispute", "--reason", "case 1")
    program.json("item", "freeze", "old/7", "--dir", ledger, *how)
    more = table(tmp_path / "more.csv", [row(1, 7, 1, 2, day=1), row(2, 7, 2, 3, day=2)])

    tally = program.json("import-sales", more, "--dir", ledger, "--namespace", "old")

    assert figures(tally)[:4] == (2, 1, 0, 1)
    assert tally["reject_reasons"] == {"item-frozen": 1}


@pytest.mark.parametrize("missing", HEADER.split(","))
def test_a_table_without_a_column_is_refused_whole(
    program: Program, ledger: Path, tmp_path: Path, missing: str
) -> None:
    file = tmp_path / "old.csv"
    file.write_text(HEADER.replace(missing, "other", 1) + "\n" + row(1, 1, 1, 2) + "\n")
    before = program.json("status", "--dir", ledger)["size"]

    ran = program("import-sales", file, "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "table-unreadable")
    assert ran.error["column"] in {missing, "to"}
    assert program.json("status", "--dir", ledger)["size"] == before


@pytest.mark.parametrize("name", ["UPPER.csv", "with space.csv", "-dash.csv"])
def test_a_file_whose_stem_is_no_namespace_needs_one(
    program: Program, ledger: Path, tmp_path: Path, name: str
) -> None:
    file = table(tmp_path / name, [row(1, 1, 1, 2)])

    ran = program("import-sales", file, "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "malformed")
    tally = program.json("import-sales", file, "--dir", ledger, "--namespace", "ours")
    assert tally["added"] == 1


def test_a_missing_file_is_told(program: Program, ledger: Path, tmp_path: Path) -> None:
    ran = program("import-sales", tmp_path / "nothing.csv", "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "table-unreadable")


def test_a_namespace_of_somebody_else_is_refused(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    program.json("keys", "register", "shop", "--dir", ledger)
    program.json("item", "namespace", "old", "shop", "--dir", ledger)

    file = table(tmp_path / "old.csv", [row(1, 1, 1, 2)])
    ran = program("import-sales", file, "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "namespace-taken")
    assert ran.error["owner"] == "shop"


def test_once_others_are_there_one_of_them_signs_for_the_importer(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    program.json("keys", "register", "neighbour", "--dir", ledger)

    file = table(tmp_path / "old.csv", [row(1, 1, 1, 2)])
    program.json("import-sales", file, "--dir", ledger)

    assert program.json("audit", "--dir", ledger)["single_handed"] == "no"


def test_without_a_second_party_at_hand_the_error_names_the_command(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    program.json("keys", "register", "neighbour", "--dir", ledger)
    elsewhere = tmp_path / "neighbour.pem"
    (ledger / "keys" / "neighbour.pem").rename(elsewhere)
    file = table(tmp_path / "old.csv", [row(1, 1, 1, 2)])

    ran = program("import-sales", file, "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "second-party-needed")
    assert "yinzheng keys grant importer importer --second PARTY" in ran.error["do"]
    second = ("--second", "neighbour", "--second-key", elsewhere)
    program.json("keys", "grant", "importer", "importer", *second, "--dir", ledger)
    assert program.json("import-sales", file, "--dir", ledger)["added"] == 1


def test_killed_half_way_and_run_again_it_ends_in_the_same_state(
    program: Program, tmp_path: Path
) -> None:
    rows = [
        row(each, each % 900, each % 7, None if each % 5 else 3) for each in range(ROWS_TO_KILL)
    ]
    file = table(tmp_path / "long.csv", rows)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        program.json("init", "--dir", folder)
    running = program.start("import-sales", file, "--dir", killed, "--json")
    try:
        wait_until_begun(program, killed)
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()

    again = program.json("import-sales", file, "--dir", killed)
    once = program.json("import-sales", file, "--dir", whole)

    assert 0 < again["added"] < ROWS_TO_KILL
    assert figures(again)[:2] == figures(once)[:2] == (ROWS_TO_KILL, ROWS_TO_KILL)
    assert figures(again)[3:] == figures(once)[3:]
    assert state_of(killed) == state_of(whole)
    assert program.json("audit", "--dir", killed)["verdict"] == "valid"


def test_items_and_owners_are_looked_up_together_and_not_one_by_one(
    program: Program, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [row(each, each, 1, 100 + each, day=1) for each in range(40)]
    second = [row(each, each, 100 + each, 200 + each, day=2) for each in range(40)]
    program.json("import-sales", table(tmp_path / "old.csv", first), "--dir", ledger)
    asked: list[str] = []
    one_by_one = LedgerRecorder.stream_entries
    monkeypatch.setattr(
        LedgerRecorder,
        "stream_entries",
        lambda self, name: asked.append(name) or one_by_one(self, name),
    )

    monkeypatch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])
    with LedgerFolder.open(ledger) as house:
        tally = import_sales(house, table(tmp_path / "new.csv", second), namespace="old")

    assert tally.added == 40
    assert [name for name in asked if name.startswith(("item/", "imported/"))] == []


@pytest.mark.shared_data
def test_the_real_sales_give_the_figures_of_their_description(
    program: Program, ledger: Path, shared_dir: Path
) -> None:
    file = shared_dir / "data" / SHARED

    tally = program.json("import-sales", file, "--dir", ledger)
    again = program.json("import-sales", file, "--dir", ledger)

    assert figures(tally) == (3253, 3253, 3253, 0, 2545, 250, 832)
    assert tally["gap_reasons"] == {"buyer-not-recorded": 173, "moved-elsewhere": 77}
    assert figures(again) == (3253, 3253, 0, 0, 2545, 250, 832)
    audited = program.json("audit", "--dir", ledger)
    assert (audited["verdict"], audited["gaps"], audited["derived"]) == ("valid", 250, "yes")

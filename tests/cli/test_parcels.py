"""`yinzheng order open` and `cards check`: what is bought is opened by its buyer, and proved."""

from __future__ import annotations

import json
import shutil
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from api.folder import LedgerFolder
from tests.cli.buying import KEYS, LISTING, NEVER, make_shop, on, placed
from tests.cli.running import Program, Ran


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    """A folder with three cards for sale, a buyer who can pay for two, and another member."""
    return make_shop(program, tmp_path / "ledger")


def bought(program: Program, ledger: Path, *more: object) -> dict[str, Any]:
    """Order and pay."""
    order = placed(program, ledger, *more)
    on(program, ledger, "pay", order["order"], "--as", "ann")
    return order


def opening(program: Program, ledger: Path, order: str, *more: object, buyer: str = "ann") -> Ran:
    return program("order", "open", order, "--as", buyer, "--dir", ledger, "--json", *more)


def refused(ran: Ran) -> tuple[int, str]:
    for key in KEYS:
        assert key not in ran.out + ran.err
    return ran.code, ran.error["code"]


def order_keys(program: Program, ledger: Path) -> list[Path]:
    """The private keys that this user keeps for orders of the ledger."""
    origin = json.loads((ledger / "config.json").read_text())["origin"]
    own = Path(program.env["YINZHENG_KEYSTORE"]) / sha256(origin.encode()).hexdigest()
    return sorted((own / "orders").glob("*"))


def test_a_buyer_opens_what_was_delivered_and_the_log_hears_nothing_of_it(
    program: Program, ledger: Path
) -> None:
    order = bought(program, ledger, "--count", 2)
    number = order["order"]
    (kept,) = order_keys(program, ledger)
    assert kept.name == f"{number}.pem"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    told = on(program, ledger, "deliver")
    assert (told["delivered"], told["undeliverable"]) == (1, [])
    size = on(program, ledger, "show", number)["head"]

    ran = opening(program, ledger, number)

    assert ran.code == 0, ran
    lines = ran.document["lines"]
    assert [line["item"] for line in lines] == [line["item"] for line in order["lines"]]
    assert {line["key"] for line in lines} < set(KEYS)
    assert ran.document["missing"] == []
    assert on(program, ledger, "show", number)["head"] == size
    table = program("order", "open", number, "--as", "ann", "--dir", ledger, "--line", 2)
    assert lines[1]["key"] in table.out
    assert lines[0]["key"] not in table.out
    assert program.json("audit", "--dir", ledger)["verdict"] == "valid"


def test_a_parcel_is_fetched_from_a_server_that_made_it_and_is_believed_in_nothing(
    program: Program, ledger: Path
) -> None:
    order = bought(program, ledger)
    program.json("keystore", "import", "ann", ledger / "keys" / "ann.pem", "--dir", ledger)
    ask = ("order", "open", order["order"], "--as", "ann", "--json", "--vkey", f"@{ledger}/vkey")

    with program.serving("serve", "--dir", ledger) as (ready, _):
        ran = program(*ask, "--url", ready["url"])
        for _ in range(100):
            if ran.code == 0:
                break
            assert refused(ran)[1] in {"parcel-not-found", "tampered", "proof-not-available"}, ran
            ran = program(*ask, "--url", ready["url"])

    (line,) = ran.document["lines"]
    assert line["key"] in KEYS
    assert opening(program, ledger, order["order"]).document == ran.document


def test_nobody_else_opens_it(program: Program, ledger: Path) -> None:
    number = bought(program, ledger)["order"]
    on(program, ledger, "deliver")

    assert refused(opening(program, ledger, number, buyer="bob")) == (2, "not-authorised")
    assert refused(opening(program, ledger, number, buyer="shop")) == (2, "not-authorised")
    assert refused(opening(program, ledger, NEVER)) == (2, "unknown-order")
    assert refused(program("order", "open", number, "--as", "ann", "--json")) == (2, "usage")


def test_without_its_key_or_with_another_one_nothing_opens(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    number = bought(program, ledger)["order"]
    on(program, ledger, "deliver")
    (kept,) = order_keys(program, ledger)
    other = tmp_path / "other.key"
    other.write_text(b64encode(bytes(range(32))).decode())
    other.chmod(0o600)

    assert refused(opening(program, ledger, number, "--with", other)) == (2, "parcel-refused")
    aside = kept.rename(tmp_path / "kept.pem")
    assert refused(opening(program, ledger, number)) == (2, "key-file-invalid")
    assert opening(program, ledger, number, "--with", aside).code == 0
    aside.chmod(0o644)
    assert refused(opening(program, ledger, number, "--with", aside)) == (2, "key-file-invalid")


def test_an_order_that_is_refused_leaves_no_key(program: Program, ledger: Path) -> None:
    ran = program("order", "place", LISTING, "--dir", ledger, "--as", "ann", "--count", 4, "--json")
    assert refused(ran) == (2, "out-of-stock")
    ran = program("order", "place", LISTING, "--dir", ledger, "--as", "shop", "--json")
    assert refused(ran) == (2, "same-party")

    assert order_keys(program, ledger) == []


def test_where_no_parcel_is_the_way_to_the_card_is_named(program: Program, ledger: Path) -> None:
    number = bought(program, ledger)["order"]
    waits = opening(program, ledger, number)
    assert refused(waits) == (2, "parcel-not-found")
    assert "order show" in waits.error["do"]
    plain = bought(program, ledger, "--no-key")
    assert len(order_keys(program, ledger)) == 1
    on(program, ledger, "deliver")

    key = order_keys(program, ledger)[0]
    ran = opening(program, ledger, plain["order"], "--with", key)
    assert refused(ran) == (2, "parcel-not-found")
    assert "order reveal" in ran.error["do"]
    item = plain["lines"][0]["item"]
    assert on(program, ledger, "reveal", item, "--as", "ann")["key"] in KEYS


@pytest.mark.parametrize("point", ["C3", "C4", "C5", "C6", "C7"])
def test_who_dies_over_a_delivery_leaves_line_and_parcel_or_neither(
    program: Program, ledger: Path, point: str
) -> None:
    number = bought(program, ledger)["order"]

    program.killed_at(point, "order", "deliver", "--dir", ledger)

    with LedgerFolder.open(ledger, read_only=True) as house:
        there = house.recorder.parcel(number, 1) is not None
    assert on(program, ledger, "show", number)["lines"][0]["delivered"] is there
    assert there is (point in {"C6", "C7"})
    assert on(program, ledger, "deliver")["delivered"] == (0 if there else 1)
    (line,) = opening(program, ledger, number).document["lines"]
    assert line["key"] in KEYS
    assert program.json("audit", "--dir", ledger)["verdict"] == "valid"


def test_a_backup_brings_parcels_back(program: Program, ledger: Path, tmp_path: Path) -> None:
    number = bought(program, ledger)["order"]
    on(program, ledger, "deliver")
    opened = opening(program, ledger, number).document
    program.json("backup", "--dir", ledger, "--to", tmp_path / "backup", "--with-keys")
    again = tmp_path / "again"
    program.json("restore", tmp_path / "backup", "--dir", again)

    assert opening(program, again, number).document == opened
    assert program.json("audit", "--dir", again)["verdict"] == "valid"


def test_a_healed_ledger_lacks_its_parcels_says_so_and_the_card_is_revealed(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    order = bought(program, ledger)
    older = tmp_path / "older"
    shutil.copytree(ledger, older)
    on(program, ledger, "deliver")
    mirror = tmp_path / "mirror"
    program.json("export", "--dir", ledger, "-o", mirror)

    program.json("restore", "--dir", older, "--mirror", mirror)

    report = program.json("audit", "--dir", older)
    assert (report["verdict"], report["lost_parcels"]) == ("valid", 1)
    ran = opening(program, older, order["order"])
    assert refused(ran) == (2, "parcel-not-found")
    assert "lost" in ran.error["message"]
    assert "order reveal" in ran.error["do"]
    item = order["lines"][0]["item"]
    assert on(program, older, "reveal", item, "--as", "ann")["key"] in KEYS


@pytest.fixture
def evidence(program: Program, ledger: Path, tmp_path: Path) -> Path:
    """What ann shows of the first of two cards that she bought."""
    number = bought(program, ledger, "--count", 2)["order"]
    on(program, ledger, "deliver")
    file = tmp_path / "evidence.json"
    ran = opening(program, ledger, number, "--line", 1, "--evidence", file)
    assert ran.code == 0, ran
    return file


def checked(program: Program, ledger: Path, file: Path, *more: object) -> Ran:
    return program("cards", "check", file, "--vkey", f"@{ledger / 'vkey'}", "--json", *more)


def test_an_arbitrator_sees_which_card_was_delivered_and_prints_it_only_when_asked_to(
    program: Program, ledger: Path, evidence: Path
) -> None:
    assert stat.S_IMODE(evidence.stat().st_mode) == 0o600
    number = json.loads(evidence.read_text())["order"]
    (line,) = opening(program, ledger, number, "--line", 1).document["lines"]
    # Offline: the log's key and the file are enough.
    (ledger / "ledger.sqlite").rename(ledger / "away.sqlite")

    ran = checked(program, ledger, evidence)
    shown = checked(program, ledger, evidence, "--show")

    assert (ran.code, ran.document["verdict"]) == (0, "delivered")
    assert (ran.document["order"], ran.document["line"]) == (number, 1)
    assert {name: ran.document[name] for name in ("item", "product", "commitment")} == {
        name: line[name] for name in ("item", "product", "commitment")
    }
    assert ran.document["delivered_by"] == "system"
    assert not any(key in ran.out for key in KEYS)
    assert shown.document == {**ran.document, "key": line["key"]}


def changed(file: Path, name: str, change: Callable[[Any], Any]) -> None:
    document = json.loads(file.read_text())
    document[name] = change(document[name])
    file.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True))


def flipped(text: str) -> str:
    held = bytearray(b64decode(text))
    held[len(held) // 2] ^= 1
    return b64encode(held).decode()


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("parcel", flipped, (2, "parcel-refused", "it is not the parcel that was delivered")),
        ("key", flipped, (2, "parcel-refused", "the key is not that of the order")),
        ("line", lambda _: 2, (2, "parcel-refused", "it is not the parcel that was delivered")),
        ("line", lambda _: 3, (2, "parcel-refused", "the proof is not of this order")),
        ("order", lambda _: NEVER, (2, "parcel-refused", "the proof is not of this order")),
        ("proof", flipped, (1, "tampered", None)),
        ("opening", lambda _: "{}", (2, "malformed", None)),
        ("parcel", lambda _: None, (2, "malformed", None)),
        ("schema", lambda _: 2, (2, "malformed", None)),
        ("key", lambda _: "AAAA", (2, "malformed", None)),
    ],
)
def test_evidence_that_was_changed_shows_nothing(
    program: Program,
    ledger: Path,
    evidence: Path,
    name: str,
    change: Callable[[Any], Any],
    told: tuple[int, str, str | None],
) -> None:
    changed(evidence, name, change)

    ran = checked(program, ledger, evidence, "--show")

    assert (*refused(ran), ran.error.get("reason")) == told


def test_a_card_that_was_revealed_is_shown_in_the_same_way(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    order = bought(program, ledger, "--no-key")
    on(program, ledger, "deliver")
    item, file = order["lines"][0]["item"], tmp_path / "revealed.json"
    told = on(program, ledger, "reveal", item, "--as", "ann", "--evidence", file)

    ran = checked(program, ledger, file, "--show")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (ran.code, ran.document["verdict"]) == (0, "revealed")
    assert {name: ran.document[name] for name in ("item", "commitment", "key")} == {
        name: told[name] for name in ("item", "commitment", "key")
    }
    assert ran.document["digest"] is None


def test_evidence_is_of_one_line_and_overwrites_nothing(
    program: Program, ledger: Path, evidence: Path
) -> None:
    number = json.loads(evidence.read_text())["order"]
    before = evidence.read_bytes()

    assert refused(opening(program, ledger, number, "--evidence", evidence)) == (2, "usage")
    again = opening(program, ledger, number, "--line", 1, "--evidence", evidence)
    assert refused(again) == (2, "file-error")
    assert evidence.read_bytes() == before

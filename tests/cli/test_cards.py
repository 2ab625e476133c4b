"""`yinzheng cards`: files of card keys, and the index that tells them apart."""

from __future__ import annotations

import base64
import csv
import json
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.folder import LedgerFolder
from api.house import House
from api.parcels import address_of, read_order_key
from ledger.cards.commitments import Opening, read_opening
from ledger.cards.parcels import seal_parcel
from ledger.clock import SystemClock
from ledger.errors import KeyFileInvalid
from tests.cards.selling import open_shop
from tests.cli.running import Program

UPLOAD = ("--merchant", "shop", "--product", "steam-100", "--class", "game-card")


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    """The folder of a ledger in which two merchants may sell cards."""
    folder = tmp_path / "ledger"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])
        with open_shop(folder, clock=SystemClock()) as house:
            house.publisher.publish()
    return folder


def keys_file(path: Path, keys: Sequence[str], *, column: str | None = "key") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if column is not None:
            writer.writerow(["serial", column])
        writer.writerows([[number, key] if column else [key] for number, key in enumerate(keys)])
    return path


def test_a_file_of_ten_thousand_keys_is_registered_and_told_by_row(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    keys = [f"AAAA-{number:05}-ZZZZ" for number in range(9_995)]
    keys += ["aaaa 00007 zzzz", "AAAA00008ZZZZ", keys[9], "new-1", "new-2"]
    file = keys_file(tmp_path / "keys.csv", keys)

    told = program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)

    rows = [(each["row"], each["item"][:11]) for each in told.pop("duplicate_rows")]
    assert rows == [(9_997, "shop-cards/"), (9_998, "shop-cards/"), (9_999, "shop-cards/")]
    first, last = told.pop("first"), told.pop("last")
    assert told == {
        "schema": 1,
        "rows": 10_000,
        "accepted": 9_997,
        "duplicates": 3,
        "rejected": 0,
        "left": 0,
        "retry_after_s": None,
    }
    history = program.json("history", first, "--dir", ledger)
    assert history["item"] == first
    assert last != first
    assert program.json("audit", "--dir", ledger)["verdict"] == "valid"


def test_running_it_again_registers_nothing_twice(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    file = keys_file(tmp_path / "keys.csv", ["K1", "K2"])
    program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)

    again = program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)

    assert (again["accepted"], again["duplicates"]) == (0, 2)
    assert [each["row"] for each in again["duplicate_rows"]] == [2, 3]


@pytest.mark.parametrize(
    ("point", "recorded", "left"),
    [("C3", 250, 0), ("K1", 250, 250), ("C5", 250, 250), ("C6", 500, 0), ("C7", 500, 0)],
)
def test_after_a_kill_running_it_again_goes_on(
    program: Program, ledger: Path, tmp_path: Path, point: str, recorded: int, left: int
) -> None:
    file = keys_file(tmp_path / "keys.csv", [f"K{number}" for number in range(600)])
    program.killed_at(f"{point}:2", "cards", "upload", file, "--dir", ledger, *UPLOAD)

    ran = program("cards", "upload", file, "--dir", ledger, *UPLOAD, "--json")

    # What was reserved for commands that are not in the log is free a few minutes later.
    assert (ran.code, ran.document["left"]) == (2 if left else 0, left)
    assert ran.document["duplicates"] == recorded
    assert ran.document["accepted"] == 600 - recorded - left
    wait = ran.document["retry_after_s"]
    assert 0 < wait <= 181 if left else wait is None
    assert program.json("audit", "--dir", ledger)["verdict"] == "valid"


def test_others_keys_are_counted_and_neither_named_nor_explained(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    file = keys_file(tmp_path / "keys.csv", ["K1", "K80", "K3"])
    program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)
    others = keys_file(tmp_path / "others.csv", ["K9", "k-80", "K8"])
    rival = ("--merchant", "rival", *UPLOAD[2:])

    ran = program("cards", "upload", others, "--dir", ledger, *rival, "--json")
    seen = program.json("cards", "sightings", "--dir", ledger)

    assert ran.code == 0
    assert (ran.document["accepted"], ran.document["rejected"]) == (2, 1)
    assert ran.document["duplicate_rows"] == []
    # No id of an item has a 0 or an 8.
    assert "K80" not in ran.out.upper()
    (sighting,) = seen["sightings"]
    assert (sighting["party"], sighting["other_party"]) == ("rival", "shop")
    assert sighting["stream"].startswith("item/rival-cards/")
    assert sighting["other_stream"].startswith("item/shop-cards/")


def test_a_day_of_too_many_is_over_with_what_was_left_and_a_code_of_its_own(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    file = keys_file(tmp_path / "keys.csv", [f"K{number}" for number in range(120)])
    program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)

    ran = program(
        "cards", "upload", file, "--dir", ledger, "--merchant", "rival", *UPLOAD[2:], "--json"
    )

    assert ran.code == 2
    assert (ran.document["rejected"], ran.document["left"]) == (100, 20)
    assert 0 < ran.document["retry_after_s"] <= 24 * 3600 + 1


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("K1\nK2\n", 2),
        ("key\nK1\n\nK2\n", 2),
        ("\ufeff卡密,备注\r\nK1,一\r\nK2,二\r\n", 2),
        ('Card Key,price\n"K,1",5\n', 1),
        ("K1", 1),
    ],
)
def test_a_table_or_a_plain_list_is_read(
    program: Program, ledger: Path, tmp_path: Path, text: str, keys: int
) -> None:
    file = tmp_path / "keys.csv"
    file.write_bytes(text.encode())

    assert program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)["accepted"] == keys


@pytest.mark.parametrize(
    ("text", "message", "rows"),
    [
        (b"", "the file holds 0 keys, not 1 to 100000", []),
        (b"key\n", "the file holds 0 keys, not 1 to 100000", []),
        (b"serial,number\n1,SECRET\n", "the first line names no column `key`", [1]),
        (b"key\nSECRET\n---\n\x07SECRET\n", "2 rows hold no key that can be registered", [3, 4]),
        (b"key\nSECRET\n\xff\xfe\n", "the file is no CSV in UTF-8", [1]),
        (b"key,x\nSECRET,1\n1,2\n , 5\n", "1 rows hold no key that can be registered", [4]),
        (b'key\n"' + b"S" * 20_000 + b'"\n', "the file is no CSV in UTF-8", [3]),
        (b"key\n" + b"S" * 70_000, "a line is longer than 65536 characters", [2]),
        (b"S\n" * 100_001, "the file holds more than 100000 rows", []),
    ],
)
def test_a_file_that_is_not_in_order_is_refused_whole_and_never_quoted(
    program: Program, ledger: Path, tmp_path: Path, text: bytes, message: str, rows: list[int]
) -> None:
    file = tmp_path / "keys.csv"
    file.write_bytes(text)
    size = program.json("status", "--dir", ledger)["size"]

    ran = program("cards", "upload", file, "--dir", ledger, *UPLOAD, "--json")

    assert ran.code == 2
    assert (ran.error["code"], ran.error["message"]) == ("card-file-refused", message)
    assert len(ran.error["rows"]) == len(rows)
    assert "SECRET" not in ran.out + ran.err
    assert program.json("status", "--dir", ledger)["size"] == size


def test_keys_come_from_stdin_too(program: Program, ledger: Path) -> None:
    ran = subprocess.run(
        program.command("cards", "upload", "-", "--dir", ledger, *UPLOAD, "--json"),
        env=program.env,
        input="\ufeffkey\nK1\nK2\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )

    assert json.loads(ran.stdout)["accepted"] == 2


def test_the_merchants_own_keystore_signs(program: Program, ledger: Path, tmp_path: Path) -> None:
    file = keys_file(tmp_path / "keys.csv", ["K1"])
    (ledger / "keys" / "shop.pem").rename(tmp_path / "shop.pem")
    missing = program("cards", "upload", file, "--dir", ledger, *UPLOAD, "--json")
    program.json("keystore", "import", "shop", tmp_path / "shop.pem", "--dir", ledger)

    told = program.json("cards", "upload", file, "--dir", ledger, *UPLOAD, "--as", "shop")

    assert missing.error["code"] == "key-file-invalid"
    assert told["accepted"] == 1


def test_what_an_upload_leaves_out_is_asked_for(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    file = keys_file(tmp_path / "keys.csv", ["K1"])
    bare = ("--dir", ledger, "--product", "steam-100", "--json")

    two = program("cards", "upload", file, "--merchant", "shop", *bare)
    nobody = program("cards", "upload", file, "--merchant", "judge", *bare)

    assert (two.code, two.error["classes"]) == (2, ["game-card", "loop-card"])
    assert (nobody.code, nobody.error["code"]) == (2, "unknown-merchant")


def test_a_ledger_without_a_trade_policy_takes_no_cards(program: Program, tmp_path: Path) -> None:
    program.json("init", "--dir", tmp_path / "new")
    file = keys_file(tmp_path / "keys.csv", ["K1"])

    ran = program("cards", "upload", file, "--dir", tmp_path / "new", *UPLOAD, "--json")

    assert (ran.code, ran.error["code"]) == (2, "no-trade-policy")


def test_an_index_that_was_lost_is_made_again_and_a_pepper_added(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    file = keys_file(tmp_path / "keys.csv", ["K1", "K2"])
    program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)
    for path in (ledger / "vault").glob("index.sqlite*"):
        path.unlink()

    made = program.json("cards", "reindex", "--dir", ledger)
    peppered = program.json("cards", "repepper", "--dir", ledger)
    again = program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)

    assert made == {"schema": 1, "cards": 2, "unreadable": 0, "doubles": []}
    assert peppered == {"schema": 1, "pepper": 2, "cards": 2, "unreadable": 0, "doubles": []}
    assert (again["accepted"], again["duplicates"]) == (0, 2)


def test_two_items_that_hold_one_key_are_named_with_their_orders(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    file = keys_file(tmp_path / "keys.csv", ["K1"])
    first = program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)["first"]
    with closing(sqlite3.connect(ledger / "vault" / "index.sqlite")) as index:
        index.execute("DELETE FROM fingerprint")
        index.commit()
    rival = ("--merchant", "rival", *UPLOAD[2:])
    second = program.json("cards", "upload", file, "--dir", ledger, *rival)["first"]

    doubles = program.json("cards", "reindex", "--dir", ledger)["doubles"]

    first, second = sorted((first, second))
    (double,) = doubles
    assert double.pop("alert")
    assert double == {"item": first, "order": None, "other": second, "other_order": None}


def test_people_see_the_rows_and_never_a_key(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    file = keys_file(tmp_path / "keys.csv", ["SECRET-1", "secret1"])

    ran = program("cards", "upload", file, "--dir", ledger, *UPLOAD)

    assert ran.code == 0
    assert "accepted        1" in ran.out
    assert "duplicate_rows  3 (shop-cards/" in ran.out
    assert "secret" not in (ran.out + ran.err).lower()


ORDER = "019aab48-f80c-7000-8000-000000000000"


@pytest.mark.parametrize("pem", [True, False], ids=["pem", "base64"])
def test_a_parcel_proves_which_key_was_delivered(
    program: Program, ledger: Path, tmp_path: Path, *, pem: bool
) -> None:
    file = keys_file(tmp_path / "keys.csv", ["AB12-CD34"])
    item = program.json("cards", "upload", file, "--dir", ledger, *UPLOAD)["first"]
    private = X25519PrivateKey.generate()
    key, parcel = tmp_path / "order.key", tmp_path / "parcel"
    key.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if pem
        else base64.b64encode(private.private_bytes_raw())
    )
    key.chmod(0o600)
    with LedgerFolder.open(ledger, read_only=True) as house:
        address = address_of(house.reader, house.origin, item=item, order=ORDER, line=1)
        opening = card_of(house, item)
    parcel.write_bytes(seal_parcel(address, opening, to=private.public_key().public_bytes_raw()))
    asked = ("cards", "open", parcel, "--dir", ledger, "--item", item, "--order", ORDER)

    told = program.json(*asked, "--line", 1, "--with", key)
    other = program(*asked, "--line", 2, "--with", key, "--json")
    key.chmod(0o644)
    readable = program(*asked, "--line", 1, "--with", key, "--json")

    assert told == {
        "schema": 1,
        "item": item,
        "product": "steam-100",
        "commitment": address.commitment,
        "key": "AB12-CD34",
    }
    assert (other.code, other.error["code"]) == (2, "parcel-refused")
    assert (readable.code, readable.error["code"]) == (2, "key-file-invalid")


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (b"AAEC", "the file holds no private X25519 key"),
        (b"\xff", "the file holds no private X25519 key"),
        (b"-----BEGIN PRIVATE" + b" KEY-----\nAAEC\n", "the file holds no private X25519 key"),
        (
            Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            "the file holds no private X25519 key",
        ),
        (None, "cannot read the key: No such file or directory"),
    ],
    ids=["short", "binary", "broken", "of another kind", "missing"],
)
def test_what_is_no_key_of_an_order_opens_nothing(
    tmp_path: Path, held: bytes | None, message: str
) -> None:
    file = tmp_path / "key"
    if held is not None:
        file.write_bytes(held)
        file.chmod(0o600)

    with pytest.raises(KeyFileInvalid) as refused:
        read_order_key(file)

    assert refused.value.message == message


def test_what_is_no_card_has_no_parcel(program: Program, ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "parcel").write_bytes(b"")
    asked = ("cards", "open", tmp_path / "parcel", "--dir", ledger, "--item", "shop-cards/none")

    ran = program(*asked, "--order", ORDER, "--line", 1, "--with", tmp_path, "--json")

    assert (ran.code, ran.error["code"]) == (2, "unknown-item")


def card_of(house: House, item: str) -> Opening:
    """Open a card as the ledger itself does to deliver it."""
    (row,) = house.reader.stream_entries(f"item/{item}")
    (box,) = [box for box in house.recorder.disclosures(row.index) if box.name == "card"]
    held = house.vault.open("shop", index=row.index, name="card", box=box.box).decode()
    return read_opening("card", held.partition("\n")[2])

"""What a buyer can still do where the seller hands over something else, or hinders proofs."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from api.desk import Hand, Order, send, write
from api.folder import LedgerFolder
from api.parcels import address_of
from ledger.application import Accepted
from ledger.cards.commitments import Opening, write_opening
from ledger.cards.parcels import parcel_digest
from tests.cli.buying import KEYS, make_shop, on, placed
from tests.cli.running import Program

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    """A folder with three cards for sale, and a buyer who can pay for two."""
    return make_shop(program, tmp_path / "ledger")


@pytest.fixture
def order(program: Program, ledger: Path) -> dict[str, Any]:
    """An order of one card that is paid and not delivered."""
    found = placed(program, ledger)
    on(program, ledger, "pay", found["order"], "--as", "ann")
    return found


@pytest.fixture(autouse=True)
def _at_home(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process write to the ledgers that the program made."""
    monkeypatch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])


def handed_over(ledger: Path, order: str, item: str, plain: bytes, file: Path) -> None:
    """Let the shop deliver by its own hand, whatever is in the parcel."""
    with LedgerFolder.open(ledger) as house:
        found: Any = house.ledger.stream(f"order/{order}")
        address = address_of(house.reader, house.origin, item=item, order=order, line=1)
        to = X25519PublicKey.from_public_bytes(b64decode(found.state.key))
        parcel = SUITE.encrypt(plain, to, info=address.info())
        body = {"order": order, "parcels": [{"line": 1, "parcel": parcel_digest(parcel)}]}
        send(
            house, Order("deliver-lines/1", [Hand("shop", "merchant", house.signer("shop"))], body)
        )
        house.publisher.publish()
    file.write_bytes(parcel)


@pytest.mark.parametrize(
    ("plain", "code", "verdict"),
    [
        (b"nothing", "parcel-refused", "unreadable"),
        (
            write_opening("card", Opening("USED-UP-0001", bytes(32))).encode(),
            "commitment-differs",
            "another-card",
        ),
    ],
)
def test_a_parcel_that_is_not_what_was_promised_leaves_evidence(  # noqa: PLR0913, PLR0917
    program: Program,
    ledger: Path,
    order: dict[str, Any],
    tmp_path: Path,
    plain: bytes,
    code: str,
    verdict: str,
) -> None:
    number, item = order["order"], order["lines"][0]["item"]
    parcel, evidence = tmp_path / "parcel", tmp_path / "evidence.json"
    handed_over(ledger, number, item, plain, parcel)
    ask = ("order", "open", number, "--as", "ann", "--dir", ledger, "--json")
    assert program(*ask).error["code"] == "parcel-not-found"

    ran = program(*ask, "--line", 1, "--parcel", parcel, "--evidence", evidence)

    assert (ran.code, ran.error["code"]) == (2, code)
    shown = program("cards", "check", evidence, "--vkey", f"@{ledger}/vkey", "--json")
    assert (shown.code, shown.document["verdict"]) == (1, verdict)
    assert shown.document["delivered_by"] == "shop"


def test_evidence_is_not_written_of_a_parcel_that_was_not_delivered(
    program: Program, ledger: Path, order: dict[str, Any], tmp_path: Path
) -> None:
    number, item = order["order"], order["lines"][0]["item"]
    parcel, evidence = tmp_path / "parcel", tmp_path / "evidence.json"
    handed_over(ledger, number, item, b"nothing", parcel)
    parcel.write_bytes(parcel.read_bytes() + b"x")
    ask = ("order", "open", number, "--as", "ann", "--dir", ledger, "--json", "--parcel", parcel)

    assert program(*ask).error["code"] == "usage"
    assert program(*ask, "--line", 2).error["code"] == "unknown-line"
    ran = program(*ask, "--line", 1, "--evidence", evidence)
    assert (ran.error["code"], ran.error["reason"]) == (
        "parcel-refused",
        "it is not the parcel that was delivered",
    )
    assert not evidence.exists()


def test_a_seller_who_fills_its_stream_keeps_nobody_from_the_card(
    program: Program, ledger: Path, order: dict[str, Any], tmp_path: Path
) -> None:
    """A proof holds the whole stream of every signer: with 230 large commands there is none."""
    with LedgerFolder.open(ledger) as house:
        hands = [Hand("shop", "signer", house.signer("shop"))]
        nothing = Order("no-kind/1", hands, {"padding": "x" * 20_000})
        body = {"command": write(house.context(), nothing)[0].document}
        fillers = [
            write(house.context(), Order("cancel-command/1", hands, body))[1] for _ in range(230)
        ]
        assert all(isinstance(each, Accepted) for each in house.ledger.submit(fillers))
    number, item = order["order"], order["lines"][0]["item"]
    on(program, ledger, "deliver")
    ran = program("prove", item, "--dir", ledger, "--json", "-o", tmp_path / "proof")
    assert ran.error["code"] == "proof-too-large"
    ask = ("order", "open", number, "--as", "ann", "--dir", ledger, "--json")

    (line,) = program.json(*ask[:-1])["lines"]

    assert line["key"] in KEYS
    program.json("keystore", "import", "ann", ledger / "keys" / "ann.pem", "--dir", ledger)
    with program.serving("serve", "--dir", ledger) as (ready, _):
        asked = ("order", "open", number, "--as", "ann", "--vkey", f"@{ledger}/vkey")
        assert program.json(*asked, "--url", ready["url"])["lines"] == [line]
    refused = program(*ask, "--line", 1, "--evidence", tmp_path / "evidence.json")
    assert refused.error["code"] == "proof-too-large"

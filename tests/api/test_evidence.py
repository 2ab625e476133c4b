"""What evidence says of whoever delivered something else, and what it never says."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from api.delivering import deliver_paid
from api.evidence import (
    ANOTHER,
    DELIVERED,
    REVEALED,
    UNREADABLE,
    Evidence,
    Parcel,
    delivery_in,
    examine,
    read_evidence,
    write_evidence,
)
from api.house import House
from api.parcels import address_of
from api.revealing import read_card
from ledger.application import Accepted
from ledger.cards.commitments import Opening, write_opening
from ledger.cards.parcels import parcel_digest
from ledger.errors import CommitmentDiffers, ParcelRefused
from ledger.proof.errors import VerificationError
from ledger.record.stored import read_stored
from ledger.rules.errors import Malformed
from tests.api.card_shop import GIFT, open_card_shop
from tests.api.revealed import register_real_card
from tests.api.serving import house_with_keys
from tests.databases import sqlite_file_url
from tests.escrow import deliver, delivery_draft, reveal_card
from tests.money import top_up
from tests.orders import pay_order, place_order
from tests.worlds import World

PRIVATE = X25519PrivateKey.from_private_bytes(bytes([9] * 32))
KEY = b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
ITEM, CARD = "cards/1", "STEAM-5F3A-99QX"
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A shop with one card, which ben has bought with a key of his own."""
    with World.create(sqlite_file_url(tmp_path), "evidence") as opened:
        open_card_shop(opened, "ben")
        register_real_card(opened, ITEM, "mia", CARD)
        top_up(opened, "ben", "kay", 50_000)
        yield opened


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    return house_with_keys(world, tmp_path)


def bought(world: World, key: str | None = KEY) -> str:
    order = place_order(world, "ben", GIFT, ITEM, key=key)
    pay_order(world, order)
    return order


def parcel_shown(world: World, house: House, order: str, parcel: bytes) -> Evidence:
    world.publish()
    held = Parcel(PRIVATE.private_bytes_raw(), parcel)
    return Evidence(order, 1, house.prover.prove(ITEM), held)


def sent(world: World, order: str, parcel: bytes) -> bytes:
    """Deliver bytes as a platform that cheats, or a program that is broken, would."""
    draft = delivery_draft(world, order)
    body = {"order": order, "parcels": [{"line": 1, "parcel": parcel_digest(parcel)}]}
    (outcome,) = world.send(replace(world.submission(replace(draft, body=body)), parcels=(parcel,)))
    assert isinstance(outcome, Accepted)
    return parcel


def sealed(world: World, order: str, plain: str) -> bytes:
    """Encrypt anything to the order's key, at the right place."""
    address = address_of(world.reader, world.origin, item=ITEM, order=order, line=1)
    return SUITE.encrypt(plain.encode(), PRIVATE.public_key(), info=address.info())


def test_what_was_promised_and_delivered_is_heldwith_what_opens_its_commitment(
    world: World, house: House, tmp_path: Path
) -> None:
    order = bought(world)
    house.runner.catch_up()
    deliver_paid(house)
    row = world.recorder.parcel(order, 1)
    assert row is not None
    evidence = parcel_shown(world, house, order, row.parcel)
    write_evidence(tmp_path / "evidence", evidence)
    assert read_evidence(tmp_path / "evidence") == evidence

    found = examine(evidence, world.vkey)

    assert found.verdict == DELIVERED
    assert found.opening is not None
    assert found.opening.text == CARD
    assert (found.delivery.by, found.delivery.key) == ("system", KEY)
    assert found.delivery.digest == row.digest.hex()
    assert found.delivery.address.item == ITEM


def test_another_card_than_was_promised_is_found(world: World, house: House) -> None:
    order = bought(world)
    other = write_opening("card", Opening("STEAM-USED-ONCE", bytes(32)))
    parcel = sent(world, order, sealed(world, order, other))

    found = examine(parcel_shown(world, house, order, parcel), world.vkey)

    assert (found.verdict, found.opening) == (ANOTHER, None)


@pytest.mark.parametrize("what", ["garbage", "no card", "another key", "another place"])
def test_what_is_no_card_for_the_buyer_is_found(world: World, house: House, what: str) -> None:
    order = bought(world)
    address = address_of(world.reader, world.origin, item=ITEM, order=order, line=1)
    stranger = X25519PrivateKey.from_private_bytes(bytes([8] * 32)).public_key()
    parcel = {
        "garbage": b"garbage" * 20,
        "no card": sealed(world, order, "no card"),
        "another key": SUITE.encrypt(b"{}", stranger, info=address.info()),
        "another place": SUITE.encrypt(
            b"{}", PRIVATE.public_key(), info=address._replace(line=2).info()
        ),
    }[what]

    found = examine(parcel_shown(world, house, order, sent(world, order, parcel)), world.vkey)

    assert (found.verdict, found.opening) == (UNREADABLE, None)


def test_a_merchant_is_named_that_delivered_by_its_own_hand(world: World, house: House) -> None:
    order = bought(world)
    deliver(world, order, by=world.signs("mia", "merchant"))
    world.publish()

    found = delivery_in(house.prover.prove(ITEM), world.vkey, order=order, line=1)

    assert found.by == "mia"


@pytest.mark.parametrize("key", [KEY, None])
def test_what_came_in_no_parcel_has_no_evidence_of_one(
    world: World, house: House, key: str | None
) -> None:
    order = bought(world, key)
    if key is None:
        deliver(world, order)

    with pytest.raises(ParcelRefused) as refused:
        examine(parcel_shown(world, house, order, b"parcel"), world.vkey)
    assert refused.value.evidence["reason"] == (
        "the proof has no delivery of it" if key else "the line was delivered without a parcel"
    )


def opening_of(world: World, house: House) -> Opening:
    (first, *_) = world.reader.stream_entries(f"item/{ITEM}")
    found = read_card(house, ITEM, read_stored(first)).opening
    assert found is not None
    return found


def test_what_was_revealed_is_shown_and_nothing_else(
    world: World, house: House, tmp_path: Path
) -> None:
    order = bought(world, None)
    deliver(world, order)
    opening = opening_of(world, house)
    world.publish()
    early = Evidence(order, 1, house.prover.prove(ITEM), opening)
    with pytest.raises(ParcelRefused, match="does not say that it was revealed"):
        examine(early, world.vkey)
    reveal_card(world, ITEM)
    world.publish()
    evidence = early._replace(proof=house.prover.prove(ITEM))
    write_evidence(tmp_path / "evidence", evidence)
    assert read_evidence(tmp_path / "evidence") == evidence

    found = examine(evidence, world.vkey)

    assert (found.verdict, found.opening) == (REVEALED, opening)
    assert (found.delivery.key, found.delivery.digest) == (None, None)
    other = evidence._replace(shown=Opening("STEAM-USED-ONCE", opening.blinding))
    with pytest.raises(CommitmentDiffers):
        examine(other, world.vkey)


def test_another_log_is_not_believed(world: World, house: House) -> None:
    order = bought(world)
    deliver(world, order)
    evidence = parcel_shown(world, house, order, b"a parcel for line 1")

    with pytest.raises(VerificationError):
        examine(evidence, world.vkey.replace("+", "+0", 1))


def test_no_file_but_evidence_is_evidence(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_bytes(b'{"schema":1}')

    with pytest.raises(Malformed):
        read_evidence(tmp_path / "evidence")

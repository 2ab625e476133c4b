"""What buyers and sellers of card shops complain about, each as a test that it cannot happen here.

A card that is sent twice, or sold twice; a quarrel about what was sent, with no proof on either
side; a stock that unpaid orders lock; a refund that is paid twice; a cent that nobody can refund.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api.delivering import deliver_paid
from api.desk import Hand, Order, send
from api.enrolment import enrol, grant
from api.folder import LedgerFolder
from api.parcels import address_of, open_delivered
from api.timers import fire_due
from ledger.cards.commitments import Opening, Place, check_opening, read_opening
from ledger.cards.parcels import parcel_digest, seal_parcel
from ledger.clock import SystemClock
from ledger.errors import CommitmentDiffers, ParcelRefused
from ledger.log.export import export_log
from ledger.proof.bundle import verify_proof
from ledger.proof.tlogproof import parse_proof
from ledger.rules.compose import Draft, uuid7
from ledger.rules.errors import Malformed
from ledger.rules.order_state import HELD
from ledger.rules.trade_errors import (
    CardSold,
    ItemNotForSale,
)
from tests.api.revealed import PRODUCT
from tests.api.serving import Served, body_of
from tests.api.signing import ask
from tests.api.test_payments import balance, paid_by, post
from tests.cards.selling import goods, open_shop, upload
from tests.cli.buying import LISTING, publish_listing, top_up
from tests.cli.running import Program
from tests.escrow import reveal_card
from tests.orders import line_of, order_draft, order_of, place_order
from tests.regressions.shops import (
    CARDS,
    GIFT,
    OTHER_SECRET,
    PRICE,
    SECRET,
    bought,
    delivered,
    entries,
    stock,
)
from tests.terms import terms
from tests.worlds import World

# One order got several keys because its payment was told again


def test_a_payment_that_is_told_again_funds_one_order_and_delivers_one_card(shop: Served) -> None:
    world, house = shop.world, shop.app.state.rooms.house
    order = place_order(world, "ann", GIFT, CARDS[0])

    def told(_number: int) -> int:
        status: int = post(shop, "wechat", paid_by(shop, "wechat", order, PRICE, "43")).status_code
        return status

    def sent() -> int:
        shop.catch_up()
        deliver_paid(house)  # whoever is first: the application's own rounds do it too
        return sum(each.type == "lines-delivered/1" for each in entries(world, 0))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(told, range(16))) == {204}
    assert sent() == 1
    size = world.size()
    # Told once more after the delivery, signed anew, as providers do for a day.
    world.clock.advance(3_600_000_000)
    assert {told(number) for number in range(3)} == {204}
    assert sent() == 1

    assert world.size() == size
    assert stock(shop) == set(CARDS[1:])
    assert [world.item(card).owner for card in CARDS] == ["ann"] + ["mia"] * 7
    assert balance(shop) == []


# A key that was sold is sent again, even from another product


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    program = Program(tmp_path / "state")
    monkeypatch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])
    yield program
    program.close()


@pytest.fixture
def sold(program: Program, tmp_path: Path) -> tuple[Path, str]:
    """A folder whose only card ann bought on the command line, and the name of the card."""
    folder = tmp_path / "ledger"
    with open_shop(folder, clock=SystemClock()) as house:
        for party in ("ann", "kay"):
            enrol(house, party, class_="member")
        grant(house, "kay", "cashier")
        publish_listing(house)
        upload(house, [SECRET])
        top_up(house, "ann", 2 * PRICE)
        house.publisher.publish()
    told = program.json("order", "place", LISTING, "--dir", folder, "--as", "ann")
    program.json("order", "pay", told["order"], "--dir", folder, "--as", "ann")
    assert program.json("order", "deliver", "--dir", folder)["delivered"] == 1
    return folder, told["lines"][0]["item"]


def test_a_key_that_was_sold_is_registered_by_nobody_in_no_spelling(
    sold: tuple[Path, str],
) -> None:
    folder, item = sold
    with LedgerFolder.open(folder) as house:
        size = house.recorder.head().size
        for spelling in (SECRET, "steam 5f3a\u201399qx", "\uff33TEAM5F3A99QX"):
            own, others = upload(house, [spelling]), upload(house, [spelling], "rival")
            assert (own.accepted, own.duplicates) == (0, [(1, item)])
            # Nor does another merchant learn whose it is.
            assert (others.accepted, others.rejected, others.duplicates) == (0, 1, [])
        # No other way to write the product's name makes another product of it.
        for name in ("Steam-100", "STEAM-100", "steam-100 ", "steam\u2010100", "\uff53team-100"):
            with pytest.raises(Malformed, match=r"product"):
                upload(house, [SECRET], "rival", product=name)

        assert house.recorder.head().size == size


def test_a_card_that_was_sold_is_neither_listed_as_free_nor_sold_again_by_its_buyer(
    program: Program, sold: tuple[Path, str]
) -> None:
    folder, item = sold
    ran = program("order", "place", LISTING, "--dir", folder, "--as", "ann", "--json")
    assert (ran.code, ran.error["code"]) == (2, "out-of-stock")

    with LedgerFolder.open(folder) as house:
        own = goods(house)
        body = {"agent": "system", "class": own.item_class, "item": item}
        body |= {"product": own.product, "terms": own.terms}
        expect = {f"item/{item}": house.head_of(f"item/{item}")}
        hands = [Hand("ann", "owner", house.signer("ann"))]
        with pytest.raises(CardSold):
            send(house, Order("place-in-escrow/1", hands, body, expect=expect))


def test_an_order_that_names_a_card_that_was_sold_is_refused(shop: Served) -> None:
    delivered(shop, CARDS[0])
    world = shop.world
    lines = [line_of(world, CARDS[0], GIFT)]
    draft = order_draft(world, uuid7(world.clock.now(), world.dice(10)), "eve", lines)
    size = world.size()

    answer = shop.post(body_of(world.submission(draft)))

    assert (answer.status_code, answer.json()["code"]) == (409, ItemNotForSale.code)
    assert world.size() == size


# "Show me the proof": what was delivered, when both sides say something else


def committed(world: World, item: str) -> str:
    """The commitment of a card, from a proof that is verified without the ledger."""
    world.publish()
    proof = world.prover.prove(item)
    assert verify_proof(proof, world.vkey).verdict == "valid"
    commands = [
        each["entry"].get("command") for each in json.loads(parse_proof(proof).extra)["entries"]
    ]
    bodies = [each["body"] for each in commands if each and each["kind"] == "register-card/1"]
    (found,) = {body["card"] for body in bodies if body["item"] == item}
    assert isinstance(found, str)
    return found


def nowhere(world: World, text: str, folder: Path) -> bool:
    """Whether a text is in no byte that anybody can read of the log."""
    export_log(world.reader, folder)
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert files
    return not any(text.encode() in each for each in files)


def test_an_arbitrator_checks_the_key_that_a_buyer_shows_and_nobody_else_sees_it(
    shop: Served, tmp_path: Path
) -> None:
    world, item = shop.world, CARDS[0]
    delivered(shop, item)
    reveal_card(world, item)
    shown = ask(shop, f"/v1/items/{item}/card", "ann").json()
    place, opening = Place("card", item, PRODUCT), read_opening("card", shown["opening"])

    check_opening(place, committed(world, item), opening)

    # Neither side can say that it was another key: this one was fixed before the sale.
    assert opening.text == shown["key"] == f"{SECRET}-0"
    with pytest.raises(CommitmentDiffers):
        check_opening(place, committed(world, item), Opening(OTHER_SECRET, opening.blinding))
    for party in ("ari", "eve", "mia", "kay"):
        assert ask(shop, f"/v1/items/{item}/card", party).status_code == 403
    assert nowhere(world, shown["key"], tmp_path / "log")


def test_an_arbitrator_who_is_given_an_orders_key_opens_the_parcel_that_was_delivered(
    shop: Served, tmp_path: Path
) -> None:
    world, item, private = shop.world, CARDS[0], X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    order = bought(shop, item, key=b64encode(public).decode())
    address = address_of(world.reader, world.origin, item=item, order=order, line=1)
    parcel = seal_parcel(address, opening_of(world, item), to=public)
    body = {"order": order, "parcels": [{"line": 1, "parcel": parcel_digest(parcel)}]}
    world.submit(Draft("deliver-lines/1", "system", [world.signs("system", "agent")], body))
    file, key = tmp_path / "parcel", tmp_path / "order.key"
    file.write_bytes(parcel)
    key.write_bytes(b64encode(private.private_bytes_raw()))
    key.chmod(0o600)

    assert address.commitment == committed(world, item)
    assert open_delivered(address, file, key=key).text == f"{SECRET}-0"
    (said,) = (each for each in entries(world, 0) if each.type == "lines-delivered/1")
    assert said.command is not None
    assert said.command.body["parcels"] == [{"line": 1, "parcel": parcel_digest(file.read_bytes())}]
    # Whoever was given nothing opens nothing, and the log holds no more than the digest.
    key.write_bytes(b64encode(X25519PrivateKey.generate().private_bytes_raw()))
    with pytest.raises(ParcelRefused):
        open_delivered(address, file, key=key)
    assert nowhere(world, f"{SECRET}-0", tmp_path / "log")


def opening_of(world: World, item: str) -> Opening:
    """What the platform, which the card was placed with, opens to deliver it."""
    (first, *_) = world.reader.stream_entries(f"item/{item}")
    (box,) = [each for each in world.recorder.disclosures(first.index) if each.name == "card"]
    held = world.vault.open("mia", index=first.index, name="card", box=box.box).decode()
    return read_opening("card", held.partition("\n")[2])


# Unpaid orders lock the whole stock


def test_unpaid_orders_lock_no_shop_and_free_what_they_held_by_themselves(shop: Served) -> None:
    world, most = shop.world, terms()["limits"]["unpaid_orders"]

    def asked(card: str) -> tuple[int, str | None]:
        order = uuid7(world.clock.now(), world.dice(10))
        draft = order_draft(world, order, "eve", [line_of(world, card, GIFT)])
        answer = shop.post(body_of(world.submission(draft)))
        shop.catch_up()
        return answer.status_code, answer.json().get("code")

    told = [asked(card) for card in CARDS]
    assert told == [(201, None)] * most + [(429, "too-many-unpaid")] * (len(CARDS) - most)
    # Who pays is served from what is left, while they wait.
    assert stock(shop) == set(CARDS[most:])
    delivered(shop, CARDS[most])

    world.clock.advance(15 * 60 * 1_000_000)
    assert stock(shop) == set(CARDS[most + 1 :])
    fire_due(shop.app.state.rooms.house)  # or the application's own rounds, whoever is first
    assert sum(each.type == "order-expired/1" for each in entries(world, 0)) == most
    assert stock(shop) == set(CARDS) - {CARDS[most]}
    order = delivered(shop, CARDS[0])
    assert order_of(world, order).lines[0].state == HELD

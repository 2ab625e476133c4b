"""The story of the golden log: every command kind and every event type at least once.

The same calls give the same bytes: seeds, a clock that only the story moves, and signatures made
without dice. Who changes a line here changes every golden file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ledger.log.export import export_log
from ledger.log.prover import Prover
from ledger.log.publisher import Publisher
from ledger.log.reader import LogReader
from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.note import split_note
from ledger.rules.commands import Command, Signer
from ledger.rules.compose import Draft, Sealing, compose
from ledger.rules.digests import timer_id
from ledger.rules.text import format_time, party_stream
from tests.databases import sqlite_file_url
from tests.worlds import SECOND_US, World

SEED = "golden"
PROVEN = "old/relic"
HOUR_US = 3600 * SECOND_US


@contextmanager
def golden_world(folder: Path) -> Iterator[World]:
    """Open a ledger in an empty folder in which nothing is left to chance."""
    with World.create(sqlite_file_url(folder), SEED) as world:
        yield world


def publisher_of(world: World) -> Publisher:
    """A publisher with the world's checkpoint key."""
    return Publisher(world.recorder, world.tree_signer(), world.origin, world.vkey)


def write_golden(folder: Path, log: Path) -> None:
    """Play the story in `folder` and export the log and one proof into `log`."""
    with golden_world(folder) as world:
        play(world)
        reader = LogReader(world.recorder)
        export_log(reader, log / "log")
        (log / "relic.tlog-proof").write_bytes(Prover(reader).prove(PROVEN))


def play(world: World) -> None:
    """Play the whole story, with a checkpoint in its middle and one at its end."""
    publisher = publisher_of(world)
    _parties_and_roles(world)
    _items(world)
    note = publisher.publish()
    assert note is not None
    _seen(world, note)
    _imports(world)
    _keys(world)
    _policies(world)
    publisher.publish()


def _parties_and_roles(world: World) -> None:
    world.register("shop", kind="merchant")
    # Nobody else is there to witness it: the log says `single_handed`.
    world.grant("shop", "importer")
    for party in ("anna", "carl", "otto", "olga", "fred"):
        world.register(party, kind="service" if party == "fred" else "member")
    world.register("bob", alg="p256")
    for officer in ("otto", "olga"):
        world.grant(officer, "officer", second="anna")
    world.grant("carl", "arbitrator", second="anna")
    body = {"party": "carl", "role": "arbitrator"}
    places = [world.signs("operator", "root")]
    world.submit(Draft("withdraw-role/1", "operator", places, body))
    world.grant("fred", "freezer")
    world.open_namespace("cards", "shop")
    world.open_namespace("old", "shop")


def _items(world: World) -> None:
    world.register_item("cards/1", kind="point-card", name="点卡 100")
    world.register_item("cards/2", kind="software-licence", name="Éditeur")
    world.transfer("cards/1", to="bob", price={"amount": "9900", "currency": "CNY"})
    world.offer("cards/1", to="anna", price={"amount": "1" + "0" * 20, "currency": "ETH"})
    world.accept("cards/1")
    world.offer("cards/1", to="bob")
    world.refuse("cards/1")
    world.offer("cards/1", to="carl")
    world.withdraw("cards/1")
    world.freeze("cards/2", by="fred")
    world.unfreeze("cards/2", by="fred")


def _seen(world: World, note: bytes) -> None:
    """A transfer by somebody who saw a checkpoint, and one signed before its forerunner is in."""
    checkpoint = parse_checkpoint(split_note(note)[0])
    seen = {"root": checkpoint.root.hex(), "size": checkpoint.size}
    first = world.compose(replace(world.transfer_draft("cards/2", to="anna"), seen=seen))
    places = [world.signs("anna", "owner"), world.signs("bob", "recipient")]
    body = {"item": "cards/2", "price": None}
    then = Draft("transfer-item/1", "anna", places, body, after={"item/cards/2": first.digest})
    second = world.compose(then)
    for outcome in world.send(world.sign(first), world.sign(second)):
        if isinstance(outcome, Exception):
            raise outcome


def _imports(world: World) -> None:
    eth = {"amount": "123456789012345678901", "currency": "ETH"}
    world.import_sale("old/relic", seller="a", buyer="b", tx="0xaa", price=eth)
    world.import_sale("old/relic", seller="b", buyer=None, tx=None)
    world.import_sale("old/relic", seller="c", buyer="d", ordinal=1, tx="表 7")
    world.import_sale("old/relic", seller="a", buyer="e", time="2021-01-02T00:00:00.000001Z")
    _claim(world)
    world.clock.advance(HOUR_US)
    world.transfer("old/relic", to="anna")


def _claim(world: World) -> None:
    party = "imported/old/e"
    body = {"key": world.key(party).key(), "party": party}
    places = [
        world.signs(party, "claimant"),
        world.signs("otto", "officer"),
        world.signs("olga", "officer"),
    ]
    world.submit(Draft("claim-imported-party/1", party, places, body))


def _keys(world: World) -> None:
    world.add_key("anna", "anna-phone")
    world.clock.advance(HOUR_US)
    world.revoke_key("anna", "anna", by="anna-phone")
    _answer(world, "object-key-change/1", "anna", world.signs("anna", "party"))
    world.revoke_key("anna", "anna", by="anna-phone")
    world.clock.advance(HOUR_US)
    _complete(world, "anna")
    world.revoke_key("bob", "bob")
    body = {"key": world.key("bob-new").key(), "party": "bob"}
    places = [
        world.signs("bob", "new", key="bob-new"),
        world.signs("otto", "officer"),
        world.signs("olga", "officer"),
    ]
    world.submit(Draft("recover-party/1", "otto", places, body))
    world.clock.advance(HOUR_US)
    _complete(world, "bob")
    _cancel(world)


def _change(world: World, party: str) -> dict[str, str]:
    change = world.party(party).change
    assert change is not None, party
    return {"change": change.digest, "due": format_time(change.due), "party": party}


def _answer(world: World, kind: str, party: str, place: Signer) -> None:
    body = _change(world, party)
    del body["due"]
    world.submit(Draft(kind, party, [place], body))


def complete_change(world: World, party: str) -> Command:
    """The timer that completes the change waiting for a party."""
    body = _change(world, party)
    draft = Draft("complete-key-change/1", "system", [world.signs("system", "system")], body)
    identifier = timer_id(party_stream(party), "key-change", body["due"])
    return compose(world.context(), identifier, draft)


def _complete(world: World, party: str) -> None:
    (outcome,) = world.send(world.sign(complete_change(world, party)))
    if isinstance(outcome, Exception):
        raise outcome


def _cancel(world: World) -> None:
    seal = [Sealing("name", "shop", world.dice(32), "never made")]
    places = [world.signs("shop", "owner")]
    body = {"class": "other", "item": "cards/3"}
    regretted = world.compose(Draft("register-item/1", "shop", places, body, seal=seal))
    cancelling = {"command": regretted.document}
    world.submit(Draft("cancel-command/1", "shop", [world.signs("shop", "signer")], cancelling))


def _policies(world: World) -> None:
    world.publish_policy(registration="open")
    body = {"class": "member", "key": world.key("dora").key(), "party": "dora"}
    world.submit(Draft("register-party/1", "dora", [world.signs("dora", "party")], body))

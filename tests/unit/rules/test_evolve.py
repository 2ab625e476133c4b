"""Evolve: what each event type changes in its stream's state, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.rules.digests import policy_digest
from ledger.rules.errors import UnknownKind
from ledger.rules.evolve import evolve
from ledger.rules.kinds import EVENT_TYPES, KINDS, kind_of, registered_key
from ledger.rules.state import (
    Head,
    Item,
    Key,
    KeyChange,
    Log,
    Namespace,
    Offer,
    Party,
    Policy,
    Role,
    State,
)
from ledger.rules.text import format_time
from tests.unit.rules.small import HOUR_US, ORIGIN, POLICY, START_US, Small, key, key_id
from tests.unit.rules.test_derive import add_key, complete, hasty, recovery, waiting

SECOND_US = 1_000_000


def key_state(name: str, *, since: int, ready: int, revoked: bool = False) -> Key:
    return Key(key_id(name), "ed25519", key(name)["public"], since, ready, revoked)


def last(small: Small) -> int:
    return len(small.entries) - 1


def test_the_opening_fixes_founders_key_delay_and_policy() -> None:
    state = Small().state("log")

    assert state == Log(
        origin=ORIGIN,
        founders=("operator", "system", "receipt", "checkpoint"),
        vkey=state.vkey if isinstance(state, Log) else "",
        receipt_delay=60 * SECOND_US,
        policy=Policy(policy_digest(dict(POLICY)), dict(POLICY)),
    )


def test_a_founder_begins_with_its_key_and_roles() -> None:
    small = Small()
    begun = START_US + SECOND_US

    assert small.state("party/operator") == Party(
        "operator",
        (key_state("operator", since=1, ready=begun),),
        (Role("registrar", single_handed=False), Role("root", single_handed=False)),
        founder=True,
    )
    assert small.state("party/checkpoint") == Party(
        "checkpoint",
        (key_state("checkpoint", since=4, ready=begun),),
        (Role("checkpoint", single_handed=False),),
        founder=True,
    )


def test_a_published_policy_replaces_the_one_before() -> None:
    small = Small()
    body = hasty(small)
    small.act("publish-policy/1", ("operator", "root"), **body)

    state = small.state("policy/ledger")

    assert state == Policy(policy_digest(body["policy"]), body["policy"])
    assert isinstance(state, Policy)
    assert (state.registration, state.delay("claim_cool_down")) == ("approved", HOUR_US)
    assert (state.knows("CNY"), state.knows("USD")) == (True, False)
    assert small.context().policy == state.digest


def party(small: Small, name: str = "bob") -> Party:
    state = small.state(f"party/{name}")
    assert isinstance(state, Party)
    return state


def test_a_registered_partys_first_key_is_ready_at_once() -> None:
    small = Small()
    small.register("bob")

    assert party(small) == Party("bob", (key_state("bob", since=5, ready=small.at),))


def test_a_later_key_is_ready_when_its_entry_says() -> None:
    small = Small().market()
    before = party(small)
    add_key(small, "bob", "bob-2")

    later = key_state("bob-2", since=last(small), ready=small.at + HOUR_US)
    assert party(small) == replace(before, keys=(*before.keys, later))


def test_a_key_that_revokes_itself_stays_on_record_as_revoked() -> None:
    small = Small().market()
    before = party(small)
    small.act("revoke-key/1", ("bob", "party"), key=key_id("bob"), party="bob")

    assert party(small) == replace(before, keys=(replace(before.keys[0], revoked=True),))


def test_a_requested_revocation_waits_and_is_stopped_by_an_objection() -> None:
    small = Small().market()
    add_key(small, "bob", "bob-2")
    before = party(small)
    asked = waiting(small, asks="bob", revokes="bob-2", party="bob")

    due = small.at + HOUR_US
    change = KeyChange(asked.digest, key_id("bob"), due, revokes=key_id("bob-2"), adds=None)
    assert party(small) == replace(before, change=change)

    place = ("bob", "party", "bob-2")
    small.act("object-key-change/1", place, change=asked.digest, party="bob")
    assert party(small) == before


def test_a_completed_revocation_revokes_the_one_key() -> None:
    small = Small().market()
    add_key(small, "bob", "bob-2")
    before = party(small)
    asked = waiting(small, asks="bob", revokes="bob-2", party="bob")
    due = format_time(small.at + HOUR_US)
    small.at += HOUR_US
    complete(small, asked, due)

    gone = replace(before.keys[1], revoked=True)
    assert party(small) == replace(before, keys=(before.keys[0], gone))
    assert small.entries[-1].data == {"added": None, "revoked": [key_id("bob-2")]}


def test_a_completed_recovery_revokes_every_key_and_adds_the_new_one() -> None:
    small = Small().market().officers()
    add_key(small, "bob", "bob-2")
    small.act("revoke-key/1", ("bob", "party"), key=key_id("bob"), party="bob")
    before = party(small)
    asked = small.do(recovery(small))
    due, index = small.at + HOUR_US, last(small)
    waits = key_state("new", since=index, ready=due)
    change = KeyChange(asked.digest, key_id("new"), due, revokes=None, adds=waits)
    assert party(small) == replace(before, change=change)

    small.at += HOUR_US
    complete(small, asked, format_time(due))

    gone = tuple(replace(one, revoked=True) for one in before.keys)
    added = replace(waits, since=last(small))
    assert party(small) == replace(before, keys=(*gone, added))
    assert small.entries[-1].data == {"added": key_id("new"), "revoked": [key_id("bob-2")]}


def test_a_cancellation_is_forgotten_once_its_command_could_not_come_any_more() -> None:
    small = Small().market()
    commands = [small.command(small.sale("cards/9", "a", name)) for name in "bcd"]
    for command in commands[:2]:
        small.act("cancel-command/1", ("shop", "signer"), command=command.document)

    kept = tuple((command.digest, command.not_after) for command in commands[:2])
    assert party(small, "shop").cancelled == kept

    # Its last microsecond still counts.
    small.at = commands[0].not_after - SECOND_US
    small.act("cancel-command/1", ("shop", "signer"), command=commands[2].document)
    assert len(party(small, "shop").cancelled) == 3
    late = small.command(small.sale("cards/9", "a", "e"))
    small.act("cancel-command/1", ("shop", "signer"), command=late.document)
    assert party(small, "shop").cancelled == ((late.digest, late.not_after),)


def test_a_role_is_held_until_it_is_withdrawn() -> None:
    small = Small()
    small.register("bob")
    before = party(small)
    small.grant("bob", "importer")

    held = party(small)
    assert held == replace(before, roles=(Role("importer", single_handed=True),))
    assert (held.holds("importer"), held.holds("officer")) == (True, False)
    small.act("withdraw-role/1", ("operator", "root"), party="bob", role="importer")
    assert party(small) == before


def test_a_namespace_has_the_owner_who_signed() -> None:
    assert Small().market().state("namespace/cards") == Namespace("shop")


def item(small: Small, name: str = "cards/1") -> Item:
    state = small.state(f"item/{name}")
    assert isinstance(state, Item)
    return state


def test_an_item_is_its_registrants_and_then_the_recipients() -> None:
    small = Small().market()
    assert item(small) == Item("shop")

    offer = small.offer("cards/1", "shop", "bob")
    until = small.at + HOUR_US
    assert item(small) == Item("shop", offer=Offer(offer.digest, "bob", until, None))
    small.transfer("cards/1", "shop", "ann")
    assert item(small) == Item("ann")


def test_a_frozen_item_has_no_offer_and_an_unfrozen_one_none_either() -> None:
    small = Small().market()
    small.offer("cards/1", "shop", "bob")
    small.act("freeze-item/1", ("ann", "freezer"), item="cards/1", ground="official-order")
    assert item(small) == Item("shop", frozen=True)

    small.act("unfreeze-item/1", ("ann", "freezer"), item="cards/1", ground="order-lifted")
    assert item(small) == Item("shop")


def test_an_imported_item_remembers_its_sales_and_the_last_time() -> None:
    small = Small().market()
    small.do(small.sale("cards/9", "a", None))
    first = small.entries[-3].data["identity"]
    state = item(small, "cards/9")
    assert state == Item("unknown", imports_only=True, last_sale=state.last_sale, sales=(first,))
    assert state.last_sale is not None
    assert format_time(state.last_sale) == "2021-01-02T00:00:00.000000Z"

    small.do(small.sale("cards/9", "b", "c", time="2021-01-03T00:00:00.000000Z"))

    types = [entry.type for entry in small.entries[-3:]]
    assert types == ["sale-presented/1", "provenance-gap-recorded/1", "sale-imported/1"]
    gap = {"from": "unknown", "reason": "buyer-not-recorded", "to": "imported/cards/b"}
    assert small.entries[-2].data == gap
    after = item(small, "cards/9")
    assert (after.owner, after.imports_only) == ("imported/cards/c", True)
    assert after.sales == (first, small.entries[-3].data["identity"])


def test_a_gap_whose_buyer_was_recorded_says_that_the_item_moved_elsewhere() -> None:
    small = Small().market()
    small.do(small.sale("cards/9", "a", "b"))
    small.do(small.sale("cards/9", "c", "b", ordinal=1))

    gap = {"from": "imported/cards/b", "reason": "moved-elsewhere", "to": "imported/cards/c"}
    assert small.entries[-2].data == gap


def test_an_item_that_was_offered_is_not_imported_any_more_even_if_nobody_accepts() -> None:
    small = Small().market().officers()
    small.do(small.sale("cards/9", "a", "b"))
    name, places = "imported/cards/b", [("otto", "officer"), ("olga", "officer")]
    body = {"key": key("b"), "party": name}
    small.act("claim-imported-party/1", (name, "claimant", "b"), *places, **body)
    small.at += HOUR_US
    until = format_time(small.at + HOUR_US)
    body = {"item": "cards/9", "price": None, "to": "bob", "until": until}
    offer = small.act("offer-transfer/1", (name, "owner", "b"), **body)
    small.act("refuse-offer/1", ("bob", "recipient"), item="cards/9", offer=offer.digest)

    state = item(small, "cards/9")
    assert (state.owner, state.offer, state.imports_only) == (name, None, False)


def test_a_claimed_party_is_attested_for_ever() -> None:
    small = Small().market().officers()
    name, places = "imported/cards/b", [("otto", "officer"), ("olga", "officer")]
    body = {"key": key("b"), "party": name}
    small.act("claim-imported-party/1", (name, "claimant", "b"), *places, **body)

    ready = small.at + HOUR_US
    first = key_state("b", since=last(small), ready=ready)
    assert small.state(name) == Party(name, (first,), attested=True)


def test_a_head_knows_its_command_where_it_was_told() -> None:
    small = Small().market()
    command = small.do(small.sale("cards/9", "a", "b"))
    own, effect = small.entries[-3], small.entries[-1]
    before = small.streams["item/cards/9"]

    told = evolve(before, effect, command=command.digest)
    untold = evolve(before, effect, command=None)
    itself = evolve(None, own, command=None)

    assert told.head == Head(effect.index, 2, effect.leaf, command.digest)
    assert untold.head == told.head._replace(command=None)
    assert itself.head.command == command.digest


def test_evolve_changes_nothing_in_the_state_before() -> None:
    """States are kept by whoever decides: a draft that fails must leave them as they were."""
    small = Small().market()
    kept: list[tuple[State, str]] = []
    for entry in small.entries:
        stream = small.streams[entry.stream]
        kept.append((stream.state, repr(stream.state)))
    small.transfer("cards/1", "shop", "bob")
    add_key(small, "bob", "bob-2")

    assert [repr(state) for state, _ in kept] == [shown for _, shown in kept]


def test_only_what_registers_a_key_is_said_to() -> None:
    small = Small().market().officers()
    add_key(small, "bob", "bob-2")
    small.do(recovery(small))

    found = {(key.id, key.party) for entry in small.entries if (key := registered_key(entry))}

    names = ("operator", "system", "receipt", "checkpoint", "shop", "ann", "otto", "olga", "eve")
    expected = {(key_id(name), name) for name in names}
    expected |= {(key_id(name), "bob") for name in ("bob", "bob-2", "new")}
    assert found == expected


@pytest.mark.parametrize("name", ["", "transfer-item", "transfer-item/2", "__class__", "é"])
def test_a_name_outside_the_registry_is_no_kind(name: str) -> None:
    with pytest.raises(UnknownKind) as refusal:
        kind_of(name)

    assert refusal.value.evidence == {"kind": name}


def test_the_registries_are_closed() -> None:
    registries: tuple[Any, ...] = (KINDS, EVENT_TYPES)
    for registry in registries:
        with pytest.raises(TypeError, match="does not support item assignment"):
            registry["x/1"] = None
        assert all(name == one.name for name, one in registry.items())
    assert all(event.says for event in EVENT_TYPES.values())

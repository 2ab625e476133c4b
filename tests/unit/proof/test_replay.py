"""Replaying entries: every step that can fail, and everything it says when it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.proof.errors import Incomplete, VerificationError
from ledger.proof.keys import verify
from ledger.proof.known import Known, PartialView
from ledger.proof.replay import Replay, _compare_fact
from ledger.rules.canonical import encode
from ledger.rules.compose import Draft
from ledger.rules.entries import Entry
from ledger.rules.model import UNJUDGED, Fact
from ledger.rules.state import Item, Log, Party, Stream
from tests.unit.proof.story import (
    ENTRIES,
    LEAVES,
    MOVED,
    ORIGIN,
    READ,
    SIZE,
    Story,
    key,
    places,
    sign,
    told,
)

RELIC = "item/old/relic"
VERSION = "{}: is version 2, not 1"
Fault = dict[str, Any]


def replayed(entries: list[bytes], *, complete: bool = True) -> Replay:
    replay = Replay(Known(), log=ORIGIN, complete=complete)
    for index, raw in enumerate(entries):
        replay.take(raw, index=index)
    return replay


def fault_of(entries: list[bytes], *, start: int = SIZE) -> Fault:
    """The fault of the last entry; all before it replay."""
    replay = replayed(entries[:-1])
    with pytest.raises(VerificationError) as caught:
        replay.take(entries[-1], index=len(entries) - 1)
    assert len(entries) > start
    return told(caught.value)


def tampered(index: int, stream: str | None, step: str, message: str, **more: Any) -> Fault:
    """A fault as it is told, with the fields that are not given null."""
    plain = {"field": None, "expected": None, "found": None}
    kind = {"is": "Tampered", "message": message, "index": index, "stream": stream, "step": step}
    return {**kind, **plain, **more}


def changed(entry: Entry, **fields: Any) -> bytes:
    return encode({**entry.document, **fields})


CASES: dict[str, Callable[[Story], Fault]] = {}


def case(build: Callable[[Story], Fault]) -> Callable[[Story], Fault]:
    CASES[build.__name__] = build
    return build


def one_more(story: Story, **fields: Any) -> Entry:
    """An honest registration with fields of its entry changed."""
    entry = story.register("eve")
    story.entries[-1] = changed(entry, **fields)
    return entry


@case
def not_json(story: Story) -> Fault:
    story.entries.append(b"x")
    message = "entry: is not JSON: Expecting value at 0"
    return tampered(SIZE, None, "parse", message, field="entry") | {"is": "MalformedEvidence"}


@case
def too_large_a_command(story: Story) -> Fault:
    entry = READ[-1]
    document = entry.document["command"] | {"body": {"x": ["y" * 30_000]}}
    story.entries.append(changed(entry, command=document))
    return tampered(SIZE, None, "rule", "the command is too large", field="too-large")


@case
def an_unknown_kind(story: Story) -> Fault:
    command = story.transfer(kind="bless-item/1")
    story.own(command, sign(command, "anna-phone", "carl"), MOVED)
    more = {"field": "kind", "found": "bless-item/1"}
    return tampered(SIZE, RELIC, "type", "unknown kind", **more) | {"is": "Unverifiable"}


@case
def an_unknown_type(story: Story) -> Fault:
    one_more(story, type="party-blessed/1")
    more = {"field": "type", "found": "party-blessed/1"}
    return tampered(SIZE, "party/eve", "type", "unknown type", **more) | {"is": "Unverifiable"}


def too_new(**more: Any) -> Fault:
    kind = {"is": "Unverifiable", "index": SIZE, "step": "type"}
    return {**kind, "stream": None, "expected": None, "found": None, **more}


@case
def an_entry_of_another_version(story: Story) -> Fault:
    one_more(story, v=2)
    return too_new(field="entry.v", message=VERSION.format("entry.v"))


@case
def a_command_of_another_version(story: Story) -> Fault:
    entry = story.register("eve")
    document = entry.document["command"] | {"v": 2}
    story.entries[-1] = changed(entry, command=document)
    return too_new(field="command.v", message=VERSION.format("command.v"))


@case
def a_key_with_an_unknown_algorithm(story: Story) -> Fault:
    """Found only when the body is read, by the rules."""
    body = {"class": "member", "key": {"alg": "ed448", "public": "AAAA"}, "party": "eve"}
    draft = Draft("register-party/1", "eve", places(("eve", "party")), body)
    command = story.compose(draft)
    story.own(command, sign(command, "eve"), ("party/eve", "party-registered/1", {}))
    name = "command.body.key.alg"
    message = f"{name}: is not an algorithm known here"
    return too_new(field=name, message=message, stream="party/eve")


@case
def another_log(story: Story) -> Fault:
    one_more(story, log="yinzheng.test/other")
    more = {"field": "log", "expected": ORIGIN, "found": "yinzheng.test/other"}
    return tampered(SIZE, "party/eve", "place", "another log", **more)


@case
def another_index(story: Story) -> Fault:
    one_more(story, index=58)
    more = {"field": "index", "expected": 57, "found": 58}
    return tampered(SIZE, "party/eve", "place", "another index", **more)


@case
def time_back(story: Story) -> Fault:
    one_more(story, at="2026-11-22T13:00:44.999999Z")
    more = {"field": "at", "expected": READ[-1].document["at"]}
    found = "2026-11-22T13:00:44.999999Z"
    return tampered(SIZE, "party/eve", "place", "time steps back", found=found, **more)


@case
def a_stream_that_does_not_begin_at_0(story: Story) -> Fault:
    one_more(story, seq=1)
    more = {"field": "seq", "expected": 0, "found": 1}
    return tampered(SIZE, "party/eve", "link", "another seq", **more)


@case
def a_stream_that_goes_on_at_0(story: Story) -> Fault:
    entry = story.transferred()
    story.entries[-1] = changed(entry, seq=0)
    more = {"field": "seq", "expected": 12, "found": 0}
    return tampered(SIZE, RELIC, "link", "another seq", **more)


@case
def a_first_entry_with_a_link(story: Story) -> Fault:
    one_more(story, prev="0" * 64)
    more = {"field": "prev", "expected": None, "found": "0" * 64}
    return tampered(SIZE, "party/eve", "link", "another link", **more)


@case
def another_link(story: Story) -> Fault:
    entry = story.transferred()
    story.entries[-1] = changed(entry, prev=None)
    more = {"field": "prev", "expected": READ[45].leaf, "found": None}
    return tampered(SIZE, RELIC, "link", "another link", **more)


@case
def a_missing_effect(story: Story) -> Fault:
    del story.entries[-1:]
    own, seen, _ = story.importing()
    story.entries[56:] = [own.raw, seen.raw, ENTRIES[56]]
    story.entries[58] = changed(READ[56], index=58, at=seen.document["at"])
    more = {"field": "effects", "expected": 2, "found": 1}
    return tampered(58, "party/dora", "effect", "an effect is missing before this entry", **more)


@case
def a_command_id_again(story: Story) -> Fault:
    first = story.register("eve")
    second = story.register("gus")
    assert first.command is not None
    assert second.command is not None
    document = second.command.document | {"id": first.command.id, "by": "eve"}
    story.entries[-1] = changed(second, command=document)
    message = "the command id was used"
    return tampered(58, "party/gus", "command", message, field="id", expected=57)


@case
def a_refusal_with_both_sides(story: Story) -> Fault:
    story.transferred(expect={RELIC: "0" * 64})
    message = "item/old/relic has another head"
    more = {"field": "stale-expectation", "expected": "0" * 64, "found": READ[45].leaf}
    return tampered(SIZE, RELIC, "rule", message, **more)


@case
def a_refusal_with_one_side(story: Story) -> Fault:
    story.transferred(expect={RELIC: None})
    message = "item/old/relic has another head"
    more = {"field": "stale-expectation", "expected": None, "found": READ[45].leaf}
    return tampered(SIZE, RELIC, "rule", message, **more)


@case
def a_refusal_with_other_evidence(story: Story) -> Fault:
    command = story.transfer()
    document = command.document | {"policy": "0" * 64}
    story.own(command._replace(raw=encode(document)), sign(command, "anna-phone", "carl"), MOVED)
    in_force = READ[-1].command
    assert in_force is not None
    found = f"in_force={in_force.document['policy']}; named={'0' * 64}"
    message = "another ledger policy is in force"
    return tampered(SIZE, RELIC, "rule", message, field="policy-not-in-force", found=found)


@case
def a_malformed_body(story: Story) -> Fault:
    story.transferred(body={"item": "old/relic", "price": 7})
    message, name = "command.body.price: is not an object", "command.body.price"
    return tampered(SIZE, RELIC, "rule", message, field=name) | {"is": "MalformedEvidence"}


@case
def too_few_effects(story: Story) -> Fault:
    own, _, _ = story.importing()
    story.entries[57:] = [changed(own, effects=1)]
    more = {"field": "effects", "expected": 2, "found": 1}
    return tampered(SIZE, "item/old/new", "derive", "another number of effects", **more)


@case
def too_many_effects(story: Story) -> Fault:
    one_more(story, effects=1)
    more = {"field": "effects", "expected": 0, "found": 1}
    return tampered(SIZE, "party/eve", "derive", "another number of effects", **more)


@case
def another_stream(story: Story) -> Fault:
    one_more(story, stream="party/gus")
    more = {"field": "stream", "expected": "party/eve", "found": "party/gus"}
    return tampered(SIZE, "party/gus", "derive", "another stream", **more)


@case
def another_type(story: Story) -> Fault:
    one_more(story, type="role-withdrawn/1")
    more = {"field": "type", "expected": "party-registered/1", "found": "role-withdrawn/1"}
    return tampered(SIZE, "party/eve", "derive", "another type", **more)


@case
def a_field_of_data_too_many(story: Story) -> Fault:
    one_more(story, data={"x": 1})
    more = {"field": "data.x", "expected": "None", "found": "1"}
    return tampered(SIZE, "party/eve", "derive", "other data", **more)


@case
def a_null_too_many(story: Story) -> Fault:
    one_more(story, data={"x": None})
    more = {"field": "data.x", "expected": "None", "found": "None"}
    return tampered(SIZE, "party/eve", "derive", "other data", **more)


@case
def a_field_of_data_too_few(story: Story) -> Fault:
    entry = story.transferred()
    story.entries[-1] = changed(entry, data={"from": "anna"})
    more = {"field": "data.to", "expected": "carl", "found": "None"}
    return tampered(SIZE, RELIC, "derive", "other data", **more)


@case
def one_for_true(story: Story) -> Fault:
    signers = places(("operator", "root"), ("carl", "grantee"))
    body = {"party": "carl", "role": "freezer"}
    command = story.compose(Draft("grant-role/1", "operator", signers, body))
    fact = ("party/carl", "role-granted/1", {"single_handed": 0})
    story.own(command, sign(command, "operator", "carl"), fact)
    more = {"field": "data.single_handed", "expected": "False", "found": "0"}
    return tampered(SIZE, "party/carl", "derive", "other data", **more)


@case
def an_effect_of_nothing(story: Story) -> Fault:
    cause = READ[0]._replace(leaf="1" * 64)
    story.effect(cause, 1, ("party/dora", "role-withdrawn/1", {}))
    message = "the cause is not there"
    return tampered(SIZE, "party/dora", "effect", message, field="cause", found="1" * 64)


@case
def an_effect_of_a_command_long_done(story: Story) -> Fault:
    story.effect(READ[33], 1, ("party/dora", "role-withdrawn/1", {}))
    message = "the cause is not there"
    return tampered(SIZE, "party/dora", "effect", message, field="cause", found=READ[33].leaf)


@case
def an_effect_after_the_last(story: Story) -> Fault:
    story.effect(READ[56], 1, ("party/dora", "role-withdrawn/1", {}))
    message = "not the effect that comes next"
    return tampered(SIZE, "party/dora", "effect", message, field="effect", found=1)


@case
def an_effect_after_the_last_of_some(story: Story) -> Fault:
    own, _, _ = story.importing()
    story.effect(own, 3, ("item/old/new", "item-first-seen/1", {"owner": "unknown"}))
    message = "not the effect that comes next"
    return tampered(60, "item/old/new", "effect", message, field="effect", found=3)


@case
def an_effect_skipped(story: Story) -> Fault:
    own, seen, sold = story.importing()
    skipped = changed(sold, index=58, seq=1, prev=own.leaf)
    assert seen.index == 58
    story.entries[58:] = [skipped]
    message, more = "not the effect that comes next", {"field": "effect", "found": 2}
    return tampered(58, "item/old/new", "effect", message, expected=1, **more)


@case
def an_effect_twice(story: Story) -> Fault:
    _, _, sold = story.importing()
    story.entries[59:] = [changed(sold, effect=1)]
    message, more = "not the effect that comes next", {"field": "effect", "found": 1}
    return tampered(59, "item/old/new", "effect", message, expected=2, **more)


@case
def an_effect_at_another_time(story: Story) -> Fault:
    _, seen, _ = story.importing()
    story.entries[58:] = [changed(seen, at="2026-11-22T13:00:46.000001Z")]
    message = "another time than its cause"
    return tampered(58, "item/old/new", "effect", message, field="at")


@case
def an_effect_with_other_data(story: Story) -> Fault:
    _, seen, _ = story.importing()
    story.entries[58:] = [changed(seen, data={"owner": "unknown"})]
    more = {"field": "data.owner", "expected": "imported/old/a", "found": "unknown"}
    return tampered(58, "item/old/new", "effect", "other data", **more)


@case
def an_effect_of_another_type(story: Story) -> Fault:
    _, seen, _ = story.importing()
    story.entries[58:] = [changed(seen, type="item-frozen/1")]
    more = {"field": "type", "expected": "item-first-seen/1", "found": "item-frozen/1"}
    return tampered(58, "item/old/new", "effect", "another type", **more)


@case
def an_effect_on_another_stream(story: Story) -> Fault:
    _, seen, _ = story.importing()
    story.entries[58:] = [changed(seen, stream="item/old/x", seq=0, prev=None)]
    more = {"field": "stream", "expected": "item/old/new", "found": "item/old/x"}
    return tampered(58, "item/old/x", "effect", "another stream", **more)


@case
def a_signature_too_few(story: Story) -> Fault:
    command = story.transfer()
    story.own(command, sign(command, "anna-phone"), MOVED)
    message, more = "not one signature for each signer", {"expected": 2, "found": 1}
    fault = tampered(SIZE, RELIC, "signature", message, **more)
    return fault | {"is": "MalformedEvidence"}


@pytest.mark.parametrize("name", CASES)
def test_an_entry_that_fails_names_step_place_and_evidence(name: str) -> None:
    story = Story()
    expected = CASES[name](story)

    assert fault_of(story.entries, start=0) == expected


# The whole log


def test_the_golden_log_replays_in_full() -> None:
    replay = replayed(ENTRIES)
    counts = replay.counts

    assert (counts.signed, counts.attested, counts.system) == (38, 12, 7)
    assert (counts.gaps, counts.replayed, counts.total) == (2, SIZE, SIZE)
    assert replay.view.tree.root(SIZE) == replayed(ENTRIES[:57]).view.tree.root()
    assert [replay.view.tree.node(0, index) for index in range(SIZE)] == LEAVES
    assert replay.last == READ[-1]
    assert {name: head.index for name, head in replay.heads.items()} == {
        entry.stream: entry.index for entry in READ
    }
    assert replay.lacks == {}
    replay.finish(SIZE)


def test_every_own_entry_leaves_its_signature_checks_in_order() -> None:
    replay = replayed(ENTRIES)
    own = [entry for entry in READ if entry.command is not None]

    assert [(each.index, each.stream) for each in replay.signed] == [
        (entry.index, entry.stream) for entry in own
    ]
    for signed, entry in zip(replay.signed, own, strict=True):
        assert entry.command is not None
        assert len(signed.jobs) == len(entry.command.signers)
        for job in signed.jobs:
            assert job.message == entry.command.message
            verify(job.alg, public=job.public, signature=job.signature, message=job.message)
    algs = {job.alg for signed in replay.signed for job in signed.jobs}
    assert algs == {"ed25519", "p256"}


def test_the_state_is_that_of_the_streams() -> None:
    view = replayed(ENTRIES).view

    assert set(view.streams) == {entry.stream for entry in READ}
    relic, log = view.streams[RELIC], view.streams["log"]
    assert isinstance(relic.state, Item)
    assert isinstance(log.state, Log)
    assert (relic.state.owner, relic.head.index, relic.head.seq) == ("anna", 45, 11)
    assert relic.head.leaf == READ[45].leaf
    command = READ[45].command
    assert command is not None
    assert relic.head.command == command.digest
    gap = view.streams["party/operator"].head
    assert READ[0].command is not None
    assert gap.command == READ[0].command.digest
    assert view.keys[key("anna").key_id] == "anna"
    assert set(view.keys.values()) == {
        stream.state.party for stream in view.streams.values() if isinstance(stream.state, Party)
    }


def test_an_observer_sees_each_entry_between_two_states() -> None:
    seen: list[tuple[Entry, Stream | None, Stream, Entry | None]] = []
    replay = Replay(Known(), log=ORIGIN, complete=True, observe=lambda *given: seen.append(given))
    for index, raw in enumerate(ENTRIES):
        replay.take(raw, index=index)

    assert [entry.index for entry, *_ in seen] == list(range(SIZE))
    before: dict[str, Stream] = {}
    for entry, state, after, cause in seen:
        assert state == before.get(entry.stream)
        assert (after.head.leaf, after.head.index) == (entry.leaf, entry.index)
        assert cause == (None if entry.command else next(e for e in READ if e.leaf == entry.cause))
        before[entry.stream] = after


def test_an_honest_continuation_replays() -> None:
    story = Story()
    story.register("eve")
    story.importing()
    story.transferred()
    replay = replayed(story.entries)

    replay.finish(62)
    assert (replay.counts.signed, replay.counts.attested) == (40, 15)


def test_entries_may_bear_the_same_time_as_the_one_before() -> None:
    story = Story(at=READ[-1].at)
    story.register("eve", at=READ[-1].at)

    assert replayed(story.entries).counts.replayed == 58


def test_effects_outstanding_at_the_end_are_missing() -> None:
    story = Story()
    story.importing()
    replay = replayed(story.entries[:-1])

    with pytest.raises(VerificationError) as caught:
        replay.finish(59)
    assert told(caught.value) == tampered(
        59,
        "item/old/new",
        "effect",
        "effects are missing at the end",
        field="effects",
        expected=2,
        found=1,
    )
    replayed(story.entries).finish(60)


def test_a_single_entry_is_not_known_to_be_used_by_another_party() -> None:
    """The same id from two parties are two commands."""
    story = Story()
    first = story.register("eve")
    story._commands = 0
    second = story.register("gus")

    assert first.command is not None
    assert second.command is not None
    assert first.command.id == second.command.id
    assert replayed(story.entries).counts.total == 59


# Files that hold only some of the entries


def closed(*indices: int, opened: tuple[str, ...] = ("policy/ledger",)) -> Replay:
    """Replay these entries as a file that holds no others and has these other streams absent."""
    streams = frozenset({*opened, *(READ[index].stream for index in indices)})
    replay = Replay(PartialView(streams, {}), log=ORIGIN, complete=False)
    for index in indices:
        replay.take(ENTRIES[index], index=index)
    return replay


def test_a_part_that_may_lack_a_policy_replays_nothing() -> None:
    replay = closed(0, 1, opened=())

    assert replay.lacks == {"log": (0, "policy/ledger")}
    assert (replay.counts.replayed, replay.counts.total) == (0, 2)
    assert replay.view.streams == {}


def test_a_part_that_says_which_streams_are_absent_replays_in_full() -> None:
    replay = closed(0, 1, 5, 18, 20)

    assert (replay.counts.replayed, replay.counts.total, replay.lacks) == (5, 5, {})
    assert len(replay.view.tree) == 0
    item = replay.view.streams["item/cards/1"].state
    assert isinstance(item, Item)
    assert item.owner == "shop"


def test_a_part_without_a_namespace_loses_the_item_and_no_more() -> None:
    replay = closed(0, 1, 5, 12, 20, 22)

    assert replay.lacks == {"item/cards/1": (20, "namespace/cards")}
    assert (replay.counts.replayed, replay.counts.total) == (4, 6)
    assert "item/cards/1" not in replay.view.streams
    assert [signed.index for signed in replay.signed] == [0, 5, 12, 20, 22]


def test_a_part_without_a_signer_is_incomplete() -> None:
    with pytest.raises(Incomplete) as caught:
        closed(0, 1, 20)

    assert told(caught.value) == tampered(
        20,
        "item/cards/1",
        "keys",
        "the file lacks a signer's key events",
        field="stream",
        found="party/shop",
    ) | {"is": "Incomplete"}


def test_a_part_without_a_cause_is_incomplete() -> None:
    with pytest.raises(Incomplete) as caught:
        closed(1)

    assert told(caught.value) == tampered(
        1, "party/operator", "effect", "the cause is not there", field="cause", found=READ[0].leaf
    ) | {"is": "Incomplete"}


def test_a_part_may_lack_effects_in_between() -> None:
    assert closed(0, 2, 4).counts.replayed == 3


@pytest.mark.parametrize(
    ("number", "found"), [(5, 5), (1, 1)], ids=["more than there are", "not its place"]
)
def test_an_effect_of_a_part_keeps_its_place(number: int, found: int) -> None:
    replay = closed(0)
    forged = changed(READ[2], effect=number)

    with pytest.raises(VerificationError) as caught:
        replay.take(forged, index=2)
    assert told(caught.value) == tampered(
        2,
        "party/system",
        "effect",
        "not in its cause's place",
        field="effect",
        expected=2,
        found=found,
    )


def test_a_number_past_the_last_effect_is_out_of_place_even_at_its_index() -> None:
    replay = closed(0)
    forged = changed(READ[4], index=5, effect=5)

    with pytest.raises(VerificationError) as caught:
        replay.take(forged, index=5)
    fault = told(caught.value)
    assert (fault["message"], fault["expected"], fault["found"]) == (
        "not in its cause's place",
        5,
        5,
    )


def test_a_part_does_not_compare_what_it_could_not_derive() -> None:
    replay = closed(0, 1, 5, 12)
    odd = changed(READ[20], data={"owner": "mallory"})
    replay.take(odd, index=20)

    assert replay.lacks == {"item/cards/1": (20, "namespace/cards")}


def test_a_part_compares_what_it_could_derive() -> None:
    replay = closed(0, 1, 5, 18, opened=("policy/ledger", "item/cards/1"))
    odd = changed(READ[20], data={"owner": "mallory"})

    with pytest.raises(VerificationError) as caught:
        replay.take(odd, index=20)
    assert caught.value.field == "data.owner"


def test_data_that_a_part_leaves_unjudged_is_not_compared_but_place_and_type_are() -> None:
    entry = READ[20]
    _compare_fact("effect", entry, Fact(entry.stream, entry.type, UNJUDGED))

    for fact, field in (
        (Fact("item/cards/2", entry.type, UNJUDGED), "stream"),
        (Fact(entry.stream, "item-frozen/1", UNJUDGED), "type"),
        (Fact(entry.stream, entry.type, dict(UNJUDGED)), "data.owner"),
    ):
        with pytest.raises(VerificationError) as caught:
            _compare_fact("effect", entry, fact)
        assert caught.value.field == field

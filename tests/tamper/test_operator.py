"""A log continued or rewritten by its own operator, correctly hashed, signed and stored.

Only the rules show what is wrong, and only a checkpoint kept outside shows a rewriting that breaks
none (protocol: `anchored: no`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.proof.keys import verify
from ledger.rules.canonical import encode
from ledger.rules.commands import Signer
from ledger.rules.compose import Draft
from ledger.rules.digests import key_id
from ledger.rules.entries import read_entry, write_effect
from ledger.rules.text import b64encode, format_time
from ledger.submission import Submission
from tests.figures import record
from tests.js.exports import Forger
from tests.js.forgeries import EXPECTED as FORGERIES
from tests.tamper.copies import Copy
from tests.tamper.market import SIZE
from tests.tamper.operator import forger, publish
from tests.worlds import SECOND_US


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_that_is_signed_well_is_found(copy: Copy, name: str) -> None:
    forge, verdict, offset, step = FORGERIES[name]
    forging = forger(copy.market)
    forge(forging, copy.market.world)
    publish(copy, forging.entries, keep=SIZE)

    report = copy.audit(since=copy.market.outside)

    fault = report.fault or {}
    index = None if offset is None else SIZE + offset
    assert (report.verdict, fault.get("step"), fault.get("index")) == (verdict, step, index)
    assert fault.get("derived") in {None, False}
    record("tamper cases", 1, unit="cases")


# What needs no signature at all, or breaks the place of an entry rather than a rule


def register(forging: Forger, party: str, *, at: int | None = None) -> None:
    """Append an honest registration."""
    world = forging.world
    forging.at = forging.at if at is None else at
    body = {"class": "member", "key": world.key(party).key(), "party": party}
    draft = Draft("register-party/1", party, [world.signs(party, "party")], body)
    command = world.compose(draft, context=replace(world.context(), at=forging.at))
    forging.append(world.sign(command), (f"party/{party}", "party-registered/1", {}))


def import_entries(forging: Forger) -> list[bytes]:
    """Append an honest import of three entries, and take them off again."""
    start = len(forging.entries)
    forge, *_ = FORGERIES["an_honest_import"]
    forge(forging, forging.world)
    made = forging.entries[start:]
    del forging.entries[start:]
    return made


def changed(raw: bytes, **fields: Any) -> bytes:
    return encode({**read_entry(raw).document, **fields})


def _change(**fields: Any) -> Callable[[Forger], None]:
    def damage(forging: Forger) -> None:
        register(forging, "mallory")
        forging.entries[-1] = changed(forging.entries[-1], **fields)

    return damage


def time_steps_back(forging: Forger) -> None:
    register(forging, "mallory", at=forging.at + 10 * SECOND_US)
    register(forging, "trudy", at=forging.at - 10 * SECOND_US)


def effects_swapped(forging: Forger) -> None:
    own, first, second = import_entries(forging)
    one = changed(second, index=SIZE + 1, seq=1, prev=read_entry(own).leaf)
    two = changed(first, index=SIZE + 2, seq=2, prev=read_entry(one).leaf)
    forging.entries += [own, one, two]


def effects_numbered_alike(forging: Forger) -> None:
    own, first, second = import_entries(forging)
    forging.entries += [own, first, changed(second, effect=1)]


def an_effect_left_out(forging: Forger) -> None:
    own, _, second = import_entries(forging)
    one = changed(second, index=SIZE + 1, seq=1, prev=read_entry(own).leaf)
    forging.entries += [own, one]


def an_effect_left_out_before_another_command(forging: Forger) -> None:
    own, first, _ = import_entries(forging)
    forging.entries += [own, first]
    register(forging, "mallory")


def an_effect_too_late(forging: Forger) -> None:
    """A third effect of an import long done."""
    cause = forging.world.head("party/dora")
    place = forging.place("party/dora")
    forging.entries.append(write_effect(place, "role-withdrawn/1", {}, cause=str(cause), effect=1))


def an_effect_of_nothing(forging: Forger) -> None:
    place = forging.place("party/dora")
    forging.entries.append(write_effect(place, "role-withdrawn/1", {}, cause="0" * 64, effect=1))


def an_effect_at_another_time(forging: Forger) -> None:
    own, first, second = import_entries(forging)
    later = format_time(forging.at + SECOND_US)
    forging.entries += [own, changed(first, at=later), changed(second, at=later)]


def of_another_log(forging: Forger) -> None:
    """An entry of another log of the same keys, whole, in the right place."""
    register(forging, "mallory")
    entry = forging.entries[-1]
    forging.entries[-1] = entry.replace(forging.world.origin.encode(), b"yinzheng.test/other")


def of_another_stream(forging: Forger) -> None:
    """The last entry of another stream once more, under the next index."""
    entry = next(raw for raw in reversed(forging.entries) if b'"stream":"item/old/' in raw)
    at = format_time(forging.at)
    forging.entries.append(changed(entry, index=len(forging.entries), at=at))


def a_weak_key_with_its_forgery(forging: Forger) -> None:
    """The neutral point: R = the point, S = 0 is a signature of it under every message."""
    neutral = b"\x01" + bytes(31)
    key = {"alg": "ed25519", "public": b64encode(neutral)}
    signer = Signer("eve", "party", key_id("ed25519", neutral))
    body = {"class": "member", "key": key, "party": "eve"}
    world = forging.world
    command = world.compose(Draft("register-party/1", "eve", [signer], body))
    forged = neutral + bytes(32)
    # Nothing but the rule stands between this and a party whose name anybody can sign.
    verify("ed25519", public=neutral, signature=forged, message=command.message)
    submission = Submission(command.raw, (b64encode(forged),))
    forging.append(submission, ("party/eve", "party-registered/1", {}))


def no_entry_at_all(forging: Forger) -> None:
    forging.entries.append(b"{}")


PLACES: dict[str, tuple[Callable[[Forger], None], int, str, str | None]] = {
    "another index": (_change(index=7), 0, "place", "index"),
    "another seq": (_change(seq=3), 0, "link", "seq"),
    "another link": (_change(prev="0" * 64), 0, "link", "prev"),
    "another time than anybody signed for": (
        _change(at="2027-11-22T09:00:00.000000Z"),
        0,
        "rule",
        "expired",
    ),
    "data that does not follow": (_change(data={"x": 1}), 0, "derive", "data.x"),
    "a type that does not follow": (_change(type="role-withdrawn/1"), 0, "derive", "type"),
    "effects that do not follow": (_change(effects=1), 0, "derive", "effects"),
    "a stream that does not follow": (_change(stream="party/trudy"), 0, "derive", "stream"),
    "a field too many": (_change(x=1), 0, "parse", "entry.x"),
    "no entry": (no_entry_at_all, 0, "parse", "entry.at"),
    "time steps back": (time_steps_back, 1, "place", "at"),
    "effects swapped": (effects_swapped, 1, "effect", "effect"),
    "effects numbered alike": (effects_numbered_alike, 2, "effect", "effect"),
    "an effect left out": (an_effect_left_out, 1, "effect", "effect"),
    "an effect left out, then a command": (
        an_effect_left_out_before_another_command,
        2,
        "effect",
        "effects",
    ),
    "an effect too late": (an_effect_too_late, 0, "effect", "cause"),
    "an effect of nothing": (an_effect_of_nothing, 0, "effect", "cause"),
    "an effect at another time": (an_effect_at_another_time, 1, "effect", "at"),
    "an entry of another log": (of_another_log, 0, "place", "log"),
    "an entry of another stream": (of_another_stream, 0, "link", "seq"),
    "a weak key with its forgery": (a_weak_key_with_its_forgery, 0, "rule", "weak-key"),
}


@pytest.mark.parametrize("name", PLACES)
def test_an_entry_out_of_its_place_is_found(copy: Copy, name: str) -> None:
    damage, offset, step, field = PLACES[name]
    forging = forger(copy.market)
    damage(forging)
    publish(copy, forging.entries, keep=SIZE)

    report = copy.audit(since=copy.market.outside)

    fault = report.fault or {}
    assert (fault.get("index"), fault.get("step"), fault.get("field")) == (
        SIZE + offset,
        step,
        field,
    )
    assert (report.verdict, report.exit_code) == ("tampered", 1)
    record("tamper cases", 1, unit="cases")

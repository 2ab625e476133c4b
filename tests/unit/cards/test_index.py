"""The index of card keys: reserved, committed, confirmed; crashed at every step in between."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.cards.fingerprints import Fingerprint
from ledger.cards.index import (
    _SCHEMA,
    CLOCKS_DIFFER_US,
    CardIndex,
    Claim,
    Holder,
)
from ledger.cards.sightings import DAY_US, REJECTED_A_DAY, Sighting, Sightings
from ledger.cards.sightings import SCHEMA as SIGHTINGS
from ledger.errors import CardDuplicate, CardIndexUnavailable, CardRejected, UploadsCapped

NOW = 20_000 * DAY_US + 5_000_000
LIFE = 1000


def fingerprint(key: int, version: int = 1) -> Fingerprint:
    return Fingerprint(version, version.to_bytes(16, "big") + key.to_bytes(16, "big"))


def claim(key: int, owner: str = "ann", *, number: int | None = None, **changes: Any) -> Claim:
    number = key if number is None else number
    one = Claim(
        (fingerprint(key),),
        f"{owner}/item-{number}",
        owner,
        f"id-{number}",
        number.to_bytes(16, "big") + owner.encode().ljust(16),
        NOW + LIFE,
    )
    return one._replace(**changes)


@pytest.fixture
def index(tmp_path: Path) -> CardIndex:
    return CardIndex(tmp_path / "index.sqlite")


def never(_by: str, _id: str, _digest: bytes) -> bool:
    raise AssertionError


def reserve(index: CardIndex, *claims: Claim, now: int = NOW, recorded: Any = never) -> None:
    with index.writing():
        for one in claims:
            index.reserve(one, now=now, is_recorded=recorded)


def refused(
    index: CardIndex, one: Claim, error: type[Exception], now: int = NOW, recorded: Any = never
) -> Any:
    """Reserve and be refused; what is noted of it is kept, as a batch does."""
    with index.writing(), pytest.raises(error) as found:
        index.reserve(one, now=now, is_recorded=recorded)
    return found.value


def issued_with(key: int) -> tuple[Fingerprint, ...]:
    return (fingerprint(1_000 + key),)


def test_what_is_confirmed_stays_so_when_its_command_comes_again(index: CardIndex) -> None:
    one = claim(1, codes=issued_with(1))
    reserve(index, one)
    index.confirm([(one, 5)], size=6)
    reserve(index, one)

    holder = index._holder(fingerprint(1))
    assert holder is not None
    assert holder.entry == 5
    assert index.issued(issued_with(1), never) == {one.item}


def test_an_index_that_is_made_anew_forgets_the_codes_of_the_log_and_keeps_reserved_ones(
    index: CardIndex,
) -> None:
    known, reserved = claim(1, codes=issued_with(1)), claim(2, codes=issued_with(2))
    reserve(index, known, reserved)
    index.confirm([(known, 5)], size=6)
    with index.writing():
        index.forget_all()
        # Its row gets the id that the forgotten one had.
        index.learn(claim(3), 7)

    assert index.issued(issued_with(1), never) == set()
    assert index.issued(issued_with(2), lambda *_: True) == {reserved.item}
    (left,) = index._connection.execute("SELECT count(*) FROM code").fetchone()
    assert left == 1


def test_a_key_is_taken_once(index: CardIndex) -> None:
    reserve(index, claim(1), claim(2))

    own = refused(index, claim(1, number=9), CardDuplicate, recorded=lambda *_args: True)
    other = refused(index, claim(1, "bob"), CardRejected)

    assert own.evidence == {"item": "ann/item-1"}
    assert (other.evidence, other.message) == ({}, "this card key cannot be registered")


def test_an_owner_learns_when_what_was_never_recorded_is_free(index: CardIndex) -> None:
    reserve(index, claim(1))

    own = refused(index, claim(1, number=9), CardDuplicate, recorded=lambda *_args: False)

    assert own.evidence == {"item": "ann/item-1", "retry_after_s": 61}
    late = NOW + 61 * 1_000_000
    reserve(index, claim(1, number=9, not_after=late), now=late, recorded=lambda *_args: False)


def test_the_keys_of_one_batch_see_each_other(index: CardIndex) -> None:
    with index.writing():
        index.reserve(claim(1), now=NOW, is_recorded=never)
        with pytest.raises(CardDuplicate):
            index.reserve(claim(1, number=2), now=NOW, is_recorded=never)
        with pytest.raises(CardRejected):
            index.reserve(claim(1, "bob"), now=NOW, is_recorded=never)


def test_the_same_command_passes_as_often_as_it_comes(index: CardIndex) -> None:
    reserve(index, claim(1))
    reserve(index, claim(1))
    index.confirm([(claim(1), 7)], size=8)
    reserve(index, claim(1))

    assert refused(index, claim(1, number=9), CardDuplicate).evidence["item"] == "ann/item-1"
    with index.writing():
        assert index._holder(fingerprint(1)) == Holder(
            1, "ann/item-1", "ann", "id-1", claim(1).command, NOW + LIFE, 0, 7
        )


def test_what_is_undone_reserves_nothing(index: CardIndex) -> None:
    class Stop(Exception):
        pass

    def die() -> None:
        with index.writing():
            index.reserve(claim(1), now=NOW, is_recorded=never)
            raise Stop

    with pytest.raises(Stop):
        die()

    reserve(index, claim(1, "bob"))


def test_a_reservation_holds_until_its_command_could_not_be_recorded(index: CardIndex) -> None:
    late = NOW + LIFE + CLOCKS_DIFFER_US
    reserve(index, claim(1))

    refused(index, claim(1, "bob", not_after=2 * late), CardRejected, now=late)
    reserve(index, claim(1, "bob", not_after=2 * late), now=late + 1, recorded=lambda *_args: False)

    refused(index, claim(1, number=9), CardRejected, now=late + 1)


def test_a_reservation_whose_command_is_in_the_log_holds_for_ever(index: CardIndex) -> None:
    asked: list[tuple[str, str, bytes]] = []

    def recorded(by: str, command_id: str, digest: bytes) -> bool:
        asked.append((by, command_id, digest))
        return True

    reserve(index, claim(1))

    refused(index, claim(1, "bob"), CardRejected, now=NOW + 1000 * DAY_US, recorded=recorded)

    assert asked == [("ann", "id-1", claim(1).command)]


def test_a_confirmed_key_is_never_asked_about_again(index: CardIndex) -> None:
    reserve(index, claim(1))
    index.confirm([(claim(1), 7)], size=8)

    refused(index, claim(1, "bob"), CardRejected, now=NOW + 1000 * DAY_US)


def test_a_shared_key_is_one_owners_and_stays_the_first_items(index: CardIndex) -> None:
    reserve(index, claim(1, shared=True))
    reserve(index, claim(1, number=2, shared=True))
    index.confirm([(claim(1, shared=True), 7), (claim(1, number=2, shared=True), 8)], size=9)

    refused(index, claim(1, "bob", shared=True), CardRejected)
    assert refused(index, claim(1, number=3), CardDuplicate).evidence["item"] == "ann/item-1"
    with index.writing():
        found = index._holder(fingerprint(1))
    assert found is not None
    assert (found.item, found.entry) == ("ann/item-1", 7)


def test_a_key_that_is_not_shared_is_not_shared_later(index: CardIndex) -> None:
    reserve(index, claim(1))

    refused(index, claim(1, number=2, shared=True), CardDuplicate, recorded=lambda *_args: True)


def test_a_key_is_looked_for_under_every_pepper(index: CardIndex) -> None:
    both = (fingerprint(1), fingerprint(1, 2))
    reserve(index, claim(1))
    reserve(index, claim(2, fingerprints=(fingerprint(2, 2),)))

    refused(index, claim(1, "bob", fingerprints=both), CardRejected)
    third = claim(3, fingerprints=(fingerprint(3), fingerprint(2, 2)))
    refused(index, third, CardDuplicate, recorded=lambda *_args: True)

    assert index.count() == {1: 1, 2: 1}


def test_a_key_of_others_is_noted_for_staff_and_capped_by_day(index: CardIndex) -> None:
    reserve(index, *(claim(key) for key in range(REJECTED_A_DAY + 1)))
    for key in range(REJECTED_A_DAY):
        refused(index, claim(key, "bob"), CardRejected)

    capped = refused(index, claim(REJECTED_A_DAY, "bob"), UploadsCapped)
    fresh = refused(index, claim(5000, "bob"), UploadsCapped)

    assert capped.evidence == fresh.evidence == {"most": 100, "retry_after_s": 86_396}
    assert len(index.sightings()) == REJECTED_A_DAY
    assert index.sightings()[0] == Sighting(
        "bob", 20_000, claim(0, "bob").command, NOW, "bob/item-0", "ann", "ann/item-0"
    )
    # Others go on, and so does everybody tomorrow.
    reserve(index, claim(6000, "eve"))
    reserve(index, claim(5000, "bob"), now=NOW + DAY_US)


def test_the_same_attempt_counts_once_and_gets_the_same_answer(index: CardIndex) -> None:
    reserve(index, claim(1))
    for _ in range(REJECTED_A_DAY + 5):
        refused(index, claim(1, "bob"), CardRejected)

    assert len(index.sightings()) == 1


def test_own_duplicates_are_not_counted(index: CardIndex) -> None:
    reserve(index, claim(1))
    for number in range(2, REJECTED_A_DAY + 5):
        refused(index, claim(1, number=number), CardDuplicate, recorded=lambda *_args: True)

    assert index.sightings() == []


def test_whoever_is_capped_can_still_send_again_what_was_reserved(index: CardIndex) -> None:
    reserve(index, *(claim(key) for key in range(REJECTED_A_DAY)), claim(7000, "bob"))
    for key in range(REJECTED_A_DAY):
        refused(index, claim(key, "bob"), CardRejected)

    reserve(index, claim(7000, "bob"))


def test_what_the_log_holds_is_taken_in_whoever_reserved_it(index: CardIndex) -> None:
    reserve(index, claim(1, "bob"))
    with index.writing():
        assert index.learn(claim(1), 7) == []
        assert index.learn(claim(1), 7) == []
        (double,) = index.learn(claim(1, "eve"), 9)
        index.advance(10)

    assert (double.item, double.entry, index.size()) == ("ann/item-1", 7, 10)
    refused(index, claim(1, "bob"), CardRejected)


def test_a_reservation_outlives_making_the_index_anew(index: CardIndex) -> None:
    reserve(index, claim(1), claim(2))
    index.confirm([(claim(1), 7)], size=8)
    with index.writing():
        index.forget_all()

    assert (index.count(), index.size(), index.pepper_marks()) == ({1: 1}, 0, {})
    refused(index, claim(2, "bob"), CardRejected)
    # Its command was recorded meanwhile, and is confirmed although its row is gone.
    index.confirm([(claim(1), 7)], size=8)
    refused(index, claim(1, "bob"), CardRejected)


def test_the_file_and_its_companions_are_for_their_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        index = CardIndex(tmp_path / "index.sqlite")
        reserve(index, claim(1))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(old)

    names = ("index.sqlite", "index.sqlite-shm", "index.sqlite-wal")
    assert modes == dict.fromkeys(names, 0o600)


def test_what_is_no_index_is_said_without_a_word_of_it(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"not a database at all, but long enough" * 40)
    with pytest.raises(CardIndexUnavailable) as refused_file:
        CardIndex(tmp_path / "index.sqlite")
    with pytest.raises(CardIndexUnavailable) as refused_folder:
        CardIndex(tmp_path / "nowhere" / "index.sqlite")

    assert refused_file.value.evidence == {"reason": "SQLITE_NOTADB"}
    assert refused_folder.value.evidence == {"reason": "No such file or directory"}
    assert refused_file.value.__suppress_context__


def test_a_full_disk_refuses_and_reserves_nothing(index: CardIndex) -> None:
    index._connection.execute("PRAGMA max_page_count=1")
    with pytest.raises(CardIndexUnavailable) as full:
        reserve(index, *(claim(key) for key in range(400)))
    index._connection.execute("PRAGMA max_page_count=100000")

    assert full.value.evidence == {"reason": "SQLITE_FULL"}
    assert index.count() == {}


def test_two_threads_and_two_connections_take_each_key_once(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    shops = {name: CardIndex(path) for name in ("ann", "bob", "eve")}
    taken: list[tuple[str, int]] = []

    def upload(owner: str) -> None:
        for key in range(40):
            try:
                reserve(shops[owner], claim(key, owner))
            except CardRejected:
                continue
            taken.append((owner, key))

    threads = [threading.Thread(target=upload, args=(name,)) for name in shops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(key for _, key in taken) == list(range(40))


CRASH = """
import os, signal, sys
sys.path.insert(0, {root!r})
from tests.unit.cards.test_index import claim, never, NOW
from ledger.cards.index import CardIndex
from pathlib import Path
index = CardIndex(Path({path!r}))
step = {step!r}
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
with index.writing():
    index.reserve(claim(1), now=NOW, is_recorded=never)
    if step == "before the commit":
        die()
if step == "reserved":
    die()
with index.writing():
    index._put(claim(1).fingerprints, claim(1), 7)
    if step == "before the confirmation":
        die()
index.confirm([(claim(1), 7)], size=8)
die()
"""


@pytest.mark.parametrize(
    ("step", "taken", "entry"),
    [
        ("before the commit", False, None),
        ("reserved", True, None),
        ("before the confirmation", True, None),
        ("confirmed", True, 7),
    ],
)
def test_a_crash_leaves_a_key_free_or_reserved(
    tmp_path: Path, step: str, *, taken: bool, entry: int | None
) -> None:
    path = tmp_path / "index.sqlite"
    script = CRASH.format(root=str(Path(__file__).parents[3]), path=str(path), step=step)
    died = subprocess.run([sys.executable, "-c", script], check=False)
    assert died.returncode == -signal.SIGKILL

    index = CardIndex(path)
    with index.writing():
        found = index._holder(fingerprint(1))

    assert (found is not None, found.entry if found else None) == (taken, entry)
    reserve(index, claim(1))
    late = NOW + LIFE + CLOCKS_DIFFER_US + 1
    if entry is None:
        reserve(index, claim(1, "bob", not_after=2 * late), now=late, recorded=lambda *_args: False)


class Shops(RuleBasedStateMachine):
    """Uploads, commits, confirmations, crashes and waiting, against a dictionary."""

    keys = st.integers(0, 3)
    owners = st.sampled_from(["ann", "bob"])

    def __init__(self) -> None:
        super().__init__()
        self.connection = _in_memory()
        self.now, self.number = NOW, 0
        self.waiting: list[Claim] = []
        self.log: dict[bytes, Claim] = {}

    def is_recorded(self, by: str, command_id: str, digest: bytes) -> bool:
        found = self.log.get(digest)
        return found is not None and (found.owner, found.command_id) == (by, command_id)

    @rule(key=keys, owner=owners)
    def upload(self, key: int, owner: str) -> None:
        self.number += 1
        one = claim(key, owner, number=self.number, not_after=self.now + LIFE)
        holders = [each for each in self.log.values() if each.fingerprints == one.fingerprints]
        pending = [
            each
            for each in self.waiting
            if each.fingerprints == one.fingerprints
            and self.now <= each.not_after + CLOCKS_DIFFER_US
        ]
        try:
            reserve(self.connection, one, now=self.now, recorded=self.is_recorded)
        except (CardDuplicate, CardRejected) as error:
            told = (
                CardDuplicate
                if {each.owner for each in holders or pending} == {owner}
                else (CardRejected)
            )
            assert type(error) is told  # noqa: PT017 - which of the two depends on the model
        else:
            assert not holders
            assert not pending
            self.waiting.append(one)

    @rule(data=st.data(), confirmed=st.booleans())
    def commit(self, data: st.DataObject, *, confirmed: bool) -> None:
        ready = [each for each in self.waiting if self.now <= each.not_after]
        if ready:
            one = data.draw(st.sampled_from(ready))
            self.waiting.remove(one)
            self.log[one.command] = one
            if confirmed:
                self.connection.confirm([(one, len(self.log))], size=len(self.log) + 1)

    @rule(by=st.sampled_from([LIFE, CLOCKS_DIFFER_US, 10 * CLOCKS_DIFFER_US]))
    def wait(self, by: int) -> None:
        self.now += by

    @invariant()
    def no_key_is_in_the_log_twice(self) -> None:
        keys = [each.fingerprints for each in self.log.values()]
        assert len(keys) == len(set(keys))


def _in_memory() -> CardIndex:
    index = CardIndex.__new__(CardIndex)
    index._lock = threading.RLock()
    index._reserved = set()
    index._connection = sqlite3.connect(":memory:", isolation_level=None)
    index._connection.executescript(_SCHEMA + SIGHTINGS)
    index._sightings = Sightings(index._connection)
    return index


test_shops = Shops.TestCase
test_shops.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

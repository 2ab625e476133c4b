"""The write quota: each party spends its own tokens, and nobody spends another's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import QuotaExceeded
from ledger.quota import Quota, ReadQuota, WriteQuota
from ledger.rules.compose import Draft
from ledger.submission import Prepared, Submission
from tests.databases import sqlite_file_url
from tests.unit.writing.paper import StandingClock
from tests.worlds import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("quota")
    with World.create(sqlite_file_url(folder), "quota") as made:
        for party in ("ann", "bob", "eve"):
            made.register(party)
        made.add_key("ann", "ann-old")
        made.revoke_key("ann", "ann-old")
        yield made


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def quota(world: World, clock: StandingClock) -> WriteQuota:
    """Three at once, then one every two seconds."""
    return WriteQuota(Quota(per_minute=30, burst=3), world.ledger, monotonic=clock)


def signed(world: World, by: str, *keys: str) -> Prepared:
    """A prepared command of a party, signed by a key or by several."""
    places = [world.signs(by, "owner", key=key) for key in keys or (by,)]
    body = {"class": "other", "item": "cards/1"}
    ring = [world.key(key) for key in keys or (by,)]
    command = world.compose(Draft("register-item/1", by, places, body))
    return world.ledger.prepare(world.sign(command, *ring))


def test_a_party_may_write_so_much_at_once_and_then_at_a_steady_rate(
    world: World, clock: StandingClock, quota: WriteQuota
) -> None:
    command = signed(world, "ann")

    at_once = [quota.admit(command) for _ in range(4)]
    clock.now_s += 2.0
    later = [quota.admit(command) for _ in range(2)]

    assert at_once[:3] == [None, None, None]
    assert isinstance(at_once[3], QuotaExceeded)
    assert at_once[3].evidence == {
        "party": "ann",
        "per_minute": 30,
        "burst": 3,
        "retry_after_s": 2,
    }
    assert later[0] is None
    assert isinstance(later[1], QuotaExceeded)


def test_a_rest_fills_the_bucket_and_no_more(
    world: World, clock: StandingClock, quota: WriteQuota
) -> None:
    command = signed(world, "ann")
    for _ in range(4):
        quota.admit(command)
    clock.now_s += 3600

    refused = [quota.admit(command) is not None for _ in range(5)]

    assert refused == [False, False, False, True, True]


def test_parties_do_not_share(world: World, quota: WriteQuota) -> None:
    for _ in range(4):
        quota.admit(signed(world, "ann"))

    assert quota.admit(signed(world, "bob")) is None


def test_what_could_not_be_committed_costs_nothing(world: World, quota: WriteQuota) -> None:
    command = signed(world, "ann")
    for _ in range(3):
        quota.admit(command)
    quota.take_back(command)

    assert quota.admit(command) is None
    assert quota.admit(command) is not None


def test_tokens_that_come_back_never_overflow(world: World, quota: WriteQuota) -> None:
    command = signed(world, "ann")
    quota.admit(command)
    for _ in range(9):
        quota.take_back(command)

    assert sum(quota.admit(command) is None for _ in range(9)) == 3


def forgeries(world: World) -> dict[str, Prepared]:
    """Commands in the name of ann that she did not sign."""
    places = [world.signs("ann", "owner")]
    body = {"class": "other", "item": "cards/1"}
    command = world.compose(Draft("register-item/1", "ann", places, body))
    by_eve = world.sign(command, world.key("eve"))
    return {
        "eve's signature in the place of ann's": world.ledger.prepare(by_eve),
        "no signature": world.ledger.prepare(replace(by_eve, sigs=())),
        "eve's key under ann's name": signed(world, "ann", "eve"),
        "a key that nobody registered": signed(world, "ann", "stranger"),
        "a key that ann revoked": signed(world, "ann", "ann-old"),
        "no command": world.ledger.prepare(Submission(b"{}", ())),
        "a party that is not there": signed(world, "zoe", "eve"),
    }


def test_a_forged_name_spends_nobodys_tokens(world: World, quota: WriteQuota) -> None:
    for name, forgery in forgeries(world).items():
        for _ in range(10):
            assert quota.admit(forgery) is None, name

    assert len(quota) == 0
    assert sum(quota.admit(signed(world, "ann")) is None for _ in range(9)) == 3


def test_only_so_many_parties_are_remembered_the_latest_ones(
    world: World, clock: StandingClock
) -> None:
    quota = WriteQuota(Quota(per_minute=1, burst=1), world.ledger, monotonic=clock, kept=2)
    ann, bob, eve = (signed(world, name) for name in ("ann", "bob", "eve"))

    first = [quota.admit(each) for each in (ann, bob, eve)]
    again = [quota.admit(each) is None for each in (eve, bob, ann)]

    assert first == [None, None, None]
    assert again == [False, False, True]
    assert len(quota) == 2


@given(
    per_minute=st.integers(1, 600),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_never_more_than_burst_and_rate_allow(
    world: World, per_minute: int, burst: int, pauses: list[float]
) -> None:
    clock, command = StandingClock(), signed(world, "ann")
    quota = WriteQuota(Quota(per_minute, burst), world.ledger, monotonic=clock)
    began_s, let_in = clock.now_s, 0

    for pause in pauses:
        clock.now_s += pause
        refusal = quota.admit(command)
        if refusal is None:
            let_in += 1
        else:
            # Whoever comes when he was told to is let in.
            wait_s = int(refusal.evidence["retry_after_s"] or 0)
            assert 1 <= wait_s <= -(-60 // per_minute) + 1
            clock.now_s += wait_s
            assert quota.admit(command) is None
            let_in += 1

    allowed = burst + (clock.now_s - began_s) * per_minute / 60
    assert let_in <= allowed + 1e-3


def test_reads_are_counted_for_each_party_by_itself(clock: StandingClock) -> None:
    quota = ReadQuota(Quota(per_minute=30, burst=3), monotonic=clock)
    for _ in range(3):
        quota.admit("ann")

    with pytest.raises(QuotaExceeded) as refused:
        quota.admit("ann")
    quota.admit("bob")
    clock.now_s += 2.0
    quota.admit("ann")

    told = {"party": "ann", "per_minute": 30, "burst": 3, "retry_after_s": 2}
    assert refused.value.evidence == told


def test_readers_in_many_threads_get_no_more_than_their_share(clock: StandingClock) -> None:
    quota = ReadQuota(Quota(per_minute=1, burst=50), monotonic=clock)
    barrier, passed = threading.Barrier(8), []

    def read() -> None:
        barrier.wait()
        for _ in range(20):
            with suppress(QuotaExceeded):
                quota.admit("ann")
                passed.append(1)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(passed) == 50

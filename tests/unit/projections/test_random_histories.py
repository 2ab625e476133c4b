"""Whatever happens on a market, in whatever chunks it is projected, the views say the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.log.reader import LogReader
from ledger.rules.errors import RuleError
from ledger.rules.views import digest
from projections.ownership import Ownership
from projections.runner import Runner
from tests.unit.projections.markets import (
    HUGE,
    Holding,
    entries_of,
    people,
    replay,
    sqlite_world,
    strict_fold,
)
from tests.worlds import World

NUMBERS = st.integers(0, 2)
ACTS = ("register", "transfer", "offer", "accept", "refuse", "withdraw", "freeze", "unfreeze")
STEPS = st.tuples(
    st.sampled_from([*ACTS, "import", "import", "add-key", "catch-up"]), NUMBERS, NUMBERS, NUMBERS
)
MEMBERS = ("shop", "bob", "eve")
STRANGERS = (None, "ann", "ben")


def act(world: World, runner: Runner, step: tuple[str, int, int, int]) -> None:
    """Do one step, if the world has what it needs; a refusal is as good as an acceptance."""
    name, which, first, second = step
    item, member = f"cards/{which}", MEMBERS[first]
    price = (None, HUGE, {"amount": "0", "currency": "CNY"})[second]
    known = world.ledger.stream(f"item/{item}") is not None
    if name == "catch-up":
        runner.catch_up()
    elif name == "register":
        world.register_item(item)
    elif name == "import":
        time = f"2021-01-0{1 + second}T00:00:00.000000Z"
        seller, buyer = STRANGERS[first], STRANGERS[(first + second) % 3]
        world.import_sale(item, seller=seller, buyer=buyer, time=time, ordinal=which)
    elif name == "add-key":
        world.add_key(member, f"{member}-{world.size()}")
    elif known and world.item(item).owner in MEMBERS:
        if name in {"transfer", "offer"}:
            getattr(world, name)(item, to=member, price=price)
        elif world.item(item).offer is not None and name in {"accept", "refuse", "withdraw"}:
            getattr(world, name)(item)
    if known and name in {"freeze", "unfreeze"}:
        getattr(world, name)(item, by="guard")


@settings(max_examples=12, deadline=None)
@given(steps=st.lists(STEPS, min_size=5, max_size=25), chunk=st.integers(1, 9))
def test_life_rebuild_verifier_and_replay_agree(
    steps: list[tuple[str, int, int, int]], chunk: int
) -> None:
    with sqlite_world("random") as world:
        people(world)
        reader = LogReader(world.recorder)
        runner, ownership = Runner(reader, chunk=chunk), Ownership(reader)
        for step in steps:
            try:
                act(world, runner, step)
            except (RuleError, LedgerError):
                continue

        runner.catch_up()

        entries = entries_of(reader)
        live, stored = runner.digest(), runner.stored()[1]
        assert stored == strict_fold(entries).tables()
        assert live == digest(stored.items())
        for index, items in enumerate(replay(entries)):
            for item in ("cards/0", "cards/1", "cards/2"):
                found = ownership.after(item, index).found
                held = None if found is None else Holding(found.owner, frozen=found.frozen == 1)
                assert held == items.get(item), (item, index)
        Runner(reader).rebuild()
        assert runner.digest() == live

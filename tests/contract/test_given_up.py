"""PostgreSQL gives a transaction up: nothing was changed, and the writer decides again.

A trigger says what a deadlock or a serialization failure says, as often as a test wants, at the
statement or as late as in COMMIT.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from ledger.errors import WriteContended
from ledger.record.database import writing
from ledger.record.errors import OutcomeUnknown, TransactionAborted
from tests.worlds import World

GIVE_UP = """
CREATE SEQUENCE given_up;
CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('given_up') <= {times} THEN
        RAISE EXCEPTION 'given up' USING ERRCODE = '{sqlstate}';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER give_up AFTER UPDATE ON head {deferred}
    FOR EACH ROW EXECUTE FUNCTION give_up();
"""
MOMENTS = {"statement": "NOT DEFERRABLE", "commit": "DEFERRABLE INITIALLY DEFERRED"}


@pytest.fixture
def world(postgres_url: str) -> Iterator[World]:
    with World.create(postgres_url, "given-up") as world:
        yield world


def give_up(world: World, sqlstate: str, moment: str, *, times: int) -> None:
    with writing(world.recorder.engine) as connection:
        connection.execute(
            text(GIVE_UP.format(times=times, sqlstate=sqlstate, deferred=MOMENTS[moment]))
        )


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_transaction_that_was_given_up_changed_nothing(
    world: World, sqlstate: str, moment: str
) -> None:
    before = world.recorder.head()
    give_up(world, sqlstate, moment, times=1)

    with pytest.raises(TransactionAborted) as given_up:
        world.recorder.raise_epoch(before)

    assert given_up.value.sqlstate == sqlstate
    assert world.recorder.head() == before


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_batch_that_was_given_up_is_decided_again(world: World, moment: str) -> None:
    size = world.size()
    give_up(world, "40001", moment, times=3)

    accepted = world.register("shop")

    assert (accepted.index, accepted.again) == (size, False)


def test_a_batch_that_is_always_given_up_is_refused_after_twenty_times(world: World) -> None:
    size = world.size()
    give_up(world, "40001", "commit", times=20)

    with pytest.raises(WriteContended) as refused:
        world.register("shop")

    assert refused.value.evidence == {"attempts": 20}
    assert world.size() == size
    world.register("ann")


def test_another_error_in_commit_leaves_the_outcome_unknown(world: World) -> None:
    """A server that does not know itself says 40003; only these two say that nothing happened."""
    give_up(world, "40003", "commit", times=1)

    with pytest.raises(OutcomeUnknown):
        world.recorder.raise_epoch(world.recorder.head())

"""A history rewritten or cut with every key of the operator, and what an outside checkpoint shows.

Nothing inside a log tells its whole history from another whole history: who keeps no checkpoint is
told `anchored: no`, and nothing else.
"""

from __future__ import annotations

import pytest

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.note import sign_note
from tests.tamper.copies import Copy
from tests.tamper.market import SIZE, Market
from tests.tamper.operator import forger, publish
from tests.tamper.test_columns import Fault
from tests.tamper.test_operator import register
from tests.worlds import World

VALID = None
OTHER_TREE = Fault("root", "root", derived=False)


def lacking(index: int) -> Fault:
    return Fault("checkpoint", "size", index, derived=False, verdict="incomplete", exit_code=3)


def assert_finds(copy: Copy, wanted: Fault | None, *, since: bytes | None, anchored: str) -> None:
    report = copy.audit(since=since)
    fault = report.fault or {}
    found = (fault.get("step"), fault.get("field"), fault.get("index"), fault.get("derived"))
    if wanted is None:
        assert (report.verdict, report.fault, report.derived) == ("valid", None, "yes")
    else:
        assert found == (wanted.step, wanted.field, wanted.index, wanted.derived)
        assert (report.verdict, report.exit_code) == (wanted.verdict, wanted.exit_code)
    assert report.anchored == anchored


def rewrite(copy: Copy, *, keep: int, size: int) -> None:
    """Keep a part of the log and continue it otherwise, breaking no rule."""
    forging = forger(copy.market, keep=keep)
    while len(forging.entries) < size:
        register(forging, f"stranger-{len(forging.entries)}")
    publish(copy, forging.entries, keep=keep)


def before_outside(market: Market) -> int:
    """Index of the last command that the outside checkpoint covers: a log may end before it."""
    assert SIZE // 2 < market.outside_size < SIZE - 100
    covered = market.entries[: market.outside_size]
    return next(entry.index for entry in reversed(covered) if entry.command is not None)


def test_a_suffix_rewritten_before_the_outside_checkpoint(copy: Copy) -> None:
    rewrite(copy, keep=before_outside(copy.market), size=copy.market.outside_size + 9)

    assert_finds(copy, VALID, since=None, anchored="no")
    assert_finds(copy, OTHER_TREE, since=copy.market.outside, anchored="no")


def test_a_suffix_rewritten_to_less_than_the_outside_checkpoint(copy: Copy) -> None:
    size = before_outside(copy.market)
    rewrite(copy, keep=size - 9, size=size)

    assert_finds(copy, VALID, since=None, anchored="no")
    assert_finds(copy, lacking(size), since=copy.market.outside, anchored="no")


def test_a_suffix_rewritten_after_the_outside_checkpoint_is_not_seen_by_it(copy: Copy) -> None:
    rewrite(copy, keep=copy.market.outside_size, size=copy.market.outside_size + 9)

    assert_finds(copy, VALID, since=None, anchored="no")
    assert_finds(copy, VALID, since=copy.market.outside, anchored="yes")


def cut(copy: Copy, size: int) -> None:
    """Make the ledger what it was when it had `size` entries, in every table."""
    publish(copy, [entry.raw for entry in copy.market.entries[:size]], keep=size)


def test_a_tail_cut_everywhere(copy: Copy) -> None:
    size = before_outside(copy.market)
    cut(copy, size)

    assert_finds(copy, VALID, since=None, anchored="no")
    assert_finds(copy, lacking(size), since=copy.market.outside, anchored="no")


def test_a_tail_cut_from_the_entries_alone(copy: Copy) -> None:
    size = SIZE - 100
    copy.run(f'DELETE FROM entry WHERE "index" >= {size}')
    wanted = lacking(size)

    assert_finds(copy, wanted, since=None, anchored="no")
    assert_finds(copy, wanted, since=copy.market.outside, anchored="yes")


def test_an_old_checkpoint_put_back(copy: Copy) -> None:
    latest = copy.rows(f"SELECT note FROM checkpoint WHERE size = {SIZE}")[0][0]
    copy.run(f"DELETE FROM checkpoint WHERE size = {SIZE}")
    surplus = Fault("stored", "tile", None)
    assert_finds(copy, surplus, since=None, anchored="no")

    # With the tiles gone too, only figures tell: entries are there that no checkpoint covers.
    full = copy.market.outside_size // 256
    copy.run(f"DELETE FROM tile WHERE number >= {full}")
    assert_finds(copy, VALID, since=bytes(latest), anchored="yes")
    report = copy.audit()
    assert (report.size, report.unpublished) == (
        copy.market.outside_size,
        SIZE - copy.market.outside_size,
    )


def test_an_old_checkpoint_under_the_newest_size(copy: Copy) -> None:
    copy.run(f"UPDATE checkpoint SET note = :note WHERE size = {SIZE}", note=copy.market.outside)

    assert_finds(
        copy, Fault("checkpoint", "size", derived=False), since=copy.market.outside, anchored="no"
    )


def signed_for(world: World, size: int, root: bytes, *, origin: str, key: str) -> bytes:
    signer = world.key(key)
    text = Checkpoint(origin, size, root).text
    return sign_note(text, name=world.origin, public=signer.public, sign=signer.sign)


@pytest.mark.parametrize(
    ("size", "origin", "key", "wanted"),
    [
        (SIZE, "yinzheng.test/world", "checkpoint", OTHER_TREE),
        (SIZE - 1, "yinzheng.test/world", "checkpoint", OTHER_TREE),
        (SIZE + 1, "yinzheng.test/world", "checkpoint", lacking(SIZE)),
        (1 << 62, "yinzheng.test/world", "checkpoint", lacking(SIZE)),
        (
            SIZE,
            "yinzheng.test/other",
            "checkpoint",
            Fault("checkpoint", "origin", derived=False),
        ),
        (
            SIZE,
            "yinzheng.test/world",
            "receipt",
            Fault("note", "signature", derived=False, verdict="unverifiable", exit_code=4),
        ),
    ],
    ids=[
        "another tree",
        "another earlier tree",
        "one more",
        "any number",
        "other log",
        "other key",
    ],
)
def test_a_checkpoint_that_the_entries_do_not_have(
    copy: Copy, size: int, origin: str, key: str, wanted: Fault
) -> None:
    note = signed_for(copy.market.world, size, bytes(32), origin=origin, key=key)
    latest = max(size, SIZE)
    copy.run(
        f"DELETE FROM checkpoint WHERE size = {size}",
        "INSERT INTO checkpoint VALUES (:size, -7, :note)",
        size=size,
        note=note,
    )
    report = copy.audit()
    fault = report.fault or {}
    assert (report.verdict, fault["step"], fault["field"], fault["index"]) == (
        wanted.verdict,
        wanted.step,
        wanted.field,
        wanted.index,
    )
    assert report.size in {0, latest}

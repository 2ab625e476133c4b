"""Judging a database by what is known outside of it: every class, by sizes and hashes alone."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.log.standing import (
    MARK,
    MIRROR,
    PUBLISHED,
    Class,
    Facts,
    Promise,
    Standing,
    Tree,
    judge,
)

OTHER = b"\xff" * 32


def root(size: int) -> bytes:
    """The root of the one history, as far as this test is concerned."""
    return bytes([size]) * 32


def judged(size: int, **more: Any) -> Standing:
    """Judge a database of `size` entries; sizes stand for trees of the one history."""
    known = [
        Tree(source, more[name], more.get(f"{name}_root", root(more[name])))
        for name, source in (("mark", MARK), ("published", PUBLISHED), ("mirror", MIRROR))
        if more.get(name) is not None
    ]
    sizes = {size, *(tree.size for tree in known)}
    own = {each: root(each) for each in sizes if each <= size} | more.get("own", {})
    reach = more.get("mirror")
    mirrored = {each: root(each) for each in sizes if reach is not None and each <= reach}
    mirrored |= more.get("mirrored", {})
    return judge(
        Facts(
            size,
            known,
            own,
            mirrored,
            promises=more.get("promises", ()),
            unreachable=more.get("unreachable"),
        )
    )


@pytest.mark.parametrize(
    ("klass", "facts"),
    [
        (Class.SAME, {"size": 5, "mark": 5}),
        (Class.SAME, {"size": 5, "mark": 3, "published": 5}),
        (Class.SAME, {"size": 5, "mark": 3, "published": 3, "mirror": 5}),
        (Class.SAME, {"size": 0}),
        (Class.SAME, {"size": 0, "mark": 0}),
        (Class.AHEAD, {"size": 7, "mark": 5}),
        (Class.AHEAD, {"size": 1, "mark": 0}),
        (Class.AHEAD, {"size": 7, "mark": 5, "published": 5, "mirror": 3}),
        (Class.BEHIND, {"size": 4, "mark": 5, "mirror": 5}),
        (Class.BEHIND, {"size": 4, "mark": 3, "mirror": 5}),
        (Class.BEHIND, {"size": 4, "mark": 9, "mirror": 5}),
        (Class.BEHIND, {"size": 0, "mirror": 5}),
        # Without a mark, what lacks is still found, and healing is still the way on.
        (Class.BEHIND, {"size": 4, "mirror": 5}),
        (Class.UNDECIDED, {"size": 4, "mark": 5}),
        (Class.UNDECIDED, {"size": 4, "mark": 5, "mirror": 3}),
        (Class.UNDECIDED, {"size": 4, "published": 5, "mark": 4}),
        (Class.UNDECIDED, {"size": 4, "mark": 5, "unreachable": "gone"}),
        (Class.FORKED, {"size": 5, "mark": 5, "mark_root": OTHER}),
        (Class.FORKED, {"size": 7, "mark": 5, "mark_root": OTHER}),
        (Class.FORKED, {"size": 7, "mark": 7, "published": 5, "published_root": OTHER}),
        (Class.FORKED, {"size": 7, "mark": 7, "mirror": 6, "own": {6: OTHER}}),
        (Class.FORKED, {"size": 4, "mark": 5, "mirror": 5, "own": {4: OTHER}}),
        # The mark and the mirror contradict one another: two trees of one size were signed.
        (Class.FORKED, {"size": 4, "mark": 5, "mark_root": OTHER, "mirror": 6}),
        (Class.BLIND, {"size": 5}),
        (Class.BLIND, {"size": 5, "published": 5}),
        (Class.BLIND, {"size": 5, "mirror": 5}),
        (Class.BLIND, {"size": 5, "mark": 5, "unreachable": "gone"}),
    ],
)
def test_the_class_follows_from_sizes_and_hashes(klass: Class, facts: dict[str, Any]) -> None:
    assert judged(**facts).klass is klass


@pytest.mark.parametrize("klass", Class)
def test_only_what_holds_everything_that_was_signed_may_be_written_and_signed(klass: Class) -> None:
    standing = Standing(klass, 1, {})
    is_open = klass in {Class.SAME, Class.AHEAD, Class.PROMISED}

    assert (standing.may_write, standing.may_sign) == (is_open, is_open)
    assert standing.says
    assert standing.do


def test_a_fork_is_named_by_its_size_and_both_roots() -> None:
    found = judged(4, mark=5, mirror=6, mark_root=OTHER)

    assert found.evidence == {
        "mark_size": 5,
        "mark_root": OTHER.hex(),
        "mirror_size": 6,
        "mirror_root": root(6).hex(),
        "fork_size": 5,
        "fork_between": "mirror and mark",
        "fork_roots": f"{root(5).hex()} and {OTHER.hex()}",
    }


def test_a_prefix_that_differs_is_a_fork_of_database_and_mirror() -> None:
    found = judged(4, mark=5, mirror=5, own={4: OTHER})

    assert found.evidence["fork_between"] == "database and mirror"
    assert found.evidence["fork_size"] == 4


def test_what_lacks_is_counted_up_to_the_largest_tree() -> None:
    assert judged(4, mark=9, mirror=6).evidence["missing"] == 5


def test_why_a_mirror_did_not_answer_is_told() -> None:
    locked, undecided = judged(5, mark=5, unreachable="gone"), judged(4, mark=5, unreachable="gone")

    assert (locked.evidence["lacks"], locked.evidence["reason"]) == ("mirror", "gone")
    assert undecided.evidence["reason"] == "gone"
    assert judged(5).evidence == {"lacks": "mark"}


def test_a_promise_beyond_the_log_is_an_incident_that_locks_nothing() -> None:
    leaf = b"\x01" * 32
    found = judged(5, mark=5, promises=[(Promise(7, leaf), None)])

    assert found.klass is Class.PROMISED
    assert found.evidence["promised_index"] == 7
    assert found.evidence["found_leaf"] is None


def test_another_entry_in_the_promised_place_is_an_incident_too() -> None:
    found = judged(5, mark=5, promises=[(Promise(2, OTHER), b"\x02" * 32)])

    assert (found.klass, found.evidence["found_leaf"]) == (Class.PROMISED, "02" * 32)


def test_a_promise_that_was_kept_changes_nothing() -> None:
    assert judged(5, mark=5, promises=[(Promise(2, OTHER), OTHER)]).klass is Class.SAME


def test_a_promise_is_no_excuse_while_signed_entries_lack() -> None:
    found = judged(4, mark=5, mirror=5, promises=[(Promise(4, OTHER), None)])

    assert found.klass is Class.BEHIND


def test_a_standing_is_one_flat_document() -> None:
    assert judged(4, mark=5, mirror=5).document() == {
        "class": "R3",
        "size": 4,
        "may_write": False,
        "may_sign": False,
        "says": "Entries that were signed are missing here: an older copy was put back.",
        "do": "Run `yinzheng restore --dir D --mirror URL|FOLDER` with a copy of the log.",
        "mark_size": 5,
        "mark_root": root(5).hex(),
        "mirror_size": 5,
        "mirror_root": root(5).hex(),
        "missing": 1,
    }

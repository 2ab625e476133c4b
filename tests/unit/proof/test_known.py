"""The state that a replay knows: of a whole log, and of a part of one."""

from __future__ import annotations

import pytest

from ledger.proof.known import Known, NotInFile, PartialView
from ledger.proof.tree import MemoryTree
from ledger.rules.state import Head, Log, Namespace, Stream
from tests.unit.proof.story import LEAVES
from tests.unit.proof.test_signatures import view_before

SHOP = Stream(Head(3, 0, "ab", None), Namespace("shop"))


def test_an_unknown_state_is_empty() -> None:
    view = Known()

    assert view.stream("party/shop") is None
    assert view.command_at(0) is None
    assert view.key_holder("ab") is None
    assert view.seen_root(0) == MemoryTree().root().hex()
    assert view.seen_root(1) is None


def test_what_was_noted_is_told_by_its_own_name() -> None:
    view = Known(
        streams={"namespace/a": SHOP, "namespace/b": Stream(SHOP.head, Namespace("b"))},
        keys={"ab": "anna", "cd": "bob"},
        digests={3: "33", 4: "44"},
    )

    assert view.stream("namespace/a") is SHOP
    assert (view.key_holder("ab"), view.key_holder("cd"), view.key_holder("3")) == (
        "anna",
        "bob",
        None,
    )
    assert (view.command_at(3), view.command_at(4), view.command_at(5)) == ("33", "44", None)


def test_a_root_is_known_of_every_size_so_far_and_no_other() -> None:
    tree = MemoryTree(LEAVES[:5])
    view = Known(tree=tree)

    for size in range(6):
        assert view.seen_root(size) == MemoryTree(LEAVES[:size]).root().hex()
    assert view.seen_root(6) is None


def founded(*founders: str) -> Stream:
    state = view_before(1).streams["log"].state
    assert isinstance(state, Log)
    return Stream(SHOP.head, Log(state.origin, founders, state.vkey, 1, state.policy))


@pytest.mark.parametrize(
    ("holders", "besides", "expected"),
    [
        ((), (), False),
        (("anna", "bob"), (), False),
        (("anna", "carl"), (), True),
        (("carl",), ("carl",), False),
        (("carl", "dora"), ("carl",), True),
        (("anna", "carl"), ("carl", "eve"), False),
    ],
)
def test_a_party_is_independent_that_neither_founded_nor_takes_part(
    holders: tuple[str, ...], besides: tuple[str, ...], *, expected: bool
) -> None:
    view = Known(
        streams={"log": founded("anna", "bob")}, keys={str(at): it for at, it in enumerate(holders)}
    )

    assert view.independent_party(besides=frozenset(besides)) is expected


@pytest.mark.parametrize("streams", [{}, {"log": SHOP}])
def test_without_a_log_s_opening_nobody_is_a_founder(streams: dict[str, Stream]) -> None:
    view = Known(streams=streams, keys={"ab": "anna"})

    assert view.independent_party(besides=frozenset()) is True
    assert view.independent_party(besides=frozenset({"anna"})) is False


def test_a_part_says_of_no_stream_that_it_is_absent_unless_it_opens_inside() -> None:
    view = PartialView(frozenset({"item/a/new"}), {})

    assert view.stream("item/a/new") is None
    with pytest.raises(NotInFile) as caught:
        view.stream("item/a/old")
    assert caught.value.stream == "item/a/old"
    assert str(caught.value) == "the file does not hold item/a/old"


def test_an_imported_party_that_a_part_lacks_counts_as_unclaimed() -> None:
    assert PartialView(frozenset(), {}).stream("imported/a/b") is None


def test_a_part_tells_the_streams_it_holds() -> None:
    view = PartialView(frozenset(), {})
    view.streams["namespace/a"] = SHOP

    assert view.stream("namespace/a") is SHOP
    assert not view.lost("namespace/a")


@pytest.mark.parametrize("name", ["namespace/a", "imported/a/b", "item/a/new"])
def test_a_lost_stream_stays_lost(name: str) -> None:
    view = PartialView(frozenset({"item/a/new"}), {})
    view.streams[name] = SHOP

    view.lose(name)
    view.lose(name)

    assert view.lost(name)
    assert not view.lost("party/other")
    assert name not in view.streams
    view.streams[name] = SHOP
    with pytest.raises(NotInFile) as caught:
        view.stream(name)
    assert caught.value.stream == name


def test_a_part_repeats_the_roots_that_its_commands_saw() -> None:
    view = PartialView(frozenset(), {4: "44", 9: "99"})

    assert (view.seen_root(4), view.seen_root(9), view.seen_root(0)) == ("44", "99", None)


def test_a_part_starts_with_nothing_known() -> None:
    view = PartialView(frozenset(), {})

    assert (view.streams, view.keys, view.digests, len(view.tree)) == ({}, {}, {}, 0)

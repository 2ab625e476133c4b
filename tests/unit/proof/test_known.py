"""What a replay knows: of a whole log everything, of a file only what it holds."""

from __future__ import annotations

import pytest

from ledger.proof.known import Known, NotInFile, PartialView
from ledger.proof.tree import MemoryTree
from ledger.rules.evolve import evolve
from ledger.rules.state import Head, Namespace, Stream
from tests.unit.proof.story import LEAVES, READ

STREAM = Stream(Head(3, 0, "0" * 64, None), Namespace("shop"))
NAME = "namespace/cards"


def test_a_whole_log_takes_what_it_lacks_for_absent() -> None:
    known = Known()
    assert known.stream(NAME) is None
    known.streams[NAME] = STREAM

    assert known.stream(NAME) is STREAM
    assert known.stream("party/shop") is None


def test_a_whole_log_shows_every_tree_so_far() -> None:
    known = Known(tree=MemoryTree(LEAVES[:5]))

    assert known.seen_root(5) == MemoryTree(LEAVES[:5]).root().hex()
    assert known.seen_root(3) == MemoryTree(LEAVES[:3]).root().hex()
    assert known.seen_root(6) is None


def test_heads_know_their_commands_and_no_others_are_kept() -> None:
    known = Known()
    assert known.command_at(0) is None
    known.digests[3] = "d"

    assert known.command_at(3) == "d"


def test_a_key_has_its_holder() -> None:
    known = Known(keys={"k": "shop"})

    assert (known.key_holder("k"), known.key_holder("x")) == ("shop", None)


def test_who_is_independent_is_neither_named_in_entry_0_nor_excepted() -> None:
    known = Known()
    assert known.independent_party(besides=frozenset()) is False
    known.keys = {"a": "operator", "b": "system"}
    assert known.independent_party(besides=frozenset()) is True
    known.streams["log"] = evolved_log()
    assert known.independent_party(besides=frozenset()) is False
    known.keys["c"] = "shop"
    assert known.independent_party(besides=frozenset()) is True
    assert known.independent_party(besides=frozenset({"shop"})) is False


def evolved_log() -> Stream:
    return evolve(None, READ[0], command=None)


def test_a_file_takes_for_absent_only_what_opens_inside_it() -> None:
    view = PartialView(frozenset({NAME}), {})

    assert view.stream(NAME) is None
    with pytest.raises(NotInFile) as caught:
        view.stream("party/shop")
    assert caught.value.stream == "party/shop"
    assert str(caught.value) == "the file does not hold party/shop"


def test_an_imported_party_that_the_file_lacks_is_not_claimed() -> None:
    view = PartialView(frozenset(), {})

    assert view.stream("imported/old/x") is None


def test_a_lost_stream_stays_unknown() -> None:
    view = PartialView(frozenset({NAME}), {})
    view.streams[NAME] = STREAM
    view.streams["party/shop"] = STREAM
    assert view.stream(NAME) is STREAM
    assert not view.lost(NAME)

    view.lose(NAME)

    assert view.lost(NAME)
    assert not view.lost("party/shop")
    assert view.streams == {"party/shop": STREAM}
    with pytest.raises(NotInFile):
        view.stream(NAME)
    view.lose("party/none")
    assert view.lost("party/none")


def test_a_file_shows_only_the_trees_that_its_commands_name() -> None:
    view = PartialView(frozenset(), {5: "r"})

    assert (view.seen_root(5), view.seen_root(4)) == ("r", None)


def test_only_a_whole_log_knows_what_accounts_hold() -> None:
    assert Known().knows_accounts() is True
    assert PartialView(frozenset(), {}).knows_accounts() is False

"""Hashes: official answers, as literals and as the shared vectors give them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ledger.proof.hashing import EMPTY_ROOT, HASH_SIZE, leaf_hash, node_hash
from tests.unit.proof.shared import shared


def test_a_hash_is_32_bytes() -> None:
    assert HASH_SIZE == 32
    assert {len(EMPTY_ROOT), len(leaf_hash(b"")), len(node_hash(b"", b""))} == {32}


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_leaf_literals() -> None:
    assert (
        leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )
    assert (
        leaf_hash(b"yinzheng").hex()
        == "e18a1cdda03cdc1aa8a76136acfcc4e0b734035b9fff75903ead96a729104853"
    )


def test_node_literals() -> None:
    """An inner node, so that its prefix cannot change unseen."""
    assert (
        node_hash(b"left", b"right").hex()
        == "23c24acca9e9aa966f39b90e4154d913334fa160e35fcbcd034e673bfb3339ad"
    )
    assert node_hash(b"right", b"left") != node_hash(b"left", b"right")


@pytest.mark.shared_data
def test_published_leaves_and_nodes() -> None:
    vectors = shared("rfc6962/roots.json")

    leaves = [leaf_hash(bytes.fromhex(text)) for text in vectors["leaf_inputs_hex"]]
    levels = vectors["node_hashes_hex_by_level"]
    assert [leaf.hex() for leaf in leaves] == levels[0]
    for lower, upper in pairwise(levels):
        below = [bytes.fromhex(text) for text in lower]
        nodes = [node_hash(*below[at : at + 2]).hex() for at in range(0, len(below), 2)]
        assert nodes == upper


@pytest.mark.shared_data
def test_published_single_hashes() -> None:
    single = shared("rfc6962/roots.json")["single"]

    assert EMPTY_ROOT.hex() == single["empty_tree"]
    assert leaf_hash(b"").hex() == single["empty_leaf"]
    assert leaf_hash(b"L123456").hex() == single["leaf_L123456"]
    assert node_hash(b"N123", b"N456").hex() == single["node_N123_N456"]

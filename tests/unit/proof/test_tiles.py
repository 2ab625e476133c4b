"""Tiles: paths, widths and bytes, as literals and as published."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.errors import MalformedEvidence
from ledger.proof.tiles import (
    Tile,
    bundle_path,
    bundles_of,
    decode_bundle,
    decode_tile,
    encode_bundle,
    encode_tile,
    parse_path,
    partial_width,
    paths_of,
    read_through,
    tile_path,
    tiles_of,
)
from ledger.proof.tree import MemoryTree, OutOfRange, inclusion_path, root_of
from tests.unit.proof.oracle import LEAVES, slow_leaf
from tests.unit.proof.shared import shared

LAST_NUMBER = 2**55 - 1
PATHS = [
    (Tile(0, 0), "tile/0/000"),
    (Tile(0, 5), "tile/0/005"),
    (Tile(1, 999), "tile/1/999"),
    (Tile(2, 1000), "tile/2/x001/000"),
    (Tile(63, 1234067), "tile/63/x001/x234/067"),
    (Tile(0, 1234067, 5), "tile/0/x001/x234/067.p/5"),
    (Tile(10, 7, 1), "tile/10/007.p/1"),
    (Tile(3, 7, 255), "tile/3/007.p/255"),
    (Tile(None, 0), "tile/entries/000"),
    (Tile(None, 123456078, 112), "tile/entries/x123/x456/078.p/112"),
    (Tile(0, LAST_NUMBER), "tile/0/x036/x028/x797/x018/x963/967"),
]


@pytest.mark.parametrize(("tile", "path"), PATHS)
def test_each_tile_has_one_path_and_each_path_one_tile(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_path(path) == tile


def test_paths_are_full_tiles_unless_a_width_is_given() -> None:
    assert tile_path(1, 2) == "tile/1/002"
    assert tile_path(1, 2, 256) == "tile/1/002"
    assert tile_path(1, 2, 3) == "tile/1/002.p/3"
    assert bundle_path(2) == "tile/entries/002"
    assert bundle_path(2, 3) == "tile/entries/002.p/3"


@pytest.mark.parametrize("level", [-1, 64])
def test_levels_run_from_0_to_63(level: int) -> None:
    with pytest.raises(OutOfRange, match=f"^level {level} is out of range$"):
        tile_path(level, 0)


@pytest.mark.parametrize("number", [-1, LAST_NUMBER + 1])
def test_numbers_have_55_bits(number: int) -> None:
    for path in (lambda: tile_path(0, number), lambda: bundle_path(number)):
        with pytest.raises(OutOfRange, match=f"^number {number} is out of range$"):
            path()


@pytest.mark.parametrize("width", [-1, 0, 257])
def test_widths_run_from_1_to_256(width: int) -> None:
    for path in (lambda: tile_path(0, 0, width), lambda: bundle_path(0, width)):
        with pytest.raises(OutOfRange, match=f"^width {width} is out of range$"):
            path()


NOT_PATHS = [
    "",
    "/tile/0/000",
    "tile/0/000/",
    "tile/0",
    "tile/0/",
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/00/000",
    "tile/01/000",
    "tile/-1/000",
    "tile/+1/000",
    "tile/100/000",
    "tile/x/000",
    "tile/data/000",
    "tile/entries",
    "Tile/0/000",
    "tile/0/001/000",
    "tile/0/x001/x000",
    "tile/0/X001/000",
    "tile/0/x1/000",
    "tile/0/000.p",
    "tile/0/000.p/",
    "tile/0/000.p/0",
    "tile/0/000.p/05",
    "tile/0/000.p/-5",
    "tile/0/000.p/1000",
    "tile/0/000.p/5/",
    "tile/0/000.P/5",
    "tile/0/000xp/5",
    "tile/0/000\n",
    "tile/0/00\u0661",
    "tile/0/../000",
    "tile/0/%30%30%30",
    "tile/0/" + "x001/" * 12 + "000",
]


@pytest.mark.parametrize("text", NOT_PATHS)
def test_other_texts_are_no_path(text: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_path(text)

    assert str(caught.value) == "tile: not the path of a tile"
    assert (caught.value.step, caught.value.field) == ("tile", "path")


@pytest.mark.parametrize(
    "text", ["tile/0/x000/000", "tile/0/x000/x001/000", "tile/0/000.p/256", "tile/entries/x000/001"]
)
def test_a_second_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_path(text)

    assert str(caught.value) == "tile: the path has a second spelling"
    assert (caught.value.step, caught.value.field) == ("tile", "path")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tile/64/000", "level 64 is out of range"),
        ("tile/99/000", "level 99 is out of range"),
        ("tile/0/000.p/257", "width 257 is out of range"),
        ("tile/0/000.p/999", "width 999 is out of range"),
        ("tile/0/x036/x028/x797/x018/x963/968", f"number {2**55} is out of range"),
    ],
)
def test_a_path_out_of_range_is_malformed_evidence(text: str, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_path(text)

    assert str(caught.value) == f"tile: {message}"
    assert (caught.value.step, caught.value.field) == ("tile", "path")


def test_a_path_is_at_most_64_characters() -> None:
    """Longer ones are refused before any work is spent on them."""
    fits = "tile/0/" + "x000/" * 10 + "000" + ".p/1"
    over = "tile/10/" + "x000/" * 10 + "000" + ".p/1"
    assert (len(fits), len(over)) == (64, 65)

    with pytest.raises(MalformedEvidence, match="second spelling"):
        parse_path(fits)
    with pytest.raises(MalformedEvidence, match="not the path"):
        parse_path(over)


@given(st.text(alphabet="tile/x0123456789.pn rs", max_size=30))
def test_whatever_parses_prints_as_itself(text: str) -> None:
    for candidate in (text, f"tile/{text}", f"tile/0/{text}"):
        try:
            tile = parse_path(candidate)
        except MalformedEvidence:
            continue
        assert tile.path == candidate


def test_a_tree_of_70000_leaves_has_the_tiles_of_the_specification() -> None:
    counts = Counter((tile.level, tile.width) for tile in tiles_of(70_000))

    assert counts == {(0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}
    assert [partial_width(level, 70_000) for level in range(4)] == [112, 17, 1, 0]
    assert Counter(bundle.width for bundle in bundles_of(70_000)) == {256: 273, 112: 1}
    assert {bundle.level for bundle in bundles_of(70_000)} == {None}


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (0, []),
        (1, ["tile/0/000.p/1", "tile/entries/000.p/1"]),
        (255, ["tile/0/000.p/255", "tile/entries/000.p/255"]),
        (256, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]),
        (
            257,
            [
                "tile/0/000",
                "tile/0/001.p/1",
                "tile/1/000.p/1",
                "tile/entries/000",
                "tile/entries/001.p/1",
            ],
        ),
        (
            513,
            [
                "tile/0/000",
                "tile/0/001",
                "tile/0/002.p/1",
                "tile/1/000.p/2",
                "tile/entries/000",
                "tile/entries/001",
                "tile/entries/002.p/1",
            ],
        ),
    ],
)
def test_the_paths_of_a_tree(size: int, paths: list[str]) -> None:
    assert list(paths_of(size)) == paths


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 2**16 + 256, 70_000])
def test_the_tiles_of_every_level_hold_every_complete_subtree(size: int) -> None:
    held = Counter[int | None]()
    for tile in tiles_of(size):
        held[tile.level] += tile.width

    assert held == {level: size >> 8 * level for level in range(3) if size >> 8 * level}


def test_a_tile_is_its_hashes_one_after_the_other() -> None:
    hashes = [bytes([n]) * 32 for n in range(256)]

    assert encode_tile(hashes[:1]) == bytes(32)
    assert encode_tile(hashes[:2]) == bytes(32) + b"\x01" * 32
    assert len(encode_tile(hashes)) == 8192
    assert decode_tile(encode_tile(hashes), width=256) == hashes
    assert decode_tile(encode_tile(hashes[:3]), width=3) == hashes[:3]


@pytest.mark.parametrize("count", [0, 257])
def test_a_tile_has_1_to_256_hashes(count: int) -> None:
    with pytest.raises(OutOfRange, match=f"^width {count} is out of range$"):
        encode_tile([bytes(32)] * count)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_tile_holds_hashes_of_32_bytes(length: int) -> None:
    with pytest.raises(OutOfRange, match=f"^hash_bytes {length} is out of range$"):
        encode_tile([bytes(32), bytes(length)])


@pytest.mark.parametrize(("length", "width"), [(0, 1), (63, 2), (65, 2), (64, 1), (64, 3)])
def test_a_tile_of_another_length_is_malformed(length: int, width: int) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        decode_tile(bytes(length), width=width)

    assert str(caught.value) == f"tile: {length} bytes are not {width} hashes"
    assert caught.value.fault() == {
        "index": None,
        "stream": None,
        "step": "tile",
        "field": "length",
        "expected": 32 * width,
        "found": length,
    }


def test_a_bundle_gives_each_entry_a_big_endian_length() -> None:
    assert encode_bundle([b"one"]) == b"\x00\x03one"
    assert encode_bundle([b"one", b"three"]) == b"\x00\x03one\x00\x05three"
    assert encode_bundle([b"x" * 258])[:2] == b"\x01\x02"
    assert decode_bundle(b"\x00\x03one\x00\x05three", width=2) == [b"one", b"three"]


def test_a_bundle_takes_empty_and_largest_entries() -> None:
    entries = [b"", b"x" * 65_535, b""]

    assert decode_bundle(encode_bundle(entries), width=3) == entries
    assert encode_bundle([b""] * 256) == bytes(512)


def test_an_entry_over_65535_bytes_fits_no_bundle() -> None:
    with pytest.raises(OutOfRange, match=r"^entry_bytes 65536 is out of range$"):
        encode_bundle([b"x" * 65_536])


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_has_1_to_256_entries(count: int) -> None:
    with pytest.raises(OutOfRange, match=f"^width {count} is out of range$"):
        encode_bundle([b""] * count)


@pytest.mark.parametrize(
    ("data", "width", "position"),
    [
        (b"", 1, 0),
        (b"\x00", 1, 0),
        (b"\x00\x01", 1, 0),
        (b"\x00\x03on", 1, 0),
        (b"\x00\x03one", 2, 1),
        (b"\x00\x03one\x00", 2, 1),
        (b"\x00\x03one\x01", 2, 1),
    ],
)
def test_a_bundle_that_ends_early_is_malformed(data: bytes, width: int, position: int) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        decode_bundle(data, width=width)

    assert str(caught.value) == f"bundle: the bundle ends inside entry {position} of {width}"
    assert caught.value.fault() == {
        "index": None,
        "stream": None,
        "step": "bundle",
        "field": "length",
        "expected": width,
        "found": position,
    }


@pytest.mark.parametrize(
    ("data", "width", "read"),
    [(b"\x00\x03one\x00", 1, 5), (b"\x00\x03one\x00\x00", 1, 5), (b"x", 0, 0)],
)
def test_bytes_after_the_last_entry_are_malformed(data: bytes, width: int, read: int) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        decode_bundle(data, width=width)

    assert str(caught.value) == f"bundle: {len(data) - read} bytes follow entry {width}"
    assert (caught.value.expected, caught.value.found) == (read, len(data))
    assert (caught.value.step, caught.value.field) == ("bundle", "length")


@given(st.binary(max_size=40), st.integers(1, 5))
def test_whatever_decodes_encodes_to_the_same_bytes(data: bytes, width: int) -> None:
    try:
        entries = decode_bundle(data, width=width)
    except MalformedEvidence:
        return
    assert len(entries) == width
    assert encode_bundle(entries) == data


SIZE = 66_000
MANY = MemoryTree(slow_leaf(b"%d" % n) for n in range(SIZE))


def fetch(level: int, number: int) -> list[bytes]:
    """The tile as a log would store it, cut at the tree's size."""
    items = range(number * 256, min((number + 1) * 256, SIZE >> 8 * level))
    return [MANY.node(8 * level, item) for item in items]


def test_roots_and_paths_through_tiles_equal_those_in_memory() -> None:
    read = read_through(fetch)

    for size in (1, 255, 256, 257, 511, 65_535, 65_536, 65_537, SIZE):
        assert root_of(size, read) == MANY.root(size)
    for index in (0, 255, 256, 65_535, 65_536, SIZE - 1):
        assert inclusion_path(index, SIZE, read) == MANY.inclusion_path(index, SIZE)


@pytest.mark.parametrize(
    ("level", "index"), [(0, 3), (1, 7), (7, 1), (7, 514), (8, 256), (15, 1), (16, 0)]
)
def test_a_node_of_any_level_is_read_from_one_tile(level: int, index: int) -> None:
    asked: list[tuple[int, int]] = []

    def ask(tile_level: int, number: int) -> list[bytes]:
        asked.append((tile_level, number))
        return fetch(tile_level, number)

    assert read_through(ask)(level, index) == MANY.node(level, index)
    assert len(asked) == 1


def test_a_node_beyond_a_partial_tile_is_out_of_range() -> None:
    read = read_through(lambda _level, _number: LEAVES[:5])

    assert read(0, 4) == LEAVES[4]
    for level, index in ((0, 5), (1, 2), (2, 1), (7, 0)):
        with pytest.raises(OutOfRange, match=f"^node {index} is out of range$"):
            read(level, index)


@pytest.mark.shared_data
def test_published_paths_and_widths() -> None:
    vectors = shared("tile-paths/paths.json")

    for number, text in vectors["encode_index"]:
        assert tile_path(0, number) == f"tile/0/{text}"
        assert parse_path(f"tile/0/{text}") == Tile(0, number)
    large, small = vectors["tree_70000"], vectors["tree_256"]
    counts = Counter((tile.level, tile.width) for tile in tiles_of(70_000))
    assert counts == {
        (0, 256): large["full_L0"],
        (0, large["partial_L0_width"]): 1,
        (1, 256): large["full_L1"],
        (1, large["partial_L1_width"]): 1,
        (2, large["partial_L2_width"]): 1,
    }
    assert list(tiles_of(256)) == [
        *(Tile(0, n) for n in range(small["full_L0"])),
        Tile(1, 0, small["partial_L1_width"]),
    ]

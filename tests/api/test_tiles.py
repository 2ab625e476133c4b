"""The published log as C2SP tlog-tiles says: paths, bytes, types, caching, partial tiles."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from hashlib import sha256

import pytest

from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.vkey import VerifierKey
from tests.api.serving import Served, serve
from tests.api.test_commands import member
from tests.worlds import World

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def tall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A log of more than one tile, with a checkpoint inside the first and one beyond it."""
    with serve(tmp_path_factory.mktemp("tall"), seed="tall") as opened:
        grow(opened.world, 100)
        opened.catch_up()
        grow(opened.world, 300)
        opened.catch_up()
        yield opened


def grow(world: World, size: int) -> None:
    names = [f"member-{number}" for number in range(world.size(), size)]
    world.send(*(world.submission(member(world, name)) for name in names))


def leaves(served: Served) -> list[bytes]:
    return [
        sha256(b"\x00" + served.client.get(f"/v1/entries/{index}").content).digest()
        for index in range(300)
    ]


def test_tiles_hold_the_leaf_hashes(tall: Served) -> None:
    expected = leaves(tall)

    assert tall.client.get("/log/tile/0/000").content == b"".join(expected[:256])
    assert tall.client.get("/log/tile/0/001.p/44").content == b"".join(expected[256:])
    answer = tall.client.get("/log/tile/0/000")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == IMMUTABLE


def test_the_tile_above_holds_the_root_of_the_full_tile(tall: Served) -> None:
    level = leaves(tall)[:256]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs]

    assert tall.client.get("/log/tile/1/000.p/1").content == level[0]


def test_partial_tiles_stay_after_the_full_one_exists(tall: Served) -> None:
    full = tall.client.get("/log/tile/0/000").content

    for width in (1, 100, 255):
        partial = tall.client.get(f"/log/tile/0/000.p/{width}")
        assert partial.content == full[: 32 * width]
        assert partial.headers["cache-control"] == IMMUTABLE


def test_bundles_hold_the_entries_behind_their_lengths(tall: Served) -> None:
    content = tall.client.get("/log/tile/entries/001.p/44").content

    for index in range(256, 300):
        entry = tall.client.get(f"/v1/entries/{index}").content
        assert content.startswith(len(entry).to_bytes(2, "big") + entry)
        content = content[2 + len(entry) :]
    assert content == b""


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip; q=0.001", "gzip"),
        ("identity", None),
        ("xgzip", None),
    ],
)
def test_a_bundle_is_compressed_for_who_takes_it(
    tall: Served, accept: str, coding: str | None
) -> None:
    path = "/log/tile/entries/000"
    with tall.client.stream("GET", path, headers={"Accept-Encoding": accept}) as answer:
        raw = b"".join(answer.iter_raw())
    plain = tall.client.get(path, headers={"Accept-Encoding": "identity"}).content

    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (gzip.decompress(raw) if coding else raw) == plain


def test_the_checkpoint_is_signed_and_fresh(tall: Served) -> None:
    answer = tall.client.get("/log/checkpoint")
    vkey = tall.client.get("/log/vkey").text.rstrip("\n")
    checkpoint, _ = open_checkpoint(answer.content, log=VerifierKey.parse(vkey))

    assert vkey == tall.world.vkey
    assert (checkpoint.origin, checkpoint.size) == (tall.world.origin, 300)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_earlier_checkpoints_stay(tall: Served) -> None:
    log = VerifierKey.parse(tall.world.vkey)
    answer = tall.client.get("/log/checkpoints/100")

    assert open_checkpoint(answer.content, log=log)[0].size == 100
    assert answer.headers["cache-control"] == IMMUTABLE
    latest = tall.client.get("/log/checkpoint").content
    assert tall.client.get("/log/checkpoints/300").content == latest


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/X001/000",
        "tile/00/000",
        "tile/+0/000",
        "tile/64/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/05",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "tile/0//000",
        "tile/0/%30%30%30",
        "tile/%30/000",
        "tile/0/000%2Ep/5",
        "tile/0/000?",
        "tile/0/000?v=1",
        "tile/0/\u0660\u0660\u0660",
        "tile/entries/0",
        "tile/entries/000/",
        "tile/entries/000?x",
        "tile/data/000",
        "tile/-1/000",
        "checkpoint/",
        "checkpoint?now",
        "checkpoints/0100",
        "checkpoints/100/",
        "checkpoints/1e2",
        "%63heckpoint",
        f"tile/0/{'x000/' * 500}000",
    ],
)
def test_a_path_has_one_spelling(tall: Served, path: str) -> None:
    answer = tall.client.get(f"/log/{path}")

    # An empty query cannot be told from none.
    if path.endswith("?"):
        assert answer.status_code == 200
        return
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not-found"


@pytest.mark.parametrize(
    "path",
    ["tile/0/001", "tile/0/001.p/45", "tile/0/002", "tile/1/000", "tile/1/000.p/2", "tile/2/000",
     "tile/63/000.p/1", "tile/0/x999/x999/x999/x999/999", "tile/entries/001",
     "tile/entries/001.p/45"],
)  # fmt: skip
def test_what_was_not_published_is_not_there(tall: Served, path: str) -> None:
    answer = tall.client.get(f"/log/{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "tile-not-found")
    assert answer.headers["cache-control"] == "no-store"


def test_a_size_that_was_never_published_has_no_checkpoint(tall: Served) -> None:
    answer = tall.client.get("/log/checkpoints/101")

    assert (answer.status_code, answer.json()["code"]) == (404, "checkpoint-not-found")


def test_before_the_first_checkpoint_there_is_none(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.app.state.rooms.house.reader, "checkpoint", lambda: None)

    answer = served.client.get("/log/checkpoint")

    assert (answer.status_code, answer.json()["code"]) == (404, "checkpoint-not-found")
    assert "yinzheng-checkpoint" not in served.client.get("/v1/log").headers

"""One bit flips in one buffer between a request and its signed checkpoint: nothing wrong is signed.

Each test flips bits of one buffer, one at a time, pins the error and its evidence, looks that
nothing was signed, marked, stored or shown, and at its end publishes undisturbed. With `--full`
every bit is flipped (of the longest buffers every fifth), else a sample.

What the publisher cannot find stands at the end: a wrong time, which the ledger alone says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table

from api.submitting import read_submissions
from ledger.application import Accepted
from ledger.errors import DisclosureInvalid, SignatureInvalid
from ledger.log import mark as marking
from ledger.log.edge import Edge
from ledger.log.errors import (
    CheckpointDamaged,
    EntryMissing,
    HeadBehind,
    LogError,
    MarkDamaged,
    MemberSignatureLost,
    NoteDiffers,
    ReadBackDiffers,
    RootDiffers,
    RuleDiffers,
    SignatureFaulty,
    TreeDisagrees,
)
from ledger.log.files import write_durably
from ledger.proof.audit import audit
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.database import DatabaseSource
from ledger.record import recorder as recording
from ledger.record.database import reading
from ledger.record.errors import TileConflict
from ledger.record.inserting import insert_rows
from ledger.record.tables import ENTRY, HEAD
from ledger.rules.errors import Malformed, RuleError
from ledger.submission import Submission
from tests.api.serving import body_of
from tests.attacks.flipping import Bench, FlippedKey, Spoil, at, flipped, width
from tests.databases import sqlite_file_url
from tests.figures import record
from tests.unit.log.making import damage, rewrite_last
from tests.unit.proof.oracle import slow_leaf, slow_root
from tests.worlds import ORIGIN, World

PUBLISHED, OWN, EFFECT, LAST = 12, 12, 14, 15
SAMPLE = 12
LONG = 4_096
_FLIPS: Counter[str] = Counter()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Twelve entries are published; an import with two effects and a transfer are not yet."""
    with World.create(sqlite_file_url(tmp_path), "flips") as world:
        world.register("shop")
        world.register("bob")
        world.open_namespace("cards", "shop")
        world.grant("shop", "importer", second="bob")
        world.register_item("cards/1")
        world.transfer("cards/1", to="bob")
        world.add_key("bob", "bob-2")
        bench = Bench(world)
        assert bench.publisher().publish() is not None
        world.import_sale("cards/2", seller="ann", buyer="joe")
        world.transfer("cards/1", to="shop")
        assert (world.reader.published_size(), world.size()) == (PUBLISHED, LAST + 1)
        yield bench


@pytest.fixture
def every(request: pytest.FixtureRequest) -> Callable[[Any], range]:
    """The bits to flip of a buffer."""
    full = bool(request.config.getoption("--full"))

    def choose(value: Any) -> range:
        bits = width(value)
        step = (1 if bits <= LONG else 5) if full else bits // SAMPLE
        # An odd step meets every place inside a byte, too.
        return range(0, bits, step | 1)

    return choose


@pytest.fixture(scope="module", autouse=True)
def _figures() -> Iterator[None]:
    yield
    record("bit flips refused", sum(_FLIPS.values()), unit="flips")
    record("buffers they were in", len(_FLIPS), unit="buffers")


def refused(bench: Bench, buffer: str, **spoil: Any) -> Exception:
    """Publish with something spoilt; whatever the error, nothing may be left behind."""
    before = bench.state()
    with pytest.raises((LogError, TileConflict)) as error:
        bench.publisher(**spoil).publish()
    assert bench.state() == before
    _FLIPS[buffer] += 1
    return error.value


def published_after_all(bench: Bench) -> None:
    assert bench.publisher().publish() is not None
    leaves = [slow_leaf(row.entry) for row in bench.world.recorder.entries(0, bench.world.size())]
    assert bench.world.reader.published_size() == len(leaves)
    assert bench.world.reader.root(len(leaves)) == slow_root(leaves)


# From the request to the commit


def outcome_of(world: World, body: bytes) -> object:
    """What becomes of a request's body: the refusal, as raised or as returned."""
    try:
        ((read,), _) = read_submissions(body)
    except Malformed as error:
        return error
    return read if isinstance(read, Malformed) else world.ledger.submit([read])[0]


def requests(world: World) -> dict[str, Submission]:
    return {
        "transfer": world.submission(world.transfer_draft("cards/1", to="bob")),
        "sealed": world.submission(world.item_draft("cards/9")),
    }


@pytest.mark.parametrize("name", ["transfer", "sealed"])
def test_every_flip_in_a_request_is_refused(
    bench: Bench, every: Callable[[Any], range], name: str
) -> None:
    world = bench.world
    body = body_of(requests(world)[name])
    size = world.size()

    for bit in [*every(body), *range(0, width(body), 131)]:
        found = outcome_of(world, flipped(body, bit))
        assert isinstance(found, RuleError | SignatureInvalid | DisclosureInvalid), bit
        _FLIPS[f"request {name}"] += 1

    assert world.size() == size
    assert isinstance(outcome_of(world, body), Accepted)


@pytest.mark.parametrize("name", ["transfer", "sealed"])
def test_every_flip_in_a_command_that_still_reads_breaks_its_signature(
    bench: Bench, every: Callable[[Any], range], name: str
) -> None:
    world = bench.world
    sent = requests(world)[name]
    size, found = world.size(), Counter[str]()

    for bit in [*every(sent.command), *range(0, width(sent.command), 61)]:
        (outcome,) = world.ledger.submit([replace(sent, command=flipped(sent.command, bit))])
        assert isinstance(outcome, RuleError | SignatureInvalid), bit
        found[type(outcome).__name__] += 1
        _FLIPS[f"command {name}"] += 1

    assert {"Malformed", "SignatureInvalid"} <= set(found)
    assert world.size() == size
    assert isinstance(world.ledger.submit([sent])[0], Accepted)


def test_every_flip_in_a_signature_is_refused(bench: Bench, every: Callable[[Any], range]) -> None:
    world = bench.world
    sent = requests(world)["transfer"]
    for number, sig in enumerate(sent.sigs):
        for bit in every(sig):
            sigs = list(sent.sigs)
            sigs[number] = flipped(sig, bit)
            (outcome,) = world.ledger.submit([replace(sent, sigs=tuple(sigs))])
            assert type(outcome) in {Malformed, SignatureInvalid}, bit
            _FLIPS["signature"] += 1

    assert isinstance(world.ledger.submit([sent])[0], Accepted)


@pytest.mark.parametrize("part", ["salt", "value"])
def test_every_flip_in_a_disclosure_is_refused(
    bench: Bench, every: Callable[[Any], range], part: str
) -> None:
    world = bench.world
    sent = requests(world)["sealed"]
    (opened,) = sent.disclosures
    for bit in every(getattr(opened, part)):
        other = replace(opened, **{part: flipped(getattr(opened, part), bit)})
        (outcome,) = world.ledger.submit([replace(sent, disclosures=(other,))])
        assert type(outcome) is DisclosureInvalid or isinstance(outcome, RuleError), bit
        _FLIPS[f"disclosure {part}"] += 1

    assert isinstance(world.ledger.submit([sent])[0], Accepted)


# From memory to the disk: the row is flipped before INSERT, the receipt is out already


@pytest.mark.parametrize("column", ["stream", "seq", "type", "leaf", "command", "entry"])
def test_a_row_that_was_flipped_before_it_was_stored_is_refused_until_it_is_repaired(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    world = bench.world
    index = world.size()
    place = next(at for at, each in enumerate(ENTRY.columns) if each.name == column)
    right: list[Any] = []

    def insert(connection: Connection, table: Table, rows: list[Any]) -> None:
        rows = [tuple(row) for row in rows]
        if table is ENTRY:
            right.append(rows[0][place])
            spoilt = flipped(rows[0][place], 3 * 8 + 1)
            rows[0] = (*rows[0][:place], spoilt, *rows[0][place + 1 :])
        insert_rows(connection, table, rows)

    with monkeypatch.context() as patch:
        patch.setattr(recording, "insert_rows", insert)
        assert world.register("eve").index == index
    stored = world.recorder.entry_at(index)
    assert stored is not None

    error = refused(bench, f"row before INSERT: {column}")

    assert isinstance(error, ReadBackDiffers)
    field = "leaf" if column == "entry" else column
    assert (error.index, error.field) == (index, field)
    if column == "entry":
        assert (error.expected, error.found) == (slow_leaf(stored.entry), stored.leaf)
    elif column == "leaf":
        assert (error.expected, error.found) == (right[0], flipped(right[0], 25))
    else:
        assert (error.expected, error.found) == (right[0], getattr(stored, column))
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, **{column: right[0]})
    published_after_all(bench)


def test_an_index_that_was_flipped_on_the_disk_is_missed(bench: Bench) -> None:
    for bit in (5, 9, 33, 62):
        moved = flipped(LAST, bit)
        damage(bench.world.recorder.engine, ENTRY, ENTRY.c.index == LAST, index=moved)

        error = refused(bench, "row before INSERT: index")

        assert isinstance(error, EntryMissing)
        assert error.index == LAST
        damage(bench.world.recorder.engine, ENTRY, ENTRY.c.index == moved, index=LAST)
    published_after_all(bench)


def test_a_head_whose_leaf_was_flipped_before_it_was_stored_is_refused(bench: Bench) -> None:
    head = bench.world.recorder.head()
    assert head.leaf is not None
    for bit in range(0, 256, 37):
        spoilt = flipped(head.leaf, bit)
        damage(bench.world.recorder.engine, HEAD, HEAD.c.id == 1, leaf=spoilt)
        error = refused(bench, "head before UPDATE")
        assert isinstance(error, ReadBackDiffers)
        assert (error.index, error.field, error.expected, error.found) == (
            LAST,
            "head",
            head.leaf,
            spoilt,
        )
    damage(bench.world.recorder.engine, HEAD, HEAD.c.id == 1, leaf=head.leaf)
    published_after_all(bench)


# From the disk to memory: what is read back is flipped, the disk is sound


@pytest.mark.parametrize("index", [OWN, EFFECT, LAST])
@pytest.mark.parametrize("column", ["index", "stream", "seq", "type", "leaf", "command", "entry"])
def test_every_flip_in_a_row_as_it_is_read_back_is_refused(
    bench: Bench, every: Callable[[Any], range], index: int, column: str
) -> None:
    row = bench.world.recorder.entry_at(index)
    assert row is not None
    value = getattr(row, column)

    for bit in every(value):
        spoilt = flipped(value, bit)
        error = refused(bench, f"row as read: {column}", recorder={"row": at(index, column, bit)})

        if column == "index":
            assert isinstance(error, EntryMissing)
            assert error.index == index
            continue
        assert isinstance(error, ReadBackDiffers)
        expected = (index, column, value, spoilt)
        if column == "entry":
            expected = (index, "leaf", slow_leaf(spoilt), row.leaf)
        elif column == "leaf":
            expected = (index, "leaf", row.leaf, spoilt)
        assert (error.index, error.field, error.expected, error.found) == expected
    published_after_all(bench)


def test_every_flip_in_the_head_as_it_is_read_is_refused(
    bench: Bench, every: Callable[[Any], range]
) -> None:
    head = bench.world.recorder.head()
    assert head.leaf is not None
    for bit in every(head.leaf):
        leaf = flipped(head.leaf, bit)
        error = refused(
            bench, "head leaf", recorder={"head": lambda row, leaf=leaf: row._replace(leaf=leaf)}
        )
        assert isinstance(error, ReadBackDiffers)
        assert (error.index, error.field, error.found) == (LAST, "head", leaf)
    for bit in range(63):
        size = flipped(head.size, bit)
        error = refused(
            bench, "head size", recorder={"head": lambda row, size=size: row._replace(size=size)}
        )
        # Sixteen is one bit: it goes to nothing, or far beyond what is stored.
        if size == 0:
            assert isinstance(error, HeadBehind)
            assert (error.size, error.published) == (0, PUBLISHED)
        else:
            assert isinstance(error, EntryMissing)
            assert error.index == LAST + 1
    published_after_all(bench)


def test_every_flip_in_the_last_checkpoint_as_it_is_read_is_refused(
    bench: Bench, every: Callable[[Any], range]
) -> None:
    latest = bench.world.recorder.latest_checkpoint()
    assert latest is not None
    for bit in every(latest.note):
        note = flipped(latest.note, bit)
        error = refused(
            bench,
            "last checkpoint",
            recorder={"latest": lambda row, note=note: replace(row, note=note)},
        )
        assert isinstance(error, CheckpointDamaged)
        assert error.size == PUBLISHED
    published_after_all(bench)


def test_every_flip_in_the_published_leaves_as_they_are_read_is_refused(
    bench: Bench, every: Callable[[Any], range]
) -> None:
    sound = bench.world.recorder.leaves(0, PUBLISHED)
    for index in (0, 7, PUBLISHED - 1):
        for bit in every(sound[index]):
            spoilt = [*sound[:index], flipped(sound[index], bit), *sound[index + 1 :]]

            error = refused(
                bench, "edge as read", recorder={"leaves": lambda _, spoilt=spoilt: spoilt}
            )

            assert isinstance(error, RootDiffers)
            assert (error.size, error.signed) == (PUBLISHED, slow_root(sound))
            assert error.computed == slow_root(spoilt)
    published_after_all(bench)


# Between the check and the signature


def spoilt_entries(number: int, bit: int) -> Spoil:
    def spoil(entries: list[bytes]) -> list[bytes]:
        return [*entries[:number], flipped(entries[number], bit), *entries[number + 1 :]]

    return spoil


@pytest.mark.parametrize("number", [0, 3])
def test_every_flip_in_an_entry_on_its_way_to_the_signer_is_refused(
    bench: Bench, every: Callable[[Any], range], number: int
) -> None:
    rows = bench.world.recorder.entries(0, LAST + 1)
    leaves = [row.leaf for row in rows]
    index = PUBLISHED + number
    for bit in every(rows[index].entry):
        spoil = spoilt_entries(number, bit)

        error = refused(bench, "entry to the signer", signer={"entries": spoil})

        assert isinstance(error, TreeDisagrees)
        assert (error.size, error.found_size, error.root) == (16, 16, slow_root(leaves))
        other = slow_leaf(flipped(rows[index].entry, bit))
        assert error.computed == slow_root([*leaves[:index], other, *leaves[index + 1 :]])
    published_after_all(bench)


def test_every_flip_in_the_edge_after_it_was_checked_is_refused(
    bench: Bench, every: Callable[[Any], range], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves = [row.leaf for row in bench.world.recorder.entries(0, LAST + 1)]
    grow = Edge.root
    for index in (0, PUBLISHED, LAST):
        for bit in every(leaves[index]):

            def root(edge: Edge, index: int = index, bit: int = bit) -> bytes:
                # The edge is sound when it is compared with what was published.
                if edge.size > PUBLISHED:
                    edge._levels[0][index] = flipped(leaves[index], bit)
                return grow(edge)

            with monkeypatch.context() as patch:
                patch.setattr(Edge, "root", root)
                error = refused(bench, "edge in memory")
            assert isinstance(error, TreeDisagrees)
            assert (error.size, error.computed) == (LAST + 1, slow_root(leaves))
            other = [*leaves[:index], flipped(leaves[index], bit), *leaves[index + 1 :]]
            assert error.root == slow_root(other)
    published_after_all(bench)


def test_every_flip_in_the_size_or_root_asked_for_is_refused(
    bench: Bench, every: Callable[[Any], range]
) -> None:
    root = slow_root([row.leaf for row in bench.world.recorder.entries(0, LAST + 1)])
    for bit in every(root):
        error = refused(bench, "root", signer={"root": lambda value, bit=bit: flipped(value, bit)})
        assert isinstance(error, TreeDisagrees)
        assert (error.root, error.computed) == (flipped(root, bit), root)
    for bit in range(63):
        error = refused(bench, "size", signer={"size": lambda value, bit=bit: flipped(value, bit)})
        assert isinstance(error, TreeDisagrees)
        assert (error.size, error.found_size) == (flipped(LAST + 1, bit), LAST + 1)
    published_after_all(bench)


def test_every_flip_in_the_mark_as_it_is_read_is_refused(
    bench: Bench, every: Callable[[Any], range]
) -> None:
    marked = bench.world.mark.read()
    assert marked is not None
    for bit in every(marked.root):
        root = flipped(marked.root, bit)
        error = refused(
            bench, "mark", signer={"marked": lambda m, root=root: replace(m, root=root)}
        )
        assert isinstance(error, RootDiffers)
        assert (error.size, error.signed, error.computed) == (PUBLISHED, root, marked.root)
    published_after_all(bench)


@pytest.mark.parametrize("buffer", ["text", "signature"])
def test_every_flip_in_what_is_signed_or_in_the_signature_is_dropped(
    bench: Bench, every: Callable[[Any], range], buffer: str
) -> None:
    """The mark stands already: the same tree is signed at the next try."""
    sizes = list(bench.world.reader.checkpoint_sizes())
    text = Checkpoint(ORIGIN, LAST + 1, bytes(32)).text.encode()
    sample = bytes(64) if buffer == "signature" else text
    for bit in every(sample):
        key = FlippedKey(bench.world, **{buffer: lambda value, bit=bit: flipped(value, bit)})
        with pytest.raises(SignatureFaulty) as error:
            bench.publisher(key=key).publish()
        assert error.value.size == LAST + 1
        assert key.signed == 1
        assert list(bench.world.reader.checkpoint_sizes()) == sizes
        _FLIPS[f"signed {buffer}"] += 1
    marked = bench.world.mark.read()
    assert marked is not None
    assert marked.size == LAST + 1
    published_after_all(bench)


@pytest.mark.parametrize("where", ["signer", "recorder"])
def test_every_flip_in_the_note_before_its_commit_is_refused(
    bench: Bench, every: Callable[[Any], range], where: str
) -> None:
    """Once on the way back from the signer, once between the last look at it and the row."""
    sizes = list(bench.world.reader.checkpoint_sizes())
    latest = bench.world.recorder.latest_checkpoint()
    assert latest is not None
    name = "answer" if where == "signer" else "note"
    for bit in every(latest.note):
        spoil: dict[str, Any] = {where: {name: lambda note, bit=bit: flipped(note, bit)}}
        with pytest.raises(NoteDiffers) as error:
            bench.publisher(**spoil).publish()
        assert error.value.size == LAST + 1
        assert list(bench.world.reader.checkpoint_sizes()) == sizes
        _FLIPS[f"note: {where}"] += 1
    published_after_all(bench)


def test_every_flip_in_the_mark_before_it_is_written_leaves_the_one_before(
    bench: Bench, every: Callable[[Any], range], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.world.mark.path.read_bytes()
    for bit in every(before):

        def write(path: Path, data: bytes, *, check: Any, bit: int = bit) -> None:
            write_durably(path, flipped(data, bit % width(data)), check=check)

        with monkeypatch.context() as patch:
            patch.setattr(marking, "write_durably", write)
            error = refused(bench, "mark before it is written")
        assert isinstance(error, MarkDamaged)
        assert bench.world.mark.path.read_bytes() == before
    published_after_all(bench)


# Tiles


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Bench]:
    """A ledger whose next checkpoint completes its first tile."""
    with World.create(sqlite_file_url(tmp_path), "tiles") as world:
        world.register("shop")
        world.open_namespace("cards", "shop")
        bench = Bench(world)
        bench.publisher().publish()
        drafts = [world.item_draft(f"cards/{number}") for number in range(260)]
        world.send(*(world.submission(draft) for draft in drafts))
        yield bench


def test_every_flip_in_a_tile_before_it_is_stored_is_refused(
    full: Bench, every: Callable[[Any], range]
) -> None:
    for bit in list(every(bytes(8192)))[:500]:
        error = refused(
            full,
            "tile before INSERT",
            recorder={
                "new_tile": lambda tile, bit=bit: replace(tile, hashes=flipped(tile.hashes, bit))
            },
        )
        assert isinstance(error, TileConflict)
        assert (error.level, error.number) == (0, 0)
    published_after_all(full)


def test_every_flip_in_a_stored_tile_as_it_is_read_is_refused(
    full: Bench, every: Callable[[Any], range]
) -> None:
    full.publisher().publish()
    size = full.world.size()
    signed = full.world.reader.root(size)
    full.world.register_item("cards/900")
    for bit in list(every(bytes(8192)))[:500]:
        error = refused(
            full,
            "tile as read",
            recorder={
                "tile": lambda tile, bit=bit: replace(tile, hashes=flipped(tile.hashes, bit))
            },
        )
        assert isinstance(error, RootDiffers)
        assert (error.size, error.signed) == (size, signed)
    published_after_all(full)


# Before it was hashed: only what members signed, links and places are said twice


def before_the_hash(world: World, bit: int) -> tuple[int, bytes]:
    """Flip a bit of the last entry as if it had flipped before its leaf was computed."""
    index = world.size() - 1
    row = world.recorder.entry_at(index)
    assert row is not None
    raw = flipped(row.entry, bit)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, entry=raw, leaf=slow_leaf(raw))
    damage(world.recorder.engine, HEAD, HEAD.c.id == 1, leaf=slow_leaf(raw))
    return index, row.entry


def put_back(world: World, index: int, raw: bytes) -> None:
    leaf = slow_leaf(raw)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, entry=raw, leaf=leaf)
    damage(world.recorder.engine, HEAD, HEAD.c.id == 1, leaf=leaf)


def clock_bits(raw: bytes) -> set[int]:
    """The bits of an entry's time, which nobody else says: it may be any that is late enough."""
    moment = raw.index(b'"at":"') + 6
    return {8 * place + bit for place in range(moment, moment + 27) for bit in range(8)}


def test_every_flip_before_the_hash_is_refused_but_in_the_time(
    bench: Bench, every: Callable[[Any], range]
) -> None:
    """Everything else is said twice: signed by a member, a link, a place, or what rules say."""
    world = bench.world
    row = world.recorder.entry_at(LAST)
    assert row is not None
    alone = clock_bits(row.entry)
    for bit in (bit for bit in every(row.entry) if bit not in alone):
        index, raw = before_the_hash(world, bit)
        error = refused(bench, "entry before its hash")
        assert isinstance(error, ReadBackDiffers | MemberSignatureLost | RuleDiffers), bit
        assert error.index == index
        put_back(world, index, raw)
    published_after_all(bench)


def test_a_time_before_the_last_one_is_refused_and_a_later_one_nobody_can_know(
    bench: Bench,
) -> None:
    """A clock is not said twice by anybody: the entry is then the true record of a wrong clock."""
    row = bench.world.recorder.entry_at(LAST)
    assert row is not None
    index = rewrite_last(bench.world, {"at": "2020-01-01T00:00:00.000000Z"})
    error = refused(bench, "entry before its hash")
    assert isinstance(error, ReadBackDiffers)
    assert (error.index, error.field) == (index, "at")
    put_back(bench.world, index, row.entry)

    rewrite_last(bench.world, {"at": "2026-11-22T09:00:59.000000Z"})

    assert bench.publisher().publish() is not None
    assert audited(bench.world) == ("valid", None, None)


def audited(world: World) -> tuple[str, object, object]:
    def ask(sql: str) -> Iterator[tuple[Any, ...]]:
        with reading(world.recorder.engine) as connection:
            yield from (tuple(row) for row in connection.exec_driver_sql(sql))

    fault = (report := audit(DatabaseSource(ask), world.vkey)).fault or {}
    return report.verdict, fault.get("index"), fault.get("step")


@pytest.mark.parametrize(
    ("index", "word", "step"),
    [(LAST, b'"to":"shop"', "derive"), (EFFECT, b'cards/joe"}', "effect")],
)
def test_what_was_derived_wrongly_is_not_signed(
    bench: Bench, index: int, word: bytes, step: str
) -> None:
    """The publisher derives again from what is stored; an audit would name the same entry."""
    row = bench.world.recorder.entry_at(index)
    assert row is not None
    raw = row.entry.replace(word, word.replace(b"o", b"n"))
    assert raw != row.entry
    engine, leaf = bench.world.recorder.engine, slow_leaf(raw)
    damage(engine, ENTRY, ENTRY.c.index == index, entry=raw, leaf=leaf)
    if index == LAST:
        damage(engine, HEAD, HEAD.c.id == 1, leaf=leaf)

    error = refused(bench, "entry before its hash")

    assert isinstance(error, RuleDiffers)
    assert error.index == index
    assert audited(bench.world) == ("tampered", index, step)

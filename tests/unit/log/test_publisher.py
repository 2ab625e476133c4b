"""Publishing: what a checkpoint covers, when there is one, and who wins."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eventsourcing.persistence import IntegrityError

from ledger.crashpoints import CrashPoint, arm
from ledger.log.errors import HeadBehind, MarkDamaged, RootDiffers
from ledger.log.mark import Mark, Marked
from ledger.log.publisher import ATTEMPTS, Publisher
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.hashing import EMPTY_ROOT
from ledger.proof.note import sign_note
from ledger.proof.vkey import VerifierKey
from ledger.record.errors import HeadMoved
from ledger.record.facts import HeadRow, Tile
from ledger.record.recorder import LedgerRecorder
from tests.unit.proof.oracle import slow_leaf, slow_root
from tests.worlds import ORIGIN, World


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    """A ledger with a shop, its namespace and a member."""
    with World.create(sqlite_url, "publisher") as opened:
        opened.register("shop")
        opened.register("bob")
        opened.open_namespace("cards", "shop")
        yield opened


def add_items(world: World, count: int) -> None:
    """Register so many items, in one batch."""
    size = world.size()
    drafts = [world.item_draft(f"cards/{size + number}") for number in range(count)]
    outcomes = world.send(*(world.submission(draft) for draft in drafts))
    assert world.size() == size + count, outcomes


def leaves_of(world: World) -> list[bytes]:
    """Leaf hashes of the bytes that are stored."""
    return [slow_leaf(row.entry) for row in world.recorder.entries(0, world.size())]


def opened(world: World, note: bytes | None) -> Checkpoint:
    assert note is not None
    return open_checkpoint(note, log=VerifierKey.parse(world.vkey))[0]


def signed_by_log(world: World, root: bytes) -> bytes:
    """A checkpoint of the present size with any root, signed by the log's own key."""
    key = world.key("checkpoint")
    text = Checkpoint(ORIGIN, world.size(), root).text
    return sign_note(text, name=ORIGIN, public=key.public, sign=key.sign)


class Interrupting:
    """The checkpoint key; something else happens just before it signs."""

    alg = "ed25519"

    def __init__(self, world: World, meanwhile: Callable[[], object]) -> None:
        self._key, self._meanwhile = world.key("checkpoint"), meanwhile
        self.public, self.key_id = self._key.public, self._key.key_id
        self.signed: list[bytes] = []

    def sign(self, message: bytes) -> bytes:
        self._meanwhile()
        self.signed.append(message)
        return self._key.sign(message)


def publisher_of(
    world: World, meanwhile: Callable[[], object] = lambda: None, mark: Mark | None = None
) -> Publisher:
    signer = world.tree_signer(mark, key=Interrupting(world, meanwhile))
    return Publisher(world.recorder, signer, ORIGIN, world.vkey)


def new_mark(path: Path) -> Mark:
    """The mark of a log that signed nothing yet."""
    mark = Mark(path)
    mark.begin()
    return mark


def test_a_checkpoint_covers_every_entry_and_is_committed_before_it_is_shown(
    world: World,
) -> None:
    note = world.publish()

    checkpoint = opened(world, note)
    assert checkpoint == Checkpoint(ORIGIN, world.size(), slow_root(leaves_of(world)))
    assert world.recorder.checkpoint_at(checkpoint.size) is not None
    assert world.reader.checkpoint() == note


def test_nothing_new_gives_no_checkpoint(world: World) -> None:
    note = world.publish()

    assert world.publish() is None
    assert publisher_of(world).publish() is None
    assert world.reader.checkpoint() == note


def test_an_empty_log_gives_no_checkpoint(sqlite_url: str) -> None:
    with World.join(sqlite_url, "empty") as empty:
        assert empty.publish() is None
        assert empty.reader.checkpoint() is None


def test_each_checkpoint_extends_the_one_before(world: World) -> None:
    sizes = []
    for count in (1, 1, 3, 240, 5, 8, 260):
        add_items(world, count)
        checkpoint = opened(world, world.publish())
        sizes.append(checkpoint.size)
        assert checkpoint.size == world.size()
        assert checkpoint.root == slow_root(leaves_of(world))

    assert list(world.reader.checkpoint_sizes()) == sizes
    leaves = leaves_of(world)
    for size in sizes:
        assert opened(world, world.reader.checkpoint_at(size)).root == slow_root(leaves[:size])


def test_full_tiles_are_stored_and_partial_ones_are_not(world: World) -> None:
    add_items(world, 256 - world.size() - 1)
    world.publish()
    assert world.recorder.tile(0, 0) is None

    add_items(world, 1)
    world.publish()

    assert world.recorder.tile(0, 0) == Tile(0, 0, b"".join(leaves_of(world)))
    assert world.recorder.tile(1, 0) is None
    assert world.reader.tile(1, 0, 1) == slow_root(leaves_of(world))


def test_entries_are_read_back_in_chunks_that_make_no_difference(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_items(world, 20)
    monkeypatch.setattr("ledger.log.publisher.ENTRIES_AT_ONCE", 3)

    assert opened(world, world.publish()).root == slow_root(leaves_of(world))


def test_effects_and_keys_of_every_sort_are_published(world: World) -> None:
    world.register("pia", alg="p256")
    world.add_key("pia", "pia-2")
    world.publish()
    world.grant("shop", "importer", second="bob")
    world.import_sale("cards/9", seller="a", buyer=None)
    world.import_sale("cards/9", seller="c", buyer="d")
    world.register_item("cards/1")
    world.transfer("cards/1", to="pia")
    world.revoke_key("pia", "pia-2")

    assert opened(world, world.publish()).root == slow_root(leaves_of(world))


def test_a_publisher_goes_on_where_another_one_published(world: World) -> None:
    world.publish()
    other = publisher_of(world)
    add_items(world, 3)
    assert other.publish() is not None
    world.transfer(f"cards/{world.size() - 1}", to="bob")

    assert opened(world, world.publish()).root == slow_root(leaves_of(world))


def test_two_publishers_of_one_tree_publish_the_same_bytes(world: World) -> None:
    notes = []
    slow = publisher_of(world, lambda: notes.append(world.publish()))

    notes.append(slow.publish())

    assert notes[0] is not None
    assert notes[0] == notes[1]
    assert list(world.reader.checkpoint_sizes()) == [world.size()]


def test_what_went_with_the_primary_that_had_it_is_not_signed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and signing, a replica without the last entries took over."""
    world.publish()
    kept = world.size()
    add_items(world, 2)
    read, lost = world.recorder.head(), []
    marked = world.mark.read()

    def settle(head: HeadRow) -> None:
        lost.append(head)
        raise HeadMoved(expected=head, found=head._replace(size=kept))

    monkeypatch.setattr(world.recorder, "settle", settle)

    with pytest.raises(HeadMoved) as moved:
        world.publish()

    assert moved.value.expected == read
    assert lost == [read] * ATTEMPTS
    assert world.mark.read() == marked
    assert world.reader.published_size() == kept


def test_a_publisher_begins_again_when_a_replica_took_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, tries = world.recorder.settle, []

    def settle(head: HeadRow) -> None:
        tries.append(head)
        if len(tries) == 1:
            raise HeadMoved(expected=head, found=head)
        really(head)

    monkeypatch.setattr(world.recorder, "settle", settle)

    note = world.publish()

    assert opened(world, note).size == world.size()
    assert len(tries) == 2


def test_entries_that_went_with_their_primary_are_no_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head was still read from the primary, the entries from the replica."""
    before = world.recorder.head()
    heads = [before._replace(size=before.size + 1, leaf=b"\1" * 32)]
    really = world.recorder.head
    monkeypatch.setattr(world.recorder, "head", lambda: heads.pop() if heads else really())

    note = world.publish()

    assert opened(world, note).size == before.size


def test_the_second_publisher_loses_cleanly(world: World) -> None:
    world.publish()
    add_items(world, 2)
    small = world.size()

    def overtake() -> None:
        add_items(world, 2)
        assert world.publish() is not None

    slow = publisher_of(world, overtake)

    assert slow.publish() is None
    assert world.size() > small
    assert list(world.reader.checkpoint_sizes()) == [world.size() - 4, world.size()]
    assert slow.publish() is None
    add_items(world, 1)
    assert opened(world, world.publish()).root == slow_root(leaves_of(world))


def test_another_root_of_the_same_size_is_an_error_and_stays_alone(world: World) -> None:
    size = world.size()
    fork = signed_by_log(world, bytes(32))
    slow = publisher_of(world, lambda: world.recorder.put_checkpoint(size, fork, None))

    with pytest.raises(RootDiffers) as refused:
        slow.publish()

    assert refused.value.size == size
    assert refused.value.signed == bytes(32)
    assert refused.value.computed == slow_root(leaves_of(world))
    assert world.reader.checkpoint() == fork
    assert list(world.reader.checkpoint_sizes()) == [size]


def test_the_same_root_under_other_signatures_is_no_contradiction(world: World) -> None:
    size = world.size()
    cosigned = (
        signed_by_log(world, slow_root(leaves_of(world)))
        + b"\xe2\x80\x94 witness.example AAAAAAAA\n"
    )
    slow = publisher_of(world, lambda: world.recorder.put_checkpoint(size, cosigned, None))

    assert slow.publish() is None
    assert world.reader.checkpoint() == cosigned


class TilesContended(LedgerRecorder):
    """Another publisher stores the same tiles between the look and the insert, once."""

    asked = 0

    def put_tiles(self, tiles: object, **options: bool) -> None:
        self.asked += 1
        super().put_tiles(tiles, **options)  # type: ignore[arg-type]
        if self.asked == 1:
            raise IntegrityError


def test_tiles_that_another_publisher_stores_meanwhile_are_compared(world: World) -> None:
    add_items(world, 256)
    recorder = TilesContended(world.recorder.engine)

    note = Publisher(recorder, world.tree_signer(), ORIGIN, world.vkey).publish()

    assert recorder.asked == 2
    assert opened(world, note).size == world.size()


# The mark


def test_the_mark_is_durable_before_the_signature_exists(world: World, tmp_path: Path) -> None:
    mark = new_mark(tmp_path / "mark")
    seen = []
    publisher = publisher_of(world, lambda: seen.append(mark.read()), mark)

    publisher.publish()

    assert seen == [Marked(world.size(), slow_root(leaves_of(world)))]
    assert mark.read() == seen[0]


def test_a_crash_after_the_mark_is_made_good_by_publishing_again(
    world: World, tmp_path: Path
) -> None:
    mark = new_mark(tmp_path / "mark")

    def crash() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publisher_of(world, crash, mark).publish()
    assert world.reader.checkpoint() is None
    size = world.size()
    add_items(world, 2)

    note = publisher_of(world, mark=mark).publish()

    assert opened(world, note).root == slow_root(leaves_of(world))
    assert mark.read() == Marked(size + 2, slow_root(leaves_of(world)))


@pytest.mark.parametrize(
    ("point", "stands"),
    [
        (CrashPoint.TILES_STORED, (False, False)),
        (CrashPoint.SIGNED, (True, False)),
        (CrashPoint.PUBLISHED, (True, True)),
    ],
)
@pytest.mark.parametrize("more", [0, 2])
def test_a_crash_at_any_point_of_publishing_heals_at_the_next_one(
    world: World, point: CrashPoint, stands: tuple[bool, bool], more: int
) -> None:
    """The mark may be ahead of the checkpoint by exactly this tree: it is signed again."""
    add_items(world, 256)
    size, root = world.size(), slow_root(leaves_of(world))

    def crash(reached: CrashPoint) -> None:
        if reached is point:
            raise KeyboardInterrupt

    arm(crash)
    try:
        with pytest.raises(KeyboardInterrupt):
            world.publish()
    finally:
        arm(None)
    marked, published = stands
    assert world.mark.read() == (Marked(size, root) if marked else Marked(0, EMPTY_ROOT))
    assert list(world.reader.checkpoint_sizes()) == ([size] if published else [])
    assert world.recorder.tile(0, 0) is not None
    if more:
        add_items(world, more)

    note = publisher_of(world).publish()

    if published and not more:
        assert note is None
    else:
        assert opened(world, note) == Checkpoint(ORIGIN, world.size(), slow_root(leaves_of(world)))
    assert world.mark.read() == Marked(world.size(), slow_root(leaves_of(world)))
    roots = {each: world.reader.checkpoint_at(each) for each in world.reader.checkpoint_sizes()}
    assert all(
        opened(world, found).root == slow_root(leaves_of(world)[:each])
        for each, found in roots.items()
    )


def test_a_mark_of_an_older_tree_is_compared_too(world: World, tmp_path: Path) -> None:
    mark = new_mark(tmp_path / "mark")
    publisher_of(world, mark=mark).publish()
    add_items(world, 2)
    world.publish()
    add_items(world, 2)
    assert publisher_of(world, mark=mark).publish() is not None

    other = Mark(tmp_path / "other")
    other.advance(Marked(3, bytes(32)))
    add_items(world, 1)
    with pytest.raises(RootDiffers) as refused:
        publisher_of(world, mark=other).publish()
    assert (refused.value.size, refused.value.signed) == (3, bytes(32))
    assert refused.value.computed == slow_root(leaves_of(world)[:3])


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_a_mark_of_another_tree_stops_the_publisher(
    world: World, tmp_path: Path, ahead: int
) -> None:
    world.publish()
    size = world.size() + ahead
    add_items(world, 5)
    mark = Mark(tmp_path / "mark")
    mark.advance(Marked(size, bytes(32)))

    with pytest.raises(RootDiffers) as refused:
        publisher_of(world, mark=mark).publish()

    assert (refused.value.size, refused.value.signed) == (size, bytes(32))
    assert world.reader.published_size() == world.size() - 5


def test_an_old_copy_of_the_database_signs_nothing(tmp_path: Path) -> None:
    url, mark = f"sqlite:///{tmp_path / 'ledger.sqlite'}", new_mark(tmp_path / "mark")
    with World.create(url, "restored") as world:
        world.register("shop")
        publisher_of(world, mark=mark).publish()
        published = world.size()
    shutil.copy(tmp_path / "ledger.sqlite", tmp_path / "backup.sqlite")
    with World.join(url, "restored", process="later") as world:
        world.register("bob")
        world.register("eve")
        publisher_of(world, mark=mark).publish()
        marked = mark.read()
    shutil.move(tmp_path / "backup.sqlite", tmp_path / "ledger.sqlite")

    with World.join(url, "restored", process="after") as world:
        with pytest.raises(HeadBehind) as refused:
            publisher_of(world, mark=mark).publish()
        assert (refused.value.size, refused.value.published) == (published, published + 2)

        for name in ("ann", "joe", "kim"):
            world.register(name)
        with pytest.raises(RootDiffers) as forked:
            publisher_of(world, mark=mark).publish()
        assert marked is not None
        assert (forked.value.size, forked.value.signed) == (marked.size, marked.root)
        assert world.reader.published_size() == published
        assert mark.read() == marked


def test_an_unreadable_mark_stops_the_publisher(world: World, tmp_path: Path) -> None:
    (tmp_path / "mark").write_bytes(b"")

    with pytest.raises(MarkDamaged) as refused:
        publisher_of(world, mark=Mark(tmp_path / "mark")).publish()

    assert refused.value.file == str(tmp_path / "mark")
    assert world.reader.checkpoint() is None

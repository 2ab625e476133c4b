"""The signer of trees: it extends what it signed, and nothing else can be had from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.log.errors import (
    HeadBehind,
    MarkDamaged,
    MarkMissing,
    MarkMoved,
    RootDiffers,
    SignatureFaulty,
    TreeDisagrees,
    WrongCheckpointKey,
)
from ledger.log.extending import KeyTreeSigner
from ledger.log.mark import Mark, Marked
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import MalformedKey
from ledger.proof.vkey import VerifierKey
from ledger.rules.opening import vkey
from ledger.signer import LocalSigner
from tests.unit.proof.oracle import slow_leaf, slow_root

ORIGIN = "yinzheng.test/signer"
KEY = LocalSigner.from_seed(bytes(range(32)))
VKEY = vkey(ORIGIN, KEY.public)
ENTRIES = [b"entry %d" % index for index in range(40)]


def root(size: int) -> bytes:
    return slow_root([slow_leaf(entry) for entry in ENTRIES[:size]])


def opened(note: bytes) -> Checkpoint:
    return open_checkpoint(note, log=VerifierKey.parse(VKEY))[0]


class Counting:
    """The checkpoint key, counting its signatures; each may be spoilt."""

    alg, public, key_id = KEY.alg, KEY.public, KEY.key_id

    def __init__(self, spoil: Callable[[bytes], bytes] = lambda signature: signature) -> None:
        self.signed: list[bytes] = []
        self._spoil = spoil

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return self._spoil(KEY.sign(message))


class Bench:
    """A signer with a mark of its own in a folder."""

    def __init__(self, folder: Path, *, begun: bool = True) -> None:
        self.path = folder / "mark"
        self.mark = Mark(self.path)
        if begun:
            self.mark.begin()
        self.key = Counting()
        self.signer = self.again()

    def again(self) -> KeyTreeSigner:
        """The signer as after a restart."""
        return KeyTreeSigner(self.key, origin=ORIGIN, vkey=VKEY, mark=Mark(self.path))

    def extend(self, size: int, entries: list[bytes] = ENTRIES) -> bytes:
        with self.signer.extend() as extension:
            extension.add(entries[extension.size : size])
            return extension.sign(size, root(size))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_tree_is_signed_entry_by_entry(bench: Bench) -> None:
    for size in (0, 1, 2, 3, 7, 8, 8, 21, 40):
        assert opened(bench.extend(size)) == Checkpoint(ORIGIN, size, root(size))
        assert bench.mark.read() == Marked(size, root(size))


def test_the_same_tree_twice_gives_the_same_bytes(bench: Bench) -> None:
    assert bench.extend(21) == bench.extend(21)


def test_a_restarted_signer_goes_on_from_its_mark_alone(bench: Bench) -> None:
    bench.extend(21)
    bench.signer = bench.again()

    with bench.signer.extend() as extension:
        assert (extension.marked, extension.size) == (Marked(21, root(21)), 21)
        extension.add(ENTRIES[21:23])
        extension.add([])
        extension.add(ENTRIES[23:30])
        assert opened(extension.sign(30, root(30))).root == root(30)


def test_extending_is_all_that_can_be_asked_of_it(bench: Bench) -> None:
    def verbs(thing: object) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    assert verbs(bench.signer) == {"extend"}
    with bench.signer.extend() as extension:
        assert verbs(extension) == {"add", "marked", "sign", "size"}


def test_an_extension_that_is_not_signed_leaves_nothing(bench: Bench) -> None:
    bench.extend(3)
    with bench.signer.extend() as extension:
        extension.add([b"something else"])

    assert bench.mark.read() == Marked(3, root(3))
    assert opened(bench.extend(4)).root == root(4)


@pytest.mark.parametrize(
    ("size", "asked_root", "entries"),
    [
        (7, root(7), [*ENTRIES[:6], b"another"]),
        (7, root(7), [*ENTRIES[:5], ENTRIES[6], ENTRIES[5]]),
        (7, root(7), ENTRIES[:6]),
        (7, root(7), ENTRIES[:8]),
        (7, root(8), ENTRIES[:7]),
        (8, root(7), ENTRIES[:7]),
        (7, bytes(32), ENTRIES[:7]),
        (0, root(0), ENTRIES[:7]),
        (0, bytes(32), []),
    ],
)
def test_a_tree_on_which_the_two_do_not_agree_is_neither_marked_nor_signed(
    bench: Bench, size: int, asked_root: bytes, entries: list[bytes]
) -> None:
    with bench.signer.extend() as extension:
        extension.add(entries)
        with pytest.raises(TreeDisagrees) as refused:
            extension.sign(size, asked_root)

    assert (refused.value.size, refused.value.root) == (size, asked_root)
    assert refused.value.found_size == len(entries)
    assert refused.value.computed == slow_root([slow_leaf(entry) for entry in entries])
    assert bench.mark.read() == Marked(0, root(0))
    assert bench.key.signed == []


def test_a_smaller_tree_is_never_signed(bench: Bench) -> None:
    bench.extend(21)
    with bench.signer.extend() as extension, pytest.raises(TreeDisagrees) as refused:
        extension.sign(20, root(20))

    assert (refused.value.size, refused.value.found_size) == (20, 21)
    assert refused.value.computed == root(21)
    assert bench.mark.read() == Marked(21, root(21))
    assert len(bench.key.signed) == 1


def test_whoever_is_second_must_begin_again(bench: Bench) -> None:
    with bench.signer.extend() as slow:
        slow.add(ENTRIES[:5])
        bench.extend(7)
        with pytest.raises(MarkMoved) as refused:
            slow.sign(5, root(5))
        assert (refused.value.expected, refused.value.found) == (0, 7)

        slow.add(ENTRIES[5:9])
        with pytest.raises(MarkMoved):
            slow.sign(9, root(9))

    assert len(bench.key.signed) == 1
    assert opened(bench.extend(9)).root == root(9)


def test_two_that_ask_for_the_same_tree_both_get_it(bench: Bench) -> None:
    with bench.signer.extend() as slow:
        slow.add(ENTRIES[:7])
        first = bench.extend(7)

        assert slow.sign(7, root(7)) == first


def test_without_a_mark_nothing_is_signed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, begun=False)

    with pytest.raises(MarkMissing) as refused, bench.signer.extend():
        pytest.fail("an extension began")
    assert refused.value.file == str(bench.path)

    bench.mark.begin()
    with bench.signer.extend() as extension:
        extension.add(ENTRIES[:3])
        bench.path.unlink()
        with pytest.raises(MarkMissing):
            extension.sign(3, root(3))
    assert bench.key.signed == []
    assert not bench.path.exists()


def test_a_damaged_mark_signs_nothing(bench: Bench) -> None:
    bench.extend(3)
    bench.path.write_bytes(bench.path.read_bytes()[:-1])

    with pytest.raises(MarkDamaged), bench.signer.extend():
        pytest.fail("an extension began")


def test_a_mark_without_its_edge_wants_every_entry_again(bench: Bench) -> None:
    bench.path.write_text(f"21 {root(21).hex()}\n")

    with bench.signer.extend() as extension:
        assert (extension.marked, extension.size) == (Marked(21, root(21)), 0)
        extension.add(ENTRIES[:20])
        with pytest.raises(HeadBehind) as refused:
            extension.sign(20, root(20))
        assert (refused.value.size, refused.value.published) == (20, 21)
        extension.add(ENTRIES[20:23])
        assert opened(extension.sign(23, root(23))).root == root(23)
    with bench.again().extend() as extension:
        assert extension.size == 23


def test_other_entries_than_those_of_a_mark_without_its_edge_are_refused(bench: Bench) -> None:
    bench.path.write_text(f"21 {root(21).hex()}\n")
    forged = [b"forged", *ENTRIES[1:30]]

    with bench.signer.extend() as extension, pytest.raises(RootDiffers) as refused:
        extension.add(forged)

    assert (refused.value.size, refused.value.signed) == (21, root(21))
    assert refused.value.computed == slow_root([slow_leaf(entry) for entry in forged[:21]])
    assert bench.key.signed == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda signature: bytes(64), "note: the ed25519 signature does not hold"),
        (lambda signature: signature[:-1], "note: the signer returned another length"),
        (lambda signature: signature[32:] + signature[:32], "does not hold"),
        (lambda signature: bytes([signature[0] ^ 1]) + signature[1:], "does not hold"),
    ],
)
def test_a_key_that_signs_falsely_is_not_let_out(
    bench: Bench, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    bench.key = Counting(spoil)
    bench.signer = bench.again()

    with pytest.raises(SignatureFaulty) as refused:
        bench.extend(3)

    assert refused.value.size == 3
    assert reason in refused.value.reason
    # Marked all the same: a signature may exist somewhere, and the same tree can be signed again.
    assert bench.mark.read() == Marked(3, root(3))
    bench.key = Counting()
    bench.signer = bench.again()
    assert opened(bench.extend(3)).root == root(3)


def test_only_the_logs_own_checkpoint_key_signs(tmp_path: Path) -> None:
    stranger = LocalSigner.from_seed(bytes(32))
    mark = Mark(tmp_path / "mark")
    with pytest.raises(WrongCheckpointKey) as refused:
        KeyTreeSigner(stranger, origin=ORIGIN, vkey=VKEY, mark=mark)
    assert refused.value.expected == VKEY
    assert refused.value.found == vkey(ORIGIN, stranger.public)

    with pytest.raises(WrongCheckpointKey):
        KeyTreeSigner(KEY, origin="another.log", vkey=VKEY, mark=mark)
    with pytest.raises(MalformedKey):
        KeyTreeSigner(LocalSigner.p256_from_scalar(7), origin=ORIGIN, vkey=VKEY, mark=mark)

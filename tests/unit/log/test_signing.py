"""The signer's process: the same verb over a socket, and no way around it for hostile callers."""

from __future__ import annotations

import logging
import os
import random
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.errors import HardwareKeyUnavailable
from ledger.log.errors import (
    HeadBehind,
    LogError,
    MarkDamaged,
    MarkMissing,
    MarkMoved,
    ProtocolBroken,
    RootDiffers,
    SignatureFaulty,
    SignerRefused,
    SignerUnavailable,
    TreeDisagrees,
)
from ledger.log.frames import FRAME_BYTES_MAX
from ledger.log.mark import Marked
from ledger.log.refusals import read_refusal, write_refusal
from ledger.log.remote import RemoteTreeSigner
from ledger.log.signing import SignerService, listen
from ledger.rules.canonical import encode
from tests.unit.log.test_extending import ENTRIES, ORIGIN, Bench, Counting, opened, root

FRAME_S = 0.4
OPENING = encode({"log": ORIGIN, "v": 1})


class Served:
    """A signer that listens on a socket of the test's own."""

    def __init__(self, folder: Path, **options: float) -> None:
        self.bench = Bench(folder)
        self.path = folder / "signer.sock"
        self.service = SignerService(
            self.bench.signer,
            origin=ORIGIN,
            peers=[os.geteuid()],
            frame_s=options.get("frame_s", 30.0),
            connections_max=int(options.get("connections_max", 16)),
        )
        self.listening = listen(self.path, peers=[os.geteuid()])
        self.thread = threading.Thread(target=self.service.serve, args=(self.listening,))
        self.thread.start()

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join(10)

    def remote(self, *, origin: str = ORIGIN, answer_s: float = 30.0) -> RemoteTreeSigner:
        return RemoteTreeSigner(self.path, origin=origin, answer_s=answer_s)

    def extend(self, size: int) -> bytes:
        with self.remote().extend() as extension:
            extension.add(ENTRIES[extension.size : size])
            return extension.sign(size, root(size))

    def raw(self, *parts: bytes, pause_s: float = 0.0, end: bool = True) -> bytes:
        """Send bytes as they are and return all that is answered."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(20)
            caller.connect(str(self.path))
            try:
                for part in parts:
                    caller.sendall(part)
                    time.sleep(pause_s)
                if end:
                    caller.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = bytearray()
            try:
                while part := caller.recv(1 << 16):
                    answer += part
            except ConnectionResetError:
                pass
            return bytes(answer)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    signer = Served(tmp_path)
    yield signer
    signer.close()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Served]:
    """A signer that waits for two callers, and not for long."""
    signer = Served(tmp_path, frame_s=FRAME_S, connections_max=2)
    yield signer
    signer.close()


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    return (1 + len(payload)).to_bytes(4, "big") + kind + payload


def frames_of(answer: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while answer:
        end = 4 + int.from_bytes(answer[:4], "big")
        found.append((answer[4:5], answer[5:end]))
        answer = answer[end:]
    return found


def packed(*entries: bytes) -> bytes:
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def test_a_tree_is_signed_over_the_socket_as_it_is_here(served: Served) -> None:
    for size in (0, 1, 3, 8, 8, 21, 40):
        note = served.extend(size)
        assert opened(note).root == root(size)
        assert served.remote().read() == Marked(size, root(size))
    assert note == served.bench.extend(40)


def test_many_entries_go_over_in_frames_of_bounded_size(served: Served) -> None:
    entries = [bytes([number]) * 65_535 for number in range(40)]
    with served.bench.again().extend() as local:
        local.add(entries)
        expected = local._range.root()

    with served.remote().extend() as extension:
        extension.add(entries)
        assert extension.size == 40
        assert opened(extension.sign(40, expected)).root == expected


def test_only_its_owner_can_open_the_socket(served: Served) -> None:
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o600


def test_what_the_signer_refuses_arrives_as_the_same_error(served: Served) -> None:
    served.extend(21)
    with served.remote().extend() as slow:
        slow.add(ENTRIES[21:23])
        with pytest.raises(TreeDisagrees) as disagrees:
            slow.sign(23, root(24))
        assert vars(disagrees.value) == {
            "size": 23,
            "found_size": 23,
            "root": root(24),
            "computed": root(23),
        }
    with served.remote().extend() as slow:
        slow.add(ENTRIES[21:25])
        served.extend(22)
        with pytest.raises(MarkMoved) as moved:
            slow.sign(25, root(25))
        assert (moved.value.expected, moved.value.found) == (21, 22)
    served.bench.path.write_text(f"21 {root(21).hex()}\n")
    with served.remote().extend() as forged:
        assert forged.size == 0
        forged.add([b"forged", *ENTRIES[1:30]])
        with pytest.raises(RootDiffers) as differs:
            forged.sign(30, root(30))
        assert (differs.value.size, differs.value.signed) == (21, root(21))
    with served.remote().extend() as behind:
        behind.add(ENTRIES[:3])
        with pytest.raises(HeadBehind) as smaller:
            behind.sign(3, root(3))
        assert (smaller.value.size, smaller.value.published) == (3, 21)


def test_a_mark_that_is_gone_or_damaged_is_told(served: Served) -> None:
    served.bench.path.write_bytes(b"half")
    with pytest.raises(MarkDamaged) as damaged:
        served.remote().read()
    assert damaged.value.reason == "does not end in a line"

    served.bench.path.unlink()
    assert served.remote().read() is None
    with pytest.raises(MarkMissing) as missing, served.remote().extend():
        pytest.fail("an extension began")
    assert missing.value.file == str(served.bench.path)


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (HardwareKeyUnavailable("no token", key="k"), "hardware-key-unavailable"),
        (OSError(28, "No space left on device"), "file-error"),
    ],
)
def test_what_else_goes_wrong_in_the_signer_has_its_name(
    served: Served, error: Exception, refusal: str
) -> None:
    def fail(_message: bytes) -> bytes:
        raise error

    served.bench.key.sign = fail  # type: ignore[method-assign]

    with pytest.raises(SignerRefused) as refused:
        served.extend(3)

    assert (refused.value.refusal, refused.value.reason) == (refusal, str(error))


def test_a_false_signature_is_told(served: Served) -> None:
    served.bench.key.sign = Counting(lambda _: bytes(64)).sign  # type: ignore[method-assign]

    with pytest.raises(SignatureFaulty) as refused:
        served.extend(3)

    assert refused.value.size == 3


def test_the_signer_of_another_log_refuses(served: Served) -> None:
    with pytest.raises(SignerRefused) as refused, served.remote(origin="another.log").extend():
        pytest.fail("an extension began")

    assert refused.value.refusal == "another-log"
    assert ORIGIN in refused.value.reason


def test_nobody_at_the_socket_is_an_error_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "nobody.sock"
    with pytest.raises(SignerUnavailable) as missing:
        RemoteTreeSigner(path, origin=ORIGIN).read()
    assert (missing.value.socket, missing.value.reason) == (str(path), "No such file or directory")

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with pytest.raises(SignerUnavailable) as refused:
        RemoteTreeSigner(path, origin=ORIGIN).read()
    assert refused.value.reason == "Connection refused"


def test_a_socket_that_nobody_listens_on_is_taken_over_and_a_live_one_is_not(
    served: Served, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        listen(served.path, peers=[os.geteuid()])
    assert opened(served.extend(3)).size == 3

    left = tmp_path / "left.sock"
    listen(left, peers=[os.geteuid()]).close()
    again = listen(left, peers=[os.geteuid()])
    again.close()

    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="Address already in use"):
        listen(tmp_path / "file", peers=[os.geteuid()])
    assert (tmp_path / "file").read_text() == "kept"


ASK_AS = """
import os, sys
from pathlib import Path
from ledger.log.remote import RemoteTreeSigner
os.setuid(65534)
print(RemoteTreeSigner(Path(sys.argv[1]), origin=sys.argv[2]).read())
"""


def ask_as_nobody(path: Path) -> str:
    command = [sys.executable, "-c", ASK_AS, path, ORIGIN]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def test_the_kernel_says_who_asks(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "for-nobody.sock"
    other = listen(path, peers=[65534])
    service = SignerService(served.bench.signer, origin=ORIGIN, peers=[65534])
    thread = threading.Thread(target=service.serve, args=(other,))
    thread.start()

    with pytest.raises(SignerRefused) as refused:
        RemoteTreeSigner(path, origin=ORIGIN).read()
    assert refused.value.refusal == "peer"
    assert refused.value.reason == f"user {os.geteuid()} may not ask this signer"

    if os.geteuid() == 0:
        # Only root can ask as somebody else.
        for folder in (tmp_path, *tmp_path.parents[:3]):
            folder.chmod(folder.stat().st_mode | 0o011)
        assert "Permission denied" in ask_as_nobody(served.path)
        assert "Marked(size=0" in ask_as_nobody(path)
        served.path.chmod(0o666)
        assert "user 65534 may not ask this signer" in ask_as_nobody(served.path)
    other.shutdown(socket.SHUT_RDWR)
    other.close()
    thread.join(10)


# Hostile callers

OPEN = frame(b"O", OPENING)
SIGN_3 = frame(b"S", encode({"root": root(3).hex(), "size": 3}))
ADD_3 = frame(b"A", packed(*ENTRIES[:3]))
BROKEN = {
    "an empty frame": (OPEN, bytes(4)),
    "a huge length": (OPEN, b"\xff" * 4, b"x" * 100),
    "a byte too long": (OPEN, (FRAME_BYTES_MAX + 1).to_bytes(4, "big"), b"A"),
    "half a length": (OPEN, b"\x00\x00"),
    "half a frame": (OPEN, ADD_3[:-1]),
    "an unknown kind": (OPEN, frame(b"X")),
    "a kind of the signer's": (OPEN, frame(b"N", b"note")),
    "signing before opening": (SIGN_3,),
    "adding before opening": (ADD_3,),
    "opening twice": (OPEN, OPEN),
    "not JSON": (frame(b"O", b"{"),),
    "not an object": (frame(b"O", b"[]"),),
    "a second spelling": (frame(b"O", OPENING.replace(b":", b": ")),),
    "a missing field": (frame(b"O", encode({"log": ORIGIN})),),
    "a surplus field": (frame(b"O", encode({"log": ORIGIN, "v": 1, "w": 1})),),
    "a field of another type": (frame(b"O", encode({"log": ORIGIN, "v": True})),),
    "deep nesting": (frame(b"O", b"[" * 1000 + b"]" * 1000),),
    "no entries": (OPEN, frame(b"A")),
    "half an entry": (OPEN, frame(b"A", packed(b"abc")[:-1])),
    "half an entry's length": (OPEN, frame(b"A", packed(b"abc") + b"\x00")),
    "a root that is none": (OPEN, frame(b"S", encode({"root": "ab", "size": 0}))),
    "bytes to be signed": (OPEN, frame(b"S", b"sign me")),
    "a size that is text": (OPEN, frame(b"S", encode({"root": root(0).hex(), "size": "0"}))),
}


@pytest.mark.parametrize("parts", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_in_the_protocol_is_refused_and_changes_nothing(
    served: Served, parts: tuple[bytes, ...]
) -> None:
    answered = frames_of(served.raw(*parts))

    kind, payload = answered[-1]
    assert kind == b"R"
    assert type(read_refusal(payload)) is ProtocolBroken
    assert [kind for kind, _ in answered[:-1]] == [b"K"] * (parts[0] == OPEN)
    assert served.bench.key.signed == []
    assert served.bench.mark.read() == Marked(0, root(0))
    assert opened(served.extend(3)).size == 3


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        ({"log": "another.log", "v": 1}, "another-log"),
        ({"log": ORIGIN, "v": 2}, "another-log"),
        ({"log": "", "v": 1}, "another-log"),
    ],
)
def test_another_log_or_version_is_refused(
    served: Served, document: dict[str, object], refusal: str
) -> None:
    ((kind, payload),) = frames_of(served.raw(frame(b"O", encode(document))))

    refused = read_refusal(payload)
    assert kind == b"R"
    assert isinstance(refused, SignerRefused)
    assert refused.refusal == refusal


@pytest.mark.parametrize("size", [-1, 2, 4, 1 << 52])
def test_a_foolish_size_is_refused(served: Served, size: int) -> None:
    ask = frame(b"S", encode({"root": root(3).hex(), "size": size}))

    kind, payload = frames_of(served.raw(OPEN, ADD_3, ask))[-1]

    refused = read_refusal(payload)
    assert isinstance(refused, TreeDisagrees)
    assert (kind, refused.size, refused.found_size) == (b"R", size, 3)
    assert served.bench.key.signed == []


def test_garbage_of_every_length_is_refused(served: Served) -> None:
    dice = random.Random(20261122)  # noqa: S311 - the same garbage in every run
    for _ in range(60):
        garbage = dice.randbytes(dice.randrange(1, 300))
        before = OPEN if dice.random() < 0.5 else b""
        answered = frames_of(served.raw(before, garbage))
        assert answered[-1][0] == b"R"
    assert served.bench.key.signed == []
    assert opened(served.extend(3)).size == 3


def test_every_flipped_bit_of_a_conversation_signs_nothing_else(served: Served) -> None:
    """What is signed is the tree of the entries that arrived, if it is the one asked for."""
    talk = OPEN + ADD_3 + SIGN_3
    for bit in range(8 * len(talk)):
        flipped = bytearray(talk)
        flipped[bit // 8] ^= 1 << bit % 8
        assert b"N" not in {kind for kind, _ in frames_of(served.raw(bytes(flipped)))}, bit
    assert served.bench.key.signed == []
    assert served.bench.mark.read() == Marked(0, root(0))
    assert frames_of(served.raw(talk))[-1][0] == b"N"


def test_a_caller_who_goes_away_leaves_nothing(served: Served) -> None:
    for parts in ((), (OPEN,), (OPEN, ADD_3)):
        assert b"N" not in {kind for kind, _ in frames_of(served.raw(*parts))}
    assert served.bench.mark.read() == Marked(0, root(0))


@pytest.mark.parametrize("slow", [(OPEN, ADD_3[:10]), (OPEN[:2],), ()])
def test_a_slow_caller_is_sent_away(hasty: Served, slow: tuple[bytes, ...]) -> None:
    kind, payload = frames_of(hasty.raw(*slow, end=False))[-1]

    refused = read_refusal(payload)
    assert isinstance(refused, SignerRefused)
    assert (kind, refused.refusal) == (b"R", "too-slow")


def test_a_frame_that_comes_byte_by_byte_does_not_last_for_ever(hasty: Served) -> None:
    began = time.monotonic()

    answered = frames_of(hasty.raw(OPEN, *(bytes([byte]) for byte in ADD_3), pause_s=FRAME_S / 6))

    assert answered[-1][0] == b"R"
    assert time.monotonic() - began < len(ADD_3) * FRAME_S / 6 + 5
    assert hasty.bench.mark.read() == Marked(0, root(0))


def test_more_callers_than_there_are_places_are_sent_away_and_the_rest_served(
    hasty: Served,
) -> None:
    with hasty.remote().extend() as one, hasty.remote().extend():
        with pytest.raises(SignerRefused) as refused, hasty.remote().extend():
            pytest.fail("a third extension began")
        assert refused.value.refusal == "busy"
        one.add(ENTRIES[:3])
        assert opened(one.sign(3, root(3))).size == 3
    time.sleep(2 * FRAME_S)
    assert opened(hasty.extend(4)).size == 4


def test_refusals_are_logged_without_what_was_sent(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="yinzheng.signer")
    served.raw(OPEN, frame(b"S", b"secret"))

    assert [record.name for record in caplog.records] == ["yinzheng.signer"]
    assert "secret" not in caplog.text


# A signer that cannot be trusted


class Impostor:
    """Listens where the signer should, and answers each conversation with the same bytes."""

    def __init__(self, path: Path, answer: bytes, *, keep_open: bool = False) -> None:
        self.path, self._answer, self._keep = path, answer, keep_open
        self._listening = listen(path, peers=[os.geteuid()])
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            self._kept.append(caller)
            # Whoever does not like the beginning of an answer does not wait for its end.
            with suppress(OSError):
                caller.sendall(self._answer)
                if not self._keep:
                    caller.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for each in (self._listening, *self._kept):
            each.close()


def known(**changes: object) -> bytes:
    document = {"held": 0, "root": root(0).hex(), "size": 0, "v": 1, **changes}
    return frame(b"K", encode(document))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", SignerUnavailable),
        (b"\x00\x00", ProtocolBroken),
        (frame(b"K", b"{}"), ProtocolBroken),
        (frame(b"N", b"note"), ProtocolBroken),
        (b"\xff" * 8, ProtocolBroken),
        (known(v=2), ProtocolBroken),
        (known(size=-1, held=-1), ProtocolBroken),
        (known(size=4, held=2), ProtocolBroken),
        (known(root="ab"), ProtocolBroken),
        (known(), SignerUnavailable),
        (known() + frame(b"K", b"{}"), ProtocolBroken),
        (known() + frame(b"R", b"{}"), ProtocolBroken),
        (known() + frame(b"R", encode({"code": "no-such", "evidence": {}})), ProtocolBroken),
        (
            known() + frame(b"R", encode({"code": "head-behind", "evidence": {"size": 1}})),
            ProtocolBroken,
        ),
        (
            known()
            + frame(
                b"R", encode({"code": "head-behind", "evidence": {"published": "2", "size": 1}})
            ),
            ProtocolBroken,
        ),
    ],
)
def test_a_strange_answer_is_an_error_of_its_own(
    tmp_path: Path, answer: bytes, expected: type[Exception]
) -> None:
    impostor = Impostor(tmp_path / "impostor.sock", answer)
    signer = RemoteTreeSigner(impostor.path, origin=ORIGIN, answer_s=10)

    def ask() -> None:
        with signer.extend() as extension:
            extension.add(ENTRIES[:3])
            extension.sign(3, root(3))

    with pytest.raises(LogError) as refused:
        ask()
    impostor.close()

    assert type(refused.value) is expected


def test_a_signer_that_is_silent_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    impostor = Impostor(tmp_path / "impostor.sock", known(), keep_open=True)
    signer = RemoteTreeSigner(impostor.path, origin=ORIGIN, answer_s=0.3)

    with signer.extend() as extension, pytest.raises(SignerUnavailable) as refused:
        extension.sign(0, root(0))
    impostor.close()

    assert refused.value.reason == "does not answer in time"


def test_an_entry_that_no_entry_can_be_is_not_sent(served: Served) -> None:
    with served.remote().extend() as extension, pytest.raises(ProtocolBroken) as refused:
        extension.add([bytes(65_536)])

    assert refused.value.reason == "an entry of 65536 bytes"


def test_every_refusal_crosses_the_socket_whole() -> None:
    errors: list[LogError] = [
        HeadBehind(size=1, published=2),
        RootDiffers(3, signed=root(3), computed=root(4)),
        MarkMissing("/a/mark"),
        MarkMoved(expected=5, found=6),
        TreeDisagrees(size=1, found_size=2, root=root(1), computed=root(2)),
        SignatureFaulty(7, "the reason"),
        ProtocolBroken("the reason"),
        SignerRefused("peer", "the reason"),
        MarkDamaged("/a/mark", "the reason"),
    ]
    for error in errors:
        again = read_refusal(write_refusal(error))
        assert type(again) is type(error)
        assert (vars(again), str(again)) == (vars(error), str(error))

    strange = read_refusal(write_refusal(MarkMissing("/a/\udcff\x07mark")))
    assert isinstance(strange, MarkMissing)
    assert strange.file == "/a/??mark"

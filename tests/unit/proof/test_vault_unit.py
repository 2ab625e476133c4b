"""Boxes: what opens, what does not, and what was never to be opened.

The box is made here from the words of docs/spec.md section 7, with hashlib and AES-GCM alone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.proof.errors import Tampered
from ledger.proof.vault import VaultReader
from tests.unit.proof.golden_log import plain, seen

KEY, NONCE = bytes(range(32)), bytes(range(100, 112))
ROW: dict[str, Any] = {"log": "log.example/é", "index": 258, "name": "name", "subject": "shöp"}
COMMAND, SALT, VALUE = "019aab48-f80c-7000-8000-000000000000", "c2FsdA==", "剑\nsecond line"


def digest(*, salt: str = SALT, value: str = VALUE, **changes: str) -> str:
    parts = {"log": ROW["log"], "command": COMMAND, "name": ROW["name"], **changes}
    tagged = b"yinzheng/sealed/v1\n" + plain([*parts.values(), salt, value])
    return hashlib.sha256(tagged).hexdigest()


def box(held: bytes = f"{SALT}\n{VALUE}".encode(), *, key: bytes = KEY, **changes: Any) -> bytes:
    row = {**ROW, **changes}
    bound = b"yinzheng/vault/v1\n"
    for part in (row["log"], str(row["index"]), row["name"], row["subject"]):
        bound += len(part.encode()).to_bytes(8, "big") + part.encode()
    return NONCE + AESGCM(key).encrypt(NONCE, held, bound)


@pytest.fixture
def reader(tmp_path: Path) -> VaultReader:
    (tmp_path / hashlib.sha256("shöp".encode()).hexdigest()).write_bytes(KEY)
    return VaultReader(tmp_path)


def check(reader: VaultReader, box: bytes, digest: str, **changes: Any) -> None:
    reader.check(**{**ROW, "command": COMMAND, "box": box, "digest": digest, **changes})


def refused(reader: VaultReader, box: bytes, digest: str, **changes: Any) -> tuple[object, ...]:
    with pytest.raises(Tampered) as raised:
        check(reader, box, digest, **changes)
    assert (reader.opened, reader.closed) == (0, 0)
    return seen(raised.value)


def fault(message: str, index: int = 258) -> tuple[object, ...]:
    return ("Tampered", "vault", message, index, None, "disclosure.box", None, None)


def test_boxes_that_hold_what_was_sealed_are_counted_as_opened(reader: VaultReader) -> None:
    assert (reader.opened, reader.closed) == (0, 0)
    check(reader, box(), digest())
    assert (reader.opened, reader.closed) == (1, 0)
    check(reader, box(), digest())
    assert (reader.opened, reader.closed) == (2, 0)


def test_boxes_without_a_key_are_counted_as_closed_and_not_looked_at(tmp_path: Path) -> None:
    reader = VaultReader(tmp_path / "nothing")

    check(reader, b"", "no digest")
    assert (reader.opened, reader.closed) == (0, 1)
    check(reader, box(), digest())
    assert (reader.opened, reader.closed) == (0, 2)


def test_a_key_that_cannot_be_read_leaves_the_box_closed(reader: VaultReader) -> None:
    (reader._keys / hashlib.sha256(b"bob").hexdigest()).mkdir()
    check(reader, box(), digest(), subject="bob")
    assert (reader.opened, reader.closed) == (0, 1)


@pytest.mark.parametrize(
    "change",
    [{"log": "other.example"}, {"index": 259}, {"name": "reason"}],
    ids=["log", "index", "name"],
)
def test_a_box_of_another_row_does_not_open(reader: VaultReader, change: dict[str, Any]) -> None:
    index = change.get("index", 258)
    assert refused(reader, box(), digest(), **change) == fault("a box does not open", index)


def test_a_box_of_another_subject_does_not_open_with_this_one_s_key(reader: VaultReader) -> None:
    assert refused(reader, box(subject="bob"), digest()) == fault("a box does not open")


def test_names_cannot_be_shifted_into_each_other(reader: VaultReader) -> None:
    shifted = box(name="names", subject="höp")
    assert refused(reader, shifted, digest()) == fault("a box does not open")


@pytest.mark.parametrize("length", [0, 7, 11, 12, 27, 28])
def test_a_short_box_does_not_open(reader: VaultReader, length: int) -> None:
    assert refused(reader, box()[:length], digest()) == fault("a box does not open")


@pytest.mark.parametrize("place", [0, 11, 12, -1])
def test_a_box_with_one_other_bit_does_not_open(reader: VaultReader, place: int) -> None:
    bad = bytearray(box())
    bad[place] ^= 1
    assert refused(reader, bytes(bad), digest()) == fault("a box does not open")


@pytest.mark.parametrize("key", [b"", KEY[:31], bytes(32)], ids=["empty", "short", "other"])
def test_with_a_wrong_key_a_box_does_not_open(tmp_path: Path, key: bytes) -> None:
    (tmp_path / hashlib.sha256("shöp".encode()).hexdigest()).write_bytes(key)
    assert refused(VaultReader(tmp_path), box(), digest()) == fault("a box does not open")


@pytest.mark.parametrize(
    "change",
    [{"salt": "other"}, {"value": "剑"}, {"command": "another"}, {"name": "reason"}],
    ids=["salt", "value", "command", "name"],
)
def test_a_box_that_holds_another_value_is_named(
    reader: VaultReader, change: dict[str, str]
) -> None:
    assert refused(reader, box(), digest(**change)) == fault("a box holds another value")


@pytest.mark.parametrize("held", [b"", SALT.encode(), b"\xff\xfe\n\xff"])
def test_a_box_that_holds_no_sealed_value_is_named(reader: VaultReader, held: bytes) -> None:
    assert refused(reader, box(held), digest()) == fault("a box holds another value")


def test_a_value_may_be_empty_or_hold_newlines(reader: VaultReader) -> None:
    check(reader, box(f"{SALT}\n".encode()), digest(value=""))
    check(reader, box(f"{SALT}\n\n\n".encode()), digest(value="\n\n"))
    assert (reader.opened, reader.closed) == (2, 0)


def test_wrapped_keys_are_unwrapped_under_their_own_name(tmp_path: Path) -> None:
    name = hashlib.sha256("shöp".encode()).hexdigest()
    (tmp_path / name).write_bytes(b"wrapped")
    asked: list[tuple[bytes, str]] = []

    def unwrap(wrapped: bytes, name: str) -> bytes:
        asked.append((wrapped, name))
        return KEY

    reader = VaultReader(tmp_path, unwrap)
    check(reader, box(), digest())

    assert asked == [(b"wrapped", name)]
    assert (reader.opened, reader.closed) == (1, 0)


def test_a_key_that_was_wrapped_for_another_name_is_named(tmp_path: Path) -> None:
    (tmp_path / hashlib.sha256("shöp".encode()).hexdigest()).write_bytes(b"wrapped")

    def unwrap(_wrapped: bytes, _name: str) -> bytes:
        raise ValueError

    found = refused(VaultReader(tmp_path, unwrap), box(), digest())

    assert found == fault("a key of the vault does not open")


def test_a_wrapped_key_that_is_gone_is_closed_and_no_module_is_asked(tmp_path: Path) -> None:
    def unwrap(_wrapped: bytes, _name: str) -> bytes:
        raise AssertionError

    reader = VaultReader(tmp_path, unwrap)
    check(reader, box(), digest())

    assert (reader.opened, reader.closed) == (0, 1)


@pytest.mark.parametrize(
    ("key", "closed"),
    [(b"w1" + bytes(60), True), (b"w1" + bytes(61), False), (b"w2" + bytes(60), False)],
    ids=["wrapped", "longer", "of another kind"],
)
def test_a_wrapped_key_is_not_for_whoever_has_no_module(
    tmp_path: Path, key: bytes, *, closed: bool
) -> None:
    (tmp_path / hashlib.sha256("shöp".encode()).hexdigest()).write_bytes(key)
    reader = VaultReader(tmp_path)

    if closed:
        check(reader, box(), digest())
        assert (reader.opened, reader.closed) == (0, 1)
    else:
        assert refused(reader, box(), digest()) == fault("a box does not open")

"""Keys of the vault wrapped under a key in a PKCS #11 module, with SoftHSM2 in its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from ledger.errors import HardwareKeyUnavailable
from ledger.hardware.module import make_hardware_key
from ledger.hardware.uri import KeyUri
from ledger.hardware.wrapping import HardwareWrapper, make_wrapping_key
from ledger.keyfiles import KeyFiles, NotAKey
from ledger.record.errors import KeyDamaged, KeyMissing
from ledger.record.vault import Vault
from tests.unit.hardware.conftest import LABEL

Token = Callable[[str], str]
ORIGIN, ANN = "yinzheng.local/test", "ann"
ROW: dict[str, Any] = {"index": 7, "name": "card"}


def wrapper(token: Token, name: str, *, make: bool = True) -> HardwareWrapper:
    uri = KeyUri.parse(token(name))
    if make:
        make_wrapping_key(uri)
    return HardwareWrapper(uri, random=os.urandom)


def reason_of(error: pytest.ExceptionInfo[HardwareKeyUnavailable]) -> str:
    return str(error.value.evidence["reason"])


def test_a_key_is_wrapped_for_its_name_and_opens_again(token: Token) -> None:
    module = wrapper(token, "wraps")
    key = bytes(range(32))

    held = module.wrap(key, "ann")

    assert module.unwrap(held, "ann") == key
    assert wrapper(token, "wraps", make=False).unwrap(held, "ann") == key
    assert (held[:2], len(held), key in held) == (b"w1", 2 + 12 + 32 + 16, False)
    assert held != module.wrap(key, "ann")


def test_every_flipped_byte_another_name_and_another_key_are_refused(token: Token) -> None:
    module, other = wrapper(token, "flips"), wrapper(token, "other")
    held = module.wrap(bytes(32), "ann")

    for position in range(len(held)):
        changed = bytearray(held)
        changed[position] ^= 1
        with pytest.raises(ValueError, match=r"^it (is not wrapped|does not open)$"):
            module.unwrap(bytes(changed), "ann")
    for opens, wrapped, name in (
        (module, held, "bob"),
        (other, held, "ann"),
        (module, held[:-1], "ann"),
        (module, held[:14], "ann"),
        (module, bytes(32), "ann"),
        (module, b"", "ann"),
    ):
        with pytest.raises(ValueError, match=r"^it (is not wrapped|does not open)$"):
            opens.unwrap(wrapped, name)
    # A box that does not open says nothing against the module.
    assert module.unwrap(held, "ann") == bytes(32)


def test_a_wrapping_key_cannot_leave_and_is_not_made_twice(token: Token) -> None:
    uri = KeyUri.parse(token("stays wrapped".replace(" ", "%20")))
    make_wrapping_key(uri)
    module = HardwareWrapper(uri, random=os.urandom)
    assert module.wrap(bytes(32), "ann")

    with pytest.raises(HardwareKeyUnavailable) as refused:
        make_wrapping_key(uri)

    assert reason_of(refused) == "an object of this name exists; it was left alone"
    with pkcs11.lib(uri.module).get_token(token_label=LABEL).open() as session:
        (key,) = session.get_objects({pkcs11.Attribute.LABEL: "stays wrapped"})
        assert key[pkcs11.Attribute.SENSITIVE] is True
        assert key[pkcs11.Attribute.EXTRACTABLE] is False
        with pytest.raises(pkcs11.exceptions.PKCS11Error):
            key[pkcs11.Attribute.VALUE]


def test_a_key_that_is_not_there_or_signs_wraps_nothing(token: Token) -> None:
    with pytest.raises(HardwareKeyUnavailable) as missing:
        HardwareWrapper(KeyUri.parse(token("nowhere")), random=os.urandom)
    signs = KeyUri.parse(token("signs%20only"))
    make_hardware_key(signs)
    with pytest.raises(HardwareKeyUnavailable) as other:
        HardwareWrapper(signs, random=os.urandom)

    expected = "the token holds 0 objects SECRET_KEY of this name, not one"
    assert (reason_of(missing), reason_of(other)) == (expected, expected)


def test_a_key_of_another_length_wraps_nothing(token: Token) -> None:
    uri = KeyUri.parse(token("short"))
    lib = pkcs11.lib(uri.module)
    session = lib.get_token(token_label=LABEL).open(rw=True)
    session.generate_key(pkcs11.KeyType.AES, 128, store=True, label="short")

    with pytest.raises(HardwareKeyUnavailable) as refused:
        HardwareWrapper(uri, random=os.urandom)

    assert reason_of(refused) == "it is no AES key of 256 bits"


def test_a_lost_session_is_opened_anew_and_a_lost_token_is_said(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = wrapper(token, "lost")
    held = module.wrap(bytes(32), "ann")
    opened: Any = module._key
    failing = [pkcs11.exceptions.SessionHandleInvalid()]

    class Lost:
        def decrypt(self, *_data: object, **_how: object) -> bytes:
            raise failing[0]

        encrypt = decrypt

    module._key = Lost()
    assert module.unwrap(held, "ann") == bytes(32)
    assert module._key is not opened
    module._key = Lost()
    monkeypatch.setattr(HardwareWrapper, "_open", lambda _self: Lost())
    with pytest.raises(HardwareKeyUnavailable) as gone:
        module.unwrap(held, "ann")
    with pytest.raises(HardwareKeyUnavailable):
        module.wrap(bytes(32), "ann")

    assert reason_of(gone) == "the module reports SessionHandleInvalid"


def test_the_vault_holds_no_key_in_clear_and_still_forgets_by_deleting(
    token: Token, tmp_path: Path
) -> None:
    module = wrapper(token, "vault")
    vault = Vault(tmp_path, origin=ORIGIN, random=os.urandom, wrapper=module)
    box = vault.seal(ANN, **ROW, value=b"secret")
    file = tmp_path / sha256(ANN.encode()).hexdigest()

    assert vault.open(ANN, **ROW, box=box) == b"secret"
    assert len(file.read_bytes()) == 62
    assert module.unwrap(file.read_bytes(), file.name) not in file.read_bytes()
    vault.erase(ANN)
    with pytest.raises(KeyMissing):
        vault.open(ANN, **ROW, box=box)


def test_a_file_put_in_anothers_place_and_a_bare_key_are_damaged(
    token: Token, tmp_path: Path
) -> None:
    vault = Vault(tmp_path, origin=ORIGIN, random=os.urandom, wrapper=wrapper(token, "in%20place"))
    box = vault.seal(ANN, **ROW, value=b"secret")
    vault.seal("bob", **ROW, value=b"secret")
    file, other = (tmp_path / sha256(name.encode()).hexdigest() for name in (ANN, "bob"))

    shutil.copyfile(other, file)
    with pytest.raises(KeyDamaged) as swapped:
        vault.open(ANN, **ROW, box=box)
    file.write_bytes(bytes(32))
    with pytest.raises(KeyDamaged) as bare:
        vault.seal(ANN, **ROW, value=b"secret")

    assert (swapped.value.name, swapped.value.size) == (file.name, 62)
    assert (bare.value.name, bare.value.size) == (file.name, 32)


def test_a_wrapped_key_is_damaged_for_whoever_has_no_module(token: Token, tmp_path: Path) -> None:
    wrapped = KeyFiles(tmp_path, random=os.urandom, wrapper=wrapper(token, "alone"))
    wrapped.make("pepper-1")

    with pytest.raises(NotAKey, match=r"^the file pepper-1 of 62 bytes holds no key$"):
        KeyFiles(tmp_path, random=os.urandom).read("pepper-1")

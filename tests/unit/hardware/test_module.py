"""Keys in a PKCS #11 module, with SoftHSM2 in its place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from ledger.errors import HardwareKeyUnavailable
from ledger.hardware.key import HardwareKey, OpenKey
from ledger.hardware.module import make_hardware_key, open_hardware_key, raw_point
from ledger.hardware.uri import KeyUri
from ledger.log.extending import KeyTreeSigner
from ledger.log.mark import Mark
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.keys import verify
from ledger.proof.vkey import VerifierKey
from ledger.rules.digests import key_id
from ledger.rules.opening import vkey
from ledger.rules.text import b64encode
from ledger.signer import LocalSigner
from tests.unit.hardware.conftest import LABEL, PIN
from tests.unit.proof.oracle import slow_leaf, slow_root

Token = Callable[[str], str]
POINT = LocalSigner.from_seed(bytes(32)).public


def reason_of(error: pytest.ExceptionInfo[HardwareKeyUnavailable]) -> str:
    return str(error.value.evidence["reason"])


def test_a_key_that_was_made_inside_signs_and_is_found_again(token: Token) -> None:
    uri = KeyUri.parse(token("signs"))
    made = make_hardware_key(uri)

    found = open_hardware_key(uri)

    signature = found.sign(b"message")
    verify("ed25519", public=made.public, signature=signature, message=b"message")
    assert signature == made.sign(b"message")
    assert (found.alg, found.public, len(found.public)) == ("ed25519", made.public, 32)
    assert found.key_id == key_id("ed25519", found.public)
    assert found.key() == {"alg": "ed25519", "public": b64encode(found.public)}


def test_a_key_that_was_made_inside_cannot_leave(token: Token) -> None:
    uri = KeyUri.parse(token("stays"))
    key = make_hardware_key(uri)
    assert key.sign(b"message")
    lib = pkcs11.lib(uri.module)
    # The login of the open key counts for this session too.
    with lib.get_token(token_label=LABEL).open() as session:
        (private,) = session.get_objects(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
                pkcs11.Attribute.LABEL: "stays",
            }
        )

        assert private[pkcs11.Attribute.SENSITIVE] is True
        assert private[pkcs11.Attribute.EXTRACTABLE] is False
        with pytest.raises(pkcs11.exceptions.PKCS11Error):
            private[pkcs11.Attribute.VALUE]


def test_a_key_that_exists_is_not_made_again(token: Token) -> None:
    uri = KeyUri.parse(token("once"))
    made = make_hardware_key(uri)

    with pytest.raises(HardwareKeyUnavailable) as refused:
        make_hardware_key(uri)

    assert reason_of(refused) == "an object of this name exists; it was left alone"
    assert open_hardware_key(uri).public == made.public


def test_a_checkpoint_signed_in_hardware_is_one_like_any_other(
    token: Token, tmp_path: Path
) -> None:
    key = make_hardware_key(KeyUri.parse(token("checkpoint")))
    verifier = vkey("yinzheng.test/hsm", key.public)
    mark = Mark(tmp_path / "mark")
    mark.begin()
    signer = KeyTreeSigner(key, origin="yinzheng.test/hsm", vkey=verifier, mark=mark)

    root = slow_root([slow_leaf(b"entry")])
    with signer.extend() as extension:
        extension.add([b"entry"])
        note = extension.sign(1, root)

    checkpoint, _ = open_checkpoint(note, log=VerifierKey.parse(verifier))
    assert (checkpoint.size, checkpoint.root) == (1, root)


def test_two_keys_of_one_token_sign_side_by_side(token: Token) -> None:
    keys = [make_hardware_key(KeyUri.parse(token(name))) for name in ("left", "right")]
    failures: list[BaseException] = []

    def sign(key: HardwareKey) -> None:
        try:
            for number in range(200):
                key.sign(b"message %d" % number)
        except BaseException as error:  # whatever it is, the test must see it
            failures.append(error)

    threads = [threading.Thread(target=sign, args=(key,)) for key in keys * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert keys[0].public != keys[1].public


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"module": "/nowhere/module.so"}, "the module reports PKCS11Error: OS exception"),
        ({"module": "/etc/passwd"}, "the module reports PKCS11Error: OS exception"),
        ({"token": "another"}, "the module reports NoSuchToken"),
        ({"label": "another"}, "the token holds 0 objects PRIVATE_KEY of this name, not one"),
    ],
)
def test_what_is_not_there_is_named(token: Token, change: dict[str, str], said: str) -> None:
    uri = KeyUri.parse(token("present"))
    if not list_of("present", uri):
        make_hardware_key(uri)

    with pytest.raises(HardwareKeyUnavailable) as refused:
        open_hardware_key(replace(uri, **change))  # type: ignore[arg-type] # only texts change

    assert said in reason_of(refused)
    assert refused.value.evidence["key"] == uri.text
    assert PIN not in str(refused.value)


def list_of(label: str, uri: KeyUri) -> list[Any]:
    with pkcs11.lib(uri.module).get_token(token_label=LABEL).open() as session:
        return list(session.get_objects({pkcs11.Attribute.LABEL: label}))


def test_two_keys_of_one_name_are_not_told_apart(token: Token) -> None:
    one = KeyUri.parse(token("twice;id=%01"))
    make_hardware_key(one)
    make_hardware_key(KeyUri.parse(token("twice;id=%02")))

    with pytest.raises(HardwareKeyUnavailable) as refused:
        open_hardware_key(KeyUri.parse(token("twice")))

    assert reason_of(refused) == "the token holds 2 objects PRIVATE_KEY of this name, not one"
    assert open_hardware_key(one).public


def test_a_key_of_another_kind_is_refused(token: Token) -> None:
    uri = KeyUri.parse(token("p256"))
    opened = pkcs11.lib(uri.module).get_token(token_label=LABEL)
    try:
        session = opened.open(rw=True, user_pin=PIN)
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        session = opened.open(rw=True)
    with session:
        p256 = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
        session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: p256}, local=True
        ).generate_keypair(store=True, label="p256")

        with pytest.raises(HardwareKeyUnavailable) as refused:
            open_hardware_key(uri)

    assert reason_of(refused) == "it is no Ed25519 key"


def test_without_the_package_the_error_says_what_to_install(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = KeyUri.parse(token("signs"))

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("ledger.hardware.module.importlib.import_module", missing)

    for use in (open_hardware_key, make_hardware_key):
        with pytest.raises(HardwareKeyUnavailable) as refused:
            use(uri)
        assert reason_of(refused) == (
            "the package python-pkcs11 is missing; install yinzheng[pkcs11]"
        )


@pytest.mark.parametrize(
    ("point", "raw"),
    [(POINT, POINT), (b"\x04\x20" + POINT, POINT)],
)
def test_a_public_point_comes_bare_or_wrapped(point: bytes, raw: bytes) -> None:
    assert raw_point(point) == raw


@pytest.mark.parametrize(
    "point",
    [b"", POINT[:-1], POINT + b"\x00", b"\x03\x20" + POINT, b"\x04\x21" + POINT, b"\x04\x20" * 33],
)
def test_what_is_no_public_point_is_refused(point: bytes) -> None:
    with pytest.raises(ValueError, match=f"a point of {len(point)} bytes"):
        raw_point(point)


# A module that cannot be trusted


class Module:
    """A module with a software key inside, which fails or lies when it is told to."""

    def __init__(self) -> None:
        self.key = LocalSigner.from_seed(bytes(32))
        self.answers: list[Callable[[bytes], bytes]] = []
        self.opened = 0

    def open(self, _uri: KeyUri) -> OpenKey:
        self.opened += 1
        return OpenKey(self.key.public, self.sign)

    def sign(self, message: bytes) -> bytes:
        return (self.answers.pop() if self.answers else self.key.sign)(message)


@pytest.fixture
def module() -> Module:
    return Module()


URI = KeyUri.parse("pkcs11:token=t;object=o?module-path=/m.so")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: bytes(64), "the ed25519 signature does not hold"),
        (lambda _: b"", "the signature has another length"),
        (lambda _: LocalSigner.from_seed(bytes(31) + b"x").sign(b"m"), "does not hold"),
    ],
)
def test_a_signature_is_checked_before_it_is_given_away(
    module: Module, answer: Callable[[bytes], bytes], said: str
) -> None:
    key = HardwareKey(URI, module.open)
    module.answers.append(answer)

    with pytest.raises(HardwareKeyUnavailable) as refused:
        key.sign(b"m")

    assert said in reason_of(refused)
    assert key.sign(b"m") == module.key.sign(b"m")
    assert module.opened == 2


def test_after_a_failure_the_key_is_opened_again(module: Module) -> None:
    key = HardwareKey(URI, module.open)

    def fail(_message: bytes) -> bytes:
        raise URI.unavailable("the module reports DeviceRemoved")

    module.answers.append(fail)
    with pytest.raises(HardwareKeyUnavailable):
        key.sign(b"m")

    assert key.sign(b"m") == module.key.sign(b"m")
    assert key.sign(b"n") == module.key.sign(b"n")
    assert module.opened == 2


def test_another_key_under_the_same_name_is_noticed(module: Module) -> None:
    key = HardwareKey(URI, module.open)
    module.key = LocalSigner.from_seed(bytes(31) + b"y")

    with pytest.raises(HardwareKeyUnavailable) as refused:
        key.sign(b"m")

    assert "does not hold" in reason_of(refused)

"""PKCS #11 URIs: one way to name a key, and no way to write a PIN into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import HardwareKeyUnavailable
from ledger.hardware.uri import KeyUri
from ledger.rules.errors import Malformed

WHOLE = (
    "pkcs11:token=My%20token;serial=0a%1f;object=checkpoint;id=%01%02"
    "?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/yinzheng/pin"
)
SHORT = "pkcs11:token=t;object=o?module-path=/m.so"


def test_a_uri_names_token_key_module_and_where_the_pin_is() -> None:
    uri = KeyUri.parse(WHOLE)

    assert uri == KeyUri(
        text=WHOLE,
        module="/usr/lib/softhsm/libsofthsm2.so",
        token="My token",  # noqa: S106 - the name of a token
        serial=b"0a\x1f",
        label="checkpoint",
        id=b"\x01\x02",
        pin_source="file:/etc/yinzheng/pin",
    )


def test_what_is_not_said_is_not_looked_for() -> None:
    uri = KeyUri.parse(SHORT)

    assert (uri.serial, uri.id, uri.pin_source) == (None, None, "env:YINZHENG_PKCS11_PIN")
    by_id = KeyUri.parse("pkcs11:serial=1;id=%ff?module-path=/m.so")
    assert (by_id.token, by_id.serial, by_id.label, by_id.id) == (None, b"1", None, b"\xff")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin with pkcs11:"),
        ("PKCS11:token=t;object=o?module-path=/m", "does not begin with pkcs11:"),
        ("pkcs11:object=o?module-path=/m", "names no token"),
        ("pkcs11:token=t?module-path=/m", "names no object"),
        ("pkcs11:token=t;object=o", "names no module-path"),
        (f"{SHORT}&pin-value=1234", "holds a PIN; name a file or variable with pin-source"),
        (f"{SHORT}&pin-source=/etc/pin", "has a pin-source that is neither file: nor env:"),
        (f"{SHORT}&pin-source=|cat%20/etc/pin", "one that is not escaped"),
        ("pkcs11:token=t;token=u;object=o?module-path=/m", "has 'token', or has it twice"),
        ("pkcs11:token=t;object=o;x-mine=1?module-path=/m", "has 'x-mine', or has it twice"),
        ("pkcs11:token=t;object=o;?module-path=/m", "has '', or has it twice"),
        ("pkcs11:token;object=o?module-path=/m", "has no value for token"),
        ("pkcs11:token=;object=o?module-path=/m", "has no value for token"),
        ("pkcs11:token=a b;object=o?module-path=/m", "one that is not escaped"),
        ("pkcs11:token=a%2;object=o?module-path=/m", "one that is not escaped"),
        ("pkcs11:token=%ff;object=o?module-path=/m", "is not UTF-8"),
    ],
)
def test_what_is_no_such_uri_is_refused(text: str, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        KeyUri.parse(text)

    assert refused.value.field == "key"
    assert message in refused.value.message


def test_a_refused_uri_does_not_show_the_pin_that_it_holds() -> None:
    with pytest.raises(Malformed) as refused:
        KeyUri.parse(f"{SHORT}&pin-value=hunter2")

    assert "hunter2" not in str(refused.value)


def from_file(path: Path) -> KeyUri:
    return KeyUri.parse(f"{SHORT}&pin-source=file:{path}")


def test_a_pin_comes_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text("12 34\n")
    file.chmod(0o600)
    assert from_file(file).pin({}) == "12 34"
    assert KeyUri.parse(f"{SHORT}&pin-source=file://{file}").pin({}) == "12 34"

    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        with pytest.raises(HardwareKeyUnavailable) as refused:
            from_file(file).pin({})
        assert refused.value.evidence["reason"] == (
            f"others can read the PIN in {file}; chmod 600 it"
        )
        assert "12 34" not in str(refused.value)


def test_a_pin_comes_from_the_environment() -> None:
    assert KeyUri.parse(SHORT).pin({"YINZHENG_PKCS11_PIN": "1"}) == "1"
    assert KeyUri.parse(f"{SHORT}&pin-source=env:MY_PIN").pin({"MY_PIN": "2"}) == "2"

    for environment in ({}, {"YINZHENG_PKCS11_PIN": ""}):
        with pytest.raises(HardwareKeyUnavailable) as refused:
            KeyUri.parse(SHORT).pin(environment)
        assert refused.value.evidence["reason"] == (
            "the variable YINZHENG_PKCS11_PIN with the PIN is not set"
        )


def test_a_pin_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    for file in (tmp_path / "missing", tmp_path, tmp_path / "binary"):
        with pytest.raises(HardwareKeyUnavailable) as refused:
            from_file(file).pin({})
        assert refused.value.evidence["reason"] == f"the file {file} with the PIN cannot be read"

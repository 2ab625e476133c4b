"""What is set up for providers: read whole, or refused with the place of the fault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from api.errors import PaymentsMisconfigured, ProviderNotConfigured
from api.payments.setup import read_port, read_ports
from tests.paying import (
    alipay,
    public_pem,
    rsa_key,
    set_up,
    setup_document,
    till,
    wechat,
    write_setup,
)

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    set_up(tmp_path)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(PaymentsMisconfigured) as found:
        read_ports(folder)
    assert found.value.evidence["file"] == "payments/payments.json"
    return str(found.value)


def certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=1800))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def test_every_provider_is_read(folder: Path) -> None:
    assert read_ports(folder) == {"alipay": alipay(), "internal": till(), "wechat": wechat()}
    assert read_port(folder, "wechat").party == "wex"


def test_nothing_is_set_up_by_default(tmp_path: Path) -> None:
    assert read_ports(tmp_path) == {}
    with pytest.raises(ProviderNotConfigured) as found:
        read_port(tmp_path, "alipay")
    assert found.value.evidence == {"provider": "alipay"}


def test_one_provider_is_enough(folder: Path) -> None:
    document = setup_document()
    del document["alipay"], document["internal"]
    write_setup(folder, document)

    assert set(read_ports(folder)) == {"wechat"}


def test_a_platform_certificate_is_as_good_as_a_public_key(folder: Path) -> None:
    (folder / "payments" / "wechat.pem").write_bytes(certificate(rsa_key("wechat")))

    assert read_port(folder, "wechat") == wechat()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told.update(more=1), "a name that is not known"),
        (lambda told: told.update(schema=2), "schema was written for another version"),
        (lambda told: told["alipay"].pop("seller_id"), "alipay does not hold exactly app_id"),
        (lambda told: told["wechat"].update(more=1), "wechat does not hold exactly api_v3_key"),
        (lambda told: told.update(alipay=[]), "alipay does not hold exactly"),
        (lambda told: told["alipay"].update(app_id=2021), "alipay.app_id is not a string"),
        (lambda told: told["alipay"].update(seller_id=""), "alipay.seller_id is not a string"),
        (lambda told: told["alipay"].update(party="a b"), "alipay.party is not the id"),
        (lambda told: told["alipay"].update(public_key="../x"), "not the name of a file"),
        (lambda told: told["alipay"].update(public_key="x.pem"), "names a file that is not there"),
        (lambda told: told["alipay"].update(public_key="wechat.key"), "neither a public key nor"),
        (lambda told: told["internal"].pop("shop"), "internal does not hold exactly party, pub"),
        (lambda told: told["internal"].update(shop=""), "internal.shop is not a string"),
        (lambda told: told["internal"].update(public_key="alipay.pem"), "is not an Ed25519 key"),
        (lambda told: told["alipay"].update(public_key="till.pem"), "is not an RSA key"),
        (lambda told: told["wechat"].update(public_keys={}), "wechat.public_keys names no key"),
        (lambda told: told["wechat"].update(api_v3_key="wechat.pem"), "is not of 32 bytes"),
    ],
)
def test_a_fault_is_named(folder: Path, change: Change, said: str) -> None:
    document = setup_document()
    change(document)
    write_setup(folder, document)

    assert said in refused(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema":1,"schema":1}', "\udcff"])
def test_a_file_that_is_no_setup_is_refused(folder: Path, text: str) -> None:
    place = folder / "payments" / "payments.json"
    place.write_bytes(text.encode("utf-8", "surrogateescape"))

    assert refused(folder).startswith("payments.json ")


def test_weak_and_other_keys_are_refused(folder: Path) -> None:
    place = folder / "payments" / "alipay.pem"
    place.write_bytes(public_pem(rsa_key("weak", 1024)))
    assert "not an RSA key of at least 2048 bits" in refused(folder)

    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    place.write_bytes(curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert "not an RSA key of at least 2048 bits" in refused(folder)


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    place = folder / "payments" / "alipay.pem"
    place.unlink()
    place.mkdir()

    assert "alipay.pem cannot be read: Is a directory" in refused(folder)

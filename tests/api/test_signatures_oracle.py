"""Signed requests between this program and another hand's implementation of RFC 9421."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

from api.signatures import Fields, Target, read_claim, sign_request
from ledger.proof.errors import BadSignature
from ledger.proof.keys import P256_ORDER, verify
from ledger.signer import LocalSigner

ORIGIN = "yinzheng.test/world"
NOW = datetime.now(UTC).replace(microsecond=0)
NOW_US = int(NOW.timestamp()) * 1_000_000
COVERED = ("@method", "@authority", "@target-uri", "content-digest")
KEYS = {
    "ed25519": LocalSigner.from_seed(bytes(range(32))),
    "p256": LocalSigner.p256_from_scalar(1234567890123456789),
}
ALGORITHMS = {"ed25519": algorithms.ED25519, "p256": algorithms.ECDSA_P256_SHA256}
NONCE = "0123456789abcdef0123456789abcdef"
TARGETS = [
    Target("GET", "https", "shop.example", "/v1/entries/7/disclosures"),
    Target("GET", "http", "127.0.0.1:8000", "/v1/entries/7/disclosures?a=%20b&c"),
    Target("HEAD", "https", "shop.example:8443", "/ledger/v1/entries/0/disclosures"),
    Target("POST", "https", "shop.example", "/v1/things", b'{"a":1}'),
]


@dataclass
class Message:
    """A request as the other implementation takes it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


class Resolver(HTTPSignatureKeyResolver):
    """Knows both keys by their ids."""

    def resolve_public_key(self, key_id: str) -> Any:
        return self.resolve_private_key(key_id).public_key()

    def resolve_private_key(self, key_id: str) -> Any:
        return next(key._private for key in KEYS.values() if key.key_id == key_id)


def is_high(signature: bytes) -> bool:
    return int.from_bytes(signature[32:], "big") > P256_ORDER // 2


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.uri)
@pytest.mark.parametrize("alg", KEYS)
def test_what_is_signed_here_verifies_there(alg: str, target: Target) -> None:
    signed = sign_request(target, KEYS[alg], origin=ORIGIN, created=NOW_US, nonce=NONCE)
    verifier = HTTPMessageVerifier(signature_algorithm=ALGORITHMS[alg], key_resolver=Resolver())
    checks: dict[str, Any] = {
        # `NOW` is when the tests were collected, which may be long ago.
        "max_age": timedelta(days=1),
        "expect_tag": ORIGIN,
        "require_components": COVERED,
        "body": target.body,
    }

    (result,) = verifier.verify(Message(target.method, target.uri, dict(signed)), **checks)

    assert result.parameters["nonce"] == NONCE
    elsewhere = Message(target.method, f"{target.uri}x", dict(signed))
    with pytest.raises(InvalidSignature):
        verifier.verify(elsewhere, **checks)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.uri)
@pytest.mark.parametrize("alg", KEYS)
def test_what_is_signed_there_holds_here(alg: str, target: Target) -> None:
    key = KEYS[alg]
    signer = HTTPMessageSigner(signature_algorithm=ALGORITHMS[alg], key_resolver=Resolver())
    seen = set()
    # Every second p256 signature of others has the higher s, which is not taken here.
    for number in range(64):
        message = Message(target.method, target.uri)
        signer.sign(
            message,
            key_id=key.key_id,
            created=NOW,
            nonce=f"{number:032x}",
            label="other",
            tag=ORIGIN,
            include_alg=False,
            covered_component_ids=COVERED,
            body=target.body,
        )
        names = ("Signature-Input", "Signature", "Content-Digest")
        fields = Fields(*([message.headers[name]] for name in names))
        claim = read_claim(fields, target, origin=ORIGIN, now=NOW_US)
        high = alg == "p256" and is_high(claim.signature)
        seen.add(high)
        try:
            verify(alg, public=key.public, signature=claim.signature, message=claim.message)
        except BadSignature:
            assert high
        else:
            assert not high

    assert seen == ({False, True} if alg == "p256" else {False})

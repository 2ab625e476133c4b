"""Signed requests: what RFC 9421 says, what another implementation says, and what is refused."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import ApiError, RequestSignatureInvalid, RequestStale, RequestUnsigned
from api.signatures import (
    WINDOW_S,
    Claim,
    Fields,
    Target,
    authority_of,
    challenge,
    content_digest,
    read_claim,
    sign_request,
    signature_base,
)
from ledger.proof.errors import BadSignature
from ledger.proof.keys import P256_ORDER, verify
from ledger.signer import LocalSigner

ORIGIN = "yinzheng.test/world"
NOW = 1_795_000_000_000_000
KEY = LocalSigner.from_seed(bytes(range(32)))
P256 = LocalSigner.p256_from_scalar(1234567890123456789)
NONCE = "0123456789abcdef0123456789abcdef"
TARGET = Target("GET", "https", "shop.example", "/v1/entries/7/disclosures?a=b")
EMPTY = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"

# RFC 9421 appendix B.1.3, B.1.4, B.2.4 and B.2.6: published, and good for nothing else.
RFC_ED25519_SEED = "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU="
RFC_P256_POINT = (
    "BKiFWGVSwqz2Rxh4z9ewk1tP/g/S38NBJI6he8QeBYrwMc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0="
)
B26 = (
    (
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ),
    '("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"',
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
)
B24 = (
    (
        ("@status", "200"),
        ("content-type", "application/json"),
        (
            "content-digest",
            "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuah"
            "q4l5aGgfLQ==:",
        ),
        ("content-length", "23"),
    ),
    '("@status" "content-type" "content-digest" "content-length")'
    ';created=1618884473;keyid="test-key-ecc-p256"',
    "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
)


def signed(key: LocalSigner = KEY, target: Target = TARGET, **changes: Any) -> dict[str, str]:
    chosen: dict[str, Any] = {"origin": ORIGIN, "created": NOW, "nonce": NONCE, **changes}
    return sign_request(target, key, **chosen)


def fields(headers: dict[str, str]) -> Fields:
    names = ("Signature-Input", "Signature", "Content-Digest")
    return Fields(*([headers[name]] if name in headers else [] for name in names))


def claim(headers: dict[str, str], target: Target = TARGET, *, now: int = NOW) -> Claim:
    return read_claim(fields(headers), target, origin=ORIGIN, now=now)


def holds(found: Claim, key: LocalSigner) -> bool:
    try:
        verify(key.alg, public=key.public, signature=found.signature, message=found.message)
    except BadSignature:
        return False
    return True


def refusal(headers: dict[str, str] | Fields, target: Target = TARGET) -> ApiError:
    given_ = headers if isinstance(headers, Fields) else fields(headers)
    with pytest.raises(ApiError) as refused:
        read_claim(given_, target, origin=ORIGIN, now=NOW)
    return refused.value


def test_the_example_of_the_rfc_is_signed_byte_for_byte() -> None:
    components, params, signature = B26
    signer = LocalSigner.from_seed(base64.b64decode(RFC_ED25519_SEED))

    made = signer.sign(signature_base(components, params))

    assert base64.b64encode(made).decode() == signature


def test_the_example_of_the_rfc_with_p256_verifies() -> None:
    components, params, signature = B24
    raw = base64.b64decode(signature)
    r, s = raw[:32], int.from_bytes(raw[32:], "big")
    # Either of two spellings is in the RFC; this program takes the lower one only.
    lower = r + min(s, P256_ORDER - s).to_bytes(32, "big")

    verify(
        "p256",
        public=base64.b64decode(RFC_P256_POINT),
        signature=lower,
        message=signature_base(components, params),
    )


def test_the_digest_of_an_empty_body_is_the_known_one() -> None:
    assert content_digest(b"") == EMPTY


def test_the_signed_bytes_are_these() -> None:
    assert claim(signed()).message.decode() == (
        '"@method": GET\n'
        '"@authority": shop.example\n'
        '"@target-uri": https://shop.example/v1/entries/7/disclosures?a=b\n'
        f'"content-digest": {EMPTY}\n'
        '"@signature-params": ("@method" "@authority" "@target-uri" "content-digest")'
        f';created=1795000000;keyid="{KEY.key_id}";nonce="{NONCE}";tag="{ORIGIN}"'
    )


@pytest.mark.parametrize("key", [KEY, P256], ids=["ed25519", "p256"])
def test_what_is_signed_is_read_and_holds(key: LocalSigner) -> None:
    found = claim(signed(key))

    assert (found.key_id, found.nonce, found.created) == (key.key_id, NONCE, NOW)
    assert holds(found, key)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "HEAD"},
        {"method": "get"},
        {"scheme": "http"},
        {"authority": "evil.example"},
        {"path": "/v1/entries/8/disclosures?a=b"},
        {"path": "/v1/entries/7/disclosures?a=c"},
        {"path": "/v1/entries/7/disclosures"},
        {"path": "/v1/entries/7/disclosures?a=b&a=b"},
        {"path": "/V1/entries/7/disclosures?a=b"},
        {"path": "/v1/entries/%37/disclosures?a=b"},
    ],
    ids=str,
)
def test_a_signature_for_another_request_does_not_hold(change: dict[str, str]) -> None:
    found = claim(signed(), replace(TARGET, **change))

    assert not holds(found, KEY)


def test_another_body_is_refused() -> None:
    error = refusal(signed(), replace(TARGET, body=b"x"))

    assert (type(error), error.evidence) == (RequestSignatureInvalid, {"field": "content-digest"})


def test_a_body_is_covered() -> None:
    target = replace(TARGET, method="POST", body=b'{"a":1}')

    assert holds(claim(signed(target=target), target), KEY)


@pytest.mark.parametrize("seconds", [-WINDOW_S, 0, WINDOW_S])
def test_a_clock_may_be_off_by_a_minute_either_way(seconds: int) -> None:
    assert holds(claim(signed(), now=NOW + seconds * 1_000_000), KEY)


@pytest.mark.parametrize("off", [-WINDOW_S * 1_000_000 - 1, WINDOW_S * 1_000_000 + 1])
def test_what_is_too_old_or_dated_ahead_is_stale(off: int) -> None:
    with pytest.raises(RequestStale) as refused:
        claim(signed(), now=NOW + off)

    now = (NOW + off) // 1_000_000
    assert refused.value.evidence == {"created": 1_795_000_000, "now": now}


def test_a_request_without_any_signature_is_unsigned() -> None:
    assert type(refusal({"Content-Digest": EMPTY})) is RequestUnsigned


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Signature", "signature"),
        ("Signature-Input", "signature-input"),
        ("Content-Digest", "content-digest"),
    ],
)
def test_a_part_that_is_missing_is_named(name: str, field: str) -> None:
    headers = signed()
    del headers[name]

    error = refusal(headers)

    assert (type(error), error.evidence) == (RequestSignatureInvalid, {"field": field})


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_that_came_twice_is_refused(part: int) -> None:
    parts = fields(signed())
    lists = [parts.signature_input, parts.signature, parts.content_digest]
    lists[part] = [*lists[part], *lists[part]]

    assert type(refusal(Fields(*lists))) is RequestSignatureInvalid


def test_a_key_of_another_log_or_a_request_for_one_is_refused() -> None:
    error = refusal(signed(origin="other.example/log"))

    assert error.evidence == {"field": "tag", "log": ORIGIN}


def test_two_signatures_are_refused_even_when_both_hold() -> None:
    one, two = signed(), signed(P256)
    both = {
        name: f"{one[name]}, {two[name].replace('sig=', 'second=', 1)}"
        for name in ("Signature-Input", "Signature")
    }
    both["Content-Digest"] = EMPTY

    assert refusal(both).evidence == {"field": "signature-input"}


def test_the_labels_must_be_one() -> None:
    headers = signed()
    headers["Signature"] = headers["Signature"].replace("sig=", "other=")

    assert refusal(headers).evidence == {"field": "signature"}


def test_any_label_will_do() -> None:
    headers = {name: each.replace("sig=", "k*-_.1=") for name, each in signed().items()}

    assert holds(claim(headers), KEY)


COVERED = '("@method" "@authority" "@target-uri" "content-digest")'


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        # Other components, or the same in other words.
        (COVERED, '("@method" "@authority" "@target-uri")', "signature-input"),
        (COVERED, '("@authority" "@method" "@target-uri" "content-digest")', "signature-input"),
        (COVERED, '("@method" "@authority" "@path" "content-digest")', "signature-input"),
        (COVERED, COVERED.replace(")", ' "date")'), "signature-input"),
        (COVERED, COVERED.replace("method", "METHOD"), "signature-input"),
        (COVERED, COVERED.replace('digest"', 'digest";sf'), "signature-input"),
        (COVERED, COVERED.replace('digest"', 'digest";req'), "signature-input"),
        (COVERED, COVERED.replace(" ", "  "), "signature-input"),
        (COVERED, "()", "signature-input"),
        ('"@method"', "@method", "signature-input"),
        # Parameters.
        (";created=1795000000", "", "signature-input"),
        (";created=1795000000", ";created=1795000000;created=1795000000", "signature-input"),
        (";created=1795000000", ';created="1795000000"', "created"),
        (";created=1795000000", ";created=01795000000", "signature-input"),
        (";created=1795000000", ";created=-1795000000", "signature-input"),
        (";created=1795000000", ";created=1795000000.0", "signature-input"),
        (";created=1795000000", ";created=\u0661", "signature-input"),
        (";created=", "; created=", "signature-input"),
        (";created=", ";Created=", "signature-input"),
        (";created=", ';alg="ed25519";created=', "signature-input"),
        (";created=", ";expires=1795000000;created=", "signature-input"),
        (";tag=", ";bag=", "signature-input"),
        (";nonce=", ";nonc=", "signature-input"),
        ('keyid="', 'keyid="A', "keyid"),
        (f'keyid="{KEY.key_id}"', f'keyid="{KEY.key_id.upper()}"', "keyid"),
        (f'keyid="{KEY.key_id}"', 'keyid="ann"', "keyid"),
        (f'keyid="{KEY.key_id}"', "keyid=1", "keyid"),
        (f'nonce="{NONCE}"', 'nonce="short"', "nonce"),
        (f'nonce="{NONCE}"', f'nonce="{"a" * 65}"', "nonce"),
        (f'nonce="{NONCE}"', f'nonce="{NONCE} "', "nonce"),
        (f'nonce="{NONCE}"', f'nonce="{NONCE}\\""', "signature-input"),
        (f'nonce="{NONCE}"', f'nonce="{NONCE}\n"', "signature-input"),
        (f'tag="{ORIGIN}"', f'tag="{ORIGIN.upper()}"', "tag"),
        (f'tag="{ORIGIN}"', 'tag=""', "tag"),
        (f'tag="{ORIGIN}"', f'tag="{ORIGIN}";', "signature-input"),
        ("sig=", "Sig=", "signature-input"),
        ("sig=", "=", "signature-input"),
        ("sig=", "sig==", "signature-input"),
        ("sig=", "a" * 65 + "=", "signature-input"),
        ("sig=", "sig= ", "signature-input"),
    ],
)
def test_any_other_spelling_of_the_input_is_refused(old: str, new: str, field: str) -> None:
    headers = signed()
    assert old in headers["Signature-Input"]
    headers["Signature-Input"] = headers["Signature-Input"].replace(old, new, 1)

    error = refusal(headers)

    assert (type(error), error.evidence["field"]) == (RequestSignatureInvalid, field)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(":", "", 1),
        lambda text: text.replace("==:", "=:"),
        lambda text: text.replace("==:", ":"),
        lambda text: text.replace("sig=:", "sig=:AAAA"),
        lambda text: text + ";x",
        lambda text: text + ", sig=:AAAA:",
        lambda text: text.replace(":", ": ", 1),
        lambda text: text.replace("sig=:", 'sig="').removesuffix(":") + '"',
        lambda text: "sig=?1",
        lambda text: "",
        # The last digit holds bits beyond the 64th byte.
        lambda text: text[:-4] + chr(ord(text[-4]) + 1) + "==:",
    ],
)
def test_any_other_spelling_of_the_signature_is_refused(spoil: Any) -> None:
    headers = signed(nonce="n" * 22)
    headers["Signature"] = spoil(headers["Signature"])

    error = refusal(headers)

    assert (type(error), error.evidence["field"]) == (RequestSignatureInvalid, "signature")


@pytest.mark.parametrize(
    "digest",
    [
        EMPTY.replace("sha-256", "SHA-256"),
        EMPTY.replace("sha-256", "sha-512"),
        f"{EMPTY}, {EMPTY}",
        f"{EMPTY};x",
        f"{EMPTY}, sha-512=:AAAA:",
        EMPTY.replace("=:", "=", 1),
        f" {EMPTY}",
        "",
    ],
)
def test_any_other_spelling_of_the_digest_is_refused(digest: str) -> None:
    assert refusal({**signed(), "Content-Digest": digest}).evidence == {"field": "content-digest"}


def test_a_field_of_a_megabyte_is_refused_unread() -> None:
    headers = signed()
    for name in ("Signature-Input", "Signature"):
        spoiled = {**headers, name: headers[name] + ";" * (1 << 20)}
        assert type(refusal(spoiled)) is RequestSignatureInvalid


def test_a_p256_signature_with_a_high_s_does_not_hold() -> None:
    found = claim(signed(P256))
    r, s = found.signature[:32], int.from_bytes(found.signature[32:], "big")
    other = replace(found, signature=r + (P256_ORDER - s).to_bytes(32, "big"))

    assert holds(found, P256)
    assert not holds(other, P256)


def test_a_signature_by_another_key_does_not_hold_under_the_named_one() -> None:
    headers = signed(LocalSigner.from_seed(bytes(32)))
    headers["Signature-Input"] = signed()["Signature-Input"]

    assert not holds(claim(headers), KEY)


@given(st.integers(0, 511))
def test_no_bit_of_a_signature_may_flip(bit: int) -> None:
    found = claim(signed())
    number = int.from_bytes(found.signature, "big") ^ (1 << bit)

    assert not holds(replace(found, signature=number.to_bytes(64, "big")), KEY)


@given(st.text(max_size=300), st.text(max_size=120), st.text(max_size=80))
def test_whatever_is_sent_is_read_or_refused(input_: str, signature: str, digest: str) -> None:
    with pytest.raises(ApiError):
        read_claim(Fields([input_], [signature], [digest]), TARGET, origin=ORIGIN, now=NOW)


@pytest.mark.parametrize(
    ("host", "scheme", "authority"),
    [
        ("Shop.Example", "https", "shop.example"),
        ("shop.example:443", "https", "shop.example"),
        ("shop.example:80", "https", "shop.example:80"),
        ("shop.example:80", "http", "shop.example"),
        ("127.0.0.1:8000", "http", "127.0.0.1:8000"),
        ("[::1]:8000", "http", "[::1]:8000"),
        ("[::1]", "http", "[::1]"),
    ],
)
def test_an_authority_has_one_spelling(host: str, scheme: str, authority: str) -> None:
    assert authority_of(host, scheme) == authority


@pytest.mark.parametrize(
    "host", ["", "a b", "user@shop.example", "shop.example:", "shop.example:0", "a/b", "[::1", "ä"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(RequestSignatureInvalid, match="names no host"):
        authority_of(host, "http")


def test_the_challenge_says_what_to_sign() -> None:
    assert challenge(ORIGIN) == {
        "Accept-Signature": f'sig={COVERED};created;tag="{ORIGIN}"',
        "WWW-Authenticate": f'Signature realm="{ORIGIN}"',
    }

"""Signed requests: a part of RFC 9421 with one accepted form, for both sides.

A request covers exactly "@method", "@authority", "@target-uri" and "content-digest", and says
`created`, `keyid`, `nonce` and `tag`, which is the log's origin. The algorithm comes from the key's
registration. What RFC 9421 would also take (other components, parameters or spaces, several
signatures) is refused, so that no reader has to understand it. Specification: docs/spec.md
section 5.4; RFC 9421, RFC 9530.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from api.errors import RequestSignatureInvalid, RequestStale, RequestUnsigned
from ledger.rules.errors import Malformed
from ledger.rules.text import b64decode, b64encode
from ledger.signer import Signer

WINDOW_S = 60
"""How far `created` may be from the server's time, either way."""
NONCE_BYTES = 16
LABEL = "sig"
_COVERED = ("@method", "@authority", "@target-uri", "content-digest")
_COMPONENTS = "(" + " ".join([f'"{name}"' for name in _COVERED]) + ")"
_PARAMETERS = ("created", "keyid", "nonce", "tag")

_SECOND_US = 1_000_000
_FIELD_MAX = 1024
_SIGNATURE_BYTES = 64
_LABEL = r"[a-z*][a-z0-9_.*-]{0,63}"
_VALUE = r'(?:"[\x20-\x21\x23-\x5b\x5d-\x7e]*"|0|[1-9][0-9]{0,14})'
_INPUT = re.compile(
    rf"(?P<label>{_LABEL})=(?P<params>{re.escape(_COMPONENTS)}(?P<given>(?:;[a-z]+={_VALUE})*))"
)
_PARAMETER = re.compile(rf";([a-z]+)=({_VALUE})")
_SIGNATURE = re.compile(rf"(?P<label>{_LABEL})=:(?P<signature>[A-Za-z0-9+/]{{86}}==):")
_CREATED = re.compile(r"0|[1-9][0-9]{0,14}")
_KEY_ID = re.compile(r'"([0-9a-f]{64})"')
_NONCE = re.compile(r'"([A-Za-z0-9_-]{22,64})"')
_AUTHORITY = re.compile(r"(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Target:
    """What a request asks for, as its signer sees it.

    Attributes:
        method: `GET`, as it was sent.
        scheme: `http` or `https`.
        authority: Host, and port unless it is the scheme's own; see `authority_of`.
        path: Path and query, as they were sent.
        body: All of it; empty for most.

    """

    method: str
    scheme: str
    authority: str
    path: str
    body: bytes = b""

    @property
    def uri(self) -> str:
        """The absolute URI."""
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a well-formed, fresh request says of its signer; nobody has checked the signature yet.

    Attributes:
        key_id: The key that is said to have signed.
        nonce: Must never have come before.
        created: In microseconds.
        signature: 64 bytes.
        message: What must be signed.

    """

    key_id: str
    nonce: str
    created: int
    signature: bytes
    message: bytes


@dataclass(frozen=True, slots=True)
class Fields:
    """The header fields of a request that matter, each as often as it was sent."""

    signature_input: Sequence[str]
    signature: Sequence[str]
    content_digest: Sequence[str]


def content_digest(content: bytes) -> str:
    """Write the `Content-Digest` of a body (RFC 9530)."""
    return f"sha-256=:{b64encode(hashlib.sha256(content).digest())}:"


def authority_of(host: str, scheme: str) -> str:
    """Write a host as RFC 9421 section 2.2.3 says: in lower case, without the scheme's own port.

    Raises:
        RequestSignatureInvalid: It is no host.

    """
    authority = host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ""))
    if _AUTHORITY.fullmatch(authority) is None:
        raise RequestSignatureInvalid("the request names no host", field="host")
    return authority


def challenge(origin: str) -> dict[str, str]:
    """Tell in an answer what a request must be signed with (RFC 9421 section 5.1)."""
    return {
        "Accept-Signature": f'{LABEL}={_COMPONENTS};created;tag="{origin}"',
        "WWW-Authenticate": f'Signature realm="{origin}"',
    }


def signature_base(components: Sequence[tuple[str, str]], params: str) -> bytes:
    """Write what is signed (RFC 9421 section 2.5).

    Args:
        components: Name and value of each covered component, in the order of `params`.
        params: The covered components and the parameters, as they stand in `Signature-Input`.

    """
    lines = [f'"{name}": {value}' for name, value in (*components, ("@signature-params", params))]
    return "\n".join(lines).encode("utf-8")


def sign_request(
    target: Target, signer: Signer, *, origin: str, created: int, nonce: str
) -> dict[str, str]:
    """Sign a request.

    Args:
        target: What is asked for.
        signer: A key that the log knows.
        origin: Of the log.
        created: Now, in microseconds.
        nonce: 22 to 64 characters of base64url that were never used before.

    Returns:
        The header fields to add.

    """
    seconds = created // _SECOND_US
    params = f'{_COMPONENTS};created={seconds};keyid="{signer.key_id}";nonce="{nonce}"'
    params += f';tag="{origin}"'
    digest = content_digest(target.body)
    signature = signer.sign(_message(target, digest, params))
    return {
        "Content-Digest": digest,
        "Signature": f"{LABEL}=:{b64encode(signature)}:",
        "Signature-Input": f"{LABEL}={params}",
    }


def read_claim(fields: Fields, target: Target, *, origin: str, now: int) -> Claim:
    """Read who is said to have signed a request, and what exactly.

    Args:
        fields: As they were received.
        target: As this server knows it, not as the request tells it.
        origin: Of the log.
        now: In microseconds.

    Raises:
        RequestUnsigned: It carries no signature.
        RequestSignatureInvalid: It is not in the one accepted form, or for another log or body.
        RequestStale: It was not made within a minute of now.

    """
    if not fields.signature_input and not fields.signature:
        raise RequestUnsigned("sign the request as docs/spec.md section 5.4 says")
    given = _only(_INPUT, fields.signature_input, "signature-input")
    signed = _only(_SIGNATURE, fields.signature, "signature")
    if given["label"] != signed["label"]:
        raise RequestSignatureInvalid("the two fields have different labels", field="signature")
    named = _parameters(given["given"])
    if named["tag"] != f'"{origin}"':
        raise RequestSignatureInvalid("the request is for another log", field="tag", log=origin)
    created = int(_value(_CREATED, named, "created")[0])
    if abs(now - created * _SECOND_US) > WINDOW_S * _SECOND_US:
        raise RequestStale(
            "the request was not made within a minute of this server's time",
            created=created,
            now=now // _SECOND_US,
        )
    digest = content_digest(target.body)
    if list(fields.content_digest) != [digest]:
        raise RequestSignatureInvalid(
            "content-digest is not exactly the SHA-256 of the body", field="content-digest"
        )
    return Claim(
        key_id=_value(_KEY_ID, named, "keyid")[1],
        nonce=_value(_NONCE, named, "nonce")[1],
        created=created * _SECOND_US,
        signature=_signature(signed["signature"]),
        message=_message(target, digest, given["params"]),
    )


def _message(target: Target, digest: str, params: str) -> bytes:
    values = (target.method, target.authority, target.uri, digest)
    return signature_base(list(zip(_COVERED, values, strict=True)), params)


def _only(form: re.Pattern[str], values: Sequence[str], field: str) -> re.Match[str]:
    """Read a field that must be there once, with one member."""
    # Nothing is searched in a field that is too long to be one of ours.
    if len(values) == 1 and len(values[0]) <= _FIELD_MAX:
        found = form.fullmatch(values[0])
        if found is not None:
            return found
    raise RequestSignatureInvalid(f"{field} is not one signature in the accepted form", field=field)


def _parameters(text: str) -> dict[str, str]:
    found = _PARAMETER.findall(text)
    if sorted(name for name, _ in found) != list(_PARAMETERS):
        raise RequestSignatureInvalid(
            f"the parameters are not exactly {', '.join(_PARAMETERS)}", field="signature-input"
        )
    return dict(found)


def _value(form: re.Pattern[str], named: dict[str, str], name: str) -> re.Match[str]:
    found = form.fullmatch(named[name])
    if found is None:
        raise RequestSignatureInvalid(f"{name} is not in its accepted form", field=name)
    return found


def _signature(text: str) -> bytes:
    try:
        return b64decode(text, field="signature", size=_SIGNATURE_BYTES)
    except Malformed as bad:
        raise RequestSignatureInvalid(str(bad), field="signature") from None

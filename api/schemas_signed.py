"""The shapes of signed requests and of what answers them, as the OpenAPI description tells them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.schemas import HEX32, PROBLEMS, Responses, Shape


class Disclosed(Shape):
    """A sealed field, as the entry has it, and what opens it."""

    name: str
    subject: str
    digest: str = Field(pattern=HEX32)
    state: Literal["open", "erased", "lost"]
    salt: str | None = Field(description="Base64 of 32 random bytes; null unless open")
    value: str | None = Field(description="Null unless open")


class DisclosureList(Shape):
    """The sealed fields of an entry that the signer may read."""

    index: int
    disclosures: list[Disclosed]


class RevealedCard(Shape):
    """A card key, and what opens the commitment to it that its merchant signed."""

    item: str
    product: str
    commitment: str = Field(pattern=HEX32)
    state: Literal["open", "erased", "lost"]
    key: str | None = Field(description="Null unless open")
    opening: str | None = Field(description="Canonical JSON of key and r; null unless open")


class IssuedCode(Shape):
    """A verification code, and what opens the commitment to it that its merchant signed."""

    item: str
    product: str
    commitment: str = Field(pattern=HEX32)
    state: Literal["open", "erased", "lost"]
    code: str | None = Field(description="20 letters; null unless open")
    opening: str | None = Field(description="Canonical JSON of code and r; null unless open")


class CodeAnswer(Shape):
    """What was found of a verification code, as the log says it."""

    check: str = Field(description="Id of the command that asked")
    result: Literal["valid", "invalid", "already_verified", "revoked", "wrong_item"]
    first_at: str | None = Field(description="When it was verified first; only where that was told")
    entry: int = Field(ge=0, description="Index of the entry that says so")


class Parcel(Shape):
    """What was delivered to an order's key; only its buyer can open it."""

    order: str
    line: int = Field(ge=1)
    item: str
    product: str
    commitment: str = Field(pattern=HEX32)
    digest: str = Field(pattern=HEX32, description="As the delivery in the log says")
    parcel: str = Field(description="HPKE: enc, ciphertext and tag, base64")


UNSIGNED: Responses = {
    401: {
        "description": "The request is not signed in order; `Accept-Signature` says how",
        "headers": {
            "Accept-Signature": {"schema": {"type": "string"}, "description": "RFC 9421"},
        },
        "content": PROBLEMS["default"]["content"],
    },
    403: {
        "description": "Nothing here is for the signer to read",
        "content": PROBLEMS["default"]["content"],
    },
}
SIGNED_FIELDS: list[dict[str, Any]] = [
    {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }
    for name, description in (
        ("Content-Digest", "SHA-256 of the body, also of an empty one (RFC 9530)"),
        ("Signature-Input", "What is signed, and by which key (RFC 9421)"),
        ("Signature", "The signature (RFC 9421)"),
    )
]

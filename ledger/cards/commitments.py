"""Commitments: a card key, or a code, is fixed in public and shown to nobody.

    HMAC-SHA256(r, canonical([tag, item, product, text])), r 32 random bytes

made by the merchant's client inside its signed command. Whoever is given text and r computes it
again; whoever is not learns nothing, and cannot try keys, since r is as long as the digest. The
key is committed as it was typed, so that exactly this key is what was promised.
Specification: docs/spec.md section 7.1.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from ledger.errors import CommitmentDiffers
from ledger.rules.canonical import decode, encode
from ledger.rules.errors import Malformed
from ledger.rules.text import b64decode, b64encode

BLINDING_BYTES: Final = 32
OPENING_BYTES_MAX: Final = 16 * 1024
_TAGS: Final = {"card": "yinzheng/card/v1", "code": "yinzheng/code/v1"}
_MEMBERS: Final = {"card": "key", "code": "code"}


class Place(NamedTuple):
    """What a commitment belongs to.

    Attributes:
        what: `card` or `code`.
        item: The item, `NS/ID`.
        product: Name of the product that the key is for, shared by all merchants.

    """

    what: str
    item: str
    product: str


class Opening(NamedTuple):
    """What opens a commitment. Never shown to anybody whom the key is not for."""

    text: str
    blinding: bytes

    def __repr__(self) -> str:
        """Show nothing: this must not be readable in a log or a trace."""
        return "Opening(...)"


def commit(place: Place, opening: Opening) -> str:
    """Compute a commitment, hex."""
    message = encode([_TAGS[place.what], place.item, place.product, opening.text])
    return hmac.new(opening.blinding, message, "sha256").hexdigest()


def check_opening(place: Place, commitment: str, opening: Opening) -> None:
    """Hold an opening against a commitment, in constant time.

    Raises:
        CommitmentDiffers: It opens another one; the error holds nothing of the opening.

    """
    if not hmac.compare_digest(commit(place, opening), commitment):
        raise CommitmentDiffers(
            f"the {place.what} that was sealed is not the one that the command commits to",
            item=place.item,
            field=place.what,
        )


def write_opening(what: str, opening: Opening) -> str:
    """Write an opening as the value of the sealed field `card` or `code`."""
    document = {_MEMBERS[what]: opening.text, "r": b64encode(opening.blinding)}
    return encode(document).decode("utf-8")


def read_opening(what: str, value: str) -> Opening:
    """Read the value of the sealed field `card` or `code`.

    Raises:
        Malformed: It is no such value; the error holds nothing of it.

    """
    field = f"disclosures.{what}"
    try:
        document = decode(value.encode("utf-8"), limit=OPENING_BYTES_MAX, field=field)
    except (Malformed, UnicodeEncodeError):
        # What is wrong with it is not quoted: it may be the key itself.
        raise Malformed(field, "is no canonical JSON") from None
    member = _MEMBERS[what]
    if not isinstance(document, dict) or document.keys() != {member, "r"}:
        raise Malformed(field, f"is no object of {member} and r")
    text = document[member]
    if not isinstance(text, str) or not text:
        raise Malformed(f"{field}.{member}", "is no text")
    return Opening(text, b64decode(document["r"], field=f"{field}.r", size=BLINDING_BYTES))

"""Everything a leaked secret could look like in a file, and one search for all of it.

A secret is looked for as it was typed and in its one spelling; in UTF-8 and UTF-16, in hex and in
base64 wherever it begins; as a bare hash; and as an HMAC under every key that the ledger has, over
the text and over the messages that the ledger itself makes of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_WINDOW = 8
_DIGESTS = ("md5", "sha1", "sha256", "sha512", "blake2b", "sha3_256")


class Found(NamedTuple):
    """A secret that was found, by the name of what it belongs to and what it looked like."""

    name: str
    form: str
    at: int


@dataclass(slots=True)
class Needles:
    """What is looked for, by its first bytes."""

    by_start: dict[bytes, list[tuple[bytes, str, str]]] = field(default_factory=dict)

    def add(self, name: str, form: str, needle: bytes) -> None:
        assert len(needle) >= _WINDOW, (name, form)
        self.by_start.setdefault(needle[:_WINDOW], []).append((needle, name, form))

    def add_text(self, name: str, texts: Iterable[str]) -> None:
        """Look for texts in every spelling of bytes, and for their bare hashes."""
        for text in dict.fromkeys(texts):
            plain = text.encode()
            for form, needle in spellings(plain):
                self.add(name, form, needle)
            for code in ("utf-16-le", "utf-16-be"):
                self.add(name, code, text.encode(code))
            for digest in _DIGESTS:
                self.add_bytes(name, digest, hashlib.new(digest, plain).digest())

    def add_bytes(self, name: str, form: str, value: bytes) -> None:
        """Look for bytes, raw and in every spelling."""
        for spelling, needle in spellings(value):
            self.add(name, f"{form} {spelling}", needle)

    def add_macs(self, name: str, messages: Iterable[bytes], keys: Mapping[str, bytes]) -> None:
        """Look for what any key of the ledger makes of a secret."""
        for message in messages:
            for key, secret in keys.items():
                self.add_bytes(name, f"HMAC {key}", hmac.digest(secret, message, "sha256"))

    def search(self, data: bytes) -> Iterator[Found]:
        """Yield every needle that occurs; one look at each place, however many there are."""
        starts = self.by_start
        for at in range(len(data) - _WINDOW + 1):
            window = data[at : at + _WINDOW]
            if window in starts:
                for needle, name, form in starts[window]:
                    if data.startswith(needle, at):
                        yield Found(name, form, at)


def spellings(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a value looks like in a file: raw, in hex, and in base64 wherever it begins."""
    yield "raw", value
    yield "hex", value.hex().encode()
    yield "HEX", value.hex().upper().encode()
    for shift in range(3):
        # What stays the same wherever in a longer text the value stands.
        coded = base64.b64encode(bytes(shift) + value)
        stable = coded[(0, 2, 3)[shift] : (None, -3, -2)[(shift + len(value)) % 3]]
        yield f"base64+{shift}", stable
        if b"+" in stable or b"/" in stable:
            yield f"base64url+{shift}", stable.translate(bytes.maketrans(b"+/", b"-_"))

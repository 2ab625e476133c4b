"""Every digest against a literal: a change of one byte of what is hashed changes them."""

from __future__ import annotations

import hashlib

import pytest

from ledger.rules import digests
from tests.unit.rules.small import POLICY, START_US

ROW = {
    "from": "a",
    "item": "relic",
    "price": {"amount": "12345678901234567890", "currency": "ETH"},
    "time": "2021-01-01T00:00:00.000000Z",
    "to": None,
}


def test_a_leaf_is_the_hash_of_a_zero_byte_and_the_entry() -> None:
    # RFC 6962 section 2.1; the value for no bytes stands in the public test vectors.
    assert digests.leaf(b"") == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def hashed(tag: str, rest: bytes) -> str:
    return hashlib.sha256(f"yinzheng/{tag}/v1\n".encode() + rest).hexdigest()


def test_digests_hash_what_the_specification_says() -> None:
    sealed = '["o/l","id","name","AAAA","é\\n"]'.encode()
    price = b'{"amount":"12345678901234567890","currency":"ETH"}'
    sale = b'["old",null,"relic","a",null,' + price + b',"2021-01-01T00:00:00.000000Z",7]'
    found = [
        digests.command_digest(b"{}"),
        digests.key_id("p256", b"\x04xy"),
        digests.policy_digest({"b": 1, "a": [True]}),
        digests.timer_id("party/bob", "key-change", "2026-11-22T10:00:00.000000Z"),
        digests.sealed_digest("o/l", "id", "name", "AAAA", "é\n"),
        digests.sale_identity("old", ROW, tx=None, ordinal=7),
    ]

    assert found == [
        hashed("command", b"{}"),
        hashed("key", b"p256\x00\x04xy"),
        hashed("policy", b'{"a":[true],"b":1}'),
        hashed("timer", b'["party/bob","key-change","2026-11-22T10:00:00.000000Z"]'),
        hashed("sealed", sealed),
        hashed("sale", sale),
    ]


LITERALS = {
    "command": (
        lambda: digests.command_digest(b"{}"),
        "df01a6c7a4da9206ec14157e19c432b409fc07debb1247734b0061acb6391a1b",
    ),
    "key": (
        lambda: digests.key_id("ed25519", bytes(32)),
        "f44adf9ed6d2f36dcb2bb7510c4b9fb372850ae6714dc72dc3cc5b10cac68bf0",
    ),
    "policy": (
        lambda: digests.policy_digest(dict(POLICY)),
        "ef82233590a58e5e2849fe353a0fe2695cd9c8232d320e9b36c05480b5d7ac8f",
    ),
    "timer": (
        lambda: digests.timer_id("party/bob", "key-change", str(START_US)),
        "16202f17ae22271d9456f5889a23bd13a40e44a9b8135be18e03d6316bef58d7",
    ),
    "sealed": (
        lambda: digests.sealed_digest("o", "i", "n", "s", "v"),
        "42ffd3f92668b902fed0671c71becfbd29bbe4c9eb5c3063106014fa4b8f222c",
    ),
    "sale": (
        lambda: digests.sale_identity("old", ROW, tx="0x1", ordinal=0),
        "4ed5c3f5548097cb1188b010f8951f9014ca6de6b50ab4d7a68da1ac700f5380",
    ),
}


@pytest.mark.parametrize("name", LITERALS)
def test_digests_stay_what_they_were(name: str) -> None:
    make, expected = LITERALS[name]

    assert make() == expected


def test_every_part_of_a_sale_tells_it_from_the_others() -> None:
    rows = [
        ROW,
        ROW | {"from": None},
        ROW | {"to": "a"},
        ROW | {"item": "ring"},
        ROW | {"price": None},
        ROW | {"time": "2021-01-01T00:00:00.000001Z"},
    ]

    found = {digests.sale_identity("old", row, tx=None, ordinal=0) for row in rows}
    found |= {digests.sale_identity("old", ROW, tx="", ordinal=0)}
    found |= {digests.sale_identity("old", ROW, tx=None, ordinal=1)}
    found |= {digests.sale_identity("new", ROW, tx=None, ordinal=0)}

    assert len(found) == len(rows) + 3

"""Receipts: one signed statement a batch, from which each member's receipt is cut."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from ledger.log.receipts import Issuer, Receipt
from ledger.proof.keys import verify
from ledger.proof.merkle import check_inclusion
from ledger.rules.canonical import encode
from ledger.rules.text import time_us
from ledger.signer import LocalSigner
from tests.unit.proof.oracle import LEAVES, slow_root

KEY = LocalSigner.from_seed(hashlib.sha256(b"receipt").digest())
AT = time_us("2026-11-22T09:00:00.000000Z", field="at")
DUE = AT + 60_000_000


def receipt_of(count: int, place: int) -> Receipt:
    batch = Issuer(KEY, origin="yinzheng.test/r")(100, LEAVES[:count], at=AT, due=DUE)
    return batch.receipt(100 + place)


def test_the_statement_says_which_leaves_will_be_covered_until_when() -> None:
    assert receipt_of(7, 0).statement == {
        "at": "2026-11-22T09:00:00.000000Z",
        "count": 7,
        "due": "2026-11-22T09:01:00.000000Z",
        "from": 100,
        "log": "yinzheng.test/r",
        "root": slow_root(LEAVES[:7]).hex(),
    }


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9])
def test_every_member_of_a_batch_can_check_its_receipt(count: int) -> None:
    for place in range(count):
        receipt = receipt_of(count, place)
        assert (receipt.index, receipt.leaf) == (100 + place, LEAVES[place])
        check_inclusion(
            leaf=receipt.leaf,
            index=receipt.index - receipt.statement["from"],
            size=receipt.statement["count"],
            path=receipt.path,
            root=bytes.fromhex(receipt.statement["root"]),
        )
        verify(
            "ed25519",
            public=KEY.public,
            signature=base64.b64decode(receipt.sig),
            message=b"yinzheng/receipt/v1\n" + encode(receipt.statement),
        )


def test_a_receipt_is_plain_json() -> None:
    receipt = receipt_of(3, 1)

    assert json.loads(json.dumps(receipt.document())) == {
        "index": 101,
        "leaf": LEAVES[1].hex(),
        "path": [LEAVES[0].hex(), LEAVES[2].hex()],
        "sig": receipt.sig,
        "statement": receipt.statement,
    }

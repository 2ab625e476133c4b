"""Checking receipts: what a client must see before it believes that its command is recorded.

Steps, in order; the first that fails is named in the error:
  parse        the receipt has its one form
  log          it is of the log that the client pinned
  due          it promises the delay of entry 0, no other
  signature    the receipt key of entry 0 signed the statement
  leaf         the entry served at the index hashes to the leaf
  command      that entry holds the very command and signatures that were sent
  path         the leaf is in the batch that was signed
Specification: docs/spec.md section 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.client_errors import OtherLog, ReceiptRefused
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import leaf_hash
from ledger.proof.keys import verify
from ledger.proof.merkle import check_inclusion
from ledger.proof.signatures import check_signatures, keys_in
from ledger.rules import schema
from ledger.rules.canonical import encode
from ledger.rules.derive import derive
from ledger.rules.digests import RECEIPT_TAG
from ledger.rules.entries import read_entry
from ledger.rules.errors import Malformed, RuleError
from ledger.rules.model import OPERATOR_ROLES
from ledger.rules.state import Stream
from ledger.rules.text import b64decode, time_us

PATH_MAX = 63
_SIZE_MAX = (1 << 53) - 1
_SECOND_US = 1_000_000

_STATEMENT: schema.Schema = {
    "at": schema.time,
    "count": schema.whole(1, _SIZE_MAX),
    "due": schema.time,
    "from": schema.whole(0, _SIZE_MAX),
    "log": schema.origin,
    "root": schema.hex32,
}
_RECEIPT: schema.Schema = {
    "index": schema.whole(0, _SIZE_MAX),
    "leaf": schema.hex32,
    "path": schema.items(schema.hex32, most=PATH_MAX),
    "sig": schema.base64,
    "statement": schema.nested(_STATEMENT),
}


@dataclass(frozen=True, slots=True)
class PinnedLog:
    """What a client takes from entry 0 once its signature by the pinned key was checked."""

    origin: str
    vkey: str
    receipt_alg: str
    receipt_key: bytes
    receipt_delay: int


class _Nothing:
    """The state before entry 0."""

    def stream(self, _name: str) -> Stream | None:
        return None

    def command_at(self, _index: int) -> str | None:
        return None

    def seen_root(self, _size: int) -> str | None:
        return None

    def key_holder(self, _key_id: str) -> str | None:
        return None

    def independent_party(self, *, besides: frozenset[str]) -> bool:
        return False

    def knows_accounts(self) -> bool:
        return False


def pin_log(raw: bytes, *, vkey: str) -> PinnedLog:
    """Read entry 0 and believe it because the pinned checkpoint key signed it.

    Args:
        raw: The bytes served as entry 0.
        vkey: The checkpoint key that the caller trusts.

    Raises:
        OtherLog: It is no entry 0, or not of the log whose checkpoint key is `vkey`.

    """
    try:
        entry = read_entry(raw)
        command = entry.command
        if command is None or entry.type != "ledger-opened/1":
            raise Malformed("entry", "does not open a log")
        derive(command, at=entry.at, index=entry.index, log=entry.log, view=_Nothing())
        check_signatures(command, entry.sigs, keys_in(_Nothing()))
    except (RuleError, VerificationError) as error:
        raise OtherLog("entry 0", expected="one that holds", found=str(error)) from None
    if command.body["vkey"] != vkey:
        raise OtherLog("vkey", expected=vkey, found=command.body["vkey"])
    key = command.body["parties"][OPERATOR_ROLES.index("receipt")]["key"]
    return PinnedLog(
        origin=entry.log,
        vkey=vkey,
        receipt_alg=key["alg"],
        receipt_key=b64decode(key["public"], field="key.public"),
        receipt_delay=command.body["receipt_delay_s"] * _SECOND_US,
    )


def read_receipt(document: Any, log: PinnedLog) -> dict[str, Any]:
    """Accept a receipt of this log that its receipt key signed.

    Returns:
        The receipt; its `index` says which entry `check_entry` needs.

    Raises:
        ReceiptRefused: Its step is `parse`, `log`, `due` or `signature`.

    Spec: docs/spec.md section 12.

    """
    try:
        receipt = schema.check_object(document, _RECEIPT, "receipt")
        statement = receipt["statement"]
        promised = time_us(statement["due"], field="due") - time_us(statement["at"], field="at")
        sig = b64decode(receipt["sig"], field="receipt.sig")
    except Malformed as error:
        raise ReceiptRefused("parse", str(error), document) from None
    if statement["log"] != log.origin:
        raise ReceiptRefused("log", f"it is of {statement['log']}", document)
    if promised != log.receipt_delay:
        raise ReceiptRefused("due", f"it promises {promised} us", document)
    message = RECEIPT_TAG + encode(statement)
    try:
        verify(log.receipt_alg, public=log.receipt_key, signature=sig, message=message)
    except VerificationError as error:
        raise ReceiptRefused("signature", error.message, document) from None
    return receipt


def check_entry(
    receipt: dict[str, Any], raw: bytes, *, command: bytes, sigs: tuple[str, ...]
) -> None:
    """Check that the entry under a receipt is the command that was sent, and in the batch.

    Args:
        receipt: As `read_receipt` returned it.
        raw: The bytes served at its index.
        command: The canonical bytes of the command that was signed.
        sigs: The signatures that were sent.

    Raises:
        ReceiptRefused: Its step is `leaf`, `command` or `path`.

    Spec: docs/spec.md section 12.

    """
    leaf = leaf_hash(raw)
    if leaf.hex() != receipt["leaf"]:
        raise ReceiptRefused("leaf", f"the entry's is {leaf.hex()}", receipt)
    try:
        entry = read_entry(raw)
    except RuleError as error:
        raise ReceiptRefused("command", str(error), receipt) from None
    held = (entry.index, entry.command.raw if entry.command else b"", entry.sigs)
    if held != (receipt["index"], command, sigs):
        raise ReceiptRefused("command", "the entry holds something else", receipt)
    check_path(receipt)


def check_path(receipt: dict[str, Any]) -> None:
    """Check that the leaf of a receipt is in the batch that was signed.

    Args:
        receipt: As `read_receipt` returned it.

    Raises:
        ReceiptRefused: Its step is `path`.

    Spec: docs/spec.md section 12.

    """
    statement = receipt["statement"]
    try:
        check_inclusion(
            leaf=bytes.fromhex(receipt["leaf"]),
            index=receipt["index"] - statement["from"],
            size=statement["count"],
            path=[bytes.fromhex(node) for node in receipt["path"]],
            root=bytes.fromhex(statement["root"]),
        )
    except VerificationError as error:
        raise ReceiptRefused("path", error.message, receipt) from None

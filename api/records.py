"""Records of what was done to this ledger's storage: beside the log, signed by the operator.

They are no entries: what happened to one machine's disk is no part of the history that everybody
shares. Decision: docs/adr/0019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.config import PRIVATE_FOLDER, write_whole
from api.custody import key_file
from api.house import House
from ledger.rules.canonical import encode
from ledger.rules.text import b64encode

RECOVERIES = "recoveries"
OPERATOR = "operator"


def keep_record(
    house: House, name: str, what: str, record: Mapping[str, Any], *, tag: bytes
) -> str:
    """Write a record durably, signed where the operator's key lies in the folder.

    Args:
        house: The ledger.
        name: Of the file, without its ending.
        what: Member of the document under which the record stands.
        record: What happened.
        tag: What stands before the canonical record where it is signed.

    Returns:
        The file.

    """
    document: dict[str, Any] = {what: record, "schema": 1, "sigs": []}
    if key_file(house.folder, OPERATOR).exists():
        key = house.signer(OPERATOR)
        signature = b64encode(key.sign(tag + encode(record)))
        document["sigs"] = [{"key": key.key_id, "sig": signature}]
    folder = house.folder / RECOVERIES
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    file = folder / f"{name}.json"
    write_whole(file, encode(document) + b"\n")
    return str(file)

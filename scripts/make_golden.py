#!/usr/bin/env python3
"""Write the golden files of docs/spec.md section 17, or check that they are what this code writes.

    python scripts/make_golden.py           writes tests/golden/
    python scripts/make_golden.py --check   exits with 1 where a file differs, naming it

A golden file changes only with a version of the format: see section 18.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
sys.path.insert(0, str(ROOT))

from ledger.proof.hashing import EMPTY_ROOT, node_hash  # noqa: E402 - after the path is set
from ledger.proof.tiles import decode_bundle  # noqa: E402
from ledger.rules import digests  # noqa: E402
from ledger.rules.canonical import encode  # noqa: E402
from ledger.rules.entries import Entry, read_entry  # noqa: E402
from ledger.rules.text import b64decode, b64encode  # noqa: E402
from tests.golden_story import write_golden  # noqa: E402
from tests.golden_trade import write_golden_trade  # noqa: E402


def main(arguments: list[str]) -> int:
    """Write or check the golden files; returns the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "golden"
        make(made, Path(name) / "ledger")
        if arguments:
            differing = differences(GOLDEN, made)
            sys.stdout.write("".join(f"differs: {each}\n" for each in differing))
            return 1 if differing else 0
        shutil.rmtree(GOLDEN, ignore_errors=True)
        shutil.copytree(made, GOLDEN)
    return 0


def make(folder: Path, ledger: Path) -> None:
    """Write all golden files into `folder`, with a ledger in the folder `ledger`."""
    folder.mkdir(parents=True)
    (ledger / "trade").mkdir(parents=True)
    write_golden(ledger, folder)
    write_golden_trade(ledger / "trade", folder / "trade")
    entries = [*_entries_of(folder / "log"), *_entries_of(folder / "trade")]
    text = json.dumps(vectors(entries), ensure_ascii=False, indent=1)
    (folder / "vectors.json").write_text(f"{text}\n", encoding="utf-8")


def _entries_of(log: Path) -> list[Entry]:
    """Read the entries of an exported log that fit in one bundle."""
    size = int((log / "checkpoint").read_text(encoding="utf-8").split("\n")[1])
    bundle = (log / f"tile/entries/000.p/{size}").read_bytes()
    return [read_entry(raw) for raw in decode_bundle(bundle, width=size)]


def differences(first: Path, second: Path) -> list[str]:
    """Name the files that are not in both folders with the same bytes."""
    names = {
        str(file.relative_to(folder))
        for folder in (first, second)
        for file in folder.rglob("*")
        if file.is_file()
    }
    return sorted(name for name in names if _bytes(first / name) != _bytes(second / name))


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def vectors(entries: list[Entry]) -> dict[str, Any]:
    """Compute one or more vectors for every digest of section 3, from the golden log."""
    opened = _first(entries, "open-ledger/1")
    policy = opened["command"]["body"]["policy"]
    return {
        "canonical": CANONICAL,
        "command": _command(_first(entries, "transfer-item/1")["command"]),
        "key": _keys(entries),
        "leaf": {"entry": entries[1].raw.decode(), "leaf": entries[1].leaf},
        "listing": _listing(_first(entries, "publish-listing/1")["command"]["body"]),
        "node": {
            "empty": EMPTY_ROOT.hex(),
            "left": entries[0].leaf,
            "node": node_hash(*(bytes.fromhex(each.leaf) for each in entries[:2])).hex(),
            "right": entries[1].leaf,
        },
        "policy": {"digest": digests.policy_digest(policy), "document": policy},
        "sale": [_sale(entry) for entry in entries if entry.type == "sale-presented/1"],
        "sealed": _sealed(opened["log"]),
        "terms": _terms(_first(entries, "publish-trade-policy/1")["command"]["body"]["policy"]),
        "timer": _timer(_first(entries, "complete-key-change/1")),
    }


# One accepted spelling, and some that are refused, for the rules of section 2.1.
CANONICAL = {
    "accepted": [
        '{"a":[1,-2,null,true,"/\u007f\u2028😀"],"b_1":{}}',
        '"\\"\\\\\\n\\t"',
        "9007199254740991",
        "[" * 32 + "]" * 32,
    ],
    "refused": [
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        '{"A":1}',
        '{"__proto__":1}',
        '{"a": 1}',
        '{"a":1}\n',
        "\ufeff{}",
        "-0",
        "1.0",
        "1e2",
        "01",
        "9007199254740992",
        "1e400",
        "NaN",
        '"\\/"',
        '"\\u0041"',
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\r"',
        '"\\u0000"',
        '"\t"',
        "[" * 33 + "]" * 33,
    ],
}


def _first(entries: list[Entry], kind: str) -> dict[str, Any]:
    found = (entry for entry in entries if entry.command and entry.command.kind == kind)
    return next(found).document


def _command(document: dict[str, Any]) -> dict[str, str]:
    raw = encode(document)
    return {"command": raw.decode(), "digest": digests.command_digest(raw)}


def _keys(entries: list[Entry]) -> list[dict[str, str]]:
    registered = [
        entry.command.body["key"]
        for entry in entries
        if entry.command and entry.command.kind == "register-party/1"
    ]
    one_each = {key["alg"]: key for key in registered}
    return [
        {"id": digests.key_id(alg, b64decode(key["public"], field="key")), **key}
        for alg, key in sorted(one_each.items())
    ]


def _sale(entry: Entry) -> dict[str, Any]:
    assert entry.command is not None  # noqa: S101 - the type has one
    body = entry.command.body
    namespace, _, item = body["item"].partition("/")
    row = {name: body[name] for name in ("from", "price", "time", "to")} | {"item": item}
    identity = digests.sale_identity(namespace, row, tx=body["tx"], ordinal=body["ordinal"])
    return {
        "identity": identity,
        "namespace": namespace,
        "ordinal": body["ordinal"],
        "tx": body["tx"],
        **row,
    }


def _sealed(log: str) -> dict[str, str]:
    salt, command = b64encode(bytes(range(32))), "019aab48-f80c-7000-8000-000000000000"
    value = "剑 “sword”\n"
    digest = digests.sealed_digest(log, command, "name", salt, value)
    return {
        "command": command,
        "digest": digest,
        "log": log,
        "name": "name",
        "salt": salt,
        "value": value,
    }


def _listing(document: dict[str, Any]) -> dict[str, Any]:
    return {"digest": digests.listing_digest(document), "document": document}


def _terms(document: dict[str, Any]) -> dict[str, Any]:
    return {"digest": digests.terms_digest(document), "document": document}


def _timer(document: dict[str, Any]) -> dict[str, str]:
    due = document["command"]["body"]["due"]
    return {
        "due": due,
        "id": digests.timer_id(document["stream"], "key-change", due),
        "rule": "key-change",
        "stream": document["stream"],
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

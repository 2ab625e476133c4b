"""The golden files: what docs/spec.md promises, byte for byte.

The oracles here are written from the page, with hashlib and json alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.proof.audit import audit
from ledger.proof.bundle import verify_proof
from ledger.proof.sources import folder_source
from ledger.proof.tiles import decode_bundle
from ledger.rules import canonical
from ledger.rules.entries import Entry, read_entry
from ledger.rules.errors import Malformed
from ledger.rules.evolve import evolve, said_whole
from ledger.rules.kinds import EVENT_TYPES, KINDS
from ledger.rules.state import Stream

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
VECTORS: dict[str, Any] = json.loads((GOLDEN / "vectors.json").read_text(encoding="utf-8"))
VKEY = (GOLDEN / "log" / "vkey").read_text(encoding="ascii").strip()


TRADE_VKEY = (GOLDEN / "trade" / "vkey").read_text(encoding="ascii").strip()


def entries(log: str = "log") -> list[Entry]:
    size = int((GOLDEN / log / "checkpoint").read_text(encoding="utf-8").split("\n")[1])
    bundle = (GOLDEN / log / "tile" / "entries" / f"000.p/{size}").read_bytes()
    return [read_entry(raw) for raw in decode_bundle(bundle, width=size)]


def plain(value: object) -> bytes:
    """Canonical JSON of values that need none of its refusals."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def tagged(tag: str, *parts: bytes) -> str:
    return hashlib.sha256(f"yinzheng/{tag}/v1\n".encode() + b"".join(parts)).hexdigest()


def test_making_the_golden_files_again_gives_the_same_bytes() -> None:
    script = ROOT / "scripts" / "make_golden.py"
    run = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stdout) == (0, ""), run.stderr


def test_every_kind_and_every_event_type_is_in_the_golden_logs() -> None:
    found = [*entries(), *entries("trade")]
    kinds = {entry.command.kind for entry in found if entry.command}

    assert kinds == set(KINDS)
    assert {entry.type for entry in found} == set(EVENT_TYPES)


def test_the_golden_log_is_valid_and_whole() -> None:
    report = audit(folder_source(GOLDEN / "log"), VKEY)

    assert (report.verdict, report.fault) == ("valid", None)
    assert (report.size, report.checkpoints, report.gaps) == (57, 2, 2)
    assert (report.signed, report.attested, report.system) == (38, 12, 7)
    assert (report.replayed, report.single_handed, report.derived) == ("57/57", "yes", "yes")


def test_the_golden_log_of_trade_is_valid_and_whole() -> None:
    report = audit(folder_source(GOLDEN / "trade"), TRADE_VKEY)
    size = len(entries("trade"))

    assert (report.verdict, report.fault) == ("valid", None)
    assert (report.size, report.checkpoints, report.gaps) == (size, 1, 0)
    assert (report.replayed, report.derived) == (f"{size}/{size}", "yes")


def test_the_golden_proof_is_valid_and_shows_the_owner() -> None:
    report = verify_proof((GOLDEN / "relic.tlog-proof").read_bytes(), VKEY)

    assert (report.verdict, report.fault) == ("valid", None)
    assert report.replayed == "26/26"
    assert report.more == {"item": "old/relic", "index": 45, "owner": "anna", "frozen": False}


def test_leaves_nodes_and_commands_hash_as_the_page_says() -> None:
    leaf, node, command = VECTORS["leaf"], VECTORS["node"], VECTORS["command"]
    pair = bytes.fromhex(node["left"] + node["right"])

    assert hashlib.sha256(b"\x00" + leaf["entry"].encode()).hexdigest() == leaf["leaf"]
    assert hashlib.sha256(b"\x01" + pair).hexdigest() == node["node"]
    assert hashlib.sha256().hexdigest() == node["empty"]
    assert tagged("command", command["command"].encode()) == command["digest"]


def test_keys_of_both_algorithms_have_their_ids() -> None:
    for key in VECTORS["key"]:
        raw = base64.b64decode(key["public"])
        assert tagged("key", key["alg"].encode(), b"\x00", raw) == key["id"]
    assert [key["alg"] for key in VECTORS["key"]] == ["ed25519", "p256"]


def test_a_trade_policy_has_its_digest() -> None:
    document = VECTORS["terms"]["document"]

    assert tagged("trade-policy", plain(document)) == VECTORS["terms"]["digest"]


def test_a_listing_has_its_digest() -> None:
    document = VECTORS["listing"]["document"]

    assert tagged("listing", plain(document)) == VECTORS["listing"]["digest"]


def test_policies_timers_seals_and_sales_have_their_digests() -> None:
    policy, timer, sealed = VECTORS["policy"], VECTORS["timer"], VECTORS["sealed"]
    parts = [sealed[name] for name in ("log", "command", "name", "salt", "value")]

    assert tagged("policy", plain(policy["document"])) == policy["digest"]
    assert tagged("timer", plain([timer["stream"], timer["rule"], timer["due"]])) == timer["id"]
    assert tagged("sealed", plain(parts)) == sealed["digest"]
    names = ("namespace", "tx", "item", "from", "to", "price", "time", "ordinal")
    for sale in VECTORS["sale"]:
        assert tagged("sale", plain([sale[name] for name in names])) == sale["identity"]


@pytest.mark.parametrize("text", VECTORS["canonical"]["accepted"])
def test_canonical_text_is_accepted_and_written_the_same(text: str) -> None:
    assert canonical.encode(canonical.decode(text.encode(), limit=200)) == text.encode()


@pytest.mark.parametrize("text", VECTORS["canonical"]["refused"])
def test_text_with_a_second_spelling_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refusal:
        canonical.decode(text.encode(), limit=200, field="vector")

    assert refusal.value.field == "vector"


def test_the_last_entry_of_an_account_says_all_of_its_state() -> None:
    streams: dict[str, Stream] = {}
    whole = 0
    for entry in entries("trade"):
        after = evolve(streams.get(entry.stream), entry, command=None)
        if said_whole(entry.stream):
            assert evolve(None, entry, command=None) == after
            whole += entry.seq > 0
        streams[entry.stream] = after

    assert whole

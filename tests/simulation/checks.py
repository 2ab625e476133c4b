"""What must hold at the end of every history, over what is really stored."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ledger.domain.stream import LedgerStream
from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource
from ledger.proof.vault import VaultReader
from ledger.record.database import reading
from projections.history import History
from projections.ownership import Ownership
from tests.simulation.market import Market
from tests.simulation.oracle import canonical, key_id, stream_of

SAMPLES = 8
ITEMS_ASKED = 10
COMMAND_TAG = b"yinzheng/command/v1\n"


def check_history(market: Market) -> None:
    """Check the whole ledger: audit, replay, views, and whose signatures moved things."""
    market.publish()
    check_replay(market)
    check_views(market)
    check_audit(market)
    check_signatures(market)


def check_audit(market: Market) -> None:
    """The verifier finds the stored ledger valid, every derived table included."""

    def query(sql: str) -> Iterator[tuple[Any, ...]]:
        with reading(market.world.recorder.engine) as connection:
            yield from (tuple(row) for row in connection.exec_driver_sql(sql))

    vault = VaultReader(market.vault)
    report = audit(DatabaseSource(query, vault=vault), market.world.vkey)

    assert (report.verdict, report.fault) == ("valid", None)
    assert (report.derived, report.unpublished) == ("yes", 0)
    assert report.replayed == f"{market.model.size}/{market.model.size}"
    assert vault.closed == 0


def check_replay(market: Market) -> None:
    """Every stream replayed from its stored events is what the writer holds, and no other is."""
    ledger = market.world.ledger
    for name, head in market.model.heads.items():
        stored = ledger.repository.get(name)
        assert isinstance(stored, LedgerStream)
        live = ledger.stream(name)
        assert live is not None
        assert stored.version == head["count"]
        # A replay of one stream does not look up which command an effect belongs to.
        assert live.head._replace(command=stored.stream.head.command) == stored.stream.head
        assert live.head.command in {None, head["command"]}
        assert live.state == stored.stream.state


def check_views(market: Market) -> None:
    """Views kept up are those made anew, and any past state is the replay up to there."""
    market.runner.catch_up()
    live = market.runner.digest()
    market.runner.rebuild()
    assert market.runner.digest() == live

    model, source = market.model, market.world.reader
    ownership, history = Ownership(source), History(source)
    dice = Random(model.size)  # noqa: S311
    sampled = dice.sample(range(model.size), min(SAMPLES, model.size))
    items = dice.sample(sorted(model.items), min(ITEMS_ASKED, len(model.items)))
    for index in (*sampled, model.size - 1):
        # The same few for each index: who asks for all of them learns nothing more.
        for item in items:
            found = ownership.after(item, index).found
            hold = None if found is None else (found.owner, bool(found.frozen))
            assert hold == model.held_after(item, index), (item, index)
            rows = history.page(item, size=index + 1, limit=1000).rows
            told = [(row.entry_index, row.type) for row in rows]
            assert told == [
                (place, type_)
                for place, (stream, type_, _) in enumerate(model.entries[: index + 1])
                if stream == f"item/{item}" and type_ != "sale-presented/1"
            ]


def check_signatures(market: Market) -> None:
    """Whoever moved an item holds it, and signed: with a key registered to it and not revoked.

    Written apart from rules and verifier; from the stored JSON alone.
    """
    keys: dict[str, tuple[str, dict[str, str]]] = {}
    offers: dict[str, str] = {}
    owner: dict[str, str] = {}
    for index in range(market.model.size):
        row = market.world.reader.entry(index)
        assert row is not None
        entry = json.loads(row.entry)
        data, command = entry["data"], entry.get("command")
        signers = {} if command is None else check_signed(command, entry["sigs"], keys)
        if entry["type"] == "transfer-offered/1":
            offers[row.command.hex()] = signers["owner"]
        if entry["type"] == "item-transferred/1":
            body = command["body"]
            gave = signers["owner"] if "owner" in signers else offers[body["offer"]]
            assert gave == data["from"] == owner[entry["stream"]]
            assert signers["recipient"] == data["to"]
        if entry["stream"].startswith("item/") and ("to" in data or "owner" in data):
            assert "from" not in data or data["from"] == owner[entry["stream"]]
            owner[entry["stream"]] = data.get("to") or data["owner"]
    assert owner == {f"item/{name}": item["owner"] for name, item in market.model.items.items()}


def check_signed(
    command: dict[str, Any], sigs: list[str], keys: dict[str, tuple[str, dict[str, str]]]
) -> dict[str, str]:
    """Check a command's signatures, learn the keys it brings, and say who signed in which role."""
    body = command["body"]
    for one in body.get("parties", [body]):
        if isinstance(one.get("key"), dict):
            keys[key_id(one["key"])] = stream_of(one["party"]), one["key"]
    message = COMMAND_TAG + canonical(command)
    for signer, sig in zip(command["signers"], sigs, strict=True):
        holder, key = keys[signer["key"]]
        assert holder == stream_of(signer["party"])
        verify(key, b64decode(sig), message)
    return {signer["role"]: signer["party"] for signer in command["signers"]}


def verify(key: dict[str, str], sig: bytes, message: bytes) -> None:
    """Check one signature. Raises `InvalidSignature`."""
    raw = b64decode(key["public"])
    if key["alg"] == "ed25519":
        Ed25519PublicKey.from_public_bytes(raw).verify(sig, message)
    else:
        r, s = int.from_bytes(sig[:32]), int.from_bytes(sig[32:])
        public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)
        public.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))

"""The fold of entries into rows, by itself: no database, no ledger, entries written by hand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger.rules import cards, imports, items, views
from ledger.rules.commands import Signer
from ledger.rules.compose import Context, Draft, compose, uuid7
from ledger.rules.entries import Entry, Place, read_entry, write_effect, write_own
from ledger.rules.evolve import evolve
from ledger.rules.kinds import EVENT_TYPES
from ledger.rules.state import Stream
from ledger.rules.text import format_time, time_us
from ledger.rules.views import TABLES, Views, digest
from ledger.rules.views_words import NOT_SHOWN, WORDS

LOG = "yinzheng.test/views"
START = time_us("2026-11-22T09:00:00.000000Z", field="start")
KEY = {"alg": "ed25519", "public": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="}
KEY_ID = "ab" * 32
PRICE = {"amount": "99999999999999999999999999999999999999", "currency": "ETH"}
SOLD = "2021-01-01T00:00:00.000000Z"
SIGNED_BY = {"owner": "shop", "recipient": "bob", "freezer": "guard", "importer": "shop"}


@dataclass
class Scribe:
    """Writes entries one after the other and folds them."""

    views: Views = field(default_factory=Views)
    streams: dict[str, Stream] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def own(
        self,
        stream: str,
        type_: str,
        data: dict[str, Any],
        command: tuple[str, dict[str, Any]],
        *roles: str,
    ) -> Entry:
        """Write the entry of a command, signed in these roles."""
        kind, body = command
        signers = [Signer(SIGNED_BY.get(role, role), role, KEY_ID) for role in roles]
        context = Context(LOG, None, START)
        identifier = uuid7(START, len(self.entries).to_bytes(10, "big"))
        raw = compose(context, identifier, Draft(kind, signers[0].party, signers, body)).raw
        sigs = ["AA=="] * len(signers)
        place = self._place(stream)
        return self._fold(write_own(place, type_, data, command=raw, sigs=sigs, effects=0), None)

    def effect(self, cause: Entry, type_: str, data: dict[str, Any]) -> Entry:
        """Write an effect of an entry, on its stream."""
        number = len(self.entries) - cause.index
        place = self._place(cause.stream)
        return self._fold(write_effect(place, type_, data, cause=cause.leaf, effect=number), cause)

    def _place(self, stream: str) -> Place:
        head = self.streams[stream].head if stream in self.streams else None
        index = len(self.entries)
        at = format_time(START + index)
        seq, prev = (head.seq + 1, head.leaf) if head else (0, None)
        return Place(LOG, index, stream, seq, prev, at)

    def _fold(self, raw: bytes, cause: Entry | None) -> Entry:
        entry = read_entry(raw)
        before = self.streams.get(entry.stream)
        after = self.streams[entry.stream] = evolve(before, entry, command=None)
        self.views.add(entry, before=before, after=after, cause=cause)
        self.entries.append(entry)
        return entry

    # What happens in these tests

    def register(self, item: str = "cards/1") -> Entry:
        body = {"class": "point-card", "item": item}
        data = {"owner": "shop"}
        command = ("register-item/1", body)
        return self.own(f"item/{item}", "item-registered/1", data, command, "owner")

    def offer(self) -> Entry:
        until = format_time(START + 60_000_000)
        body = {"item": "cards/1", "price": PRICE, "to": "bob", "until": until}
        command = ("offer-transfer/1", body)
        return self.own("item/cards/1", "transfer-offered/1", {"from": "shop"}, command, "owner")

    def accept(self, offered: Entry) -> Entry:
        assert offered.command is not None
        command = ("accept-transfer/1", {"item": "cards/1", "offer": offered.command.digest})
        data = {"from": "shop", "to": "bob"}
        return self.own("item/cards/1", "item-transferred/1", data, command, "recipient")

    def freeze(self) -> Entry:
        command = ("freeze-item/1", {"ground": "in-dispute", "item": "cards/1"})
        return self.own("item/cards/1", "item-frozen/1", {}, command, "freezer")

    def present(self, item: str = "cards/old") -> Entry:
        body = {
            "from": "ann",
            "item": item,
            "ordinal": 0,
            "price": PRICE,
            "source": {"file": "ab" * 32, "row": 7},
            "time": SOLD,
            "to": None,
            "tx": None,
        }
        data = {"identity": f"{len(self.entries):064x}"}
        command = ("import-sale/1", body)
        return self.own(f"item/{item}", "sale-presented/1", data, command, "importer")


def test_every_event_of_an_item_is_shown_on_somebodys_word_or_left_out_on_purpose() -> None:
    trade = [
        event
        for event in EVENT_TYPES.values()
        if event.name.startswith(("item-", "card-", "activation-", "code-"))
        and event.name != "code-asked/1"
    ]
    names = {event.name for event in (*items.EVENTS, *imports.EVENTS, *cards.EVENTS, *trade)}

    assert names - {"imported-party-claimed/1"} == WORDS.keys() | NOT_SHOWN
    assert not WORDS.keys() & NOT_SHOWN


def test_the_tables_are_read_by_fixed_sql() -> None:
    assert [table.select for table in TABLES] == [
        "SELECT item, entry_index, seq, at, type, kind, command, from_party, to_party, amount, "
        "currency, source_time, source_file, source_row, word, signers, reason, ground, item_class "
        "FROM view_history ORDER BY entry_index",
        "SELECT item, owner, frozen, from_index, to_index, from_at, source_time "
        "FROM view_ownership ORDER BY from_index",
        "SELECT party, party_class, attested, founder, keys, roles, change_due, change_digest, "
        "head_index FROM view_party ORDER BY head_index",
        "SELECT order_id, buyer, state, total, currency, lines, next_rule, next_due, head_index "
        "FROM view_order ORDER BY head_index",
        "SELECT item, owner, item_class, product, agent, order_id, frozen, head_index "
        "FROM view_goods ORDER BY head_index",
    ]
    assert views.POSITION.select == "SELECT view, size FROM view_position ORDER BY view"


def test_an_offer_and_its_acceptance_make_these_rows() -> None:
    scribe = Scribe()
    scribe.register()
    offered = scribe.offer()
    accepted = scribe.accept(offered)
    tables = scribe.views.tables()

    assert accepted.command is not None
    assert tables["view_history"][2] == (
        "cards/1",
        2,
        2,
        START + 2,
        "item-transferred/1",
        "accept-transfer/1",
        accepted.command.digest,
        "shop",
        "bob",
        PRICE["amount"],
        "ETH",
        None,
        None,
        None,
        "signed",
        '[{"party":"shop","role":"owner"},{"party":"bob","role":"recipient"}]',
        None,
        None,
        None,
    )
    assert [row[15] for row in tables["view_history"][:2]] == [
        '[{"party":"shop","role":"owner"}]'
    ] * 2
    assert tables["view_ownership"] == [
        ("cards/1", "shop", 0, 0, 2, START, None),
        ("cards/1", "bob", 0, 2, None, START + 2, None),
    ]


def test_an_imported_sale_makes_these_rows() -> None:
    scribe = Scribe()
    presented = scribe.present()
    scribe.effect(presented, "item-first-seen/1", {"owner": "imported/cards/ann"})
    moved = {"from": "imported/cards/ann", "to": "unknown"}
    scribe.effect(presented, "sale-imported/1", moved)
    sold = time_us(SOLD, field="sold")
    seen, sale = scribe.views.history

    assert (seen.reason, seen.from_party, seen.to_party, seen.amount) == (
        "earlier-history-unknown",
        None,
        "imported/cards/ann",
        None,
    )
    assert (sale.reason, sale.from_party, sale.to_party, sale.amount) == (
        None,
        "imported/cards/ann",
        "unknown",
        PRICE["amount"],
    )
    for row in (seen, sale):
        assert (row.source_time, row.source_file, row.source_row) == (sold, "ab" * 32, 7)
        assert (row.word, row.kind) == ("attested", "import-sale/1")
        assert row.signers == '[{"party":"shop","role":"importer"}]'
    assert scribe.views.tables()["view_ownership"] == [
        ("cards/old", "unknown", 0, 0, 1, START, sold),
        ("cards/old", "imported/cards/ann", 0, 1, 2, START + 1, sold),
        ("cards/old", "unknown", 0, 2, None, START + 2, sold),
    ]


def test_a_freeze_opens_an_interval_and_names_its_ground() -> None:
    scribe = Scribe()
    scribe.register()
    scribe.freeze()

    frozen = scribe.views.history[-1]
    assert (frozen.word, frozen.ground) == ("role", "in-dispute")
    assert [row[1:5] for row in scribe.views.ownership] == [("shop", 0, 0, 1), ("shop", 1, 1, None)]


def test_a_registration_declares_the_class_of_the_item_once() -> None:
    scribe = Scribe()
    scribe.register()
    scribe.freeze()

    assert [row.item_class for row in scribe.views.history] == ["point-card", None]


def test_a_party_keeps_the_class_that_it_declared() -> None:
    scribe = Scribe()
    body = {"class": "merchant", "key": KEY, "party": "shop"}
    scribe.own("party/shop", "party-registered/1", {}, ("register-party/1", body), "party")
    grant = ("grant-role/1", {"party": "shop", "role": "importer"})
    scribe.own("party/shop", "role-granted/1", {"single_handed": True}, grant, "root", "grantee")

    (row,) = scribe.views.tables()["view_party"]
    keys = json.loads(str(row[4]))
    assert row[:4] == ("shop", "merchant", 0, 0)
    assert keys == [
        {
            "alg": "ed25519",
            "id": keys[0]["id"],
            "public": KEY["public"],
            "ready": "2026-11-22T09:00:00.000000Z",
            "revoked": False,
            "since": 0,
        }
    ]
    assert row[5:] == ('[{"name":"importer","single_handed":true}]', None, None, 1)
    assert scribe.views.born == {"shop"}


def test_a_fold_begun_later_says_what_it_ends_and_what_it_replaces() -> None:
    scribe = Scribe()
    body = {"class": "merchant", "key": KEY, "party": "shop"}
    scribe.own("party/shop", "party-registered/1", {}, ("register-party/1", body), "party")
    scribe.register()
    offered = scribe.offer()
    scribe.views = Views()
    scribe.accept(offered)
    scribe.freeze()
    grant = ("grant-role/1", {"party": "shop", "role": "importer"})
    scribe.own("party/shop", "role-granted/1", {"single_handed": True}, grant, "root", "grantee")

    assert scribe.views.ended == {"cards/1": 3}
    assert [row[1:5] for row in scribe.views.ownership] == [("bob", 0, 3, 4), ("bob", 1, 4, None)]
    assert scribe.views.born == set()
    assert scribe.views.parties["shop"].party_class is None


def test_streams_of_other_kinds_leave_no_rows() -> None:
    scribe = Scribe()
    command = ("open-namespace/1", {"namespace": "cards"})
    scribe.own("namespace/cards", "namespace-opened/1", {"owner": "shop"}, command, "root", "owner")

    assert scribe.views.tables() == {table.name: [] for table in TABLES}


def test_the_digest_is_of_these_bytes() -> None:
    lines = b'"t"\n["a",1,null]\n["\\u94f6",2,null]\n"u"\n'
    found = digest([("t", [("a", 1, None), ("银", 2, None)]), ("u", [])])

    assert found == hashlib.sha256(b"yinzheng/views/v1\n" + lines).hexdigest()


@pytest.mark.parametrize(
    "tables",
    [
        [("t", [("a", 2)])],
        [("t", [("a", "1")])],
        [("t", [("a", None)])],
        [("t", [("a", 1), ("a", 1)])],
        [("t", [])],
        [("t", [("b", 2), ("a", 1)]), ("u", [])],
        [("u", [("a", 1)])],
        # What only a damaged database holds.
        [("t", [("a", 1.0)])],
        [("t", [(b"a", 1)])],
        [("t", [("a", 2**70)])],
        [("t", [("\ud800", 1)])],
    ],
)
def test_other_rows_have_another_digest(tables: list[Any]) -> None:
    assert digest(tables) != digest([("t", [("a", 1)])])
    assert digest(tables) == digest(tables)

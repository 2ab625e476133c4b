"""What the views show of the log: a pure fold of entries into rows.

The projections write these rows into their tables; a verifier folds the same entries and compares
what it finds stored. A row is a named tuple of text, whole numbers and None whose fields, in order,
are the columns of its table. Times are microseconds since 1970-01-01 UTC. Amounts are text: they
exceed every integer type of a database. Decision: docs/adr/0009.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from ledger.rules.canonical import encode
from ledger.rules.commands import Command, Signer
from ledger.rules.entries import Entry
from ledger.rules.order_state import Order
from ledger.rules.state import Item, Key, Party, Stream
from ledger.rules.text import format_time, time_us
from ledger.rules.views_goods import GoodsRow, goods_row
from ledger.rules.views_orders import OrderRow, order_row
from ledger.rules.views_words import NOT_SHOWN, WORDS, ground_of, reason_of

VIEW = "provenance"
"""Name of the one position that all the tables share."""

_ITEM_STREAM = "item/"
_IMPORT = "import-sale/1"
_ACCEPT = "accept-transfer/1"
_NOTHING: Mapping[str, Any] = MappingProxyType({})
# Pairs of a few dozen parties that trade with each other are some thousands.
_SIGNERS_KEPT = 4096
_DIGEST_TAG = b"yinzheng/views/v1\n"

Row = tuple[str | int | None, ...]


class HistoryRow(NamedTuple):
    """One thing that happened to an item.

    Attributes:
        item: `NS/ID`.
        entry_index: Index of the entry.
        seq: Its place in the item's stream.
        at: Time of the entry.
        type: Event type.
        kind: Kind of the command behind it, which tells an acceptance from a transfer.
        command: Digest of that command; an offer is accepted by it.
        from_party: Who held the item, None where the entry moves nothing or nobody knows.
        to_party: Who holds it from here on, or whom it is offered to.
        amount: Price in minor units, text; None where no price was named.
        currency: Of the price.
        source_time: Time of the imported sale.
        source_file: SHA-256 of the imported file, hex.
        source_row: Row of that file, from 1.
        word: `signed`, `attested` (by an importer) or `role`.
        signers: Canonical JSON, `[{"party", "role"}...]`; of an acceptance also the owner, who
            signed the offer.
        reason: Of a provenance gap, `earlier-history-unknown` at first sight, or `late`.
        ground: Of a freeze or an unfreeze; what came of an activation.
        item_class: As declared at registration.

    """

    item: str
    entry_index: int
    seq: int
    at: int
    type: str
    kind: str
    command: str
    from_party: str | None
    to_party: str | None
    amount: str | None
    currency: str | None
    source_time: int | None
    source_file: str | None
    source_row: int | None
    word: str
    signers: str
    reason: str | None
    ground: str | None
    item_class: str | None


class OwnershipRow(NamedTuple):
    """Who held an item, from the entry at `from_index` until before the one at `to_index`.

    Attributes:
        item: `NS/ID`.
        owner: A party, or `unknown`.
        frozen: 1 or 0.
        from_index: Index of the entry that made it so; unique in the table.
        to_index: Index of the entry that ended it; None while it lasts.
        from_at: Time of the entry at `from_index`.
        source_time: Time of the imported sale behind it.

    """

    item: str
    owner: str
    frozen: int
    from_index: int
    to_index: int | None
    from_at: int
    source_time: int | None


class PartyRow(NamedTuple):
    """What is known of a party.

    Attributes:
        party: Its id.
        party_class: As declared at registration; None for founders and claimed parties.
        attested: 1 for a claimed imported party: officers said who holds its key.
        founder: 1 for a party of entry 0.
        keys: Canonical JSON, `[{"alg", "id", "public", "ready", "revoked", "since"}...]`.
        roles: Canonical JSON, `[{"name", "single_handed"}...]`.
        change_due: When the waiting key change may be completed; None where none waits.
        change_digest: Digest of the command that asked for it.
        head_index: Index of the last entry of its stream; unique in the table.

    """

    party: str
    party_class: str | None
    attested: int
    founder: int
    keys: str
    roles: str
    change_due: int | None
    change_digest: str | None
    head_index: int


@dataclass(frozen=True, slots=True)
class ViewTable:
    """A table as stored: its name, its columns and the column that orders it, unique in it."""

    name: str
    columns: tuple[str, ...]
    order: str

    @property
    def select(self) -> str:
        """SQL that reads every row in the order of `Views.tables`."""
        # Nothing but the constants of this module goes in.
        columns = ", ".join(self.columns)
        return f"SELECT {columns} FROM {self.name} ORDER BY {self.order}"  # noqa: S608 - said above


HISTORY = ViewTable("view_history", HistoryRow._fields, "entry_index")
OWNERSHIP = ViewTable("view_ownership", OwnershipRow._fields, "from_index")
PARTY = ViewTable("view_party", PartyRow._fields, "head_index")
ORDER = ViewTable("view_order", OrderRow._fields, "head_index")
GOODS = ViewTable("view_goods", GoodsRow._fields, "head_index")
TABLES = (HISTORY, OWNERSHIP, PARTY, ORDER, GOODS)
POSITION = ViewTable("view_position", ("view", "size"), "view")


@dataclass(slots=True)
class Views:
    """The rows that follow from the entries added so far.

    From entry 0 on these are whole tables. Begun later, they are what to add to the tables:
    `ended` says which items' last stored ownership row ends, and where; a party's row replaces the
    stored one, except for its class, unless the party is in `born`; an order's replaces the stored
    one unless the order is in `placed`, an item's as goods unless the item is in `stocked`.
    """

    history: list[HistoryRow] = field(default_factory=list)
    ownership: list[OwnershipRow] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    parties: dict[str, PartyRow] = field(default_factory=dict)
    born: set[str] = field(default_factory=set)
    orders: dict[str, OrderRow] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)
    goods: dict[str, GoodsRow] = field(default_factory=dict)
    stocked: set[str] = field(default_factory=set)
    _lasting: dict[str, int] = field(default_factory=dict)

    def add(
        self, entry: Entry, *, before: Stream | None, after: Stream, cause: Entry | None
    ) -> None:
        """Fold in the next entry of the log.

        Args:
            entry: Of a registered type.
            before: Its stream before it; None where the entry opens it.
            after: Its stream with it.
            cause: For an effect, the entry that carries its command; None for any other entry.

        """
        state = after.state
        if isinstance(state, Item):
            command = (entry if cause is None else cause).command
            assert command is not None  # noqa: S101 - an own entry and a cause carry a command
            held = before.state if before and isinstance(before.state, Item) else None
            sold = _source_time(command)
            if entry.type not in NOT_SHOWN:
                self.history.append(_history(entry, command, held, sold))
            if held is None or (held.owner, held.frozen) != (state.owner, state.frozen):
                self._hold(_ownership(entry, state, sold), first=held is None)
            if state.goods is not None:
                row = goods_row(entry, state, state.goods)
                self.goods[row.item] = row
                if held is None or held.goods is None:
                    self.stocked.add(row.item)
        elif isinstance(state, Party):
            self._know(entry, state, first=before is None)
        elif isinstance(state, Order):
            placed = order_row(entry, state)
            self.orders[placed.order_id] = placed
            if before is None:
                self.placed.add(placed.order_id)

    def tables(self) -> dict[str, list[Row]]:
        """Return the rows of every table, each in the order of its `select`."""
        parties = sorted(self.parties.values(), key=lambda row: row.head_index)
        orders = sorted(self.orders.values(), key=lambda row: row.head_index)
        goods = sorted(self.goods.values(), key=lambda row: row.head_index)
        return {
            HISTORY.name: list(self.history),
            OWNERSHIP.name: list(self.ownership),
            PARTY.name: list(parties),
            ORDER.name: list(orders),
            GOODS.name: list(goods),
        }

    def _hold(self, row: OwnershipRow, *, first: bool) -> None:
        lasting = self._lasting.get(row.item)
        if lasting is not None:
            ended = self.ownership[lasting]
            self.ownership[lasting] = ended._replace(to_index=row.from_index)
        elif not first:
            self.ended[row.item] = row.from_index
        self._lasting[row.item] = len(self.ownership)
        self.ownership.append(row)

    def _know(self, entry: Entry, state: Party, *, first: bool) -> None:
        declared = entry.command.body.get("class") if first and entry.command else None
        known = self.parties.get(state.party)
        if first:
            self.born.add(state.party)
        self.parties[state.party] = PartyRow(
            party=state.party,
            party_class=known.party_class if known else declared,
            attested=int(state.attested),
            founder=int(state.founder),
            keys=_json([_key(key) for key in state.keys]),
            roles=_json(
                [{"name": role.name, "single_handed": role.single_handed} for role in state.roles]
            ),
            change_due=state.change.due if state.change else None,
            change_digest=state.change.digest if state.change else None,
            head_index=entry.index,
        )


def digest(tables: Iterable[tuple[str, Iterable[Row]]]) -> str:
    """Digest rows as they are, in whatever order they come.

    Args:
        tables: Name and rows of every table.

    Returns:
        SHA-256, hex. Other rows, or another order, give another digest.

    """
    hashed = hashlib.sha256(_DIGEST_TAG)
    for name, rows in tables:
        hashed.update(_line(name))
        for row in rows:
            hashed.update(_line(list(row)))
    return hashed.hexdigest()


def _line(value: object) -> bytes:
    # A damaged database may hold anything: canonical JSON would refuse what must be told apart.
    return json.dumps(value, separators=(",", ":"), default=repr).encode("ascii") + b"\n"


def _history(entry: Entry, command: Command, held: Item | None, sold: int | None) -> HistoryRow:
    body, data = command.body, entry.data
    offer = held.offer if held and command.kind == _ACCEPT else None
    price = (offer.price if offer else _price(entry, body)) or _NOTHING
    source = body["source"] if command.kind == _IMPORT else _NOTHING
    # By position, and not `HistoryRow(...)`: the call costs as much as all that is put in.
    fields = (
        _item(entry),
        entry.index,
        entry.seq,
        entry.at,
        entry.type,
        command.kind,
        command.digest,
        data.get("from"),
        _receiver(entry, body),
        price.get("amount"),
        price.get("currency"),
        sold,
        source.get("file"),
        source.get("row"),
        WORDS[entry.type],
        _signers(command.signers, held.owner if held and offer else None),
        reason_of(entry),
        ground_of(entry, body),
        body.get("class"),
    )
    return tuple.__new__(HistoryRow, fields)


def _ownership(entry: Entry, state: Item, sold: int | None) -> OwnershipRow:
    frozen = int(state.frozen)
    return OwnershipRow(
        _item(entry),
        state.owner,
        frozen,
        entry.index,
        to_index=None,
        from_at=entry.at,
        source_time=sold,
    )


def _item(entry: Entry) -> str:
    return entry.stream.removeprefix(_ITEM_STREAM)


def _price(entry: Entry, body: dict[str, Any]) -> dict[str, str] | None:
    """Read the price of what moves or is offered; a gap that a sale revealed has none."""
    if entry.type in {"item-transferred/1", "transfer-offered/1", "sale-imported/1"}:
        price: dict[str, str] | None = body.get("price")
        return price
    return None


def _receiver(entry: Entry, body: dict[str, Any]) -> str | None:
    if entry.type == "transfer-offered/1":
        return str(body["to"])
    received: str | None = entry.data.get("to", entry.data.get("owner"))
    return received


def _source_time(command: Command) -> int | None:
    if command.kind != _IMPORT:
        return None
    return time_us(command.body["time"], field="command.body.time")


@lru_cache(maxsize=_SIGNERS_KEPT)
def _signers(signers: tuple[Signer, ...], offered_by: str | None) -> str:
    """Write who signed; an importer signs every row of its file."""
    offered = [] if offered_by is None else [{"party": offered_by, "role": "owner"}]
    return _json([*offered, *({"party": each.party, "role": each.role} for each in signers)])


def _key(key: Key) -> dict[str, Any]:
    return {
        "alg": key.alg,
        "id": key.id,
        "public": key.public,
        "ready": format_time(key.ready),
        "revoked": key.revoked,
        "since": key.since,
    }


def _json(value: Any) -> str:
    return encode(value).decode("utf-8")

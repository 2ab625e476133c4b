"""The demo's ledger: a market day in a folder, with what is worth looking at afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.config import CONFIG_FILE, new_origin, write_whole
from api.custody import key_file
from api.folder import LedgerFolder
from api.house import House
from api.keystore import keystore_of
from api.market import Dice, Market
from api.marketday import NAMESPACES, OPENS_AT, POLICY, SEED, MarketDay
from api.tradeday import TradeDay
from ledger.clock import FixedClock
from ledger.errors import LedgerExists
from ledger.signer import LocalSigner

DEMO_FILE = "demo.json"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the day came to; what it names is good for trying the other commands on.

    Attributes:
        item: One with a long history, which can be traded on.
        party: Who owns it.
        commands, accepted, refused: How many, the refused ones by code.
        checkpoints: How many were published.
        merchant: Who sells cards, with its key in the keystore.
        product: Namespace of those cards.
        order: One that is delivered and not accepted yet.

    """

    item: str
    party: str
    commands: int
    accepted: int
    refused: dict[str, int]
    checkpoints: int
    merchant: str
    product: str
    order: str

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "item": self.item,
            "party": self.party,
            "commands": self.commands,
            "accepted": self.accepted,
            "refused": self.refused,
            "checkpoints": self.checkpoints,
            "merchant": self.merchant,
            "product": self.product,
            "order": self.order,
        }


def play(folder: Path, *, origin: str | None = None, progress: Progress) -> Summary:
    """Make a ledger and play the market day in it.

    Args:
        folder: Holds no ledger yet.
        origin: Name of the log; a random one when None.
        progress: Called with (trades done, trades in all).

    Raises:
        LedgerExists: The folder holds a ledger.
        MarketBroken: The ledger answered in another way than the script says.

    """
    if (folder / CONFIG_FILE).exists():
        raise LedgerExists(
            "the folder holds a ledger that is no finished demo",
            folder=str(folder),
            do="Choose another folder, or none for a new temporary one.",
        )
    # The dice are loaded so that every day is the same day; an origin is for one ledger only.
    name = origin or new_origin(os.urandom)
    dice, clock = Dice(SEED), FixedClock(OPENS_AT)
    with LedgerFolder.create(folder, origin=name, clock=clock, random=dice, policy=POLICY) as house:
        market = Market(house, clock, dice)
        day = MarketDay(market)
        day.play(progress)
        shop = card_shop(market, day)
        shop.play()
        house.runner.catch_up()
        for party in (*day.members, *day.merchants):
            keep_key(house, party, market.wallets[party][-1])
        item = max(day.items, key=lambda each: _worth_showing(market, each))
        refused = dict(sorted(market.refused.items()))
        accepted = market.accepted.total()
        summary = Summary(
            item,
            market.item(item).owner,
            accepted + sum(refused.values()),
            accepted,
            refused,
            market.checkpoints + 1,
            shop.merchant,
            shop.namespace,
            shop.order,
        )
        text = json.dumps(summary.document(), ensure_ascii=False, indent=2) + "\n"
        write_whole(folder / DEMO_FILE, text.encode())
    return summary


def card_shop(market: Market, day: MarketDay) -> TradeDay:
    """Let the first merchant sell card keys, in the namespace that it has."""
    owns = dict(zip(day.merchants, NAMESPACES, strict=True))
    merchant, rival, *_ = day.merchants
    return TradeDay(market, merchant, owns[merchant], (rival, owns[rival]), day.members)


def keep_key(house: House, party: str, key: LocalSigner) -> None:
    """Leave a party's key in the ledger's folder and in the keystore, unless one is there."""
    path, keystore = key_file(house.folder, party), keystore_of(house.origin)
    if not path.exists():
        key.save(path)
    # That of an earlier demo of this name, whose folder is gone, is the same key.
    if not keystore.file(party).exists():
        keystore.add(party, key)


def _worth_showing(market: Market, item: str) -> tuple[bool, int, str]:
    """Prefer an item that can be traded on, with a long history."""
    found = market.house.ledger.stream(f"item/{item}")
    length = 0 if found is None else found.head.seq
    return not market.item(item).frozen, length, item


def played(folder: Path) -> Summary | None:
    """Return what an earlier demo left in a folder, None where there was none."""
    try:
        document = json.loads((folder / DEMO_FILE).read_text(encoding="utf-8"))
        return Summary(**document)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OSError) as error:
        raise LedgerExists(f"{DEMO_FILE} cannot be read: {error}", folder=str(folder)) from None

"""A ledger to be killed again and again, made once: folder, database, keys, and its pinned log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from api.config import mark_of
from api.custody import MARK_FILE
from api.desk import Hand, Order, send
from api.folder import LedgerFolder
from api.house import House, new_key
from api.receipts import PinnedLog, pin_log
from ledger.log.mark import Mark, Marked
from ledger.rules.text import b64encode
from ledger.signer import LocalSigner

PARTIES = ("shop", "ann", "bob")


@dataclass(frozen=True)
class Site:
    """Where a ledger lies, and what its customers need to know of it."""

    folder: Path
    state: Path
    vkey: str
    policy: str
    log: PinnedLog
    keys: dict[str, LocalSigner]
    setup: int
    """How many commands opened it, before any customer came."""

    @contextmanager
    def house(self) -> Iterator[House]:
        """Open it in this process, while no server runs."""
        with self.environment(), LedgerFolder.open(self.folder) as house:
            yield house

    @contextmanager
    def environment(self) -> Iterator[None]:
        with mock.patch.dict(os.environ, {"XDG_STATE_HOME": str(self.state)}):
            yield

    def mark(self) -> Marked | None:
        """Read the largest tree that was ever signed here."""
        with self.environment():
            return Mark(mark_of(self.log.origin) / MARK_FILE).read()


def make_site(folder: Path, state: Path, *, database_url: str | None) -> Site:
    """Make a ledger with three parties and one namespace."""
    with (
        mock.patch.dict(os.environ, {"XDG_STATE_HOME": str(state)}),
        LedgerFolder.create(folder, database_url=database_url) as house,
    ):
        operator = house.signer("operator")
        keys = {party: new_key("ed25519", random=os.urandom) for party in PARTIES}
        for party, key in keys.items():
            _register(house, party, key, operator)
        hands = [Hand("operator", "root", operator), Hand("shop", "owner", keys["shop"])]
        body = {"namespace": "cards"}
        send(house, Order("open-namespace/1", hands, body, expect={"namespace/cards": None}))
        first = house.reader.entry(0)
        assert first is not None
        return Site(
            folder=folder,
            state=state,
            vkey=house.vkey,
            policy=house.policy().digest,
            log=pin_log(first.entry, vkey=house.vkey),
            keys=keys,
            setup=len(PARTIES) + 2,
        )


def _register(house: House, party: str, key: LocalSigner, operator: LocalSigner) -> None:
    hands = [Hand(party, "party", key), Hand("operator", "registrar", operator)]
    public = {"alg": key.alg, "public": b64encode(key.public)}
    send(
        house, Order("register-party/1", hands, {"class": "member", "key": public, "party": party})
    )

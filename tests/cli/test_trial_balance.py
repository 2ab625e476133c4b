"""`yinzheng trial-balance`: every account from the postings, and that nothing is made or lost."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.desk import Hand, Order, send
from api.enrolment import enrol, grant
from api.folder import LedgerFolder
from api.trial import trial_balance
from ledger.clock import SystemClock
from tests import golden_trade
from tests.cli.running import Program
from tests.databases import sqlite_file_url
from tests.worlds import World


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    """A folder in which ann's balance was topped up twice."""
    folder = tmp_path / "ledger"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])
        with LedgerFolder.create(
            folder, clock=SystemClock(), origin=f"trial.test/{os.urandom(8).hex()}"
        ) as house:
            for party in ("ann", "bob", "kay"):
                enrol(house, party, class_="member")
            grant(house, "kay", "cashier")
            for amount in (700, 50):
                money = {"amount": str(amount), "currency": "CNY"}
                body = {"amount": money, "party": "ann", "provider": "wechat"}
                hands = [Hand("kay", "cashier", house.signer("kay"))]
                send(house, Order("top-up/1", hands, body, seal={"transaction": ("ann", "T")}))
    return folder


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "trial") as opened:
        golden_trade.play(opened)
        yield opened


def test_accounts_are_added_up_and_sum_to_nothing(program: Program, ledger: Path) -> None:
    told = program.json("trial-balance", "--dir", ledger)

    assert told["accounts"] == [
        {"account": "balance/ann", "amount": "750", "currency": "CNY"},
        {"account": "external/wechat", "amount": "-750", "currency": "CNY"},
    ]
    assert (told["movements"], told["unbalanced"]) == (2, None)
    assert told["sums"] == [{"amount": "0", "currency": "CNY"}]
    before = program.json("trial-balance", "--dir", ledger, "--at-index", told["size"] - 2)
    assert before["accounts"][0]["amount"] == "700"
    ran = program("trial-balance", "--dir", ledger)
    assert "balanced: 2 movements of money, every currency sums to 0 after each" in ran.out


def test_an_entry_that_makes_money_is_named(program: Program, ledger: Path) -> None:
    with closing(sqlite3.connect(ledger / "ledger.sqlite")) as database:
        (name,) = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name = 'entry_no_update'"
        ).fetchone()
        database.execute(f"DROP TRIGGER {name}")
        index, raw = database.execute(
            "SELECT \"index\", entry FROM entry WHERE type = 'balance-topped-up/1' "
            "ORDER BY 1 LIMIT 1"
        ).fetchone()
        forged = raw.replace(b'"amount":"-700"', b'"amount":"-600"')
        assert forged != raw
        database.execute('UPDATE entry SET entry = ? WHERE "index" = ?', (forged, index))
        database.commit()

    ran = program("trial-balance", "--dir", ledger, "--json")
    assert ran.code == 7
    assert ran.document["unbalanced"] == {"amount": "100", "currency": "CNY", "index": index}
    assert "not balanced: after entry" in program("trial-balance", "--dir", ledger).out


def test_an_index_beyond_the_log_is_refused(program: Program, ledger: Path) -> None:
    ran = program("trial-balance", "--dir", ledger, "--at-index", 10**6, "--json")

    assert (ran.code, ran.error["code"]) == (2, "entry-not-found")


def test_after_every_entry_of_a_whole_story_of_trade_the_sums_are_nothing(world: World) -> None:
    whole = trial_balance(world.reader, size=world.size(), progress=lambda _done, _all: None)

    assert whole.unbalanced is None
    assert whole.movements > 20
    assert set(whole.sums().values()) == {0}
    for name in ("balance/ben", "balance/lou", "balance/mia"):
        stream = world.ledger.stream(name)
        assert stream is not None
        held = dict(stream.state.holdings)  # type: ignore[union-attr] # an account by its name
        shown = {
            currency: amount
            for (account, currency), amount in whole.accounts.items()
            if account == name and amount
        }
        assert shown == held

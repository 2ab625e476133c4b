"""Random histories of the whole trade, whose process dies now and then in the middle of a write.

Merchants are qualified and lose it; cards are uploaded with real keys, some of them a second time
in another spelling; orders, payments, deliveries, timers, refunds, claims, chargebacks and deposits
follow. After every step each promise is held against every stored entry
(`tests.simulation.promises`).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import event, seed
from hypothesis.stateful import invariant

from ledger.cards.commitments import Opening, Place, commit, write_opening
from ledger.crashpoints import CrashPoint, arm
from ledger.rules.commands import Command
from ledger.rules.compose import Sealing
from tests.goods import card_body
from tests.simulation.checks import check_history
from tests.simulation.histories import META, How, Open
from tests.simulation.keys import check_absent, rows
from tests.simulation.market import Market, Sent
from tests.simulation.running import run_histories
from tests.simulation.test_chargebacks import ChargebackHistories
from tests.simulation.test_deposits import DepositHistories
from tests.simulation.test_duplicates import DuplicateHistories
from tests.simulation.test_escrow import EscrowHistories
from tests.simulation.test_shops import ShopHistories

STEPS, PARTS, SHARE, FULL_TIMES = 50, 10, 50, 10
ON_EACH = 3
DEADLY = (
    *(CrashPoint.DECIDED, CrashPoint.INDEXED, CrashPoint.INSERTED, CrashPoint.BEFORE_COMMIT),
    *(CrashPoint.COMMIT_SENT, CrashPoint.COMMITTED),
)
COMMANDS_LOST = 4


# These send at once, or need what was sent before; a reserved key would stay reserved for a while.
NOT_LOST = {*META, "again", "buy", "crash", "twice"}


class Died(BaseException):
    """The process died."""


class TradeHistories(DepositHistories, ChargebackHistories, DuplicateHistories, ShopHistories):
    """Everything that happens in a shop, and crashes."""

    actions: ClassVar[tuple[str, ...]] = (
        *(*EscrowHistories.actions, "report"),
        *("crash", "crash", "crash", "card", "again", "again", "lodge", "withdraw"),
        *("qualify", "revoke", "publish", "edit", "end", "top_up", "twice"),
        *("charge", "charge", "charge", "decide", "decide", "decide"),
        *("agree", "fund", "fund", "ask", "ask", "draw", "draw", "draw"),
    )

    # There are many of these histories; what is busy in others is two commands here.
    busyness: ClassVar[int] = 2

    def __init__(self, open_market: Open) -> None:
        """Give the ledger a registry of card keys."""
        self.openings: dict[str, str] = {}
        self.keys: list[str] = []
        self.dying = self.repeating = False
        self.died: set[CrashPoint] = set()
        super().__init__(partial(with_registry, open_market))

    # Real keys

    def act(self, dice: Random, kind: str, places: Any, body: dict[str, Any], **how: Any) -> None:
        """Commit to a real key where a card is registered."""
        if kind == "register-card/1":
            body = body | self.commitments(dice, body)
        super().act(dice, kind, places, body, **how)

    def commitments(self, dice: Random, body: dict[str, Any]) -> dict[str, str]:
        key = self.some_key(dice)
        card = Opening(key, self.world.dice(32))
        letters = "".join("ABCDEFGHIJ"[int(digit)] for digit in f"{len(self.made):020}")
        code = Opening(letters, self.world.dice(32))
        self.openings = {
            "card": write_opening("card", card),
            "code": write_opening("code", code),
        }
        made = {
            name: commit(Place(name, body["item"], body["product"]), opening)
            for name, opening in (("card", card), ("code", code))
        }
        plain = key.upper().replace("-", "").replace(" ", "")
        self.model.secrets[made["card"]] = (body["product"], plain)
        return made

    def again(self, dice: Random) -> None:
        """Upload a key that was made before, which was mostly registered."""
        self.repeating = True
        body = card_body(f"cards/again-{len(self.made)}")
        self.act(dice, "register-card/1", [("shop", "owner")], body, seal=("card", "code"))
        self.repeating = False

    def some_key(self, dice: Random) -> str:
        """Think of a new key, or of another spelling of an old one."""
        if self.repeating:
            old = dice.choice(self.keys)
            return dice.choice((old, old.lower(), "-".join(old[at : at + 4] for at in (0, 4, 8))))
        key = f"CANARY{len(self.made):06}"
        self.keys.append(key)
        return key

    def sealing(self, names: Sequence[str], subject: str) -> tuple[Sealing, ...]:
        if "card" not in names:
            return super().sealing(names, subject)
        return tuple(
            Sealing(name, subject, self.world.dice(32), self.openings[name]) for name in names
        )

    # Crashes

    def crash(self, dice: Random) -> None:
        """Let the process die while it writes a batch; the same batch is sent again to the next."""
        self.send_held()
        self.dying = True
        others = [name for name in self.actions if name not in NOT_LOST]
        for _ in range(dice.randint(1, COMMANDS_LOST)):
            getattr(self, dice.choice(others))(dice)
        self.dying = False
        batch, self.queue = [sent for _, sent in self.queue], []
        if batch:
            self.die(dice.choice(DEADLY), batch)

    def hand_in(self, command: Command, sent: Sent, how: How) -> None:
        if self.dying:
            self.queue.append((command, sent))
        else:
            super().hand_in(command, sent, how)

    def die(self, point: CrashPoint, batch: list[Sent]) -> None:
        def hook(reached: CrashPoint) -> None:
            if reached is point:
                raise Died

        self.sound = False
        self.world.clock.advance(1_000_000)
        arm(hook)
        try:
            self.world.ledger.submit([one.submission for one in batch])
        except Died:
            self.died.add(point)
        finally:
            arm(None)
        self.market.restart()
        self.world = self.market.world
        self.market.lose(batch)
        self.market.deliver(batch)
        self.sound = True

    # Promises

    @invariant()
    def every_promise_is_kept(self) -> None:
        self.market.check_promises()

    def teardown(self) -> None:
        """Look for keys in everything that was stored, too."""
        for point in sorted(self.died):
            event(f"died at {point.value}")
        if self.sound:
            self.check_secrets()
        super().teardown()

    def check_secrets(self) -> None:
        stored = [path.read_bytes() for path in self.files()]
        check_absent(self.keys, b"\0".join([*stored, *rows(self.world.recorder.engine)]))

    def files(self) -> list[Path]:
        """All files of the ledger: those of the vault, and of SQLite."""
        found = [path for path in self.market.vault.rglob("*") if path.is_file()]
        name = self.world.recorder.engine.url.database
        if self.world.recorder.engine.dialect.name == "sqlite":
            found += Path(str(name)).parent.glob("*.sqlite*")
        return found


@contextmanager
def with_registry(open_market: Open) -> Iterator[Market]:
    """Open a market that tells card keys apart."""
    with open_market() as market:
        market.use_registry()
        try:
            yield market
        finally:
            market.close()


def keep_every_promise(template: Any, part: int) -> None:
    machine = seed(part)(partial(TradeHistories, template.copy))
    run_histories(machine, share=SHARE, steps=STEPS, full_times=FULL_TIMES)


@contextmanager
def one_card(template: Any) -> Iterator[tuple[TradeHistories, Sent]]:
    """Begin a history with one sound command in hand, which registers a card."""
    history = TradeHistories(template.copy)
    history.dying = history.regretting = True
    dice, place = Random(1), [("shop", "owner")]  # noqa: S311
    history.act(dice, "register-card/1", place, card_body("cards/9"), seal=("card", "code"))
    [(_, sent)], history.queue = history.queue, []
    with history.stack:
        yield history, sent
        check_history(history.market)


@pytest.mark.parametrize("point", DEADLY)
def test_a_history_dies_at_each_deadly_point(template: Any, point: CrashPoint) -> None:
    with one_card(template) as (history, sent):
        history.die(point, [sent])

        assert history.died == {point}
        assert history.model.items["cards/9"]["owner"] == "shop"


def test_a_write_passes_the_deadly_points_and_no_other_but_its_signatures(template: Any) -> None:
    reached: list[CrashPoint] = []
    with one_card(template) as (history, sent):
        arm(reached.append)
        try:
            history.send([sent])
        finally:
            arm(None)

    assert reached == [CrashPoint.VERIFIED, *DEADLY]


# Two classes, so that two processes share the work.
class TestEvenSeeds:
    @pytest.mark.parametrize("part", range(0, PARTS, 2))
    def test_random_histories_of_trade_keep_every_promise(self, template: Any, part: int) -> None:
        keep_every_promise(template, part)


class TestOddSeeds:
    @pytest.mark.parametrize("part", range(1, PARTS, 2))
    def test_random_histories_of_trade_keep_every_promise(self, template: Any, part: int) -> None:
        keep_every_promise(template, part)


def test_histories_of_trade_keep_every_promise_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(TradeHistories, fresh_market), share=ON_EACH, steps=STEPS)
    # A connection that was left open is told of here.
    gc.collect()

"""At the end of an inspection one process releases and another claims: one of them wins."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from ledger.rules.compose import Draft, Sealing, compose, uuid7
from ledger.rules.digests import timer_id
from ledger.rules.order_state import HELD, RELEASED
from ledger.rules.text import format_time
from ledger.submission import Submission
from tests.escrow import deliver
from tests.goods import register_card
from tests.money import top_up
from tests.nodes.judging import check_log
from tests.nodes.sender import SEED, packed
from tests.orders import order_of, pay_order, place_order
from tests.regressions.shops import GIFT, PRICE, furnish
from tests.worlds import World

ROOT = Path(__file__).parents[2]
ORDERS = 40


def sold(world: World, number: int) -> str:
    """Sell ann a card, and deliver it."""
    register_card(world, f"cards/{number}", "mia", agent="system")
    order = place_order(world, "ann", GIFT, f"cards/{number}")
    pay_order(world, order)
    deliver(world, order)
    return order


def releasing(world: World, order: str, due: int) -> Submission:
    body = {"due": format_time(due), "order": order}
    draft = Draft("release-lines/1", "system", [world.signs("system", "system")], body)
    named = timer_id(f"order/{order}", "order-inspected", body["due"])
    return world.sign(compose(world.context(), named, draft))


def claiming(world: World, order: str) -> Submission:
    claim = uuid7(world.clock.now(), world.dice(10))
    body = {"claim": claim, "kind": "key-invalid", "line": 1, "order": order}
    expect = {f"order/{order}": world.head(f"order/{order}")}
    seal = [Sealing("description", "ann", world.dice(32), "it does not work")]
    signs = [world.signs("ann", "buyer")]
    return world.submission(Draft("open-claim/1", "ann", signs, body, expect, seal=seal))


def compete(url: str, now: int, files: list[Path]) -> list[list[str]]:
    """Let one process for each file begin at once, and return what came of its commands."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.nodes.sender", url, file.stem, str(now), str(file)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for file in files
    ]
    try:
        for each in running:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in running:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        return [json.loads(each.communicate(timeout=300)[0]) for each in running]
    finally:
        for each in running:
            each.kill()
            each.wait()


def test_of_a_release_and_a_claim_in_two_processes_exactly_one_wins(
    database_url: str, tmp_path: Path
) -> None:
    with World.create(database_url, SEED) as world:
        furnish(world)
        top_up(world, "ann", "kay", ORDERS * PRICE)
        orders = [sold(world, number) for number in range(ORDERS)]
        dues = [order_of(world, order).lines[0].inspect_by for order in orders]
        world.clock.advance(max(due for due in dues if due) - world.clock.now())
        releases = [
            releasing(world, order, due or 0) for order, due in zip(orders, dues, strict=True)
        ]
        claims = [claiming(world, order) for order in orders]
        files = [tmp_path / "releases", tmp_path / "claims"]
        for file, commands in zip(files, (releases, claims), strict=True):
            # Opposite orders, so that each is first somewhere.
            turned = commands if file.stem == "releases" else commands[::-1]
            file.write_text(json.dumps([packed(one) for one in turned]))

        released, claimed = compete(database_url, world.clock.now(), files)

        claimed = claimed[::-1]
        pairs = Counter(zip(released, claimed, strict=True))
        # Who claims relies on the order as it was; who releases, on what is due.
        assert set(pairs) == {("won", "stale-expectation"), ("timer-not-due", "won")}
        with World.join(database_url, SEED, process="judge") as judge:
            for order, came in zip(orders, released, strict=True):
                line = order_of(judge, order).lines[0]
                won = came == "won"
                assert (line.state, bool(line.claims)) == (
                    (RELEASED, False) if won else (HELD, True)
                )
                assert (line.released, line.held) == ((PRICE, 0) if won else (0, PRICE))
        while world.publish() is not None:
            pass
        check_log(database_url, world.vkey, {})

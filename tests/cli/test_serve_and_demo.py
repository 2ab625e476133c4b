"""`yinzheng serve` and `yinzheng demo`: what a first visitor sees."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from api.demo import card_shop
from api.folder import LedgerFolder
from api.market import Dice, Market
from api.marketday import OPENS_AT, POLICY, SEED, MarketDay
from ledger.clock import FixedClock
from tests.cli.running import Program


def stop(running: subprocess.Popen[str], how: signal.Signals) -> tuple[int, str]:
    running.send_signal(how)
    out, _ = running.communicate(timeout=30)
    return running.returncode, out


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
        found: bytes = answer.read()
    return found


@pytest.fixture(scope="module")
def demo(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished demo."""
    folder = tmp_path_factory.mktemp("demo") / "ledger"
    program.json("demo", "--dir", folder, "--no-serve")
    return folder


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_its_address_once_it_answers_and_stops_gracefully(
    program: Program, imported: Path, how: signal.Signals
) -> None:
    with program.serving("serve", "--dir", imported) as (ready, running):
        assert ready == {"url": ready["url"], "pid": running.pid}
        assert get(f"{ready['url']}/livez")
        key = f"@{imported / 'vkey'}"
        document = program.json("audit", "--url", ready["url"], "--vkey", key)
        assert document["verdict"] == "valid"
        assert stop(running, how) == (0, "")


def test_metrics_have_a_port_of_their_own_where_one_is_wanted(
    program: Program, ledger: Path
) -> None:
    with program.serving("serve", "--dir", ledger, "--metrics-port", "0") as (ready, running):
        assert b"yinzheng_log_entries " in get(ready["metrics"])
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(f"{ready['url']}/metrics")
        assert refused.value.code == 404
        refused.value.close()
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=30)

    told = [json.loads(line) for line in err.splitlines()]
    assert [each["event"] for each in told] == ["serving", "stopped"], err
    assert (told[0]["url"], told[0]["metrics"]) == (ready["url"], ready["metrics"])


def test_a_taken_port_is_told(program: Program, imported: Path) -> None:
    with program.serving("serve", "--dir", imported) as (ready, _):
        port = ready["url"].rpartition(":")[2]

        ran = program("serve", "--dir", imported, "--port", port, "--json")

    assert (ran.code, ran.error["code"]) == (2, "address-in-use")


def test_the_demo_leaves_a_ledger_to_try_the_other_commands_on(
    program: Program, demo: Path
) -> None:
    document = program.json("demo", "--dir", demo, "--no-serve")

    assert document["verdict"] == "valid"
    assert document["commands"] >= 2000
    refused = sum(document["refused"].values())
    assert 0.04 < refused / document["commands"] < 0.07
    assert document["checkpoints"] > 3
    history = program.json("history", document["item"], "--dir", demo)
    assert history["owner"] == document["party"]
    assert len(history["history"]) > 5
    party = program.json("keys", "party", document["party"], "--dir", demo)
    assert party["founder"] is False


def test_the_demo_leaves_its_parties_keys_where_they_are_found(
    program: Program, demo: Path
) -> None:
    document = program.json("demo", "--dir", demo, "--no-serve")
    kept = program.json("keystore", "list", "--dir", demo)
    listed = program.json("keys", "list", "--dir", demo)

    assert len(kept["keys"]) == 48
    assert document["party"] in {key["party"] for key in kept["keys"]}
    holders = {key["id"]: key["party"] for key in listed["keys"]}
    assert all(holders[key["id"]] == key["party"] for key in kept["keys"])


def test_the_demo_leaves_a_card_shop_to_try_the_other_commands_on(
    program: Program, demo: Path, tmp_path: Path
) -> None:
    told = program.json("demo", "--dir", demo, "--no-serve")
    file = tmp_path / "keys.csv"
    file.write_text("key\nNEW-CARD-1\nnew card 1\n")

    shown = program.json("order", "show", told["order"], "--dir", demo)
    named = {"merchant": told["merchant"], "product": told["product"]}
    options = [f"--{name}={value}" for name, value in named.items()]
    uploaded = program.json("cards", "upload", file, "--dir", demo, *options)
    accepted = program.json("order", "accept", told["order"], "--dir", demo, "--as", shown["buyer"])
    balance = program.json("trial-balance", "--dir", demo)

    assert {name: uploaded[name] for name in ("rows", "accepted", "duplicates", "rejected")} == {
        "rows": 2,
        "accepted": 1,
        "duplicates": 1,
        "rejected": 0,
    }
    assert [line["state"] for line in shown["lines"]] == ["held"]
    assert [line["state"] for line in accepted["lines"]] == ["released"]
    assert balance["unbalanced"] is None
    assert (
        told["refused"].items()
        >= {
            "card-duplicate": 3,  # in another spelling
            "card-rejected": 1,  # another merchant's
            "claim-open": 1,  # money that a claim froze
            "delivery-late": 1,
            "line-delivered": 1,  # a second time
        }.items()
    )


def test_the_demo_is_shown_to_people(program: Program, demo: Path) -> None:
    ran = program("demo", "--dir", demo, "--no-serve")

    assert ran.code == 0
    assert "not played again" in ran.err
    assert "audit of the whole log: valid" in ran.out
    assert "proof of this history: valid" in ran.out
    assert "on whose word" in ran.out
    tried = next(line for line in ran.out.splitlines() if "entry disclosures" in line).split()
    opened = program.json(*tried[tried.index("entry") :])
    assert [(each["name"], each["state"]) for each in opened["disclosures"]] == [("name", "open")]


def test_the_demo_serves_what_it_played(program: Program, demo: Path) -> None:
    with program.serving("demo", "--dir", demo) as (ready, running):
        assert ready["verdict"] == "valid"
        item = json.loads(get(f"{ready['url']}/v1/items/{ready['item']}"))
        assert item["owner"] == ready["party"]
        assert stop(running, signal.SIGTERM) == (0, "")


def test_the_demo_is_never_played_into_another_ledger(program: Program, imported: Path) -> None:
    ran = program("demo", "--dir", imported, "--no-serve", "--json")

    assert (ran.code, ran.error["code"]) == (2, "ledger-exists")


def test_the_same_dice_play_the_same_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = []
    for number in range(2):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state-{number}"))
        dice, clock = Dice(SEED), FixedClock(OPENS_AT)
        with LedgerFolder.create(
            tmp_path / f"ledger-{number}",
            origin="same.example/day",
            clock=clock,
            random=dice,
            policy=POLICY,
        ) as house:
            market = Market(house, clock, dice)
            day = MarketDay(market)
            day.play(lambda _done, _all: None)
            card_shop(market, day).play()
            heads.append(house.recorder.head())

    assert heads[0] == heads[1]
    assert heads[0].size > 2000

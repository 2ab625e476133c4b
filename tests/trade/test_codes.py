"""Verification codes in a whole ledger: many questions at once, and what a proof shows of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ledger.application import Accepted
from ledger.proof.bundle import verify_proof
from ledger.proof.tlogproof import parse_proof
from ledger.rules.code_errors import ChecksCapped, ChecksPending
from ledger.rules.codes import HOUR_US, PENDING_MAX
from ledger.rules.errors import CommandConflict
from ledger.rules.text import format_time
from tests.codes import (
    answer_draft,
    ask,
    ask_and_answer,
    check_draft,
    checks_of,
    revoke_code,
)
from tests.databases import sqlite_file_url
from tests.goods import register_card
from tests.worlds import World

CARD, OTHER = "cards/one", "cards/two"


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A ledger in which shop registered two cards and gave one to bob."""
    with World.create(sqlite_file_url(tmp_path_factory.mktemp("codes")), "codes") as opened:
        for party in ("shop", "bob", "eve"):
            opened.register(party)
        opened.open_namespace("cards", "shop")
        for item in (CARD, OTHER):
            register_card(opened, item, "shop")
        opened.transfer(CARD, to="bob")
        yield opened


def test_fifty_questions_of_one_party_in_one_batch_are_all_recorded(world: World) -> None:
    drafts = [check_draft(world, "eve") for _ in range(50)]
    outcomes = world.send(*[world.submission(draft) for draft in drafts])

    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert checks_of(world, "eve").pending == tuple(draft.id for draft in drafts)
    answers = [answer_draft(world, "eve", draft.id, CARD) for draft in reversed(drafts)]
    outcomes = world.send(*[world.submission(draft) for draft in answers])
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert checks_of(world, "eve").pending == ()


def test_of_too_many_questions_in_one_batch_as_many_are_recorded_as_may_wait(world: World) -> None:
    drafts = [check_draft(world, "eve") for _ in range(PENDING_MAX + 3)]
    outcomes = world.send(*[world.submission(draft) for draft in drafts])

    refused = [outcome for outcome in outcomes if isinstance(outcome, ChecksPending)]
    assert len(refused) == 3
    assert len(checks_of(world, "eve").pending) == PENDING_MAX


def test_without_a_trade_policy_a_party_asks_a_hundred_times_an_hour(world: World) -> None:
    for _ in range(100):
        ask_and_answer(world, "eve", CARD)
    with pytest.raises(ChecksCapped) as caught:
        ask(world, "eve")

    until = format_time(checks_of(world, "eve").asked[0] + HOUR_US)
    assert caught.value.evidence == {"most": 100, "until": until}
    ask(world, "bob")


def test_a_question_that_two_answer_at_once_is_answered_by_one(world: World) -> None:
    check = ask(world, "eve")
    drafts = [answer_draft(world, "eve", check, item) for item in (CARD, None)]
    first, second = world.send(*[world.submission(draft) for draft in drafts])

    assert isinstance(first, Accepted)
    assert isinstance(second, CommandConflict)
    assert checks_of(world, "eve").pending == ()


def test_the_proof_of_a_verified_card_is_whole_and_holds_nobodys_questions(world: World) -> None:
    ask_and_answer(world, "eve", OTHER)
    ask_and_answer(world, "eve", CARD)
    ask_and_answer(world, "bob", CARD)
    revoke_code(world, CARD)
    world.publish()
    proof = world.prover.prove(CARD)
    report = verify_proof(proof, world.vkey)
    documents = [each["entry"] for each in json.loads(parse_proof(proof).extra)["entries"]]
    streams = {document["stream"] for document in documents}

    assert (report.verdict, report.replayed) == ("valid", f"{len(documents)}/{len(documents)}")
    types = [each["type"] for each in documents if each["stream"] == f"item/{CARD}"]
    assert types[-2:] == ["code-verified/1", "code-revoked/1"]
    assert f"item/{OTHER}" not in streams
    assert not any(stream.startswith("checks/") for stream in streams)


def test_what_is_asked_is_nowhere_in_the_log(world: World) -> None:
    ask(world, "eve", "SECRETCODE", OTHER)
    raw = world.reader.entries(0, world.size())[-1].entry.decode()

    assert "SECRETCODE" not in raw
    assert OTHER not in raw

"""Verification codes over HTTP: asked about, answered in the log, and told no more than is due."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api import codes
from api.auditing import folder_of_ledger
from api.codes import Answerer, answered
from api.desk import Hand, Order, write
from api.keeper import Keeper
from api.schemas_signed import CodeAnswer, IssuedCode
from api.signatures import Target, sign_request
from ledger.cards.codes import ALPHABET, LENGTH
from ledger.cards.commitments import Place, check_opening, read_opening
from ledger.proof.audit import audit
from ledger.record.database import writing
from ledger.rules.codes import REVOKE, answer_id
from ledger.rules.commands import read_command
from ledger.rules.text import format_time
from tests.api.coded import Shop, serve_shop
from tests.api.serving import JSON, body_of
from tests.cards.selling import CHECKS, START_US

WRONG = "ABCDEFGHIJKLMNOPQRST"
AT_ONCE = 50
LOCK_US = CHECKS["lock_s"] * 1_000_000


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with serve_shop(tmp_path / "ledger") as opened:
        yield opened


@pytest.fixture
def shop_on_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> Iterator[Shop]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with serve_shop(tmp_path / "ledger", database_url=postgres_url) as opened:
        yield opened


def first_entries(shop: Shop) -> int:
    return len(shop.house.recorder.entries_of_type("code-verified/1", 0, limit=1000))


def test_the_first_success_is_the_only_first_and_the_owner_is_told_when_it_was(shop: Shop) -> None:
    item, code = shop.issue()

    assert shop.check("shop", item, code) == ("valid", None)
    shop.wait(5_000_000)
    assert shop.check("shop", item, code) == ("already_verified", format_time(START_US))
    # As somebody types it.
    assert shop.check("shop", item, f" {code[:5]}-{code[5:]} ".lower())[0] == "already_verified"
    assert first_entries(shop) == 1


def test_who_does_not_own_the_item_is_told_valid_or_invalid_alone(shop: Shop) -> None:
    item, code = shop.issue()
    other, others_code = shop.issue()

    assert shop.check("ann", item, code) == ("valid", None)
    assert shop.check("bob", item, code) == ("valid", None)
    assert shop.check("shop", item, code)[0] == "already_verified"
    assert shop.check("ann", item, others_code) == ("invalid", None)
    shop.revoke(other)
    assert shop.check("ann", other, others_code) == ("invalid", None)
    assert first_entries(shop) == 1


def test_the_owner_is_told_that_a_code_is_revoked_or_another_items(shop: Shop) -> None:
    item, code = shop.issue()
    other, others_code = shop.issue()
    shop.revoke(other)

    told = shop.post(shop.asking("shop", item, others_code)).json()
    assert (told["result"], told["first_at"]) == ("wrong_item", None)
    entry = shop.house.reader.written(told["entry"])
    assert entry.command is not None
    # What was asked about is named, and not whose code it is.
    assert (entry.command.body["found"], entry.command.body["item"]) == ("other", item)
    assert shop.check("shop", other, others_code) == ("revoked", None)
    shop.give(item, "shop", "ann")
    assert shop.check("shop", item, code) == ("valid", None)
    assert shop.check("ann", item, code)[0] == "already_verified"
    assert shop.check("shop", item, others_code) == ("invalid", None)


def test_the_log_names_no_item_where_a_stranger_is_told_invalid(shop: Shop) -> None:
    item, _ = shop.issue()
    other, others_code = shop.issue()
    shop.revoke(other)

    for name in (item, other):
        told = shop.post(shop.asking("ann", name, others_code)).json()
        entry = shop.house.reader.written(told["entry"])
        assert told["result"] == "invalid"
        assert entry.command is not None
        assert (entry.command.body["found"], entry.command.body["item"]) == ("none", None)


def test_nothing_of_an_item_is_read_for_a_code_that_nobody_issued(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, code = shop.issue()
    asked: list[str] = []
    stream = shop.house.ledger.stream
    monkeypatch.setattr(
        shop.house.ledger, "stream", lambda name: (asked.append(name), stream(name))[1]
    )

    assert shop.check("ann", item, WRONG) == ("invalid", None)
    assert not [name for name in asked if name.startswith("item/")]
    assert shop.check("ann", item, code) == ("valid", None)
    assert f"item/{item}" in asked


def test_a_code_that_nobody_issued_and_an_item_that_nobody_registered_look_alike(
    shop: Shop,
) -> None:
    item, code = shop.issue()
    asked = [("ann", item, WRONG), ("ann", "shop-cards/none", WRONG), ("ann", "no/such", code)]

    told = []
    for party, name, text in asked:
        question = shop.asking(party, name, text)
        answer = shop.post(question)
        check = read_command(question.command).id
        told.append((answer.status_code, answer.text.replace(check, "ID"), dict(answer.headers)))
        CodeAnswer.model_validate_json(answer.content)
    entries = [json.loads(text).pop("entry") for _, text, _ in told]
    alike = {
        text.replace(f'"entry":{at}', '"entry":0')
        for (_, text, _), at in zip(told, entries, strict=True)
    }

    assert alike == {'{"check":"ID","result":"invalid","first_at":null,"entry":0}'}
    assert {status for status, _, _ in told} == {200}
    assert len({tuple(sorted(headers.items())) for _, _, headers in told}) == 1
    # In the log they are of one length too, and name no item.
    rows = [shop.house.reader.entry(at) for at in entries]
    assert len({len(row.entry) for row in rows if row}) == 1
    assert not any(name.encode() in row.entry for row in rows if row for _, name, _ in asked)


def test_the_same_command_is_answered_the_same(shop: Shop) -> None:
    item, code = shop.issue()
    question = shop.asking("shop", item, code)

    first = shop.post(question)
    shop.check("shop", item, code)

    assert first.json()["result"] == "valid"
    assert shop.post(question).content == first.content


async def _one_round(shop: Shop) -> dict[str, str]:
    keeper = Keeper(shop.house)
    await keeper.round()
    return dict(keeper.failures)


def recorded_only(shop: Shop, *asked: Any) -> list[str]:
    """Let questions be recorded and not answered, as if the server had died after it."""
    shop.house.ledger.submit(asked)
    return [read_command(each.command).id for each in asked]


def test_what_a_server_left_unanswered_is_answered_by_the_next_one(shop: Shop) -> None:
    item, code = shop.issue()
    question = shop.asking("shop", item, code)
    checks = recorded_only(shop, question, shop.asking("ann", item, WRONG))

    assert asyncio.run(_one_round(shop)) == {}

    for party, check in zip(("shop", "ann"), checks, strict=True):
        assert shop.house.recorder.find_command("system", answer_id(party, check)) is not None
    assert shop.post(question).json()["result"] == "valid"


def test_a_question_that_was_answered_is_not_looked_at_again(shop: Shop) -> None:
    item, code = shop.issue()
    recorded_only(shop, shop.asking("ann", item, code))
    answerer = Answerer(shop.house)

    assert (answerer.keep_up(), answerer._left, answerer.keep_up()) == (1, set(), 0)


def test_who_was_second_to_answer_tells_what_the_first_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, code = shop.issue()
    (check,) = recorded_only(shop, shop.asking("shop", item, code))
    late = codes.prepare(shop.house, "shop", check)
    shop.revoke(item)
    shop.wait(1_000_000)
    first = codes.answer(shop.house, "shop", check)

    # What the second wrote before it could know.
    monkeypatch.setattr(codes, "prepare", lambda *_: late)
    assert codes.answer(shop.house, "shop", check) == first
    assert first.result == "revoked"


@pytest.mark.parametrize("database", ["shop", "shop_on_postgresql"])
def test_of_fifty_tries_at_once_one_is_the_first(
    database: str, request: pytest.FixtureRequest
) -> None:
    shop: Shop = request.getfixturevalue(database)
    item, code = shop.issue()
    start = threading.Barrier(AT_ONCE)
    asked = [shop.asking("shop", item, code) for _ in range(AT_ONCE)]

    def post(question: Any) -> str:
        start.wait()
        answer = shop.post(question)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["result"])

    with ThreadPoolExecutor(AT_ONCE) as threads:
        told = Counter(threads.map(post, asked))

    assert told == {"valid": 1, "already_verified": AT_ONCE - 1}
    assert first_entries(shop) == 1
    with folder_of_ledger(shop.house.folder) as source:
        assert audit(source, shop.house.vkey).verdict == "valid"


def test_too_many_wrong_codes_lock_their_party_for_a_while_and_nobody_else(shop: Shop) -> None:
    item, code = shop.issue()
    for number in range(CHECKS["lock_after"]):
        assert shop.check("ann", item, WRONG[number:] + WRONG[:number])[0] == "invalid"
        if number % 2 == 1:
            # A good code of one's own buys no more guesses.
            assert shop.check("ann", item, code)[0] == "valid"

    refused = shop.post(shop.asking("ann", item, code))

    assert (refused.status_code, refused.json()["code"]) == (409, "checks-locked")
    until = format_time(START_US + LOCK_US)
    assert refused.json()["evidence"] == {"failed": CHECKS["lock_after"], "until": until}
    assert shop.check("bob", item, code)[0] == "valid"
    shop.wait(LOCK_US)
    assert shop.check("ann", item, code)[0] == "valid"


def test_nobody_hits_a_code_of_this_length_by_trying() -> None:
    """Ten million codes that are live, and a thousand million tries a year, all over the world."""
    live, tries = 10**7, 10**9

    assert live * tries / len(ALPHABET) ** LENGTH < 1e-9
    # Five letters less would not do.
    assert live * tries / len(ALPHABET) ** (LENGTH - 5) > 1e-9


def test_without_the_index_nothing_is_answered_and_the_question_is_kept(shop: Shop) -> None:
    item, code = shop.issue()
    pepper = shop.house.folder / "vault" / "pepper-1"
    kept = pepper.read_bytes()
    pepper.unlink()
    shop.house.registry.close()
    question = shop.asking("shop", item, code)

    refused = shop.post(question)
    assert (refused.status_code, refused.json()["code"]) == (503, "card-index-unavailable")
    assert list(asyncio.run(_one_round(shop))) == ["answers"]

    pepper.write_bytes(kept)
    pepper.chmod(0o600)
    assert shop.post(question).json()["result"] == "valid"
    assert asyncio.run(_one_round(shop)) == {}


def test_only_one_question_is_taken_at_a_time(shop: Shop) -> None:
    item, code = shop.issue()
    one = shop.asking("shop", item, code)
    two = shop.client.post(
        "/v1/checks", content=body_of(one, shop.asking("ann", item, code)), headers=JSON
    )

    assert (two.status_code, two.json()["code"]) == (400, "malformed")
    assert two.json()["detail"] == "body: is not one command"
    assert first_entries(shop) == 0


def test_another_command_is_no_question(shop: Shop) -> None:
    item, _ = shop.issue()
    size = shop.house.recorder.head().size
    hand = Hand("shop", "owner", shop.house.signer("shop"))
    order = Order(
        REVOKE, [hand], {"item": item}, {f"item/{item}": shop.house.head_of(f"item/{item}")}
    )

    refused = shop.post(write(shop.house.context(), order)[1])

    assert (refused.status_code, refused.json()["detail"]) == (
        400,
        "command.kind: is not check-code/1",
    )
    assert shop.house.recorder.head().size == size


def test_a_question_that_does_not_open_keeps_no_other_from_its_answer(shop: Shop) -> None:
    item, code = shop.issue()
    broken, sound = shop.asking("ann", item, code), shop.asking("bob", item, code)
    checks = recorded_only(shop, broken, sound)
    found = shop.house.recorder.find_command("ann", checks[0])
    assert found is not None
    with writing(shop.house.recorder.engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS disclosure_no_update")
        connection.exec_driver_sql(
            f'UPDATE disclosure SET box = zeroblob(64) WHERE "index" = {found.index}'
        )

    assert asyncio.run(_one_round(shop)) == {"answers": "box-refused"}
    told = [answered(shop.house, *place) for place in zip(("ann", "bob"), checks, strict=True)]
    assert told[0] is None
    assert told[1] is not None
    assert told[1].result == "valid"


def test_a_question_that_the_storage_lost_is_answered_as_a_wrong_code(shop: Shop) -> None:
    item, code = shop.issue()
    (check,) = recorded_only(shop, shop.asking("ann", item, code))
    with writing(shop.house.recorder.engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS disclosure_no_update")
        connection.exec_driver_sql("UPDATE disclosure SET box = x'' WHERE name = 'code'")

    assert asyncio.run(_one_round(shop)) == {}
    told = answered(shop.house, "ann", check)
    assert told is not None
    assert told.result == "invalid"


def signed(shop: Shop, path: str, party: str) -> Any:
    headers = sign_request(
        Target("GET", "http", "testserver", path),
        shop.house.signer(party),
        origin=shop.house.origin,
        created=shop.house.clock.now(),
        nonce=shop.house.random(16).hex(),
    )
    return shop.client.get(path, headers=headers)


def test_the_owner_of_a_card_sees_its_code_and_what_opens_the_commitment(shop: Shop) -> None:
    item, code = shop.issue()
    path = f"/v1/items/{item}/code"

    told = signed(shop, path, "shop")
    IssuedCode.model_validate_json(told.content)
    document = told.json()

    assert (told.status_code, document["code"], document["state"]) == (200, code, "open")
    assert told.headers["cache-control"] == "no-store"
    place = Place("code", item, document["product"])
    check_opening(place, document["commitment"], read_opening("code", document["opening"]))
    assert shop.client.get(path).status_code == 401
    shop.give(item, "shop", "ann")
    for party, status in (("ann", 200), ("shop", 403), ("bob", 403)):
        assert signed(shop, path, party).status_code == status
    assert signed(shop, "/v1/items/shop-cards/none/code", "ann").status_code == 403

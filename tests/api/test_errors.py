"""Every error has an answer, in both languages, and the answer names it."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.errors import RETRYABLE, STATUS_OF, TREES
from api.problems import install
from api.titles import LANGUAGES, TITLES, language_of, title_of
from ledger.errors import WriteContended
from ledger.record.errors import DatabaseUnavailable
from ledger.rules.errors import Malformed, NotOwner


def family(root: type) -> set[type]:
    return {heir for child in root.__subclasses__() for heir in {child, *family(child)}}


EVERY = {error for tree in TREES for error in family(tree)}


def test_every_error_of_every_tree_has_a_status() -> None:
    assert set(STATUS_OF) == EVERY


def test_every_status_is_a_refusal_or_a_fault() -> None:
    assert {int(status) // 100 for status in STATUS_OF.values()} == {4, 5}


def test_every_code_is_unique() -> None:
    codes = [error.code for error in STATUS_OF]

    assert sorted(codes) == sorted(set(codes))


def test_every_code_has_a_title_in_both_languages() -> None:
    assert set(TITLES) == {error.code for error in STATUS_OF}
    for code in TITLES:
        english, chinese = (title_of(code, language) for language in LANGUAGES)
        assert english.isascii()
        assert not chinese.isascii()


def test_no_bug_is_worth_a_retry() -> None:
    assert all(STATUS_OF[error] != 500 for error in RETRYABLE)


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB, zh;q=0.5", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("zh;q=0.3, en;q=0.7", "en"),
        ("zh;q=0", "en"),
        ("*", "en"),
        ("de, fr", "en"),
        ("zh;q=nonsense", "en"),
        ("zh;q=0.12345, en;q=0.1", "en"),
        ("zh;q=\u0661", "en"),
        (",;,;q=,", "en"),
        ("x," * 40 + "zh", "en"),
    ],
)
def test_the_language_is_the_one_most_wished_for(accept: str, language: str) -> None:
    assert language_of(accept) == language


def app_that_raises(error: Exception) -> TestClient:
    app = FastAPI()
    install(app)

    @app.get("/thing")
    async def thing() -> None:
        raise error

    return TestClient(app, raise_server_exceptions=False)


def test_a_refusal_is_a_problem_document() -> None:
    client = app_that_raises(NotOwner("ann does not own the item", party="ann", owner="bob"))

    answer = client.get("/thing?q=1")

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == "en"
    assert answer.json() == {
        "type": "/errors/not-owner",
        "title": "Only the item's owner may do this",
        "status": 403,
        "detail": "ann does not own the item",
        "instance": "/thing",
        "code": "not-owner",
        "evidence": {"party": "ann", "owner": "bob"},
        "retryable": False,
    }


def test_a_malformed_value_is_pointed_at() -> None:
    client = app_that_raises(Malformed("command.expect[2].leaf", "is not hex"))

    answer = client.get("/thing", headers={"Accept-Language": "zh-CN"})

    assert answer.status_code == 400
    assert answer.headers["content-language"] == "zh"
    assert answer.json()["title"] == "格式不符合要求"
    assert answer.json()["evidence"] == {"field": "command.expect[2].leaf", "message": "is not hex"}
    assert answer.json()["errors"] == [
        {"code": "malformed", "detail": "is not hex", "pointer": "/command/expect/2/leaf"}
    ]


def test_what_may_succeed_later_says_when_to_try() -> None:
    answer = app_that_raises(WriteContended("others were first", attempts=20)).get("/thing")

    assert answer.status_code == 503
    assert answer.json()["retryable"] is True
    assert answer.headers["retry-after"] == "1"


def test_the_storage_tells_no_more_than_its_message() -> None:
    answer = app_that_raises(DatabaseUnavailable("ledger", "locked")).get("/thing")

    assert (answer.status_code, answer.json()["evidence"]) == (503, {})


def test_a_bug_tells_nothing() -> None:
    answer = app_that_raises(RuntimeError("secret")).get("/thing")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal-error"
    assert "secret" not in answer.text


def test_a_wrong_method_is_a_problem_that_names_the_right_ones() -> None:
    answer = app_that_raises(RuntimeError()).delete("/thing")

    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


def test_a_path_that_is_not_there_is_a_problem() -> None:
    answer = app_that_raises(RuntimeError()).get("/nothing")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")

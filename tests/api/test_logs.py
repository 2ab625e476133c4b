"""The log: one line an event whatever is in it, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import logs
from api.settings import Level
from ledger.record.errors import DatabaseUnavailable, OutcomeUnknown
from ledger.rules.canonical import encode
from ledger.rules.compose import Draft, Sealing
from ledger.rules.text import b64encode
from ledger.signer import LocalSigner
from tests.api.serving import Served, body_of, document_of
from tests.api.test_commands import member
from tests.waiting import wait_until

FORGERIES = (
    'x\n{"event": "serving", "level": "info"}',
    "x\r\nlevel=info all is well",
    "x\r",
    "\x1b[2J\x1b[1;31mred\x1b[0m",
    "\x9b31m",
    "\x7f\x08\x08\x00",
    "\u202egnp.exe",
    "\u2066\u2069\u200f\u061c",
    "a\u2028b\u2029c\u0085d",
    "\ud800",
    '"},{"event":"x',
    "%s %d %(name)s {0} {name}",
    "剑",
)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that is logged from now on; as it was before, afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("yinzheng")
    before = (root.handlers[:], root.level, ours.level, logging.raiseExceptions)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    told = io.StringIO()
    logs.configure(Level.DEBUG, told)
    yield told
    root.handlers[:], root.level, ours.level, logging.raiseExceptions = before


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    """Read the log back: every line is one object, and all of it is printable ASCII."""
    text = stream.getvalue()
    assert all(character == "\n" or " " <= character <= "~" for character in text)
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@contextmanager
def uncaptured() -> Iterator[None]:
    """Keep records from pytest's own handlers: a worker cannot report a lone surrogate."""
    root = logging.getLogger()
    theirs = [one for one in root.handlers if type(one).__module__.startswith("_pytest")]
    for handler in theirs:
        root.removeHandler(handler)
    try:
        yield
    finally:
        for handler in theirs:
            root.addHandler(handler)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_text_stays_inside_its_event(stream: io.StringIO, forgery: str) -> None:
    with uncaptured():
        logs.logger("test").warning(forgery, field=forgery, list=[forgery])
        logging.getLogger("library").error(forgery)
        logging.getLogger("library").error("said %s", forgery)

    ours, theirs, formatted = events(stream)
    assert (ours["event"], ours["field"], ours["list"]) == (forgery, forgery, [forgery])
    assert (ours["level"], ours["logger"]) == ("warning", "yinzheng.test")
    assert theirs["event"] == forgery
    assert formatted["event"] == f"said {forgery}"


@given(text=st.text(alphabet=st.characters(codec=None), max_size=60))
def test_any_text_is_one_line(text: str) -> None:
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, text, (), None)

    line = logs.formatter().format(record)

    assert all(" " <= character <= "~" for character in line)
    assert json.loads(line)["event"] == logs.blot(text)


def test_a_record_that_cannot_be_formatted_is_no_second_log(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("one",)
    logging.getLogger("library").error("%s %s", *few)
    logging.getLogger("library").error("next")

    assert [event["event"] for event in events(stream)] == ["next"]
    assert capsys.readouterr() == ("", "")


def test_a_path_that_forges_a_line_is_logged_as_what_it_is(
    served: Served, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OutcomeUnknown("the connection broke")

    monkeypatch.setattr(served.app.state.rooms.house.reader, "entry", fail, raising=False)
    monkeypatch.setattr(served.app.state.rooms.house.reader, "size", fail)
    served.client.get("/v1/log?x=1")
    answer = served.client.get("/v1/log", headers={"X-Request-Id": "mine-1"})

    told = [event for event in events(stream) if event["event"] == "request-failed"]
    assert (answer.status_code, answer.headers["x-request-id"]) == (503, "mine-1")
    assert told[-1]["request_id"] == "mine-1"
    assert told[-1]["problem"] == "outcome-unknown"
    assert (told[-1]["method"], told[-1]["path"], told[-1]["status"]) == ("GET", "/v1/log", 503)
    assert (told[-1]["level"], told[-1]["logger"]) == ("warning", "yinzheng.requests")


def test_a_bug_is_logged_with_its_places_and_answered_with_its_id(
    served: Served, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("card key 1234-5678")

    monkeypatch.setattr(served.app.state.rooms.house.reader, "size", fail)
    answer = served.client.get("/v1/log")

    (told,) = [event for event in events(stream) if event["event"] == "request-failed"]
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert told["request_id"] == answer.headers["x-request-id"]
    assert len(told["request_id"]) == 16
    assert (told["type"], told["level"]) == ("ZeroDivisionError", "error")
    assert "test_logs.py" in told["places"][-1]
    assert "1234" not in stream.getvalue() + answer.text


def test_what_anybody_can_bring_about_does_not_fill_the_log(
    served: Served, stream: io.StringIO
) -> None:
    headers = {"Prefer": "wait=0"}
    served.client.get("/v1/items/cards/1?wait_for_index=9999", headers=headers)
    served.client.get("/nothing")
    served.post(b"{}")

    assert [each for each in events(stream) if each["event"] == "request-failed"] == []


def test_a_batch_and_a_failed_batch_are_told(
    served: Served, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = served.world
    one, two = (world.submission(member(world, name)) for name in ("carl", "ann"))
    served.post(body_of(one, two))

    def away(_prepared: object) -> None:
        raise DatabaseUnavailable("postgresql://ledger:***@db/ledger", "gone")

    monkeypatch.setattr(world.ledger, "commit", away)
    served.post(body_of(one))

    # A batch is told of after whoever waits was answered.
    wait_until(lambda: "commit-failed" in stream.getvalue(), what="the failed batch is told of")
    told = [each for each in events(stream) if each["logger"] == "yinzheng.writer"]
    assert [each["event"] for each in told] == ["committed", "commit-failed"]
    assert (told[0]["level"], told[0]["commands"], told[0]["accepted"]) == ("debug", 2, 1)
    assert (told[1]["level"], told[1]["code"]) == ("error", "database-unavailable")
    assert "gone; nothing was changed" in told[1]["reason"]


def test_background_work_that_fails_is_told_once_and_its_recovery_too(
    served: Served, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise DatabaseUnavailable("paper", "gone")

    rooms = served.app.state.rooms
    with monkeypatch.context() as patched:
        patched.setattr(rooms.house.runner, "catch_up", fail)
        for _ in range(3):
            served.client.portal.call(rooms.keeper.round)
    served.client.portal.call(rooms.keeper.round)

    told = [each for each in events(stream) if each["logger"] == "yinzheng.keeper"]
    assert [(each["event"], each["step"]) for each in told] == [
        ("keeper-failed", "projections"),
        ("keeper-recovered", "projections"),
    ]
    assert told[0]["code"] == "database-unavailable"


def test_a_thread_that_ends_by_an_error_is_told_in_one_line(stream: io.StringIO) -> None:
    def fail() -> None:
        raise ZeroDivisionError("two\nlines")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()

    (told,) = events(stream)
    assert (told["event"], told["thread"], told["type"]) == (
        "thread-ended",
        "worker",
        "ZeroDivisionError",
    )


CANARY = "canary-7f3a9c-of-the-card"
PASSWORD = "canary-password-51"  # noqa: S105 - the canary's
SALT = bytes(range(100, 132))
SEED = bytes(range(50, 82))


def secrets() -> dict[str, str]:
    """What must never be logged, as it could be written."""
    pem = LocalSigner.from_seed(SEED)
    return {
        "value": CANARY,
        "salt": b64encode(SALT),
        "salt in hex": SALT.hex(),
        "seed": b64encode(SEED),
        "password": PASSWORD,
        "signature": b64encode(pem.sign(b"something")),
    }


def leaks(stream: io.StringIO) -> list[str]:
    return [name for name, secret in secrets().items() if secret in stream.getvalue()]


def test_no_secret_is_logged_whatever_goes_wrong(
    served: Served, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world, rooms = served.world, served.app.state.rooms
    seal = (Sealing("reason", "fay", SALT, CANARY),)
    body = {"ground": "in-dispute", "item": "cards/1"}
    draft = Draft("freeze-item/1", "fay", [world.signs("fay", "freezer")], body, seal=seal)
    good = world.submission(draft)
    commit = world.ledger.commit

    def fails(error: Exception) -> None:
        def fail(_prepared: object) -> None:
            raise error

        monkeypatch.setattr(world.ledger, "commit", fail)
        assert served.post(body_of(good)).status_code >= 500

    document = document_of(good)
    document["disclosures"][0]["value"] = CANARY + "!"
    served.post(encode(document))
    served.post(body_of(good)[:-9])
    url = f"postgresql://ledger:{PASSWORD}@db/ledger"
    statement = f"refused [parameters: {CANARY} {document}] {url}"
    fails(ValueError(statement))
    fails(DatabaseUnavailable(url, statement))
    fails(DatabaseUnavailable("db", f"no room DETAIL: Failing row contains (1, {CANARY})"))
    fails(OutcomeUnknown(f"{url} {b64encode(SALT)} password={PASSWORD}"))
    for message in (url, f"password={PASSWORD} host=db", f"box {b64encode(SALT)}"):
        logging.getLogger("uvicorn.error").error("said %s", message)
    logs.logger("test").error("named", salt=b64encode(SALT), value=CANARY, body=document)
    logs.logger("test").error("whole", held=document, error=RuntimeError(statement))
    monkeypatch.setattr(world.ledger, "commit", commit)
    assert served.post(body_of(good)).status_code == 201
    served.client.portal.call(rooms.keeper.round)

    assert len(events(stream)) >= 10
    assert leaks(stream) == []


def test_the_search_for_secrets_would_find_them(stream: io.StringIO) -> None:
    for secret in secrets().values():
        stream.write(secret)

    assert leaks(stream) == list(secrets())


@pytest.mark.parametrize(
    "harmless",
    [
        "a" * 64,
        "/v1/proofs/consistency/1234567890/12345678901",
        "database sqlite:////srv/ledger.sqlite: disk full; nothing was changed",
        "head moved: decided on size 9 epoch 0",
    ],
)
def test_what_is_no_secret_stays_readable(harmless: str) -> None:
    assert logs.blot(harmless) == harmless


def test_a_long_text_is_cut(stream: io.StringIO) -> None:
    logs.logger("test").error("long", text="ab " * 1_000)

    (told,) = events(stream)
    assert len(told["text"]) == 503

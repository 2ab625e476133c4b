"""Too much at once is refused at once, whole, with when to come again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.settings import Settings
from ledger.quota import Quota
from ledger.record.errors import DatabaseUnavailable
from ledger.submission import Prepared
from tests.api.serving import JSON, Served, body_of, furnish, serve
from tests.api.test_commands import member
from tests.worlds import World

WAIT_S = 20.0


@contextmanager
def held(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let every commit wait until the event is set; it is set at the end."""
    proceed, ledger = threading.Event(), served.world.ledger
    commit = ledger.commit

    def waiting(prepared: list[Prepared]) -> Any:
        assert proceed.wait(WAIT_S)
        return commit(prepared)

    monkeypatch.setattr(ledger, "commit", waiting)
    try:
        yield proceed
    finally:
        proceed.set()


def items(world: World, first: int, count: int) -> bytes:
    """The registrations of so many items in one array."""
    return body_of(
        *(world.submission(world.item_draft(f"cards/{n}")) for n in range(first, first + count))
    )


def test_beyond_the_bound_a_request_is_refused_whole_and_told_when_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(tmp_path, settings=Settings(queue_commands=5)) as served:
        furnish(served.world)
        size = served.world.size()
        writer = served.app.state.rooms.writer
        answers: list[Any] = []
        with held(served, monkeypatch) as proceed:
            waiting = threading.Thread(
                target=lambda: answers.append(served.post(items(served.world, 10, 4)))
            )
            waiting.start()
            while writer.load().commands < 4:
                threading.Event().wait(0.001)
            refused = served.post(items(served.world, 20, 2), **{"Accept-Language": "zh"})
            load = writer.load().commands
            proceed.set()
            waiting.join(WAIT_S)
        after = served.post(items(served.world, 20, 2))

        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (429, "queue-full")
        assert (problem["retryable"], problem["title"]) == (True, "等待写入的命令过多")
        assert problem["evidence"] == {"waiting": 4, "most": 5, "retry_after_s": 1}
        assert refused.headers["Retry-After"] == "1"
        assert load == 4
        assert [each.status_code for each in (*answers, after)] == [200, 200]
        assert served.world.size() == size + 6


def test_a_full_queue_refuses_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(tmp_path, settings=Settings(queue_commands=1)) as served:
        furnish(served.world)
        with held(served, monkeypatch) as proceed:
            waiting = threading.Thread(target=lambda: served.post(items(served.world, 10, 1)))
            waiting.start()
            while not served.app.state.rooms.writer.load().commands:
                threading.Event().wait(0.001)
            refused = served.post(b"no JSON at all")
            proceed.set()
            waiting.join(WAIT_S)

        assert (refused.status_code, refused.json()["code"]) == (429, "queue-full")


def test_a_party_beyond_its_quota_is_refused_alone(tmp_path: Path) -> None:
    quota = Quota(per_minute=6, burst=2)
    with serve(tmp_path, settings=Settings(quota=quota)) as served:
        furnish(served.world)
        size = served.world.size()

        array = served.post(items(served.world, 10, 3)).json()
        single = served.post(items(served.world, 20, 1))
        other = served.post(body_of(served.world.submission(member(served.world, "carl"))))

        assert [next(iter(each)) for each in array] == ["receipt", "receipt", "problem"]
        problem = single.json()
        assert (single.status_code, problem["code"]) == (429, "quota-exceeded")
        assert problem["evidence"]["party"] == "shop"
        assert (problem["evidence"]["per_minute"], problem["evidence"]["burst"]) == (6, 2)
        assert 8 <= int(single.headers["Retry-After"]) <= 10
        assert problem["evidence"]["retry_after_s"] == int(single.headers["Retry-After"])
        assert other.status_code == 201
        assert served.world.size() == size + 3


def test_without_a_quota_a_party_writes_as_it_likes(tmp_path: Path) -> None:
    with serve(tmp_path, settings=Settings(quota=None)) as served:
        furnish(served.world)

        answer = served.post(items(served.world, 10, 50))

        assert all("receipt" in each for each in answer.json())


def test_a_failed_commit_is_answered_to_everybody_who_waited(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, ledger = served.world, served.world.ledger
    size = world.size()
    one, two = items(world, 10, 1), items(world, 20, 2)
    commit, gone = ledger.commit, threading.Event()

    def away(prepared: list[Prepared]) -> Any:
        if not gone.is_set():
            raise DatabaseUnavailable("paper", "gone")
        return commit(prepared)

    monkeypatch.setattr(ledger, "commit", away)
    failed = [served.post(body) for body in (one, two)]
    gone.set()
    again = [served.post(body) for body in (one, two)]

    for answer in failed:
        assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert [answer.status_code for answer in again] == [201, 200]
    assert world.size() == size + 3


def test_many_requests_at_once_share_commits_and_each_gets_its_own_receipt(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, batches = served.world, []
    bodies = [items(world, 100 + number, 1) for number in range(60)]
    commit, first = world.ledger.commit, world.size()

    def counted(prepared: list[Prepared]) -> Any:
        batches.append(len(prepared))
        # Long enough for the others to arrive.
        threading.Event().wait(0.05)
        return commit(prepared)

    monkeypatch.setattr(world.ledger, "commit", counted)

    async def send_all() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=served.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(
                *(client.post("/v1/commands", content=body, headers=JSON) for body in bodies)
            )

    answers = asyncio.run(send_all())

    indices = [answer.json()["receipt"]["index"] for answer in answers]
    assert {answer.status_code for answer in answers} == {201}
    assert sorted(indices) == list(range(first, first + 60))
    assert sum(batches) == 60
    assert len(batches) < 15


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_broke_answers_and_makes_the_server_unready(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breakage(BaseException):
        """What no code of ours raises."""

    def break_(_prepared: object) -> None:
        raise Breakage

    monkeypatch.setattr(served.world.ledger, "commit", break_)
    in_its_hands = served.post(items(served.world, 10, 1))
    after = served.post(items(served.world, 20, 1))
    ready = served.client.get("/readyz")

    assert (in_its_hands.status_code, in_its_hands.json()["code"]) == (503, "outcome-unknown")
    assert (after.status_code, after.json()["code"]) == (503, "writer-stopped")
    assert ready.status_code == 503
    assert ready.json()["checks"]["writer"] == {"status": "failing", "error": "internal-error"}

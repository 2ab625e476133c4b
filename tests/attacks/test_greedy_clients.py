"""Clients who send slowly, or ask for what never comes, hold little and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from anyio import CapacityLimiter
from fastapi import Request

from api import moments, reading
from api.errors import BodyTooSlow, ServerBusy
from api.reading import SMALL_BODY_BYTES, body_of
from tests.api.conftest import served
from tests.api.serving import Served
from tests.api.serving import body_of as written

__all__ = ["served"]

Messages = list[dict[str, Any]]


def request_of(messages: Messages, *, length: int | None = None) -> Request:
    """A request whose body comes in these messages, and then nothing more."""
    headers = [(b"content-type", b"application/json")]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    coming: Iterator[dict[str, Any]] = iter(messages)

    async def receive() -> dict[str, Any]:
        for message in coming:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": "/v1/commands", "headers": headers}
    return Request(scope, receive)


def part(size: int, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": b"a" * size, "more_body": more}


async def length_of(request: Request, large: CapacityLimiter) -> int:
    async with body_of(request, large) as body:
        return len(body)


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS_MAX", 0.05)

    async def attack() -> None:
        large = CapacityLimiter(1)
        with pytest.raises(BodyTooSlow):
            await length_of(request_of([part(SMALL_BODY_BYTES + 1, more=True)]), large)
        assert large.available_tokens == 1

    asyncio.run(attack())


@pytest.mark.parametrize("announced", [True, False])
def test_of_many_large_bodies_only_a_few_are_in_memory(*, announced: bool) -> None:
    size = SMALL_BODY_BYTES + 1

    async def attack() -> None:
        large = CapacityLimiter(2)

        def sent() -> Request:
            return request_of([part(size, more=False)], length=size if announced else None)

        async with body_of(sent(), large), body_of(sent(), large):
            with pytest.raises(ServerBusy) as refused:
                await length_of(sent(), large)
            assert refused.value.evidence == {"large_at_once": 2}
            small = request_of([part(SMALL_BODY_BYTES, more=False)], length=SMALL_BODY_BYTES)
            assert await length_of(small, large) == SMALL_BODY_BYTES
        assert await length_of(sent(), large) == size
        assert large.available_tokens == 2

    asyncio.run(attack())


def test_who_finds_no_place_is_told_to_come_again(served: Served) -> None:
    rooms = served.app.state.rooms
    places = rooms.large_bodies
    items = [served.world.submission(served.world.item_draft(f"cards/{n}")) for n in range(50, 150)]
    body = written(*items)
    assert len(body) > SMALL_BODY_BYTES

    rooms.large_bodies = CapacityLimiter(0)
    busy = served.post(body)
    rooms.large_bodies = places
    after = served.post(body)

    problem = busy.json()
    assert (busy.status_code, problem["code"], problem["retryable"]) == (503, "server-busy", True)
    assert busy.headers["Retry-After"] == "1"
    assert after.status_code == 200
    assert all("receipt" in each for each in after.json())


def test_waiting_for_what_never_comes_looks_more_and_more_rarely(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "WAIT_MAX_S", 1.0)
    rooms, looks = served.app.state.rooms, []

    def projected() -> int:
        looks.append(1)
        return 0

    monkeypatch.setattr(rooms, "projected", projected)
    answer = served.client.get("/v1/items/cards/1?wait_for_index=99")

    assert answer.json()["code"] == "view-behind"
    assert len(looks) <= 10

"""The client waits for a busy server as long as it says, and no longer than its caller wants."""

from __future__ import annotations

import json

import httpx2
import pytest

from api.client_errors import OutcomeUnknown, ProblemAnswer
from tests.api.serving import Served
from tests.api.test_client import actor, client_of


def busy(advice: str | None, *, status: int = 429) -> httpx2.Response:
    """An answer that there is too much to do."""
    code = "queue-full" if status == 429 else "write-contended"
    headers = [] if advice is None else [(b"Retry-After", advice.encode())]
    content = json.dumps({"code": code, "detail": "full", "status": status, "retryable": True})
    return httpx2.Response(status, headers=headers, content=content.encode())


class Answers:
    """Answers the first writes by itself; None lets one through."""

    def __init__(self, *answers: httpx2.Response | None) -> None:
        self.answers = list(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response | None:
        return self.answers.pop(0) if request.method == "POST" and self.answers else None


def test_a_busy_server_is_asked_again_when_it_said(served: Served) -> None:
    pauses: list[float] = []
    client, wire = client_of(served, pause=pauses.append, random=lambda size: b"\x80" * size)
    wire.before = Answers(busy("7"), busy("1"), None)
    with client:
        confirmed = client.register_party(
            actor(served.world, "carl"), registrar=actor(served.world, "operator")
        )

    assert pauses == [7.5, 1.5]
    assert len(wire.sent) == 3
    assert len(set(wire.sent)) == 1
    assert confirmed.again is False


@pytest.mark.parametrize("advice", [None, "", "soon", "-5", "1.5", "9" * 20, "\u0661"])
def test_advice_that_is_none_is_a_second(served: Served, advice: str | None) -> None:
    pauses: list[float] = []
    client, wire = client_of(served, pause=pauses.append, random=bytes)
    wire.before = Answers(busy(advice), None)
    with client:
        client.register_party(
            actor(served.world, "carl"), registrar=actor(served.world, "operator")
        )

    assert pauses == [1.0]


def test_a_server_that_never_has_room_has_refused(served: Served) -> None:
    client, wire = client_of(served, attempts=3)
    size = served.world.size()
    wire.before = Answers(busy("1"), busy("1"), busy("1"), None)
    with client, pytest.raises(ProblemAnswer) as refused:
        client.register_party(
            actor(served.world, "carl"), registrar=actor(served.world, "operator")
        )

    assert (refused.value.status, refused.value.code) == (429, "queue-full")
    assert refused.value.retryable is True
    assert (len(wire.sent), served.world.size()) == (3, size)


def test_a_wait_that_is_too_long_for_the_caller_is_not_waited(served: Served) -> None:
    pauses: list[float] = []
    client, wire = client_of(served, pause=pauses.append, wait_max_s=10.0)
    wire.before = Answers(busy("11"), None)
    with client, pytest.raises(ProblemAnswer):
        client.register_party(
            actor(served.world, "carl"), registrar=actor(served.world, "operator")
        )

    assert (pauses, len(wire.sent)) == ([], 1)


@pytest.mark.parametrize("attempts", [2, 3])
def test_room_that_is_missing_afterwards_says_nothing_about_an_unknown_outcome(
    served: Served, attempts: int
) -> None:
    """The first attempt may have been recorded, whatever the later ones met."""
    client, wire = client_of(served, attempts=attempts)
    wire.before = Answers(busy("1", status=503), busy("1"), busy("1"))
    with client, pytest.raises(OutcomeUnknown, match="HTTP 503"):
        client.register_party(
            actor(served.world, "carl"), registrar=actor(served.world, "operator")
        )

    assert len(wire.sent) == attempts

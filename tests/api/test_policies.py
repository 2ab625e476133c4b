"""Reading the trade policies over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.client_errors import StrangeAnswer
from api.client_reads import LogClient
from ledger.rules.digests import terms_digest
from ledger.rules.text import format_time
from tests.api.serving import Served, serve
from tests.terms import publish_terms, terms

DAY_US = 86_400_000_000
PATH = "/v1/policies/trade"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A ledger without a trade policy."""
    with serve(tmp_path) as opened:
        yield opened


def test_before_the_first_there_is_none(served: Served) -> None:
    answer = served.client.get(PATH)

    assert answer.status_code == 200
    assert answer.json() == {"in_force": None, "pending": None, "superseded": []}


def test_policies_come_with_their_digests_documents_and_days(served: Served) -> None:
    world = served.world
    documents = [terms(), terms(id="b"), terms(id="c")]
    publish_terms(world, documents[0])
    began = world.clock.now()
    for number, document in enumerate(documents[1:], start=1):
        due = began + number * 10 * DAY_US
        publish_terms(world, document, due)
        before = served.client.get(PATH).json()
        world.clock.advance(due - world.clock.now())
        after = served.client.get(PATH).json()

        assert before["pending"] == {
            "digest": terms_digest(document),
            "effective_at": format_time(due),
            "policy": document,
        }
        assert before["in_force"]["policy"] == documents[number - 1]
        assert (after["in_force"], after["pending"]) == (before["pending"], None)
        assert [each["policy"]["id"] for each in after["superseded"]] == [
            each["id"] for each in reversed(documents[:number])
        ]


def test_a_query_is_refused(served: Served) -> None:
    answer = served.client.get(f"{PATH}?at_index=1")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_the_answer_is_revalidated(served: Served) -> None:
    publish_terms(served.world, terms())
    served.catch_up()
    first = served.client.get(PATH)
    again = served.client.get(PATH, headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["yinzheng-checkpoint"].startswith(f"{served.world.size()};")
    assert (again.status_code, again.content) == (304, b"")


class Wire(httpx2.BaseTransport):
    """Carries requests to a served ledger; `after` changes what comes back."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.after: Callable[[dict[str, Any]], dict[str, Any]] = dict

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._served.client.get(str(request.url.path))
        return httpx2.Response(answer.status_code, json=self.after(answer.json()))


def test_a_client_holds_every_policy_against_its_digest(served: Served) -> None:
    world = served.world
    publish_terms(world, terms())
    for name in ("b", "c"):
        publish_terms(world, terms(id=name), world.clock.now() + 9 * DAY_US)
        world.clock.advance(0 if name == "c" else 9 * DAY_US)
    wire = Wire(served)

    with LogClient("http://ledger.test", transport=wire) as client:
        found = client.trade_policies()
        assert found["in_force"]["policy"] == terms(id="b")
        assert found["pending"]["policy"] == terms(id="c")
        assert [each["policy"] for each in found["superseded"]] == [terms()]
        for place in ("in_force", "pending"):
            wire.after = lambda document, place=place: {
                **document,
                place: {**document[place], "policy": terms(id="other")},
            }
            with pytest.raises(StrangeAnswer, match="a digest is not that of its trade policy"):
                client.trade_policies()
        wire.after = lambda document: {
            **document,
            "superseded": [{**document["superseded"][0], "digest": "0" * 64}],
        }
        with pytest.raises(StrangeAnswer, match="a digest is not that of its trade policy"):
            client.trade_policies()

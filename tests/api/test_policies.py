"""Reading the trade policies over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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

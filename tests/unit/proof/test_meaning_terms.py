"""What trade policies must mean together, read from plain documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_terms import TermsMeaning
from ledger.rules.digests import terms_digest
from tests.terms import terms

START = datetime(2026, 12, 1, tzinfo=UTC)
DAY, US = timedelta(days=1), timedelta(microseconds=1)


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def take(
    meaning: TermsMeaning,
    policy: dict[str, Any],
    *,
    at: datetime = START,
    since: datetime | None = None,
    replaces: str | None = None,
) -> None:
    body = {
        "effective_at": None if since is None else written(since),
        "policy": policy,
        "replaces": replaces,
    }
    meaning.take({"at": written(at)}, {"body": body})


def opened(**changes: Any) -> tuple[TermsMeaning, str]:
    meaning = TermsMeaning()
    take(meaning, terms(**changes))
    return meaning, terms_digest(terms(**changes))


def broken(meaning: TermsMeaning, policy: dict[str, Any], **how: Any) -> tuple[Any, ...]:
    with pytest.raises(Tampered) as caught:
        take(meaning, policy, **how)
    error = caught.value
    assert (error.step, error.field) == ("meaning", "policy")
    return error.message, error.expected, error.found


def test_policies_that_follow_each_other_with_notice_mean_something() -> None:
    meaning, first = opened()
    take(meaning, terms(id="b"), since=START + 7 * DAY, replaces=first)
    second = terms_digest(terms(id="b"))
    take(meaning, terms(), at=START + 7 * DAY, since=START + 14 * DAY, replaces=second)

    assert [each[0] for each in meaning.published] == [first, second, first]
    assert [each[1] for each in meaning.published] == [START, START + 7 * DAY, START + 14 * DAY]


@pytest.mark.parametrize("how", [{"replaces": "f" * 64}, {"since": START}])
def test_the_first_replaces_none(how: dict[str, Any]) -> None:
    found = broken(TermsMeaning(), terms(), **how)

    assert found == ("the first trade policy replaces one", None, how.get("replaces"))


def test_none_is_published_while_one_waits() -> None:
    meaning, first = opened()
    take(meaning, terms(id="b"), since=START + 7 * DAY, replaces=first)
    waiting = terms_digest(terms(id="b"))
    at = START + 7 * DAY - US

    found = broken(meaning, terms(id="c"), at=at, since=START + 20 * DAY, replaces=waiting)
    assert found == ("a trade policy was published while one waited", waiting, waiting)


def test_it_replaces_the_one_in_force() -> None:
    meaning, first = opened()

    found = broken(meaning, terms(id="b"), since=START + 7 * DAY, replaces="f" * 64)
    assert found == ("a trade policy replaces another one", first, "f" * 64)


def test_it_does_not_replace_itself() -> None:
    meaning, first = opened()

    found = broken(meaning, terms(), since=START + 7 * DAY, replaces=first)
    assert found == ("a trade policy replaces itself", None, first)


@pytest.mark.parametrize("days", [7, 30])
def test_it_waits_as_long_as_its_forerunner_asks(days: int) -> None:
    meaning, first = opened(notice_days=days)
    earliest = START + days * DAY
    message = "a trade policy came without its notice"

    found = broken(meaning, terms(id="b"), since=earliest - US, replaces=first)
    assert found == (message, str(earliest), written(earliest - US))
    assert broken(meaning, terms(id="b"), replaces=first) == (message, str(earliest), None)
    take(meaning, terms(id="b"), since=earliest, replaces=first)


def test_seven_days_are_the_least_whatever_a_document_says() -> None:
    meaning, first = opened(notice_days=1)

    found = broken(meaning, terms(id="b"), since=START + 7 * DAY - US, replaces=first)
    assert found[0] == "a trade policy came without its notice"

"""Questions about codes, forged into a log that has no trade policy, with the verdict they get."""

from __future__ import annotations

from ledger.rules.model import Fact
from tests.codes import answer_draft, check_draft
from tests.js.exports import Forger
from tests.js.forgeries import Expected, forgery
from tests.worlds import World

STREAM = "checks/carl"
EXPECTED: Expected = {}


def _ask(forger: Forger, world: World) -> str:
    draft = check_draft(world, "carl")
    forger.append(world.submission(draft), Fact(STREAM, "code-asked/1", {}))
    return draft.id


def _wrong(forger: Forger, world: World) -> None:
    check = _ask(forger, world)
    told = {"check": check, "first_at": None, "result": "invalid"}
    draft = answer_draft(world, "carl", check, None)
    forger.append(world.submission(draft), Fact(STREAM, "check-answered/1", told))


@forgery("valid", among=EXPECTED)
def as_many_questions_as_may_wait(forger: Forger, world: World) -> None:
    for _ in range(64):
        _ask(forger, world)


@forgery("tampered", 64, "rule", among=EXPECTED)
def a_question_more_than_may_wait(forger: Forger, world: World) -> None:
    for _ in range(65):
        _ask(forger, world)


@forgery("tampered", 20, "rule", among=EXPECTED)
def a_question_after_ten_wrong_ones(forger: Forger, world: World) -> None:
    for _ in range(10):
        _wrong(forger, world)
    _ask(forger, world)

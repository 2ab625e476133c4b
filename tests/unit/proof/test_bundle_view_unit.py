"""What a proof file takes for absent: streams that open in it, and roots that its commands saw."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof import bundle


class Taken:
    """Keeps the view that is made of some entries."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        proven = [bundle.Proven(at, b"", each, ()) for at, each in enumerate(documents)]
        view = bundle._view(proven)
        self.opened, self.seen = view._opened, dict(view._seen)


POLICY = {"v": 1}
PINNED = bundle.policy_digest(POLICY)


def command(**members: Any) -> dict[str, Any]:
    return {"stream": "a", "command": members}


def test_streams_of_the_file_may_be_taken_for_absent_before_they_open() -> None:
    found = Taken({"stream": "log"}, {"stream": "party/a"}, {"stream": 7}, {})
    assert found.opened == {"log", "party/a", "7", "None", "policy/ledger"}
    assert found.seen == {}


@pytest.mark.parametrize(
    ("policies", "absent"),
    [
        ([PINNED], True),
        ([None], True),
        ([None, PINNED], True),
        (["00" * 32], False),
        ([PINNED, "00" * 32], False),
        ([["a list"]], False),
    ],
)
def test_the_policy_stream_is_absent_where_nobody_pins_another_policy(
    policies: list[Any], *, absent: bool
) -> None:
    pins = [command(policy=each) for each in policies]
    first = command(body={"policy": POLICY})
    assert ("policy/ledger" in Taken(first, *pins).opened) is absent
    assert ("policy/ledger" in Taken({"stream": "a"}, first, *pins).opened) is absent


@pytest.mark.parametrize("body", [None, {}, [], {"policy": None}, {"policy": []}])
def test_where_the_first_command_names_no_policy_nobody_may_pin_one(body: Any) -> None:
    assert "policy/ledger" in Taken(command(body=body)).opened
    assert "policy/ledger" not in Taken(command(body=body), command(policy=PINNED)).opened
    later = command(body={"policy": POLICY}, policy=PINNED)
    assert "policy/ledger" not in Taken(command(body=body), later).opened


def test_what_commands_say_they_saw_is_kept_the_first_word_of_each_size() -> None:
    def saw(size: Any, root: Any) -> dict[str, Any]:
        return command(seen={"size": size, "root": root})

    odd = [command(seen=None), command(seen=[]), command(), {"command": "text"}, saw("3", "d")]
    found = Taken(*odd, saw(1, "a"), saw(2, "b"), saw(1, "c"), saw(4, None))
    assert found.seen == {1: "a", 2: "b", 4: "None"}

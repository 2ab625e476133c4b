"""The tests have teeth: every planted bug is caught by the tests that are named for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.figures import record
from tests.planted.planting import PASSED, PRODUCT, ROOT, Bug, Plot, Ran, StalePatch, read_bugs

BUGS = read_bugs()
ORDINARY = [bug for bug in BUGS if bug.ordinary]
OTHERS = [bug for bug in BUGS if not bug.ordinary]
LEAST = 24
PAGE = ROOT / "docs" / "reliability.md"


def named(bugs: list[Bug]) -> list[object]:
    return [pytest.param(bug, id=bug.name) for bug in bugs]


@pytest.fixture(scope="module")
def plot(tmp_path_factory: pytest.TempPathFactory) -> Plot:
    return Plot(tmp_path_factory.mktemp("planted"))


def nodes_of(bugs: list[Bug]) -> list[str]:
    return sorted({node for bug in bugs for node in bug.caught_by})


def check_caught(plot: Plot, bug: Bug) -> None:
    with plot.planted(bug):
        ran = plot.run(bug.caught_by)
    missed = ran.missed_by(bug.caught_by)
    record("planted bugs caught", int(not missed), unit="bugs", found="; ".join(missed))
    assert missed == [], ran.out


def test_without_a_bug_the_tests_of_the_ordinary_run_pass(plot: Plot) -> None:
    """What fails below fails because of the bug, and not because of the copy."""
    ran = plot.run(nodes_of(ORDINARY))

    assert ran.code == PASSED, ran.out


@pytest.mark.parametrize("bug", named(ORDINARY))
def test_a_planted_bug_is_caught(plot: Plot, bug: Bug) -> None:
    check_caught(plot, bug)


@pytest.mark.full
def test_without_a_bug_all_of_the_tests_pass(plot: Plot) -> None:
    ran = plot.run(nodes_of(OTHERS))

    assert ran.code == PASSED, ran.out


@pytest.mark.full
@pytest.mark.parametrize("bug", named(OTHERS))
def test_each_other_planted_bug_is_caught(plot: Plot, bug: Bug) -> None:
    check_caught(plot, bug)


# The list


@pytest.mark.parametrize("bug", named(BUGS))
def test_a_bug_fits_the_product_as_it_is_now(bug: Bug) -> None:
    """Also those that are only tried in the long run must not grow stale in the meantime."""
    assert bug.file.split("/")[0] in PRODUCT
    changed = bug.planted_in((ROOT / bug.file).read_text(encoding="utf-8"))
    compile(changed, bug.file, "exec")
    for node in bug.caught_by:
        file, _, test = node.partition("::")
        assert f"def {test.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8"), node


def test_there_are_many_bugs_each_with_a_name_of_its_own() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= LEAST
    assert len(ORDINARY) >= 6
    assert all(bug.caught_by for bug in BUGS)


def test_the_page_lists_the_very_bugs_and_what_catches_them() -> None:
    section = (
        PAGE.read_text(encoding="utf-8").partition("## Planted bugs\n")[2].partition("\n## ")[0]
    )
    rows = re.findall(r"^\| (.+?) \| `(.+?)` \| (.+?) \|$", section, re.MULTILINE)

    assert rows == [
        (bug.name, bug.file, ", ".join(f"`{node}`" for node in bug.caught_by)) for bug in BUGS
    ]


# The planting itself


BUG = Bug("lax", "ledger/x.py", "a == b", "True", ("tests/x.py::test_a",))


@pytest.mark.parametrize(("source", "times"), [("a != b", 0), ("a == b or a == b", 2)])
def test_a_stale_bug_says_so(source: str, times: int) -> None:
    with pytest.raises(StalePatch, match=f"lax: its text is {times} times in ledger/x.py"):
        BUG.planted_in(source)


@pytest.mark.parametrize(
    ("code", "out", "missed"),
    [
        (1, "FAILED tests/x.py::test_a - AssertionError: 1 != 2", []),
        (1, "FAILED tests/x.py::test_a[one of many] - Failed: DID NOT RAISE KeyError", []),
        (0, "1 passed", ["did not fail (pytest ended with 0)"]),
        # Not collected, nothing of that name, another test, broken down: no catch.
        (2, "ERROR tests/x.py", ["did not fail (pytest ended with 2)"]),
        (4, "ERROR: not found", ["did not fail (pytest ended with 4)"]),
        (1, "FAILED tests/x.py::test_ab - no", ["did not fail (pytest ended with 1)"]),
        (1, "ERROR tests/x.py::test_a - OSError", ["did not fail (pytest ended with 1)"]),
        (1, "FAILED tests/x.py::test_a - NameError: 'x'", ["broke down: NameError: 'x'"]),
    ],
)
def test_only_a_named_test_that_finds_something_is_a_catch(
    code: int, out: str, missed: list[str]
) -> None:
    assert Ran(code, out).missed_by(BUG.caught_by) == [
        f"tests/x.py::test_a {why}" for why in missed
    ]


def test_the_working_tree_is_never_touched(tmp_path: Path) -> None:
    plot = Plot(tmp_path)
    bug = BUGS[0]
    before = (ROOT / bug.file).read_bytes()

    with plot.planted(bug):
        assert (ROOT / bug.file).read_bytes() == before
        assert (tmp_path / bug.file).read_bytes() != before

    assert (tmp_path / bug.file).read_bytes() == before

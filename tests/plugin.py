"""Pytest plug-in that every test of the project runs under.

- `full` tests run only with `--full`
- `shared_data` tests are skipped, with the reason, where the shared data is absent
- with YINZHENG_REQUIRE_ALL=1 a skipped test is a failed one
- tests under tests/unit/domain find the event library's own clock and dice broken
- the figures for the closing line of scripts/test go to the file that YINZHENG_COUNTS names
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Never

import eventsourcing.domain
import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
DOMAIN_TESTS = ROOT / "tests" / "unit" / "domain"
EXAMPLES, EXAMPLES_FULL = 100, 2_000
HIDDEN_CLOCK_AND_DICE = ("datetime_now_with_tzinfo", "uuid4")


def shared_folder() -> Path:
    """Where the shared data lies, if anywhere: $YINZHENG_SHARED, else ../shared."""
    return Path(os.environ.get("YINZHENG_SHARED") or ROOT.parent / "shared")


def must_run_everything() -> bool:
    """Whether a skipped test counts as failed."""
    return os.environ.get("YINZHENG_REQUIRE_ALL") == "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the tests marked `full`")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    examples = EXAMPLES_FULL if config.getoption("--full") else EXAMPLES
    # The same examples on every run of CI: what fails there is no accident of the day.
    # Tests shall run on a disk that is nearly full; the rule itself is tested with its own probe.
    os.environ.setdefault("YINZHENG_DISK_FREE_MIN", str(64 * 1024 * 1024))
    derandomize = os.environ.get("CI") == "true"
    settings.register_profile(
        "house", deadline=None, max_examples=examples, derandomize=derandomize
    )
    settings.load_profile("house")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    long = [item for item in items if item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in set(long)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("shared_data") and not shared_folder().is_dir():
        pytest.skip(f"no shared data at {shared_folder()}")


@pytest.fixture
def shared_data() -> Path:
    """The folder of the shared data; for tests marked `shared_data`."""
    return shared_folder()


@pytest.fixture(autouse=True)
def _no_hidden_clock_and_dice(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time and ids come from outside: imports cannot show who takes them from the library."""
    if DOMAIN_TESTS not in request.node.path.parents:
        return

    def refuse(*_args: object, **_kwargs: object) -> Never:
        message = "the domain took the time or an id from the event library's defaults"
        raise AssertionError(message)

    for name in HIDDEN_CLOCK_AND_DICE:
        monkeypatch.setattr(eventsourcing.domain, name, refuse)


def fail_when_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that keeps the reason."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"YINZHENG_REQUIRE_ALL=1 and yet {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # The shared data belongs to no checkout: it is required only of who says where it is.
    may_skip = item.get_closest_marker("shared_data") and "YINZHENG_SHARED" not in os.environ
    if must_run_everything() and not may_skip:
        fail_when_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if must_run_everything():
        fail_when_skipped(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = os.environ.get("YINZHENG_COUNTS")
    if counts is None:
        return
    stats = terminalreporter.stats
    passed, failed, skipped = (
        sum(len(stats.get(word, [])) for word in words)
        for words in (("passed", "xpassed"), ("failed", "error"), ("skipped", "xfailed"))
    )
    Path(counts).write_text(f"{passed} {failed} {skipped}\n", encoding="ascii")

"""Metrics: right, bounded, in OpenMetrics, and for whoever runs the server only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from api.settings import Settings
from ledger.record.errors import DatabaseUnavailable
from tests.api.serving import Served, body_of, furnish, serve
from tests.api.test_commands import member


def samples(served: Served, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels, read by the parser of the format's authors."""
    answer = served.client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: Any, name: str, **labels: str) -> float:
    got: float = found[f"yinzheng_{name}", tuple(sorted(labels.items()))]
    return got


def test_what_is_written_is_counted_by_outcome(served: Served) -> None:
    world = served.world
    carl, ann = (world.submission(member(world, name)) for name in ("carl", "ann"))
    served.post(body_of(carl, ann))
    served.post(body_of(carl))
    served.post(b"{}")

    found = samples(served)

    assert value(found, "commands_total", outcome="accepted") == 1
    assert value(found, "commands_total", outcome="again") == 1
    assert value(found, "commands_total", outcome="party-exists") == 1
    assert value(found, "problems_total", code="malformed") == 1
    assert value(found, "batch_commands_count") == 2
    assert value(found, "batch_commands_sum") == 3
    assert value(found, "commit_seconds_count") == 2
    assert value(found, "receipt_seconds_count") == 2
    assert value(found, "receipt_seconds_bucket", le="30.0") == 2
    assert 0 < value(found, "commit_seconds_sum") <= value(found, "receipt_seconds_sum")


def test_the_state_of_the_log_is_read_at_every_look(served: Served) -> None:
    size = served.catch_up()
    before = samples(served)
    served.world.register("dora")
    after = samples(served)

    assert value(before, "database_up") == 1
    assert value(before, "log_entries") == value(before, "published_entries") == size
    assert value(before, "publish_lag_entries") == 0
    assert value(after, "log_entries") == size + 1
    assert 0 <= value(after, "publish_lag_entries") <= 1
    assert value(before, "projection_lag_entries", view="provenance") == 0
    assert value(before, "queue_commands") == value(before, "queue_oldest_seconds") == 0
    assert value(before, "disk_free_bytes") > 0
    assert value(before, "wal_bytes") > 0


def test_a_database_that_is_away_is_told_and_the_rest_is_still_there(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> int:
        raise DatabaseUnavailable("paper", "gone")

    house = served.app.state.rooms.house
    monkeypatch.setattr(house.reader, "size", away)

    found = samples(served)

    assert value(found, "database_up") == 0
    assert value(found, "queue_commands") == 0
    assert ("yinzheng_log_entries", ()) not in found


def test_background_work_that_fails_is_counted_and_named(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise DatabaseUnavailable("paper", "gone")

    rooms = served.app.state.rooms
    monkeypatch.setattr(rooms.house.runner, "catch_up", fail)
    for _ in range(2):
        served.client.portal.call(rooms.keeper.round)

    found = samples(served)
    name, labels = "keeper_failures_total", {"step": "projections", "code": "database-unavailable"}

    assert value(found, name, **labels) >= 2
    assert value(found, "keeper_failing", step="projections") == 1


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("*/*", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=\x00x", None),
    ],
)
def test_the_form_is_openmetrics_unless_only_the_older_one_is_taken(
    shared: Served, accept: str, media_type: str | None
) -> None:
    answer = shared.client.get("/metrics", headers={"Accept": accept.replace("\x00", "")})

    assert answer.headers["content-type"] == (
        media_type or "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    assert answer.headers["cache-control"] == "no-store"
    assert ("# EOF" in answer.text) == answer.headers["content-type"].startswith("application")


def test_every_metric_keeps_the_rules_of_the_format(shared: Served) -> None:
    text = shared.client.get("/metrics").text

    families = list(text_string_to_metric_families(text))
    assert len(families) >= 15
    for family in families:
        assert re.fullmatch(r"yinzheng_[a-z_]+", family.name)
        assert family.documentation.endswith(".")


def test_no_label_tells_who_or_what(served: Served) -> None:
    """Labels are codes, steps and views: bounded, whoever comes by."""
    world = served.world
    names = [f"member-{number}" for number in range(20)]
    for name in names:
        served.post(body_of(world.submission(member(world, name))))
        served.client.get(f"/v1/parties/{name}-nobody")
        served.client.get(f"/{name}")
    text = served.client.get("/metrics").text

    assert "member" not in text
    assert "cards" not in text
    assert len(text.splitlines()) < 200


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.8.8.8", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.7", {}, 404),
        ("::ffff:10.0.0.7", {}, 404),
        ("testclient", {}, 404),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.7"}, 404),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.7"}, 404),
        ("127.0.0.1", {"Via": "1.1 proxy"}, 404),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, 404),
    ],
)
def test_only_this_machine_may_see_them(
    shared: Served, client: str, headers: dict[str, str], status: int
) -> None:
    there = TestClient(shared.app, client=(client, 4_000))

    answer = there.get("/metrics", headers=headers)

    assert answer.status_code == status
    assert (status == 200) == ("yinzheng_" in answer.text)


def test_on_a_port_of_their_own_they_are_nowhere_else(tmp_path: Path) -> None:
    with serve(tmp_path, settings=Settings(metrics_port=9_464)) as served:
        furnish(served.world)
        beside = served.client.get("/metrics")
        own = served.client.get("http://testserver:9464/metrics")

    assert (beside.status_code, beside.json()["code"]) == (404, "not-found")
    assert own.status_code == 200

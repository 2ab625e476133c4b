"""The doctor's checks of a database's settings, each with what it costs when it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from api.checkup import Check, ok, unknown, warning, wrong

_WAITING: Final = frozenset({"on", "remote_apply"})


def check_settings(database: str, settings: Mapping[str, str | None]) -> Iterator[Check]:
    """Judge the settings of a database.

    Args:
        database: `sqlite` or `postgresql`.
        settings: As `ledger.record.settings` read them.

    """
    if database == "sqlite":
        yield from _file(settings)
        return
    for name in ("fsync", "full_page_writes"):
        loss = "A power cut can lose or tear what was acknowledged: turn it on."
        yield _must(name, settings, {"on"}, loss)
    yield _synchronous_commit(settings)
    standbys = settings.get("synchronous_standby_names")
    if standbys is None:
        yield unknown("synchronous_standby_names", "the server does not say")
    elif standbys == "":
        yield warning(
            "synchronous_standby_names",
            "no standby is waited for",
            "The loss of this server's disk loses what was acknowledged; docs/operating.md.",
        )
    else:
        yield ok("synchronous_standby_names", standbys)
    yield _must(
        "data_sync_retry",
        settings,
        {"off"},
        "After a failed fsync the server must stop, not try again: turn it off.",
    )
    checksums = settings.get("data_checksums")
    if checksums == "off":
        yield warning("data_checksums", "off", "Turn them on (pg_checksums), to find bad disks.")
    elif checksums is None:
        yield unknown("data_checksums", "the server does not say")
    else:
        yield ok("data_checksums", checksums)


def _file(settings: Mapping[str, str | None]) -> Iterator[Check]:
    yield _must("journal_mode", settings, {"wal"}, "Open it with this program once.")
    # 2 is FULL, 3 EXTRA; it belongs to the connection, and this is how every one is opened.
    yield _must("synchronous", settings, {"2", "3"}, "This build of SQLite ignores the setting.")
    size = settings.get("page_size")
    # 8192 is what databases were made with before.
    if size in {"4096", "8192"}:
        yield ok("page_size", size)
    else:
        yield warning("page_size", str(size), "Slower than it could be.")


def _must(name: str, settings: Mapping[str, str | None], good: set[str], do: str) -> Check:
    found = settings.get(name)
    if found is None:
        return unknown(name, "the database does not say")
    return ok(name, found) if found in good else wrong(name, found, do)


def _synchronous_commit(settings: Mapping[str, str | None]) -> Check:
    name, found = "synchronous_commit", settings.get("synchronous_commit")
    if found is None:
        return unknown(name, "the server does not say")
    if found in _WAITING:
        return ok(name, found)
    if settings.get("synchronous_standby_names") == "" and found in {"local", "remote_write"}:
        return ok(name, f"{found}, and there is no standby to wait for")
    return wrong(name, found, "What was acknowledged can be lost: set it to on.")

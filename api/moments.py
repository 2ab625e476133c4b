"""As of when a read is answered: after an entry, at a time, or as far as the views have come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from fastapi import Request

from api.errors import EntryNotFound
from api.reading import read_number, read_time
from api.rooms import Rooms
from ledger.rules.entries import read_entry
from ledger.rules.errors import Malformed
from projections.errors import ViewBehind

WAIT_MAX_S = 5.0
# Looks grow rarer: who waits for what never comes must not keep the server busy.
_LOOK_FIRST_S, _LOOK_MAX_S = 0.02, 0.25
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait=([0-9]{1,3})\s*(?:$|[,;])")


async def wait_for_index(request: Request, rooms: Rooms, query: Mapping[str, str]) -> None:
    """Wait until the views show the entry that `?wait_for_index=` names, to read one's own writes.

    Waits 5 seconds, or as many as `Prefer: wait=` (RFC 7240) names if that is less.

    Raises:
        Malformed: It is not an index.
        ViewBehind: The entry did not come in time.

    """
    index = read_number(query, "wait_for_index")
    if index is None:
        return
    wished = _PREFER_WAIT.search(request.headers.get("prefer", ""))
    wait_s = min(float(wished.group(1)), WAIT_MAX_S) if wished else WAIT_MAX_S
    clock = asyncio.get_running_loop().time
    until_s, pause_s = clock() + wait_s, _LOOK_FIRST_S
    while (shown := await rooms.read(rooms.projected)) <= index:
        if clock() >= until_s:
            raise ViewBehind(size=shown, wanted=index + 1)
        rooms.keeper.wake()
        await asyncio.sleep(min(pause_s, max(0.0, until_s - clock())))
        pause_s = min(2 * pause_s, _LOOK_MAX_S)


def moment_of(rooms: Rooms, query: Mapping[str, str], *, shown: int) -> int:
    """Say as of which entry a read is answered; blocks.

    Args:
        rooms: Where the log is.
        query: May name `at_index` or `at_time`.
        shown: Entries that the views show.

    Returns:
        The index of the last entry that counts; -1 for none.

    Raises:
        Malformed: Both are given, or one is not in its form.
        EntryNotFound: The log has no entry at `at_index`.
        ViewBehind: The views do not show it yet.

    """
    at_index, at_time = read_number(query, "at_index"), read_time(query, "at_time")
    if at_index is not None and at_time is not None:
        raise Malformed("query.at_time", "is given beside at_index")
    if at_time is not None:
        return _last_until(rooms, at_time, shown=shown)
    if at_index is None:
        return shown - 1
    check_shown(rooms, at_index, shown=shown)
    return at_index


def check_shown(rooms: Rooms, index: int, *, shown: int) -> None:
    """Accept an index that the views show. Raises `EntryNotFound` and `ViewBehind`."""
    if index >= shown:
        if index >= rooms.house.reader.size():
            raise EntryNotFound("the log has no entry at this index", index=index)
        raise ViewBehind(size=shown, wanted=index + 1)


def _last_until(rooms: Rooms, at: int, *, shown: int) -> int:
    """Find the last shown entry that is not later than a time: times never decrease."""
    low, high = 0, shown
    while low < high:
        middle = (low + high) // 2
        sealed = rooms.house.reader.entry(middle)
        assert sealed is not None  # noqa: S101 - the views show nothing that is not in the log
        if read_entry(sealed.entry).at <= at:
            low = middle + 1
        else:
            high = middle
    return low - 1

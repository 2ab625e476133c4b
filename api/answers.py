"""Answers: JSON with an entity tag, immutable bytes, and how fresh a read is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from api.problems import json_bytes
from api.rooms import Rooms
from ledger.rules.text import b64decode, b64encode

NOT_STORED = {"Cache-Control": "no-store"}
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
_CHECKPOINT_LINES = 3


def unstored(document: object, status: int = 200) -> Response:
    """Answer JSON that nothing on the way may keep."""
    return Response(json_bytes(document), status, NOT_STORED, media_type="application/json")


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a read rests on.

    Attributes:
        checkpoint: Size and root of the latest published checkpoint, None before the first.
        projected: Number of entries that the projections show.

    """

    checkpoint: tuple[int, bytes] | None
    projected: int

    @property
    def headers(self) -> dict[str, str]:
        """`Yinzheng-Checkpoint` and `Yinzheng-Projection-Index`."""
        found = {}
        if self.checkpoint is not None:
            size, root = self.checkpoint
            found["Yinzheng-Checkpoint"] = f"{size};root={b64encode(root)}"
        if self.projected > 0:
            found["Yinzheng-Projection-Index"] = str(self.projected - 1)
        return found

    def as_of(self, index: int) -> dict[str, Any]:
        """Say as of which entry an answer is, and under which checkpoint it was given."""
        return {"checkpoint": checkpoint_ref(self.checkpoint), "index": index}


def freshness(rooms: Rooms) -> Freshness:
    """Read how fresh the views and the published log are; blocks."""
    checkpoint = size_and_root(rooms.house.reader.checkpoint())
    return Freshness(checkpoint, rooms.projected())


def size_and_root(note: bytes | None) -> tuple[int, bytes] | None:
    """Read size and root of a checkpoint of our own."""
    if note is None:
        return None
    _, size, root = note.decode("utf-8").split("\n", _CHECKPOINT_LINES)[:_CHECKPOINT_LINES]
    return int(size), b64decode(root, field="root")


def checkpoint_ref(checkpoint: tuple[int, bytes] | None) -> dict[str, Any] | None:
    """Write size and root of a checkpoint as JSON."""
    if checkpoint is None:
        return None
    size, root = checkpoint
    return {"root": root.hex(), "size": size}


def answer(
    request: Request,
    content: bytes,
    *,
    media_type: str = "application/json",
    etag: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer a read, with 304 where the client has it already.

    Args:
        request: Its `If-None-Match` is looked at.
        content: The whole body.
        media_type: Of the body.
        etag: What decides whether the content is the same; its own digest when None.
        headers: Added to the answer; `Cache-Control` is `no-cache` unless it is among them.

    """
    tag = f'W/"{etag}"' if etag else f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    told = {"Cache-Control": REVALIDATE, "ETag": tag, **(headers or {})}
    if _has(request, tag):
        return Response(status_code=304, headers=told)
    return Response(content, headers=told, media_type=media_type)


def json_answer(
    request: Request,
    document: object,
    *,
    etag: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer a read with JSON; see `answer`."""
    return answer(request, json_bytes(document), etag=etag, headers=headers)


def _has(request: Request, tag: str) -> bool:
    """Compare weakly with `If-None-Match` (RFC 9110 section 13.1.2)."""
    wanted = request.headers.get("if-none-match", "")
    known = {one.strip().removeprefix("W/") for one in wanted.split(",")}
    return wanted.strip() == "*" or tag.removeprefix("W/") in known

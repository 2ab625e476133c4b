"""The log of a serving process: one JSON line an event on stderr, and no secret in it.

An event is a name and a few chosen fields; nothing is logged because it happens to be there. Of an
error that is not ours the type and the places are told, never its words: a database driver repeats
what was sent. What still looks like a secret is blotted out, and whatever could begin a line, move
a cursor or turn the direction of writing is escaped.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

from api.errors import TREES
from api.settings import Level

Event = MutableMapping[str, Any]

_NAME = "yinzheng"
_TEXT_MAX = 500
_PLACES_MAX = 12
_BLOT = "[removed]"
# Names under which nothing is ever told, whoever hands it in.
_SECRET_NAMES = frozenset(
    {
        *("body", "command", "disclosures", "headers", "key", "parameters", "password", "pem"),
        *("private", "salt", "secret", "seed", "sig", "sigs", "token", "value"),
    }
)
_PASSWORD = re.compile(r"(?<=://)[^/\s@]*:[^/\s]*@")
# What a database or its driver repeats of what it was sent.
_REPEATED = re.compile(r"\s*(?:\[(?:SQL|parameters):|\b(?:DETAIL|CONTEXT|HINT|LINE \d+):)")
_SETTING = re.compile(r"(?i)\b(password|passwd|sslpassword|passfile)\s*=\s*\S+")
_PEM = re.compile(r"-----BEGIN[\s\S]*?(?:-----END[^-]*-----|$)")
# Salts, keys, signatures and boxes in base64. Digests in hex are names and may stay, and so may
# paths, which begin with a slash.
_ENCODED = re.compile(
    r"(?<![A-Za-z0-9+/=])(?![0-9a-f]{40,64}(?![A-Za-z0-9+/=]))[A-Za-z0-9+][A-Za-z0-9+/]{39,}={0,2}"
)


def logger(room: str) -> BoundLogger:
    """Give the logger of a room, for instance `keeper`."""
    bound: BoundLogger = structlog.wrap_logger(
        logging.getLogger(f"{_NAME}.{room}"),
        processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=BoundLogger,
    )
    return bound


def configure(level: Level, stream: TextIO | None = None) -> None:
    """Send every log of this process, those of libraries too, to a stream as JSON lines.

    Args:
        level: How much of ours; libraries tell of warnings and worse.
        stream: stderr when None.

    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # A record that cannot be formatted is dropped; the module would print it in lines of its own.
    logging.raiseExceptions = False
    logging.getLogger(_NAME).setLevel(level.upper())
    threading.excepthook = _tell_of_thread


def formatter() -> ProcessorFormatter:
    """Make what turns a record, ours or a library's, into one line."""
    return ProcessorFormatter(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            _name_error,
            ProcessorFormatter.remove_processors_meta,
            _blot_all,
            _line,
        ]
    )


def _name_error(_logger: Any, _method: str, event: Event) -> Event:
    """Tell of an error what is known to be harmless."""
    info = event.pop("exc_info", None)
    error = event.pop("error", info[1] if isinstance(info, tuple) else None)
    event.pop("stack_info", None)
    if not isinstance(error, BaseException):
        return event
    if isinstance(error, TREES):
        event["code"], event["reason"] = error.code, _REPEATED.split(str(error))[0]
        return event
    event["type"] = type(error).__qualname__
    causes = [each for each in (error.__cause__, error.__context__) if each is not None]
    if causes:
        event["cause"] = type(causes[0]).__qualname__
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES_MAX:]
    event["places"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _blot_all(_logger: Any, _method: str, event: Event) -> Event:
    return {
        name: _BLOT if name in _SECRET_NAMES else _blotted(value) for name, value in event.items()
    }


def _blotted(value: Any) -> Any:
    if isinstance(value, str):
        return blot(value)
    if isinstance(value, list):
        return [_blotted(each) for each in value]
    # Whatever else it is, its own words are not known.
    return value if isinstance(value, int | float | None) else type(value).__qualname__


def blot(text: str) -> str:
    """Cut a text short and remove what looks like a secret."""
    for pattern in (_PEM, _PASSWORD, _SETTING, _ENCODED):
        text = pattern.sub(_BLOT, text)
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}..."


def _line(_logger: Any, _method: str, event: Event) -> str:
    # ASCII only: line ends, escape sequences and bidi controls come out as \\uXXXX. JSON has no
    # escape for DEL of its own.
    return json.dumps(event, ensure_ascii=True, sort_keys=True).replace("\x7f", "\\u007f")


def _tell_of_thread(told: threading.ExceptHookArgs) -> None:
    name = told.thread.name if told.thread else "?"
    logger("threads").error("thread-ended", thread=name, error=told.exc_value)

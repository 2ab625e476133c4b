"""What whoever runs a server may choose; each with a default that suits most."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ledger.quota import Quota

QUEUE_COMMANDS = 8_000
QUEUE_BYTES = 32 * 1024 * 1024
QUOTA = Quota(per_minute=6_000, burst=2_000)
READ_QUOTA = Quota(per_minute=600, burst=600)


class Level(StrEnum):
    """How much a log tells: everything from this level on."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one serving process.

    Attributes:
        queue_commands: Most commands that wait to be written, at least 1,000.
        queue_bytes: Most bytes of them, at least 8 MiB.
        quota: What one party may write through this process; None for everything.
        read_quota: What one party may read by signed requests through this process; None for
            everything.
        metrics_port: Where `/metrics` is served; None for the port of the API, to clients on this
            machine only.
        public_url: Where clients reach this server, as signed requests must name it; None for the
            address that it listens on.
        log_level: How much goes to stderr, one JSON line an event.

    """

    queue_commands: int = QUEUE_COMMANDS
    queue_bytes: int = QUEUE_BYTES
    quota: Quota | None = QUOTA
    read_quota: Quota | None = READ_QUOTA
    metrics_port: int | None = None
    public_url: str | None = None
    log_level: Level = Level.INFO

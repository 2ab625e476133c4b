"""serve: the HTTP API, with the log published in the background."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated, Any

import typer

from api.cli.failures import UNAVAILABLE, Usage
from api.cli.options import Dir, Json, Mirror
from api.cli.output import Output
from api.folder import LedgerFolder
from api.house import House
from api.settings import QUEUE_COMMANDS, QUOTA, READ_QUOTA, Level, Settings
from api.submitting import COMMANDS_MAX
from ledger.quota import Quota

LOOPBACK = "127.0.0.1"
_PORT_MAX = 65_535
_BACKLOG = 128
_SWITCH_S = 0.001
_PUBLIC = re.compile(
    r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*/?", re.ASCII
)

_HOST = typer.Option("--host", help="Address to listen on.")
_PORT = typer.Option("--port", min=0, max=_PORT_MAX, help="0: any free port.")
_METRICS_PORT = typer.Option(
    "--metrics-port",
    min=0,
    max=_PORT_MAX,
    help="Serve /metrics on this port of 127.0.0.1 only; default: beside the API, to this machine.",
)
_WRITE_QUOTA = typer.Option(
    "--write-quota", min=0, help="Commands a minute that one party may write; 0: any number."
)
_WRITE_BURST = typer.Option("--write-burst", min=1, help="Commands that it may write at once.")
_READ_QUOTA = typer.Option(
    "--read-quota", min=0, help="Signed reads a minute that one party may make; 0: any number."
)
_QUEUE_MAX = typer.Option(
    "--queue-max", min=COMMANDS_MAX, help="Commands that may wait to be written."
)
_PUBLIC_URL = typer.Option(
    "--public-url",
    metavar="URL",
    help="Where clients reach this server; signed requests must name it. Default: its address.",
)
_LOG_LEVEL = typer.Option("--log-level", help="How much is logged to stderr.")


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("serve")(run)


def run(  # noqa: PLR0913 - the options of a command
    *,
    folder: Dir,
    host: Annotated[str, _HOST] = LOOPBACK,
    port: Annotated[int, _PORT] = 0,
    metrics_port: Annotated[int | None, _METRICS_PORT] = None,
    write_quota: Annotated[int, _WRITE_QUOTA] = QUOTA.per_minute,
    write_burst: Annotated[int, _WRITE_BURST] = QUOTA.burst,
    read_quota: Annotated[int, _READ_QUOTA] = READ_QUOTA.per_minute,
    queue_max: Annotated[int, _QUEUE_MAX] = QUEUE_COMMANDS,
    public_url: Annotated[str | None, _PUBLIC_URL] = None,
    log_level: Annotated[Level, _LOG_LEVEL] = Level.INFO,
    mirror: Mirror = None,
    as_json: Json = False,
) -> int:
    """Serve the API until interrupted; prints its address once it answers."""
    settings = Settings(
        queue_commands=queue_max,
        quota=Quota(write_quota, write_burst) if write_quota else None,
        read_quota=Quota(read_quota, read_quota) if read_quota else None,
        metrics_port=metrics_port,
        public_url=None if public_url is None else _read_public_url(public_url),
        log_level=log_level,
    )
    with LedgerFolder.open(folder, mirror=mirror) as house:
        return serve(house, Output(as_json=as_json), host=host, port=port, settings=settings)


def serve(
    house: House,
    out: Output,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    more: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
) -> int:
    """Serve an open ledger until a signal ends it.

    Args:
        house: Open for writing.
        out: Gets `{"url", "pid"}` once the server answers.
        host: Address to listen on.
        port: 0 for any free one.
        more: What the one JSON line says beside the address.
        settings: Bounds, quota, metrics and log; the defaults when None.

    Returns:
        The exit code: 0 after a graceful stop.

    """
    # The web framework costs half a second that only `serve` pays.
    from api import logs  # noqa: PLC0415

    chosen = settings or Settings()
    with ExitStack() as open_:
        listening = [open_.enter_context(_listen(host, port))]
        ready = {"url": _url(listening[0]), "pid": os.getpid(), **(more or {})}
        if chosen.metrics_port is not None:
            listening.append(open_.enter_context(_listen(LOOPBACK, chosen.metrics_port)))
            chosen = replace(chosen, metrics_port=listening[1].getsockname()[1])
            ready["metrics"] = f"{_url(listening[1])}/metrics"
        logs.configure(chosen.log_level)
        log = logs.logger("serving")

        def announce() -> None:
            where = {"url": ready["url"], "metrics": ready.get("metrics")}
            log.info("serving", database=house.recorder.engine.dialect.name, **where)
            said = f"Serving at {ready['url']} (process {os.getpid()}); Ctrl-C ends it."
            out.result(ready, said)

        try:
            started = _serve(house, listening, chosen, announce)
        except KeyboardInterrupt:
            out.say("stopped")
            started = True
        finally:
            log.info("stopped")
        return 0 if started else UNAVAILABLE


def _serve(
    house: House,
    listening: list[socket.socket],
    settings: Settings,
    announce: Callable[[], None],
) -> bool:
    """Serve on sockets until a signal comes, which is raised again; return whether it started."""
    import uvicorn  # noqa: PLC0415

    from api.app import create_app  # noqa: PLC0415

    class Announcing(uvicorn.Server):
        """Tells the address once the application has started."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                announce()

    server = Announcing(
        uvicorn.Config(
            create_app(house, settings=settings),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
    # A thread that computes lets the others in this often; a request changes threads a few times.
    sys.setswitchinterval(_SWITCH_S)
    # Uvicorn stops gracefully at either signal and then raises it again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.run(sockets=listening)
    return server.started


def _read_public_url(text: str) -> str:
    """Read the address that clients use, as it stands before every path.

    Raises:
        Usage: It is no address of a server.

    """
    if _PUBLIC.fullmatch(text) is None:
        raise Usage(
            f"{text} is no --public-url",
            do="Name scheme and host in lower case, port and path where there are any: "
            "https://shop.example or https://shop.example/ledger",
        )
    return text.removesuffix("/")


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named by its protocol: only then does the event loop send small answers without delay, and
    # an answer of two parts is not kept back for the 40 ms that a client delays its confirmation.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise Usage(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            code="address-in-use",
            do="Choose another --host or --port; --port 0 takes any free one.",
        ) from None
    listening.set_inheritable(True)
    return listening

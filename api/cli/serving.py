"""serve: the HTTP API, with the log published in the background."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from api.cli.failures import UNAVAILABLE, Usage
from api.cli.options import Dir, Json
from api.cli.output import Output
from api.folder import LedgerFolder
from api.house import House

LOOPBACK = "127.0.0.1"
_PORT_MAX = 65_535
_BACKLOG = 128

_HOST = typer.Option("--host", help="Address to listen on.")
_PORT = typer.Option("--port", min=0, max=_PORT_MAX, help="0: any free port.")


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("serve")(run)


def run(
    *,
    folder: Dir,
    host: Annotated[str, _HOST] = LOOPBACK,
    port: Annotated[int, _PORT] = 0,
    as_json: Json = False,
) -> int:
    """Serve the API until interrupted; prints its address once it answers."""
    with LedgerFolder.open(folder) as house:
        return serve(house, Output(as_json=as_json), host=host, port=port)


def serve(
    house: House,
    out: Output,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    more: Mapping[str, Any] | None = None,
) -> int:
    """Serve an open ledger until a signal ends it.

    Args:
        house: Open for writing.
        out: Gets `{"url", "pid"}` once the server answers.
        host: Address to listen on.
        port: 0 for any free one.
        more: What the one JSON line says beside the address.

    Returns:
        The exit code: 0 after a graceful stop.

    """
    import uvicorn  # noqa: PLC0415 - the web framework costs half a second that only `serve` pays

    from api.app import create_app  # noqa: PLC0415 - likewise

    listening = _listen(host, port)
    shown_host = f"[{host}]" if ":" in host else host
    url = f"http://{shown_host}:{listening.getsockname()[1]}"

    class Announcing(uvicorn.Server):
        """Tells the address once the application has started."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready = {"url": url, "pid": os.getpid(), **(more or {})}
                out.result(ready, f"Serving at {url} (process {os.getpid()}); Ctrl-C ends it.")

    server = Announcing(
        uvicorn.Config(
            create_app(house),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
    # Uvicorn stops gracefully at either signal and then raises it again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        out.say("stopped")
    finally:
        listening.close()
    return 0 if server.started else UNAVAILABLE


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
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

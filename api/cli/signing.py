"""signer and use-signer: signing checkpoints in a process of its own."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from api.cli.failures import Usage
from api.cli.options import Dir, Json
from api.cli.output import Output
from api.config import read_config, write_config
from api.custody import check_socket, own_mark, own_tree_signer, read_socket
from api.folder import LedgerFolder
from ledger.log.errors import HeadBehind, MarkMissing, RootDiffers
from ledger.log.mark import Marked
from ledger.log.reader import LogReader
from ledger.log.remote import RemoteTreeSigner
from ledger.log.signing import SignerService, listen

OWN = "own"
_SOCKET = typer.Option("--socket", metavar="PATH", help="Where to listen; mode 0600.")
_PEERS = typer.Option("--peer-uid", metavar="UID", help="User that may ask; default: this one.")
_ADDRESS = typer.Argument(metavar="unix:PATH|own", help="Who signs checkpoints.")


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("signer")(run)
    app.command("use-signer")(use_signer)


def run(
    *,
    folder: Dir,
    socket: Annotated[Path, _SOCKET],
    peer_uid: Annotated[list[int] | None, _PEERS] = None,
    as_json: Json = False,
) -> None:
    """Sign checkpoints for the processes that serve a ledger, until interrupted.

    D needs no more than config.json, vkey and the checkpoint key. The database is not touched.
    """
    out = Output(as_json=as_json)
    config = read_config(folder)
    check_socket(socket)
    mark = own_mark(config.origin)
    marked = mark.read()
    if marked is None:
        raise MarkMissing(str(mark.path))
    peers = peer_uid or [os.geteuid()]
    service = SignerService(own_tree_signer(folder, config), origin=config.origin, peers=peers)
    try:
        listening = listen(socket, peers=peers)
    except OSError as error:
        raise Usage(
            f"cannot listen on {socket}: {error.strerror or error}",
            code="address-in-use",
            do="Choose another --socket, or end the signer that listens there.",
        ) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ready = {"socket": str(socket), "pid": os.getpid(), "log": config.origin, "size": marked.size}
    out.result(ready, f"Signing for {config.origin} at {socket} (process {os.getpid()}).")
    try:
        with listening:
            service.serve(listening)
    except KeyboardInterrupt:
        out.say("stopped")
    finally:
        socket.unlink(missing_ok=True)


def use_signer(address: Annotated[str, _ADDRESS], *, folder: Dir, as_json: Json = False) -> None:
    """Let another process sign the checkpoints of this ledger, or this one again.

    The signer is asked for its mark, which has to be a tree of this log.
    """
    config = replace(read_config(folder), signer=None if address == OWN else address)
    with LedgerFolder.open(folder, read_only=True) as house:
        if config.signer is None:
            own_tree_signer(folder, config)
            marked = house.mark.read()
        else:
            path = read_socket(config.signer)
            marked = RemoteTreeSigner(path, origin=config.origin).read()
        _check(house.reader, marked, address)
    write_config(folder, config)
    shown = {"schema": 1, "signer": address, "size": None if marked is None else marked.size}
    Output(as_json=as_json).result(shown, f"Checkpoints are signed by: {address}")


def _check(reader: LogReader, marked: Marked | None, address: str) -> None:
    """Compare the mark of a signer with the database, before anything is signed by it."""
    if marked is None:
        raise MarkMissing(address)
    size = reader.size()
    if marked.size > size:
        raise HeadBehind(size=size, published=marked.size)
    computed = reader.root(marked.size)
    if computed != marked.root:
        raise RootDiffers(marked.size, signed=marked.root, computed=computed)

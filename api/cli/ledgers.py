"""init, status, rebuild and migrate."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.options import Dir, Json, read_secret
from api.cli.output import Output, plain
from api.config import VKEY_FILE
from api.folder import LedgerFolder
from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.note import split_note

_DATABASE = typer.Option(
    "--database", metavar="URL", help="An empty PostgreSQL database; a SQLite file in D if absent."
)
_ORIGIN = typer.Option("--origin", metavar="NAME", help="Name of the log for ever.")
_CHECKPOINT_KEY = typer.Option(
    "--checkpoint-key", metavar="pkcs11:...", help="Ed25519 key in a module; a file in D if absent."
)
_RECEIPT_KEY = typer.Option(
    "--receipt-key", metavar="pkcs11:...", help="Ed25519 key in a module; a file in D if absent."
)
_VAULT_KEY = typer.Option(
    "--vault-key", metavar="pkcs11:...", help="AES key in a module that wraps the vault's keys."
)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("init")(init)
    app.command("status")(status)
    app.command("rebuild")(rebuild)
    app.command("migrate")(migrate)


def init(  # noqa: PLR0913 - each key may lie elsewhere
    *,
    folder: Dir,
    database: Annotated[str | None, _DATABASE] = None,
    origin: Annotated[str | None, _ORIGIN] = None,
    checkpoint_key: Annotated[str | None, _CHECKPOINT_KEY] = None,
    receipt_key: Annotated[str | None, _RECEIPT_KEY] = None,
    vault_key: Annotated[str | None, _VAULT_KEY] = None,
    as_json: Json = False,
) -> None:
    """Make a ledger: configuration, keys, entry 0 and the first checkpoint."""
    url = None if database is None else read_secret(database)
    named = {"checkpoint": checkpoint_key, "receipt": receipt_key, "vault": vault_key}
    hardware = {name: uri for name, uri in named.items() if uri is not None}
    with LedgerFolder.create(
        folder, database_url=url, origin=origin, hardware=hardware or None
    ) as house:
        house.runner.catch_up()
        made = {
            "schema": 1,
            "origin": house.origin,
            "dir": str(folder),
            "size": house.reader.size(),
            "vkey": house.vkey,
        }
    Output(as_json=as_json).result(
        made,
        f"The ledger {made['origin']} lies in {folder}.",
        f"Whoever verifies needs its verifier key ({folder / VKEY_FILE}):\n  {made['vkey']}",
        f"Keep {folder / 'keys'} and {folder / 'vault'} secret, and backed up apart from the rest.",
    )


def status(*, folder: Dir, as_json: Json = False) -> None:
    """Show how much is recorded, published and projected; checks nothing."""
    with LedgerFolder.open(folder, read_only=True) as house:
        note = house.reader.checkpoint()
        latest = None if note is None else parse_checkpoint(split_note(note)[0])
        size = house.reader.size()
        published = 0 if latest is None else latest.size
        shown = {
            "schema": 1,
            "origin": house.origin,
            "database": house.recorder.engine.dialect.name,
            "size": size,
            "published": published,
            "unpublished": size - published,
            "root": None if latest is None else latest.root.hex(),
            "views": min(house.runner.positions().values(), default=0),
            "vkey": house.vkey,
        }
    Output(as_json=as_json).result(shown, plain(shown))


def rebuild(*, folder: Dir, as_json: Json = False) -> None:
    """Drop the views and project the whole log again."""
    out = Output(as_json=as_json)
    with LedgerFolder.open(folder) as house:
        with out.progress("rebuilding views") as step:
            size = house.runner.rebuild(step)
        digest = house.runner.digest()
    shown = {"schema": 1, "size": size, "digest": digest}
    out.result(shown, f"The views show all {size} entries. Digest: {digest}")


def migrate(*, folder: Dir, as_json: Json = False) -> None:
    """Bring the database up to the schema of this version; a newer one is refused."""
    revision = LedgerFolder.migrate(folder)
    shown = {"schema": 1, "revision": revision}
    Output(as_json=as_json).result(shown, f"The database has schema {revision}.")

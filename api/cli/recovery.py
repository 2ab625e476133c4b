"""backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.backup import Backup, Steps, make_backup
from api.cli.checks import PROCESSES
from api.cli.failures import LOCKED, Usage
from api.cli.options import Dir, Json, Mirror, Vkey, read_secret, read_vkey
from api.cli.output import Output, plain
from api.folder import LedgerFolder
from api.healing import Recovery, heal
from api.restoring import begin_again, restore_backup
from ledger.log.standing import Standing
from ledger.record.schema import check_schema

_TO = typer.Option("--to", metavar="FOLDER", help="The backup; must not exist yet.")
_KEYS = typer.Option("--with-keys", help="Put the private keys in too: keep it as safe as them.")
_FROM = typer.Argument(metavar="[FROM]", help="A backup; without one, only --mirror is used.")
_DATABASE = typer.Option(
    "--database", metavar="URL|@FILE", help="An empty PostgreSQL database to restore into."
)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    *,
    folder: Dir,
    to: Annotated[Path, _TO],
    with_keys: Annotated[bool, _KEYS] = False,
    as_json: Json = False,
) -> None:
    """Copy the whole ledger into a folder that verified itself; it may be served meanwhile."""
    out = Output(as_json=as_json)
    with (
        LedgerFolder.open_as_is(folder, read_only=True) as house,
        out.progress("copying") as copying,
        out.progress("auditing the copy") as auditing,
    ):
        made = make_backup(house, to, Steps(copying, auditing, PROCESSES), with_keys=with_keys)
    shown = made.document()
    out.result(
        shown,
        plain(shown),
        "Apart from it, keep copies of D/vault (and delete there what is erased here)"
        + ("." if with_keys else " and, locked away, of D/keys."),
    )


def restore(
    source: Annotated[Path | None, _FROM] = None,
    *,
    folder: Dir,
    mirror: Mirror = None,
    database: Annotated[str | None, _DATABASE] = None,
    vkey: Vkey = None,
    as_json: Json = False,
) -> int:
    """Put a backup back, or bring entries back from a copy of the log; nothing is overwritten."""
    if source is None and mirror is None:
        raise Usage("name what to restore from: a backup, or --mirror URL|FOLDER")
    out = Output(as_json=as_json)
    restored = None
    url = None if database is None else read_secret(database)
    key = None if vkey is None else read_vkey(vkey)
    if source is None and not folder.exists():
        if key is None:
            raise Usage("bring --vkey KEY|@FILE to make that folder again from the mirror alone")
        begin_again(folder, vkey=key, database_url=url)
    if source is not None:
        with out.progress("copying") as copying, out.progress("auditing") as auditing:
            restored = restore_backup(
                source,
                folder,
                Steps(copying, auditing, PROCESSES),
                database_url=url,
                vkey=key,
            )
    recovery, standing = _settle(folder, mirror, out)
    document = _document(restored, recovery, standing)
    out.result(document, *_lines(folder, restored, recovery, standing))
    return 0 if standing.may_write else LOCKED


def _settle(folder: Path, mirror: str | None, out: Output) -> tuple[Recovery | None, Standing]:
    """Heal where a mirror is named, bring the views up, and see where the ledger stands."""
    with LedgerFolder.open_as_is(folder, mirror=mirror) as house:
        check_schema(house.recorder.engine)
        recovery = None
        if mirror is not None:
            with out.progress("healing") as step:
                recovery = heal(house, processes=PROCESSES, progress=step)
        with out.progress("updating views") as step:
            house.runner.catch_up(step)
        return recovery, house.gate.look()


def _document(
    restored: Backup | None, recovery: Recovery | None, standing: Standing
) -> dict[str, Any]:
    return {
        "schema": 1,
        "restored": None if restored is None else restored.document(),
        "healed": None if recovery is None else recovery.document(),
        "standing": standing.document(),
    }


def _lines(
    folder: Path, restored: Backup | None, recovery: Recovery | None, standing: Standing
) -> list[str]:
    lines = []
    if restored is not None:
        lines.append(f"{restored.size} published entries of {restored.log} lie in {folder}.")
        if not restored.has_keys:
            lines.append(f"The backup held no keys: put them back into {folder / 'keys'}.")
        lines.append(f"Backups never hold the vault's keys: put them into {folder / 'vault'}.")
    if recovery is not None:
        healed = recovery.healed
        lines.append(f"{healed.stop - healed.start} entries were brought back from the mirror.")
        if recovery.lost:
            lines.append(f"{recovery.lost} sealed values are lost; {recovery.record} lists them.")
    lock = "" if standing.may_write else " It is locked: nothing is written or signed."
    lines.append(f"Standing {standing.klass}: {standing.says}{lock}")
    lines.append(f"Next: {standing.do}")
    return lines

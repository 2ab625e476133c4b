"""import-sales: bring a table of old sales into the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import Dir, Json, writing
from api.cli.output import Output, plain
from api.importer import import_sales

_FILE = typer.Argument(metavar="FILE", help="CSV: timestamp,item_id,price_eth,price_wei,from,...")
_NAMESPACE = typer.Option("--namespace", metavar="NS", help="Default: the file's stem.")


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("import-sales")(run)


def run(
    file: Annotated[Path, _FILE],
    *,
    folder: Dir,
    namespace: Annotated[str | None, _NAMESPACE] = None,
    as_json: Json = False,
) -> None:
    """Import sales that the importer attests; what cannot be read goes to D/rejects.

    Running it again adds nothing; after a kill, running it again goes on.
    """
    out = Output(as_json=as_json)
    with writing(folder, out) as house, out.progress("importing") as step:
        tally = import_sales(house, file, namespace=namespace, progress=step)
    shown = {"schema": 1} | tally.document()
    out.result(shown, plain(shown))

"""trial-balance: what all accounts hold, and that it sums to nothing."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from api.cli.doctor import FOUND_WRONG
from api.cli.failures import Usage
from api.cli.options import Dir, Json
from api.cli.output import Output
from api.folder import LedgerFolder
from api.trial import Trial, trial_balance

_AT_INDEX = typer.Option("--at-index", metavar="N", min=0, help="After entry N.")


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("trial-balance")(run)


def run(
    *, folder: Dir, at_index: Annotated[int | None, _AT_INDEX] = None, as_json: Json = False
) -> int:
    """Add up every account from the postings of every entry; the sums must be nothing."""
    out = Output(as_json=as_json)
    with LedgerFolder.open(folder, read_only=True) as house:
        size = house.reader.size()
        if at_index is not None and at_index >= size:
            raise Usage(
                f"the log has no entry {at_index}",
                code="entry-not-found",
                do="Name an index below the size that `yinzheng status` shows.",
                size=size,
            )
        wanted = size if at_index is None else at_index + 1
        with out.progress("adding up") as step:
            trial = trial_balance(house.reader, size=wanted, progress=step)
    document = trial.document()
    out.result({"schema": 1, **document}, _table(trial), _verdict(trial))
    return 0 if trial.unbalanced is None else FOUND_WRONG


def _table(trial: Trial) -> Table:
    table = Table(title=f"accounts after {trial.size} entries", title_justify="left")
    table.add_column("account")
    table.add_column("amount", justify="right", no_wrap=True)
    table.add_column("currency", no_wrap=True)
    for each in trial.document()["accounts"]:
        table.add_row(each["account"], each["amount"], each["currency"])
    return table


def _verdict(trial: Trial) -> str:
    if trial.unbalanced is not None:
        index, currency, amount = trial.unbalanced
        return f"not balanced: after entry {index}, {currency} sums to {amount}"
    return f"balanced: {trial.movements} movements of money, every currency sums to 0 after each"

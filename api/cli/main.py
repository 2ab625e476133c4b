"""The console script `yinzheng`: every command, and how each ends."""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback

import typer
from typer.exceptions import TyperException

from api.cli import (
    cards,
    checks,
    codes,
    credit,
    demo,
    deposits,
    doctor,
    entries,
    history,
    imports,
    items,
    keys,
    keystore,
    ledgers,
    orders,
    payments,
    policy,
    recovery,
    serving,
    signing,
    submit,
    trial,
)
from api.cli.failures import BUG, INTERRUPTED, USAGE, Failure, failure_of
from api.collecting import collect_seldom
from ledger.crashpoints import arm_from_environment

app = typer.Typer(
    name="yinzheng",
    help="A self-hosted, hash-chained ledger for digital goods that anyone can check.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    ledgers,
    recovery,
    doctor,
    imports,
    history,
    checks,
    trial,
    submit,
    serving,
    signing,
    demo,
):
    group.add_to(app)
app.add_typer(keys.app, name="keys")
app.add_typer(keystore.app, name="keystore")
app.add_typer(items.app, name="item")
app.add_typer(entries.app, name="entry")
app.add_typer(policy.app, name="policy")
app.add_typer(orders.app, name="order")
app.add_typer(cards.app, name="cards")
app.add_typer(codes.app, name="codes")
app.add_typer(payments.app, name="payments")
app.add_typer(deposits.app, name="deposit")
app.add_typer(credit.app, name="credit")


def main() -> None:
    """Run the command line and end the process."""
    collect_seldom()
    # A core file would hold whatever secrets this process has in hand.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name.

    Returns:
        The exit code (protocol section 8).

    """
    as_json = "--json" in arguments
    try:
        arm_from_environment(os.environ)
        code = app(arguments, prog_name="yinzheng", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        return _usage(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(as_json=as_json)
    except BrokenPipeError:
        # Whoever read us has gone: nothing more can be told, and nothing failed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # the last place that can keep a bug from exit code 1, "tampered"
        failure = failure_of(error)
        if failure is None:
            traceback.print_exc()
            failure = _bug(error)
        return failure.tell(as_json=as_json)
    if code == INTERRUPTED:
        return _interrupted(as_json=as_json)
    return code if isinstance(code, int) else 0


def _usage(error: TyperException, *, as_json: bool) -> int:
    message = error.format_message()
    if not message.strip() or "Usage:" in message:
        # No command at all: the help text was asked for in the shortest way.
        print(message, file=sys.stderr)
        return USAGE
    return Failure(
        USAGE, "usage", message, "Nothing was changed.", "See `yinzheng --help`.", {}
    ).tell(as_json=as_json)


def _interrupted(*, as_json: bool) -> int:
    return Failure(
        INTERRUPTED,
        "interrupted",
        "interrupted",
        "What was accepted before stays in the log; nothing is half written.",
        "Run the same command again to go on.",
        {},
    ).tell(as_json=as_json)


def _bug(error: Exception) -> Failure:
    return Failure(
        BUG,
        "internal-error",
        f"this is a bug: {type(error).__name__}: {error}",
        "What was accepted before stays in the log.",
        "Please report it with the lines above; `yinzheng audit` shows whether all is well.",
        {},
    )


if __name__ == "__main__":
    main()

"""policy: the trade policy as a file, checked, shown and published."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.failures import Usage
from api.cli.keys import shown
from api.cli.options import Dir, Json, writing
from api.cli.output import Output, plain
from api.folder import LedgerFolder
from api.policies.publishing import described, publish, terms_recorded, when
from api.policies.reading import default_policy, read_policy
from api.policies.yamltree import BYTES_MAX
from ledger.rules.digests import terms_digest
from ledger.rules.text import format_time, time_us

app = typer.Typer(
    help="The trade policy: the numbers that orders and claims are judged by.",
    no_args_is_help=True,
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="A policy in YAML.")]


@app.command("default")
def default(
    *,
    to: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="A new file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the policy that comes with the program, to be copied and changed."""
    text = default_policy()
    document = _accepted(text, "cn-default", Output(as_json=as_json))
    told: dict[str, Any] = {"schema": 1, "id": document["id"], "digest": terms_digest(document)}
    if to is not None:
        with to.open("xb") as file:
            file.write(text)
        told |= {"file": str(to)}
        Output(as_json=as_json).result(told, f"{to}: the policy cn-default.")
        return
    if as_json:
        Output(as_json=True).result(told | {"text": text.decode("utf-8")})
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


@app.command("check")
def check(file: File, *, as_json: Json = False) -> None:
    """Check a policy, and say of every fault where it is and what would be right."""
    out = Output(as_json=as_json)
    document = _accepted(_bytes_of(file), str(file), out)
    told = {
        "schema": 1,
        "file": str(file),
        "id": document["id"],
        "digest": terms_digest(document),
        "faults": [],
    }
    out.result(told, f"{file}: in order. Digest {told['digest']}.")


@app.command("show")
def show(*, folder: Dir, as_json: Json = False) -> None:
    """Show the trade policy in force, and the one that is published and waits for its day."""
    with LedgerFolder.open(folder, read_only=True) as house:
        found = described(terms_recorded(house.reader), house.clock.now())
    Output(as_json=as_json).result({"schema": 1, **found}, plain(_summary(found)))


@app.command("publish")
def publish_(
    file: File,
    *,
    folder: Dir,
    effective_at: Annotated[
        str | None,
        typer.Option(
            "--effective-at", metavar="TIME", help="UTC, as in 2026-12-01T00:00:00.000000Z."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish a policy, signed by the operator: the first at once, others with their notice."""
    out = Output(as_json=as_json)
    document = _accepted(_bytes_of(file), str(file), out)
    since = None if effective_at is None else time_us(effective_at, field="effective_at")
    with writing(folder, out) as house:
        outcome = publish(house, document, effective_at=since)
        terms = terms_recorded(house.reader)
    assert terms is not None  # noqa: S101 - one was just published
    told = shown(
        outcome,
        id=document["id"],
        digest=terms_digest(document),
        effective_at=format_time(when(terms, document)),
    )
    out.result(told, plain({name: each for name, each in told.items() if name != "schema"}))


def _bytes_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(BYTES_MAX + 1)


def _accepted(text: bytes, name: str, out: Output) -> dict[str, Any]:
    found = read_policy(text)
    if found.document is not None:
        return found.document
    for each in found.faults:
        field = f"{each.field}: " if each.field else ""
        out.say(f"{name}:{each.line}:{each.column}: {field}{each.message}")
    count = len(found.faults)
    raise Usage(
        f"{name} is not a policy that can be published: {count} fault{'s'[: count > 1]}",
        code="policy-faulty",
        do="Correct the lines named, then run it again; docs/cli.md explains the form.",
        **({"faults": [each._asdict() for each in found.faults]} if out.as_json else {}),
    )


def _summary(found: dict[str, Any]) -> dict[str, Any]:
    """Say of each policy its name, digest and day."""
    return {
        "in force": _line(found["in_force"]),
        "pending": _line(found["pending"]),
        **{
            f"superseded {number}": _line(each)
            for number, each in enumerate(found["superseded"], start=1)
        },
    }


def _line(policy: dict[str, Any] | None) -> str:
    if policy is None:
        return "-"
    return f"{policy['policy']['id']} since {policy['effective_at']}, digest {policy['digest']}"

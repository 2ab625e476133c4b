"""keys: private keys of this folder, and the parties and roles that they stand for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.failures import Usage
from api.cli.options import Dir, Json, writing
from api.cli.output import Output, plain
from api.config import KEYS_FOLDER, read_config
from api.custody import key_file
from api.desk import Hand, Order, send
from api.enrolment import enrol, grant, party_state, root_hand
from api.folder import LedgerFolder
from api.house import House, new_key
from api.timers import complete_due
from ledger.application import Accepted
from ledger.errors import KeyFileInvalid
from ledger.hardware.module import make_hardware_key, open_hardware_key
from ledger.hardware.uri import KeyUri
from ledger.hardware.wrapping import HardwareWrapper, make_wrapping_key
from ledger.rules.errors import UnknownParty
from ledger.rules.text import b64encode, format_time, party_stream
from ledger.signer import LocalSigner, load_signer

app = typer.Typer(
    help="Private keys of this folder, and the parties and roles they stand for.",
    no_args_is_help=True,
)


class Class(StrEnum):
    """What a party is."""

    MEMBER = "member"
    MERCHANT = "merchant"
    SERVICE = "service"


class Alg(StrEnum):
    """Kinds of key."""

    ED25519 = "ed25519"
    P256 = "p256"


Party = Annotated[str, typer.Argument(metavar="PARTY", help="Id of a party.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a key file, without .pem.")]
RoleName = Annotated[str, typer.Argument(metavar="ROLE", help="For instance freezer, importer.")]
With = Annotated[
    str | None, typer.Option("--with", metavar="NAME", help="Key file that signs; default: PARTY.")
]


def shown(outcome: Accepted, **more: Any) -> dict[str, Any]:
    """Write what became of a command."""
    return {"schema": 1, "index": outcome.index, "leaf": outcome.leaf.hex(), **more}


def report(out: Output, outcome: Accepted, **more: Any) -> None:
    """Print what became of a command."""
    document = shown(outcome, **more)
    out.result(document, plain({name: each for name, each in document.items() if name != "schema"}))


@app.command("new")
def new(
    name: Name,
    *,
    folder: Dir,
    alg: Annotated[Alg, typer.Option("--alg", help="Kind of key.")] = Alg.ED25519,
    as_json: Json = False,
) -> None:
    """Make a private key in D/keys; it is never printed."""
    read_config(folder)
    path = key_file(folder, name)
    key = new_key(alg.value, random=os.urandom)
    key.save(path)
    _show_key(Output(as_json=as_json), name, key)


@app.command("show")
def show(name: Name, *, folder: Dir, as_json: Json = False) -> None:
    """Show id and public part of a key of this folder."""
    read_config(folder)
    _show_key(Output(as_json=as_json), name, load_signer(key_file(folder, name)))


@app.command("hardware")
def hardware(
    uri: Annotated[str, typer.Argument(metavar="pkcs11:...", help="Where the key is.")],
    *,
    make: Annotated[bool, typer.Option("--make", help="Make it inside the module.")] = False,
    wrapping: Annotated[
        bool, typer.Option("--wrapping", help="An AES key that wraps the vault's keys.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show id and public part of an Ed25519 key in a PKCS #11 module, or make one there."""
    named = KeyUri.parse(uri)
    if wrapping:
        _wrapping(named, Output(as_json=as_json), make=make)
        return
    key = make_hardware_key(named) if make else open_hardware_key(named)
    shown_key = {"schema": 1, "alg": key.alg, "id": key.key_id, "public": b64encode(key.public)}
    Output(as_json=as_json).result(shown_key, plain(shown_key))


def _wrapping(uri: KeyUri, out: Output, *, make: bool) -> None:
    """Make or try a wrapping key; it has no public part to show."""
    if make:
        make_wrapping_key(uri)
    HardwareWrapper(uri, random=os.urandom)
    shown_key = {"schema": 1, "alg": "aes-256-gcm", "key": uri.text}
    out.result(shown_key, plain(shown_key))


@app.command("list")
def list_(*, folder: Dir, as_json: Json = False) -> None:
    """List the keys of this folder and whose they are."""
    with LedgerFolder.open(folder, read_only=True) as house:
        keys = [_described(house, path) for path in sorted(_files(folder))]
    lines = [
        f"{key['name']:<24} {key['alg']:<8} {key['party'] or '-':<24} {key['id']}" for key in keys
    ]
    Output(as_json=as_json).result({"schema": 1, "keys": keys}, *lines)


@app.command("party")
def party_(party: Party, *, folder: Dir, as_json: Json = False) -> None:
    """Show the keys and roles of a party, as the log has them."""
    with LedgerFolder.open(folder, read_only=True) as house:
        state = party_state(house, party)
    if state is None:
        raise UnknownParty(f"party {party} is not registered", party=party)
    document = {
        "schema": 1,
        "party": party,
        "founder": state.founder,
        "attested": state.attested,
        "keys": [
            {
                "id": key.id,
                "alg": key.alg,
                "since": key.since,
                "ready": format_time(key.ready),
                "revoked": key.revoked,
            }
            for key in state.keys
        ],
        "roles": [role.name for role in state.roles],
        "change": None
        if state.change is None
        else {"digest": state.change.digest, "due": format_time(state.change.due)},
    }
    Output(as_json=as_json).result(document, plain(document))


@app.command("register")
def register(
    party: Party,
    *,
    folder: Dir,
    class_: Annotated[Class, typer.Option("--class", help="What it is.")] = Class.MEMBER,
    as_json: Json = False,
) -> None:
    """Register a party with its first key, D/keys/PARTY.pem, made if it is not there."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        if party_state(house, party) is not None:
            raise Usage(
                f"party {party} is registered already",
                code="party-exists",
                do=f"Look at it: yinzheng keys party {party} --dir {folder}",
                party=party,
            )
        key = enrol(house, party, class_=class_.value)
        head = house.ledger.stream(party_stream(party))
    assert head is not None  # noqa: S101 - it was just registered
    document = {"schema": 1, "index": head.head.index, "party": party, "key": key.key_id}
    out.result(document, f"{party} is registered with key {key.key_id}.")


@app.command("add")
def add(
    party: Party,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="Key file of the new key.")],
    *,
    folder: Dir,
    with_: With = None,
    as_json: Json = False,
) -> None:
    """Add a key to a party; it waits for its cool-down before risky acts."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        added = house.signer(new_name)
        hands = [_hand(house, party, with_), Hand(party, "new", added)]
        outcome = _send(house, "add-key/1", hands, {"key": added.key(), "party": party})
    report(out, outcome, party=party, key=added.key_id)


@app.command("revoke")
def revoke(
    party: Party,
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="Id of the key to revoke.")],
    *,
    folder: Dir,
    with_: With = None,
    as_json: Json = False,
) -> None:
    """Revoke a key: at once with itself, after the policy's delay with another key."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        hands = [_hand(house, party, with_)]
        outcome = _send(house, "revoke-key/1", hands, {"key": key_id, "party": party})
    report(out, outcome, party=party, key=key_id)


@app.command("object")
def object_(party: Party, *, folder: Dir, with_: With = None, as_json: Json = False) -> None:
    """Stop a key change that waits; the key that asked for it cannot."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        state = party_state(house, party)
        change = None if state is None or state.change is None else state.change.digest
        if change is None:
            raise Usage(f"no key change of {party} waits", code="no-such-change", party=party)
        body = {"change": change, "party": party}
        outcome = send(house, Order("object-key-change/1", [_hand(house, party, with_)], body))
    report(out, outcome, party=party, change=change)


@app.command("complete")
def complete(*, folder: Dir, as_json: Json = False) -> None:
    """Complete the key changes whose delay has passed; `serve` does so by itself."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        house.runner.catch_up()
        completed = complete_due(house)
    out.result({"schema": 1, "completed": completed}, f"{completed} key changes completed")


@app.command("grant")
def grant_(
    party: Party,
    role: RoleName,
    *,
    folder: Dir,
    second: Annotated[
        str | None, typer.Option("--second", metavar="PARTY", help="Independent party.")
    ] = None,
    second_key: Annotated[
        Path | None, typer.Option("--second-key", metavar="FILE", help="Its private key.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a party a role; one that can move property needs an independent second party."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        grant(house, party, role, second=_second(house, second, second_key))
        state = party_state(house, party)
    held = [] if state is None else [each.name for each in state.roles]
    out.result({"schema": 1, "party": party, "roles": held}, f"{party} holds {', '.join(held)}.")


@app.command("withdraw")
def withdraw(party: Party, role: RoleName, *, folder: Dir, as_json: Json = False) -> None:
    """Withdraw a role from a party."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        hands = [root_hand(house, "root")]
        outcome = send(house, Order("withdraw-role/1", hands, {"party": party, "role": role}))
    report(out, outcome, party=party, role=role)


def _send(house: House, kind: str, hands: Sequence[Hand], body: dict[str, Any]) -> Accepted:
    stream = party_stream(body["party"])
    return send(house, Order(kind, hands, body, expect={stream: house.head_of(stream)}))


def _hand(house: House, party: str, name: str | None) -> Hand:
    return Hand(party, "party", house.signer(name or party))


def _second(house: House, party: str | None, file: Path | None) -> Hand | None:
    if party is None:
        if file is not None:
            raise Usage("--second-key needs --second PARTY")
        return None
    return Hand(party, "second", house.signer(party) if file is None else load_signer(file))


def _files(folder: Path) -> Sequence[Path]:
    return list((folder / KEYS_FOLDER).glob("*.pem"))


def _described(house: House, path: Path) -> dict[str, Any]:
    try:
        key = load_signer(path)
    except KeyFileInvalid as error:
        return {"name": path.stem, "alg": "-", "party": None, "id": error.message}
    found = house.recorder.find_key(bytes.fromhex(key.key_id))
    party = None if found is None else found.party
    return {"name": path.stem, "alg": key.alg, "party": party, "id": key.key_id}


def _show_key(out: Output, name: str, key: LocalSigner) -> None:
    document = {"schema": 1, "name": name, "id": key.key_id} | key.key()
    out.result(document, plain({each: document[each] for each in ("name", "id", "alg", "public")}))

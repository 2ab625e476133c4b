"""What is handed in, and what can be found out about it before the ledger is asked.

Preparing reads the command strictly and checks its signatures, disclosures and texts. None of it
depends on the order of commands, because a key id is the hash of the key: whether the key is valid
for its party, in its role, at its place in the log, is decided in order by the rules. So commands
are prepared in any thread, while others are being committed.
Specification: docs/spec.md sections 5 and 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ledger.cards.parcels import parcel_digest
from ledger.errors import (
    DisclosureInvalid,
    LedgerError,
    ParcelRefused,
    SignatureCount,
    SignatureInvalid,
)
from ledger.proof.errors import BadSignature, MalformedEvidence
from ledger.proof.signatures import FindKey, check_signatures
from ledger.record.facts import ParcelRow
from ledger.rules.admission import check_text, is_plain, is_plain_json
from ledger.rules.commands import Command, Signer, read_command
from ledger.rules.digests import sealed_digest
from ledger.rules.errors import RuleError
from ledger.rules.kinds import kind_of_checked
from ledger.rules.model import Kind
from ledger.rules.text import b64decode

SALT_BYTES = 32
DELIVERY = "deliver-lines/1"

Fault = RuleError | LedgerError


@dataclass(frozen=True, slots=True)
class SealedValue:
    """What opens one sealed field: its name, a base64 salt of 32 bytes and the value."""

    name: str
    salt: str
    value: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A command as it arrives: signed bytes, one base64 signature a signer, disclosures.

    Who delivers cards for the platform hands in the parcels, those that the command names, in its
    order; without them the digests stand in the log and the parcels reach the buyer otherwise.
    """

    command: bytes
    sigs: tuple[str, ...]
    disclosures: tuple[SealedValue, ...] = ()
    parcels: tuple[bytes, ...] = ()


class Prepared(NamedTuple):
    """A submission and what was found out about it.

    Attributes:
        submission: As it arrived.
        command: As read; None when it cannot be read.
        fault: Why it will be refused, whatever the state; None when nothing is wrong so far.
        kind: The command's kind; None where the command or its body cannot be read.
        verified: Its signatures were checked; False when a key is not known yet.
        opened: Subject and value of every sealed field.
        parcels: What is kept of a delivery beside its command.

    """

    submission: Submission
    command: Command | None
    fault: Fault | None = None
    kind: Kind | None = None
    verified: bool = False
    opened: tuple[tuple[str, SealedValue], ...] = ()
    parcels: tuple[ParcelRow, ...] = ()


class KnownKeys(Protocol):
    """Public keys by their ids."""

    def find(self, key_id: str) -> tuple[str, bytes] | None:
        """Return algorithm and raw key of a registered key, None when there is none yet."""
        ...


def prepare(submission: Submission, keys: KnownKeys, *, command: Command | None = None) -> Prepared:
    """Find out what can be found out about a submission; never raises for a bad one.

    Args:
        submission: As it arrived.
        keys: What is registered; asking it may read the database.
        command: What these very bytes were read as before, if they were.

    Raises:
        DatabaseUnavailable: A key could not be looked up.

    Spec: docs/spec.md section 5.2.

    """
    kind, verified = None, False
    if command is not None and command.raw != submission.command:
        command = None
    try:
        command = command or read_command(submission.command)
        kind = kind_of_checked(command)
        verified = _verify(command, submission.sigs, keys)
        opened = _check_disclosures(command, submission.disclosures)
        if not is_plain_json(command.raw):
            _check_texts(command.body, "command.body")
        parcels = _check_parcels(command, submission.parcels)
    except (RuleError, LedgerError) as fault:
        return Prepared(submission, command, fault, kind, verified)
    return Prepared(submission, command, None, kind, verified, opened, parcels)


def settle(one: Prepared, command: Command, find: FindKey) -> None:
    """Finish what was begun by `prepare`, at the command's place in the log.

    Args:
        one: As prepared; its kind is known.
        command: Its command.
        find: Finds the keys that are registered before it.

    Raises:
        SignatureCount: Not one signature a signer.
        SignatureInvalid: One does not hold, or is not one.
        DisclosureInvalid: A sealed name is not opened by its disclosure.
        ParcelRefused: A parcel is not the one whose digest the command has.
        Malformed: A text or a disclosure is not in its accepted form.

    """
    if not one.verified and not isinstance(one.fault, SignatureInvalid | SignatureCount):
        _check(command, one.submission.sigs, find)
    if one.fault is not None:
        raise one.fault


def _check(command: Command, sigs: Sequence[str], find: FindKey) -> None:
    if len(sigs) != len(command.signers):
        raise SignatureCount(
            "one signature for each signer is needed",
            signers=len(command.signers),
            sigs=len(sigs),
        )
    try:
        check_signatures(command, sigs, find)
    except (BadSignature, MalformedEvidence) as bad:
        raise SignatureInvalid(bad.message, command=command.digest) from None


class _UnknownKey(Exception):
    """A signer's key is not registered, so far."""


def _verify(command: Command, sigs: Sequence[str], keys: KnownKeys) -> bool:
    def find(signer: Signer) -> tuple[str, bytes]:
        found = keys.find(signer.key)
        if found is None:
            raise _UnknownKey
        return found

    try:
        _check(command, sigs, find)
    except _UnknownKey:
        # It may be registered by a command that stands in front of this one.
        return False
    return True


def _check_disclosures(
    command: Command, disclosures: Sequence[SealedValue]
) -> tuple[tuple[str, SealedValue], ...]:
    """Open every sealed name with its disclosure; return each with its subject."""
    sealed: list[dict[str, Any]] = command.document["sealed"]
    if not (sealed or disclosures):
        return ()
    names = [entry["name"] for entry in sealed]
    given = [disclosure.name for disclosure in disclosures]
    if given != names:
        raise DisclosureInvalid(
            "every sealed name needs its disclosure, in order",
            sealed=", ".join(names),
            disclosed=", ".join(given),
        )
    opened = []
    for entry, disclosure in zip(sealed, disclosures, strict=True):
        field = f"disclosures.{disclosure.name}"
        b64decode(disclosure.salt, field=f"{field}.salt", size=SALT_BYTES)
        check_text(disclosure.value, field=field)
        digest = sealed_digest(
            command.log, command.id, disclosure.name, disclosure.salt, disclosure.value
        )
        if digest != entry["digest"]:
            raise DisclosureInvalid("the disclosure opens another digest", name=disclosure.name)
        opened.append((str(entry["subject"]), disclosure))
    return tuple(opened)


def _check_parcels(command: Command, parcels: Sequence[bytes]) -> tuple[ParcelRow, ...]:
    """Hold parcels against the digests that the command has; return what is kept of them."""
    if not parcels:
        return ()
    delivers = command.kind == DELIVERY
    named = [each for each in command.body["parcels"] if each["parcel"]] if delivers else []
    if [each["parcel"] for each in named] != list(map(parcel_digest, parcels)):
        raise ParcelRefused(
            "the parcels are not those that the command names", named=len(named), given=len(parcels)
        )
    order = command.body["order"]
    return tuple(
        ParcelRow(order, each["line"], bytes.fromhex(each["parcel"]), parcel)
        for each, parcel in zip(named, parcels, strict=True)
    )


def _check_texts(value: Any, field: str) -> None:
    """Hold every text of a body to the rules of admission; most are plain identifiers anyway."""
    if isinstance(value, str):
        check_text(value, field=field)
    elif isinstance(value, dict):
        for name, inner in value.items():
            # Its whole name is put together only where there is something to look at.
            if inner is not None and not is_plain(inner):
                _check_texts(inner, f"{field}.{name}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _check_texts(inner, f"{field}[{position}]")

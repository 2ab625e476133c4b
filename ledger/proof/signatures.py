"""Whose key must have signed what: the signature checks of one command.

Specification: docs/spec.md section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ledger.proof.errors import BadSignature, MalformedEvidence
from ledger.proof.keys import verify
from ledger.rules.commands import Command, Signer
from ledger.rules.digests import key_id
from ledger.rules.errors import Malformed
from ledger.rules.kinds import kind_of
from ledger.rules.model import View
from ledger.rules.state import Party
from ledger.rules.text import b64decode, party_stream

_STEP = "signature"
_SIGNATURE_BYTES = 64
_DECODED_MAX = 65_536
_OPENING = "open-ledger/1"

FindKey = Callable[[Signer], tuple[str, bytes] | None]
"""Finds algorithm and raw key of a signer whose key was registered before its command."""


class SignatureJob(NamedTuple):
    """One signature to check: algorithm, raw public key, signature and signed bytes."""

    alg: str
    public: bytes
    signature: bytes
    message: bytes


def signature_jobs(command: Command, sigs: Sequence[str], find: FindKey) -> list[SignatureJob]:
    """List the signature checks of a command whose body is of its kind's schema.

    Args:
        command: The command; its bytes are what was signed.
        sigs: Base64 signatures, one a signer, in order.
        find: Finds the keys that were registered before the command.

    Raises:
        MalformedEvidence: Not one signature a signer, or not 64 bytes of base64.
        BadSignature: A key is not at hand under the id that the command names.

    """
    if len(sigs) != len(command.signers):
        raise MalformedEvidence(
            _STEP,
            "not one signature for each signer",
            expected=len(command.signers),
            found=len(sigs),
        )
    message = command.message
    jobs = []
    for signer, sig in zip(command.signers, sigs, strict=True):
        try:
            raw = b64decode(sig, field="sigs", size=_SIGNATURE_BYTES)
        except Malformed as bad:
            raise MalformedEvidence(_STEP, str(bad), field="sigs") from None
        alg, public = _public_key(command, signer, find)
        jobs.append(SignatureJob(alg, public, raw, message))
    return jobs


def check_signatures(command: Command, sigs: Sequence[str], find: FindKey) -> None:
    """Check every signature of a command whose body is of its kind's schema.

    Raises:
        MalformedEvidence: Not one signature a signer, or not 64 bytes of base64.
        BadSignature: One does not hold.

    Spec: docs/spec.md section 5.2.

    """
    for job in signature_jobs(command, sigs, find):
        verify(job.alg, public=job.public, signature=job.signature, message=job.message)


def keys_in(view: View) -> FindKey:
    """Find keys in the state before a command."""

    def find(signer: Signer) -> tuple[str, bytes] | None:
        found = view.stream(party_stream(signer.party))
        key = found.state.key(signer.key) if found and isinstance(found.state, Party) else None
        return None if key is None else (key.alg, _raw(key.public))

    return find


@lru_cache(maxsize=_DECODED_MAX)
def _raw(public: str) -> bytes:
    return b64decode(public, field="key.public")


def _public_key(command: Command, signer: Signer, find: FindKey) -> tuple[str, bytes]:
    """Find the signer's key: in the command that registers it, or among those before."""
    if command.kind == _OPENING:
        offered = [founder["key"] for founder in command.body["parties"]]
    elif signer.role == kind_of(command.kind).newcomer:
        offered = [command.body["key"]]
    else:
        found = find(signer)
        if found is None:
            raise BadSignature(_STEP, "the signer's key is not at hand", found=signer.key)
        return found
    for key in offered:
        raw = b64decode(key["public"], field="key.public")
        if key_id(key["alg"], raw) == signer.key:
            return key["alg"], raw
    raise BadSignature(_STEP, "the signer's key is not at hand", found=signer.key)

"""Whose key must have signed what: the signature checks of one command.

Specification: docs/spec.md section 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class SignatureJob:
    """One signature to check: algorithm, raw public key, signature and signed bytes."""

    alg: str
    public: bytes
    signature: bytes
    message: bytes


def signature_jobs(command: Command, sigs: Sequence[str], view: View) -> list[SignatureJob]:
    """List the signature checks of a command that derive accepted.

    Args:
        command: The command; its bytes are what was signed.
        sigs: Base64 signatures, one a signer, in order.
        view: The state before the command, which holds the signers' keys.

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
        alg, public = _public_key(command, signer, view)
        jobs.append(SignatureJob(alg, public, raw, message))
    return jobs


def check_signatures(command: Command, sigs: Sequence[str], view: View) -> None:
    """Check every signature of a command that derive accepted.

    Raises:
        MalformedEvidence: Not one signature a signer, or not 64 bytes of base64.
        BadSignature: One does not hold.

    Spec: docs/spec.md section 5.2.

    """
    for job in signature_jobs(command, sigs, view):
        verify(job.alg, public=job.public, signature=job.signature, message=job.message)


def _public_key(command: Command, signer: Signer, view: View) -> tuple[str, bytes]:
    """Find the signer's key: in the command that registers it, or in its party's stream."""
    if command.kind == "open-ledger/1":
        offered = [founder["key"] for founder in command.body["parties"]]
    elif signer.role == kind_of(command.kind).newcomer:
        offered = [command.body["key"]]
    else:
        found = view.stream(party_stream(signer.party))
        keys = found.state.keys if found and isinstance(found.state, Party) else ()
        offered = [{"alg": key.alg, "public": key.public} for key in keys]
    for key in offered:
        raw = b64decode(key["public"], field="key.public")
        if key_id(key["alg"], raw) == signer.key:
            return key["alg"], raw
    raise BadSignature(_STEP, "the signer's key is not at hand", found=signer.key)

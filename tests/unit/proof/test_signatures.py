"""Whose key must have signed what."""

from __future__ import annotations

import pytest

from ledger.proof.errors import BadSignature, MalformedEvidence
from ledger.proof.keys import verify
from ledger.proof.known import Known
from ledger.proof.replay import Replay
from ledger.proof.signatures import SignatureJob, check_signatures, keys_in, signature_jobs
from ledger.rules.commands import Command, Signer
from ledger.rules.state import Namespace, Stream
from ledger.rules.text import b64decode, b64encode
from tests.unit.proof.story import ENTRIES, ORIGIN, READ, SIZE, Story, key, sign, told


def view_before(index: int) -> Known:
    replay = Replay(Known(), log=ORIGIN, complete=True)
    for each, raw in enumerate(ENTRIES[:index]):
        replay.take(raw, index=each)
    return replay.view


def command_at(index: int) -> tuple[Command, tuple[str, ...]]:
    command = READ[index].command
    assert command is not None
    return command, READ[index].sigs


def fault(command: Command, sigs: tuple[str, ...], view: Known) -> dict[str, object]:
    with pytest.raises((BadSignature, MalformedEvidence)) as caught:
        signature_jobs(command, sigs, keys_in(view))
    error = told(caught.value)
    assert (error.pop("step"), error.pop("index"), error.pop("stream")) == ("signature", None, None)
    return error


# Entry 0 names its keys; a newcomer's stands in the body; the others are in their party's stream.
@pytest.mark.parametrize("index", [0, 5, 13, 22, 24, 44, 46, 50, 52])
def test_each_signature_of_the_golden_log_is_checked_with_its_key(index: int) -> None:
    command, sigs = command_at(index)
    jobs = signature_jobs(command, sigs, keys_in(view_before(index)))

    assert [job.signature for job in jobs] == [b64decode(sig, field="sig") for sig in sigs]
    assert {job.message for job in jobs} == {b"yinzheng/command/v1\n" + command.raw}
    for job, signer in zip(jobs, command.signers, strict=True):
        name = "anna-phone" if (index, signer.role) == (46, "new") else signer.party
        named = key("bob-new") if index == 52 and signer.role == "new" else key(name)
        assert (job.alg, job.public) == (named.alg, named.public)
    check_signatures(command, sigs, keys_in(view_before(index)))


def test_a_job_is_everything_that_a_check_needs() -> None:
    command, sigs = command_at(56)
    (job,) = signature_jobs(command, sigs, keys_in(view_before(56)))

    assert job == SignatureJob(
        "ed25519", key("dora").public, b64decode(sigs[0], field="sig"), command.message
    )
    verify(job.alg, public=job.public, signature=job.signature, message=job.message)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_there_is_one_signature_for_each_signer(count: int) -> None:
    command, sigs = command_at(45)
    given = (*sigs, *sigs)[:count]

    assert fault(command, given, view_before(45)) == {
        "is": "MalformedEvidence",
        "message": "not one signature for each signer",
        "field": None,
        "expected": 2,
        "found": count,
    }


@pytest.mark.parametrize(
    ("sig", "message"),
    [
        ("AAAA", "sigs: holds 3 bytes, expected 64"),
        ("A", "sigs: is not base64"),
        (b64encode(bytes(65)), "sigs: holds 65 bytes, expected 64"),
    ],
)
def test_a_signature_is_64_bytes_of_base64(sig: str, message: str) -> None:
    command, sigs = command_at(45)
    error = fault(command, (sigs[0], sig), view_before(45))

    assert error == {
        "is": "MalformedEvidence",
        "message": message,
        "field": "sigs",
        "expected": None,
        "found": None,
    }


def missing(command: Command) -> dict[str, object]:
    return {
        "is": "BadSignature",
        "message": "the signer's key is not at hand",
        "field": None,
        "expected": None,
        "found": command.signers[0].key,
    }


def test_a_key_is_looked_for_in_its_party_s_stream_alone() -> None:
    command, sigs = command_at(45)
    other = command.signers[0]._replace(key=key("carl").key_id)
    forged = command._replace(signers=(other, *command.signers[1:]))

    assert fault(forged, sigs, view_before(45)) == missing(forged)


def test_a_party_that_is_not_there_has_no_key() -> None:
    command, sigs = command_at(45)

    assert fault(command, sigs, Known()) == missing(command)


def test_a_stream_that_is_no_party_s_has_no_key() -> None:
    command, sigs = command_at(22)
    view = view_before(22)
    head = view.streams["party/shop"].head
    view.streams["party/shop"] = Stream(head, Namespace("shop"))

    assert fault(command, sigs, view) == missing(command)


@pytest.mark.parametrize("index", [0, 44])
def test_a_key_in_the_body_counts_for_its_own_id_alone(index: int) -> None:
    command, sigs = command_at(index)
    first = command.signers[0]
    forged = command._replace(
        signers=(Signer(first.party, first.role, "0" * 64), *command.signers[1:])
    )

    assert fault(forged, sigs, view_before(index)) == missing(forged)


def test_the_key_that_a_command_registers_signs_only_as_the_newcomer() -> None:
    """As an owner, the key must have been there before."""
    story = Story()
    command = story.transfer()
    new = key("eve")
    forged = command._replace(
        body={"key": new.key(), "party": "anna"},
        signers=(Signer("anna", "owner", new.key_id), command.signers[1]),
    )

    assert fault(forged, sign(forged, "eve", "carl"), view_before(SIZE)) == missing(forged)


def test_a_signature_that_does_not_hold_is_named() -> None:
    command, sigs = command_at(45)
    swapped = sigs[::-1]

    with pytest.raises(BadSignature) as caught:
        check_signatures(command, swapped, keys_in(view_before(45)))
    error = caught.value
    assert (error.step, error.message) == ("signature", "the ed25519 signature does not hold")
    assert error.found == b64decode(swapped[0], field="sig")

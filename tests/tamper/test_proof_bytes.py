"""Every byte of a proof flipped, cut and exchanged: never valid, and nothing but a verdict.

No change of a byte is known to leave the meaning as it was: `SAME_MEANING` is empty.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product

import pytest

from ledger.proof.bundle import verify_proof
from ledger.proof.report import EXIT_OF
from ledger.proof.tlogproof import parse_proof
from ledger.rules.commands import Signer
from ledger.rules.compose import Context, Draft, compose, uuid7
from ledger.rules.digests import policy_digest
from ledger.rules.entries import Place, read_entry, write_own
from ledger.rules.text import b64encode
from tests.figures import record
from tests.tamper.proofs import Proofs, json_of, small_proofs

SMALL = 16_384
SAME_MEANING: frozenset[int] = frozenset()


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proofs]:
    with small_proofs(tmp_path_factory.mktemp("proofs")) as made:
        yield made


def verdict(data: bytes, proofs: Proofs) -> str:
    """Verify; anything but a report fails the test by itself."""
    report = verify_proof(data, proofs.vkey)
    assert (report.fault is None) == (report.verdict == "valid")
    assert report.exit_code == EXIT_OF[report.verdict]
    return report.verdict


def test_the_proofs_are_valid_and_small(proofs: Proofs) -> None:
    made = (proofs.small, proofs.other, proofs.same, proofs.later)

    assert {verdict(proof, proofs) for proof in made} == {"valid"}
    assert [entry["index"] for entry in proofs.entries()] == list(range(8))
    assert verdict(proofs.sign([json_of(entry) for entry in proofs.entries()]), proofs) == "valid"
    assert len(proofs.small) < SMALL


def flips(data: bytes, bits: range) -> Iterator[tuple[int, bytes]]:
    for at, byte in enumerate(data):
        for bit in bits:
            # Another bit in each byte: neighbours are flipped in different ways.
            flipped = byte ^ (1 << (bit + at) % 8)
            yield at, data[:at] + bytes([flipped]) + data[at + 1 :]


def assert_never_valid(proofs: Proofs, bits: range) -> None:
    found = Counter(
        verdict(data, proofs) for at, data in flips(proofs.small, bits) if at not in SAME_MEANING
    )
    assert found.keys() <= {"tampered", "incomplete", "unverifiable"}
    assert found["tampered"] > found.total() * 0.9
    assert found.total() == len(bits) * (len(proofs.small) - len(SAME_MEANING))
    record("tamper cases", found.total(), unit="cases")


def test_a_bit_flipped_in_any_byte_is_never_valid(proofs: Proofs) -> None:
    assert_never_valid(proofs, range(1))


@pytest.mark.full
def test_any_bit_flipped_in_any_byte_is_never_valid(proofs: Proofs) -> None:
    assert_never_valid(proofs, range(8))


def test_a_bit_flipped_in_any_byte_of_what_is_inside_is_never_valid(proofs: Proofs) -> None:
    """Behind the base64: here a flip hits one byte of the JSON and nothing else."""
    proof = parse_proof(proofs.small)
    found = {
        verdict(replace(proof, extra=extra).format(), proofs)
        for _, extra in flips(proof.extra, range(1))
    }
    # Incomplete: about another item, of which the file holds nothing.
    assert found == {"tampered", "incomplete"}


def test_a_bit_flipped_in_any_byte_of_an_entry_signed_again_is_never_valid(proofs: Proofs) -> None:
    """The operator may put any bytes into the tree, and sign it."""
    raws = [json_of(entry) for entry in proofs.entries()]
    found = Counter[str]()
    for index in (0, 3, len(raws) - 1):
        for at, data in flips(raws[index], range(1)):
            made = verdict(proofs.sign([*raws[:index], data, *raws[index + 1 :]]), proofs)
            found[made] += 1
            # The entry's own time, its first field, is signed by nobody.
            assert made != "valid" or at < len('{"at":"2026-11-22T09:00:00.000000Z"'), (index, at)
    assert found["tampered"] > found.total() * 0.9
    record("tamper cases", found.total() - found["valid"], unit="cases")


def test_a_proof_cut_anywhere_is_never_valid(proofs: Proofs) -> None:
    whole = proofs.small
    cut = {verdict(whole[:length], proofs) for length in range(len(whole))}
    rest = {verdict(whole[start:], proofs) for start in range(1, len(whole), 7)}

    assert "valid" not in cut | rest
    record("tamper cases", len(whole) + len(range(1, len(whole), 7)), unit="cases")


@pytest.mark.parametrize("other", ["other", "same", "later"])
def test_parts_of_two_proofs_never_make_a_third(proofs: Proofs, other: str) -> None:
    one, two = parse_proof(proofs.small), parse_proof(getattr(proofs, other))
    names = ("index", "path", "checkpoint", "extra")
    known = {one, two}
    for choice in product((one, two), repeat=len(names)):
        parts = {name: getattr(part, name) for name, part in zip(names, choice, strict=True)}
        mixed = replace(one, **parts)
        assert verdict(mixed.format(), proofs) == ("valid" if mixed in known else "tampered")


def test_paths_never_change_places(proofs: Proofs) -> None:
    proof = parse_proof(proofs.small)
    count = len(proofs.entries())
    for one, other in permutations(range(count), 2):
        bundle = json.loads(proof.extra)
        first, second = bundle["entries"][one], bundle["entries"][other]
        first["path"], second["path"] = second["path"], first["path"]
        assert verdict(replace(proof, extra=json_of(bundle)).format(), proofs) == "tampered"


def test_an_entry_left_out_is_missed_unless_nothing_rests_on_it(proofs: Proofs) -> None:
    proof = parse_proof(proofs.small)
    idle = {"party/system", "party/receipt", "party/checkpoint"}
    found, whole = {}, verify_proof(proofs.small, proofs.vkey)
    for place, entry in enumerate(proofs.entries()):
        bundle = json.loads(proof.extra)
        del bundle["entries"][place]
        made = replace(proof, extra=json_of(bundle)).format()
        found[entry["stream"]] = verdict(made, proofs)
        if entry["stream"] in idle:
            # They sign entry 0 with the keys in its body, and nothing else of this file.
            assert verify_proof(made, proofs.vkey).more == whole.more
    needed = ("log", "party/operator", "party/shop", "namespace/cards", "item/cards/1")
    assert found == dict.fromkeys(idle, "valid") | dict.fromkeys(needed, "incomplete")


GARBAGE = {
    "nothing": b"",
    "a newline": b"\n",
    "zeros": bytes(1000),
    "not text": bytes(range(256)) * 10,
    "the header alone": b"c2sp.org/tlog-proof@v1\n",
    "another version": b"c2sp.org/tlog-proof@v2\nindex 0\n\nx\n",
    "too long": b"c2sp.org/tlog-proof@v1\n" + b"A" * (1 << 22),
    "JSON": b'{"a":1}',
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_never_valid(proofs: Proofs, name: str) -> None:
    expected = (
        "tampered" if GARBAGE[name].startswith(b"c2sp.org/tlog-proof@v1\n") else "unverifiable"
    )

    assert verdict(GARBAGE[name], proofs) == expected


BOMBS = {
    "nested arrays": b"[" * 1_000_000,
    "nested objects": b'{"a":' * 300_000,
    "an integer of a million digits": b"[" + b"9" * 1_000_000 + b"]",
    "a large integer": b'{"entries":[],"item":"a/b","schema":9007199254740993}',
    "a float": b'{"entries":[],"item":"a/b","schema":1e999}',
    "not a number": b"NaN",
    "a lone surrogate": b'{"entries":[],"item":"a/\\ud800","schema":1}',
    "a lone surrogate in UTF-8": b'{"entries":[],"item":"a/\xed\xa0\x80","schema":1}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a duplicate key": b'{"a":1,"a":1}',
    "many strings": b'["",' * 1 + b'"",' * 500_000 + b'""]',
    "no entries": b'{"entries":[],"item":"a/b","schema":1}',
    "a string": b'"x"',
    "a string that never ends": b'"' + b"\\" * 1_000_001,
    "null": b"null",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_inside_is_tampered(proofs: Proofs, name: str) -> None:
    proof = parse_proof(proofs.small)
    extra = b"extra " + base64.b64encode(BOMBS[name])
    lines = proofs.small.split(b"\n")
    assert lines[1].startswith(b"extra ")

    assert verdict(b"\n".join([lines[0], extra, *lines[2:]]), proofs) == "tampered"
    assert verdict(replace(proof, extra=BOMBS[name]).format(), proofs) == "tampered"


def test_a_theft_whose_rules_the_file_cannot_replay_is_not_valid(proofs: Proofs) -> None:
    """An operator logs a transfer by a thief and hands out a proof of it.

    The command expects a stream that does not exist, so that no rule of it is replayed.
    """
    raws = [json_of(entry) for entry in proofs.entries()]
    stolen = thefts(proofs, raws, nowhere=False)
    hidden = thefts(proofs, raws, nowhere=True)

    assert verify_proof(stolen, proofs.vkey).verdict == "tampered"
    report = verify_proof(hidden, proofs.vkey)
    assert (report.verdict, report.exit_code) == ("incomplete", 3), report.fault
    assert report.fault is not None
    assert (report.fault["step"], report.fault["found"]) == ("subject", "party/nobody")
    assert report.fault["index"] == len(raws)


def thefts(proofs: Proofs, raws: list[bytes], *, nowhere: bool) -> bytes:
    """Prove a transfer of the shop's item, signed by the operator's key as owner and recipient."""
    head = read_entry(raws[-1])
    expect: dict[str, str | None] = {head.stream: head.leaf}
    if nowhere:
        expect["party/nobody"] = None
    thief = proofs.thief
    places = [Signer("operator", "owner", thief.key_id), Signer("receipt", "recipient", "0" * 64)]
    places[1] = places[1]._replace(key=proofs.fence.key_id)
    body = {"item": "cards/1", "price": None}
    draft = Draft("transfer-item/1", "operator", places, body, expect)
    policy = policy_digest(read_entry(raws[0]).document["command"]["body"]["policy"])
    command = compose(Context(proofs.origin, policy, head.at), uuid7(head.at, bytes(10)), draft)
    sigs = [b64encode(each.sign(command.message)) for each in (thief, proofs.fence)]
    place = Place(
        proofs.origin,
        len(raws),
        head.stream,
        head.seq + 1,
        head.leaf,
        head.document["at"],
    )
    data = {"from": "shop", "to": "receipt"}
    entry = write_own(place, "item-transferred/1", data, command=command.raw, sigs=sigs, effects=0)
    return proofs.sign([*raws, entry])

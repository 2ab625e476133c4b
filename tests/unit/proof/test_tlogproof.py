"""Proof files: one form, read back to the same bytes; and the project's own golden files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import MalformedEvidence
from ledger.proof.merkle import check_inclusion
from ledger.proof.note import sign_note
from ledger.proof.tlogproof import HEADER, PROOF_BYTES_MAX, TlogProof, parse_proof
from ledger.proof.tree import MemoryTree
from ledger.proof.vkey import VerifierKey
from ledger.rules.text import b64encode
from tests.unit.proof.oracle import LEAVES, ROOTS, slow_path
from tests.unit.proof.shared import shared
from tests.unit.proof.signing import LOG, LOG_KEY, LOG_PUBLIC, WITNESS, cosignature_line

GOLDEN = Path(__file__).parents[2] / "vectors" / "proof"
PATH = tuple(slow_path(4, LEAVES[:7]))
HASH_LINES = "".join(f"{b64encode(h)}\n" for h in PATH)


def malformed(data: bytes | str) -> MalformedEvidence:
    with pytest.raises(MalformedEvidence) as refused:
        parse_proof(data.encode() if isinstance(data, str) else data)
    assert refused.value.step == "proof"
    return refused.value


def test_a_proof_without_extra_data() -> None:
    data = f"c2sp.org/tlog-proof@v1\nindex 4\n{HASH_LINES}\nnote\n".encode()

    assert TlogProof(4, PATH, b"note\n").format() == data
    assert parse_proof(data) == TlogProof(4, PATH, b"note\n", b"")


def test_a_proof_with_extra_data() -> None:
    data = f"c2sp.org/tlog-proof@v1\nextra eHl6\nindex 4\n{HASH_LINES}\nnote\n".encode()

    assert TlogProof(4, PATH, b"note\n", b"xyz").format() == data
    assert parse_proof(data) == TlogProof(4, PATH, b"note\n", b"xyz")


def test_a_tree_of_one_leaf_has_an_empty_path() -> None:
    data = b"c2sp.org/tlog-proof@v1\nindex 0\n\nnote\n"

    assert parse_proof(data) == TlogProof(0, (), b"note\n")
    assert TlogProof(0, (), b"note\n").format() == data


def test_the_checkpoint_is_kept_verbatim() -> None:
    for checkpoint in (b"a\n\n\nb", b"\n", b"\xff\x00"):
        data = TlogProof(1, PATH, checkpoint).format()
        assert parse_proof(data).checkpoint == checkpoint


@pytest.mark.parametrize("data", ["", HEADER, f"{HEADER}\nindex 0\n", f"{HEADER}\nindex 0\n\n"])
def test_a_proof_has_a_checkpoint(data: str) -> None:
    refused = malformed(data)

    assert str(refused) == "proof: there is no checkpoint"
    assert refused.field == "checkpoint"


@pytest.mark.parametrize(
    "header", ["", "x", "c2sp.org/tlog-proof@v2", HEADER + " ", HEADER + "\r", HEADER.upper()]
)
def test_a_proof_begins_with_its_header(header: str) -> None:
    refused = malformed(f"{header}\nindex 0\n\nnote\n")

    assert str(refused) == "proof: another header"
    assert (refused.field, refused.expected, refused.found) == (
        "header",
        "c2sp.org/tlog-proof@v1",
        header,
    )


def test_a_proof_is_ascii_up_to_its_checkpoint() -> None:
    refused = malformed(f"{HEADER}\nindex \u0664\n\nnote\n")

    assert str(refused) == "proof: the proof is not ASCII"
    assert refused.field == "header"


@pytest.mark.parametrize(
    "lines",
    ["", "extra eHl6\n", "Index 4\n", "index\n", "index: 4\n", f"{HASH_LINES}", " index 4\n"],
)
def test_a_proof_has_an_index(lines: str) -> None:
    refused = malformed(f"{HEADER}\n{lines}\nnote\n")

    assert str(refused) == "proof: there is no index"
    assert refused.field == "index"


@pytest.mark.parametrize("lines", ["index 4\nextra eHl6\n", "extra eHl6\nextra eHl6\nindex 4\n"])
def test_extra_data_comes_once_and_first(lines: str) -> None:
    assert malformed(f"{HEADER}\n{lines}\nnote\n").field in {"path", "index"}


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ("", "is not a short run of ASCII digits"),
        ("-5", "is not a short run of ASCII digits"),
        (" 5", "is not a short run of ASCII digits"),
        ("05", "has more than one spelling"),
        (str(2**63), "does not fit in 63 bits"),
    ],
)
def test_an_index_has_one_spelling(index: str, reason: str) -> None:
    refused = malformed(f"{HEADER}\nindex {index}\n\nnote\n")

    assert str(refused) == f"proof: index {reason}"
    assert refused.field == "index"


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("!", "extra is not base64"),
        ("eHl6 ", "extra is not base64"),
        ("eHh=", "extra is base64 with a second spelling"),
        ("", "extra data is empty"),
    ],
)
def test_extra_data_is_strict_base64_and_not_empty(extra: str, reason: str) -> None:
    refused = malformed(f"{HEADER}\nextra {extra}\nindex 4\n\nnote\n")

    assert str(refused) == f"proof: {reason}"
    assert refused.field == "extra"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("!", "path is not base64"),
        ("AAAA", "path holds 3 bytes, expected 32"),
        ("A" * 44, "path holds 33 bytes, expected 32"),
        (b64encode(bytes(64)), "path holds 64 bytes, expected 32"),
        ("A" * 42 + "B=", "path is base64 with a second spelling"),
    ],
)
def test_a_sibling_is_32_bytes_in_strict_base64(line: str, reason: str) -> None:
    refused = malformed(f"{HEADER}\nindex 4\n{HASH_LINES}{line}\n\nnote\n")

    assert str(refused) == f"proof: {reason}"
    assert refused.field == "path"


def test_a_path_has_at_most_63_hashes() -> None:
    longest = TlogProof(4, tuple([PATH[0]] * 63), b"note\n")
    assert parse_proof(longest.format()) == longest

    refused = malformed(TlogProof(4, tuple([PATH[0]] * 64), b"note\n").format())

    assert str(refused) == "proof: the path is too long"
    assert (refused.field, refused.expected, refused.found) == ("path", 63, 64)


def test_a_proof_is_at_most_four_mebibytes() -> None:
    empty = len(TlogProof(0, (), b"").format())
    largest = TlogProof(0, (), b"x" * (PROOF_BYTES_MAX - empty)).format()
    assert len(largest) == PROOF_BYTES_MAX == 4_194_304
    parse_proof(largest)

    refused = malformed(largest + b"x")

    assert str(refused) == "proof: the proof is too long"
    assert (refused.field, refused.expected, refused.found) == ("length", 2**22, 2**22 + 1)


@given(st.binary(max_size=80))
def test_whatever_parses_prints_as_itself(junk: bytes) -> None:
    for data in (junk, HEADER.encode() + b"\n" + junk, HEADER.encode() + b"\nindex 4\n" + junk):
        try:
            proof = parse_proof(data)
        except MalformedEvidence:
            continue
        assert proof.format() == data


@pytest.mark.shared_data
def test_published_proofs() -> None:
    for case in shared("tlog-proof/format.json")["cases"]:
        data = case["proof"].encode()
        if not case["ok"]:
            malformed(data)
            continue
        proof = parse_proof(data)
        assert proof.format() == data
        assert (proof.index, len(proof.path)) == (case["index"], case["n_hashes"])
        assert proof.checkpoint.decode() == case["checkpoint"]
        assert proof.extra.decode() == (case["extra"] or "")


def test_the_golden_files_are_made_again_byte_for_byte() -> None:
    """Seven entries `entry 0` .. `entry 6`; the proof is of entry 4."""
    tree = MemoryTree(LEAVES[:7])
    text = Checkpoint(LOG.name, 7, tree.root()).text
    checkpoint = sign_note(text, name=LOG.name, public=LOG_PUBLIC, sign=LOG_KEY.sign)
    checkpoint += cosignature_line(text, time=1_795_000_000).encode()
    proof = TlogProof(4, tuple(tree.inclusion_path(4, 7)), checkpoint, b"entry 4")

    assert (GOLDEN / "log.vkey").read_text(encoding="utf-8") == LOG.format() + "\n"
    assert (GOLDEN / "witness.vkey").read_text(encoding="utf-8") == WITNESS.format() + "\n"
    assert (GOLDEN / "checkpoint.txt").read_bytes() == checkpoint
    assert (GOLDEN / "entry-4.tlog-proof").read_bytes() == proof.format()


def test_the_golden_proof_verifies_with_the_golden_keys() -> None:
    log, witness = (
        VerifierKey.parse((GOLDEN / name).read_text(encoding="utf-8").strip())
        for name in ("log.vkey", "witness.vkey")
    )

    proof = parse_proof((GOLDEN / "entry-4.tlog-proof").read_bytes())
    checkpoint, note = open_checkpoint(proof.checkpoint, log=log, others=[witness])

    check_inclusion(
        leaf=LEAVES[4],
        index=proof.index,
        size=checkpoint.size,
        path=proof.path,
        root=checkpoint.root,
    )
    assert checkpoint.root == ROOTS[7]
    assert [s.time for s in note.verified] == [None, 1_795_000_000]

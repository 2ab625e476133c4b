"""Signed notes: what opens, what is ignored, and what spoils the whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.proof.errors import (
    BadSignature,
    MalformedEvidence,
    MalformedKey,
    UnknownKey,
    UnsupportedKey,
    VerificationError,
)
from ledger.proof.note import NOTE_BYTES_MAX, Signature, open_note, sign_note, split_note
from ledger.proof.vkey import VerifierKey
from ledger.rules.text import b64encode
from tests.unit.proof.shared import shared
from tests.unit.proof.signing import (
    LOG,
    LOG_KEY,
    LOG_PUBLIC,
    WITNESS,
    WITNESS_KEY,
    WITNESS_PUBLIC,
    cosignature_line,
    line,
    log_line,
)

TEXT = "ledger.example/log\n7\nsome root\n"
LOG_LINE = log_line(TEXT)
TIME = 1_795_000_000
WITNESS_LINE = cosignature_line(TEXT, time=TIME)
NOTE = f"{TEXT}\n{LOG_LINE}".encode()
STRANGER = VerifierKey.create("stranger.example", kind=1, public=WITNESS_PUBLIC)
ML_DSA = VerifierKey.create("ledger.example/log", kind=6, public=bytes(1312))


def note(*lines: str, text: str = TEXT) -> bytes:
    return f"{text}\n{''.join(lines)}".encode()


def malformed(data: bytes) -> MalformedEvidence:
    with pytest.raises(MalformedEvidence) as refused:
        open_note(data, [LOG])
    assert refused.value.step == "note"
    return refused.value


def bad(data: bytes, *keys: VerifierKey) -> BadSignature:
    with pytest.raises(BadSignature) as refused:
        open_note(data, keys)
    assert refused.value.step == "note"
    return refused.value


def test_a_note_opens_with_its_text_and_signature() -> None:
    opened = open_note(NOTE, [LOG])

    assert opened.text == TEXT
    assert opened.verified == (Signature(LOG.name, LOG.key_id, LOG_KEY.sign(TEXT.encode())),)
    assert opened.verified[0].time is None
    assert opened.unknown == ()


def test_a_cosignature_opens_with_its_time() -> None:
    opened = open_note(note(LOG_LINE, WITNESS_LINE), [WITNESS])

    assert [s.name for s in opened.verified] == ["witness.example"]
    assert opened.verified[0].time == TIME
    assert opened.verified[0].key_id == WITNESS.key_id
    assert opened.verified[0].signature[:8] == TIME.to_bytes(8, "big")
    assert len(opened.verified[0].signature) == 72
    assert [s.name for s in opened.unknown] == [LOG.name]
    assert opened.unknown[0].time is None


def test_signatures_keep_the_notes_order_whatever_the_keys_order() -> None:
    data = note(WITNESS_LINE, LOG_LINE)

    for keys in ([LOG, WITNESS], [WITNESS, LOG]):
        names = [s.name for s in open_note(data, keys).verified]
        assert names == ["witness.example", "ledger.example/log"]


def test_the_text_ends_at_the_last_empty_line() -> None:
    text = "first\n\nsecond\n\n"

    opened = open_note(note(log_line(text), text=text), [LOG])

    assert opened.text == text


def test_a_note_may_be_a_single_newline_or_any_other_text() -> None:
    for text in ("\n", "\u5370\u8bc1\n", "\u2014 looks like a signature\n", "\x7f\u0085\n"):
        assert open_note(note(log_line(text), text=text), [LOG]).text == text


def test_unknown_signatures_are_ignored_and_kept_once() -> None:
    junk = line(STRANGER, b"?")

    opened = open_note(note(junk, LOG_LINE, junk), [LOG])

    assert opened.unknown == (Signature("stranger.example", STRANGER.key_id, b"?"),)
    assert len(opened.verified) == 1


def test_the_same_name_with_another_key_id_is_unknown() -> None:
    other = VerifierKey.create(LOG.name, kind=1, public=WITNESS_PUBLIC)

    opened = open_note(note(line(other, b"junk"), LOG_LINE), [LOG])

    assert opened.unknown == (Signature(LOG.name, other.key_id, b"junk"),)


def test_the_same_key_id_under_another_name_is_unknown() -> None:
    stranger = f"\u2014 else {b64encode(LOG.key_id + b'junk')}\n"

    assert open_note(note(stranger, LOG_LINE), [LOG]).unknown[0].name == "else"


@pytest.mark.parametrize("keys", [[], [STRANGER]])
def test_a_note_without_a_known_signature_is_unverifiable(keys: list[VerifierKey]) -> None:
    with pytest.raises(UnknownKey) as refused:
        open_note(NOTE, keys)

    assert str(refused.value) == "note: no signature is by a known key"
    assert (refused.value.step, refused.value.field) == ("note", "signature")


def test_a_known_key_with_a_bad_signature_spoils_the_whole_note() -> None:
    spoiled = line(WITNESS, bytes(72))

    for data in (note(LOG_LINE, spoiled), note(spoiled, LOG_LINE)):
        refused = bad(data, LOG, WITNESS)
        assert str(refused) == "note: the ed25519 signature does not hold"


def test_every_flipped_bit_of_the_signature_spoils_the_note() -> None:
    signature = LOG_KEY.sign(TEXT.encode())
    for bit in range(512):
        number = int.from_bytes(signature, "big") ^ (1 << bit)
        bad(note(line(LOG, number.to_bytes(64, "big"))), LOG)


def test_no_changed_byte_of_the_note_verifies() -> None:
    for at in range(len(NOTE)):
        for change in (1, 0x80):
            data = NOTE[:at] + bytes([NOTE[at] ^ change]) + NOTE[at + 1 :]
            with pytest.raises(VerificationError):
                open_note(data, [LOG])


def test_no_shortened_note_verifies() -> None:
    for length in range(len(NOTE)):
        with pytest.raises(VerificationError):
            open_note(NOTE[:length], [LOG])


@pytest.mark.parametrize("length", [1, 63, 65, 72])
def test_an_ed25519_signature_is_64_bytes(length: int) -> None:
    refused = bad(note(line(LOG, bytes(length))), LOG)

    assert str(refused) == "note: the signature has another length"
    assert (refused.expected, refused.found) == (64, length)


@pytest.mark.parametrize(("length", "found"), [(1, 0), (8, 0), (64, 56), (71, 63), (73, 65)])
def test_a_cosignature_is_72_bytes(length: int, found: int) -> None:
    refused = bad(note(line(WITNESS, bytes(length))), WITNESS)

    assert (refused.expected, refused.found) == (64, found)


def test_a_second_signature_by_the_same_key_is_passed_over() -> None:
    """As Go does: the first decides, and a bad one must not be first."""
    junk = line(LOG, bytes(64))

    assert len(open_note(note(LOG_LINE, junk), [LOG]).verified) == 1
    assert len(open_note(note(LOG_LINE, LOG_LINE), [LOG]).verified) == 1
    bad(note(junk, LOG_LINE), LOG)


def test_a_cosignature_commits_to_its_time() -> None:
    signature = WITNESS_KEY.sign(f"cosignature/v1\ntime {TIME}\n{TEXT}".encode())
    moved = line(WITNESS, (TIME + 1).to_bytes(8, "big") + signature)

    bad(note(moved), WITNESS)


def test_a_plain_signature_is_no_cosignature_and_the_reverse() -> None:
    plain = VerifierKey.create("witness.example", kind=1, public=WITNESS_PUBLIC)

    bad(note(line(WITNESS, bytes(8) + WITNESS_KEY.sign(TEXT.encode()))), WITNESS)
    message = f"cosignature/v1\ntime 0\n{TEXT}".encode()
    bad(note(line(plain, WITNESS_KEY.sign(message))), plain)


@pytest.mark.parametrize("time", [0, 1, 2**63 - 1])
def test_a_cosignatures_time_has_63_bits(time: int) -> None:
    opened = open_note(note(cosignature_line(TEXT, time=time)), [WITNESS])

    assert opened.verified[0].time == time


@pytest.mark.parametrize("time", [2**63, 2**64 - 1])
def test_a_later_time_is_refused_though_signed(time: int) -> None:
    refused = bad(note(cosignature_line(TEXT, time=time)), WITNESS)

    assert str(refused) == "note: the time does not fit in 63 bits"
    assert (refused.field, refused.found) == ("time", time)


def test_a_signature_by_a_known_ml_dsa_key_leaves_the_note_unverified() -> None:
    data = note(LOG_LINE, line(ML_DSA, bytes(2428)))

    with pytest.raises(UnsupportedKey) as refused:
        open_note(data, [LOG, ML_DSA])

    assert str(refused.value) == "note: signatures of type 0x06 are not checked here"
    assert (refused.value.step, refused.value.field) == ("note", "signature")
    assert refused.value.found == ML_DSA.label
    assert open_note(data, [LOG]).unknown[0].key_id == ML_DSA.key_id
    assert len(open_note(NOTE, [LOG, ML_DSA]).verified) == 1


def test_a_bad_signature_is_named_before_an_unsupported_one() -> None:
    data = note(line(ML_DSA, bytes(2428)), line(LOG, bytes(64)))

    bad(data, LOG, ML_DSA)


def test_two_keys_with_one_name_and_id_are_refused() -> None:
    twin = VerifierKey(LOG.name, LOG.key_id, 1, WITNESS_PUBLIC)

    with pytest.raises(MalformedKey) as refused:
        open_note(NOTE, [LOG, twin])

    assert str(refused.value) == "note: two keys share a name and id"
    assert (refused.value.step, refused.value.field) == ("note", "key")
    assert refused.value.found == LOG.label
    assert len(open_note(NOTE, [LOG, LOG]).verified) == 1


def strangers(count: int) -> list[str]:
    return [line(STRANGER, b"%d" % n) for n in range(count)]


@pytest.mark.parametrize("count", [16, 99])
def test_a_note_may_have_100_signatures(count: int) -> None:
    assert len(open_note(note(*strangers(count), LOG_LINE), [LOG]).unknown) == count


def test_a_note_with_101_signatures_is_malformed() -> None:
    refused = malformed(note(*strangers(100), LOG_LINE))

    assert str(refused) == "note: the note has too many signatures"
    assert (refused.field, refused.expected, refused.found) == ("signature", 100, 101)


def test_a_note_is_at_most_one_mebibyte() -> None:
    text = "x" * (NOTE_BYTES_MAX - len(note(LOG_LINE, text="\n"))) + "\n"
    data = note(log_line(text), text=text)
    assert len(data) == NOTE_BYTES_MAX == 1_048_576

    assert open_note(data, [LOG]).text == text
    refused = malformed(b"x" + data)
    assert str(refused) == "note: the note is too long"
    assert (refused.field, refused.expected, refused.found) == ("length", 2**20, 2**20 + 1)


@pytest.mark.parametrize("data", [b"\xff" + NOTE, NOTE.replace(b"root", b"\xed\xa0\x80")])
def test_a_note_is_utf_8(data: bytes) -> None:
    refused = malformed(data)

    assert str(refused) == "note: the note is not UTF-8"
    assert refused.field == "text"
    assert refused.__suppress_context__


@pytest.mark.parametrize("code", [*range(10), *range(11, 32)])
def test_a_note_has_no_control_character(code: int) -> None:
    for data in (bytes([code]) + NOTE, NOTE[:-1] + bytes([code]) + b"\n"):
        refused = malformed(data)
        assert str(refused) == "note: the note has a control character"
        assert refused.field == "text"


@pytest.mark.parametrize("data", [b"", b"\n", b"text\n", f"{TEXT}{LOG_LINE}".encode()])
def test_a_note_has_an_empty_line(data: bytes) -> None:
    refused = malformed(data)

    assert str(refused) == "note: the note has no empty line"
    assert refused.field == "text"


@pytest.mark.parametrize("data", [b"\n\n", note(), NOTE[:-1], NOTE + b"x", NOTE + b"\nx"])
def test_a_note_ends_in_a_signature_line(data: bytes) -> None:
    refused = malformed(data)

    assert str(refused) == "note: the note does not end in a line"
    assert refused.field == "signature"


@pytest.mark.parametrize(
    "junk",
    [
        "x\n",
        LOG_LINE[1:],
        LOG_LINE.replace("\u2014 ", "\u2014"),
        LOG_LINE.replace("\u2014", "-"),
        " " + LOG_LINE,
        "\u2014 name\n",
        "\u2014 \n",
    ],
)
def test_a_line_under_the_text_is_a_signature(junk: str) -> None:
    refused = malformed(note(LOG_LINE, junk))

    assert str(refused) == "note: a line is not a signature"
    assert (refused.field, refused.found) == ("signature", junk[:-1])


@pytest.mark.parametrize("name", ["", "a+b", "a\u00a0b", "a\u3000"])
def test_a_signature_line_names_its_key(name: str) -> None:
    junk = f"\u2014 {name} {b64encode(bytes(68))}\n"

    refused = malformed(note(LOG_LINE, junk))

    assert str(refused) == "note: a line has no key name"
    assert (refused.field, refused.found) == ("signature", junk[:-1])


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        ("!", "is not base64"),
        ("AAAA AAAA", "is not base64"),
        ("AAAAAAA", "is not base64"),
        ("AAAAAAAA=", "is base64 with a second spelling"),
        ("AAAAAAB=", "is base64 with a second spelling"),
    ],
)
def test_a_signature_is_strict_base64(encoded: str, reason: str) -> None:
    refused = malformed(note(LOG_LINE, f"\u2014 name {encoded}\n"))

    assert refused.step == "note"
    assert refused.field == "signature"
    assert str(refused) == f"note: signature {reason}"


@pytest.mark.parametrize("length", [0, 3, 4])
def test_a_signature_is_more_than_a_key_id(length: int) -> None:
    junk = f"\u2014 name {b64encode(bytes(length))}\n"

    refused = malformed(note(LOG_LINE, junk))

    assert str(refused) == "note: a signature is empty"
    assert (refused.field, refused.found) == ("signature", junk[:-1])


def test_splitting_verifies_nothing() -> None:
    text, lines = split_note(note(line(LOG, b"?"), line(LOG, b"?")))

    assert text == TEXT
    assert lines == [Signature(LOG.name, LOG.key_id, b"?")] * 2


def test_a_signed_note_is_the_text_an_empty_line_and_one_signature() -> None:
    assert sign_note(TEXT, name=LOG.name, public=LOG_PUBLIC, sign=LOG_KEY.sign) == NOTE


@pytest.mark.parametrize("text", ["\n", "a\n\n", "a\n\n\nb\n", "\u5370\n"])
def test_any_text_with_a_final_newline_can_be_signed(text: str) -> None:
    data = sign_note(text, name=LOG.name, public=LOG_PUBLIC, sign=LOG_KEY.sign)

    assert open_note(data, [LOG]).text == text


@pytest.mark.parametrize("text", ["", "a", "a\n\nb"])
def test_a_text_without_a_final_newline_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedEvidence) as refused:
        sign_note(text, name=LOG.name, public=LOG_PUBLIC, sign=LOG_KEY.sign)

    assert str(refused.value) == "note: the text does not end in a newline"
    assert (refused.value.step, refused.value.field) == ("note", "text")


def test_a_text_with_a_control_character_is_not_signed() -> None:
    with pytest.raises(MalformedEvidence, match="control character"):
        sign_note("a\r\n", name=LOG.name, public=LOG_PUBLIC, sign=LOG_KEY.sign)


def test_a_name_that_no_note_can_hold_is_not_signed_with() -> None:
    with pytest.raises(MalformedKey, match="the name is empty or has a space or plus"):
        sign_note(TEXT, name="a b", public=LOG_PUBLIC, sign=LOG_KEY.sign)


def test_what_the_signer_returns_is_verified_before_it_is_used() -> None:
    with pytest.raises(BadSignature, match="the ed25519 signature does not hold"):
        sign_note(TEXT, name=LOG.name, public=LOG_PUBLIC, sign=WITNESS_KEY.sign)
    with pytest.raises(BadSignature) as refused:
        sign_note(TEXT, name=LOG.name, public=LOG_PUBLIC, sign=lambda _: b"short")

    assert str(refused.value) == "note: the signer returned another length"
    assert refused.value.fault()["field"] == "signature"
    assert (refused.value.step, refused.value.expected, refused.value.found) == ("note", 64, 5)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, len(NOTE)))
def test_whatever_the_bytes_only_verification_errors_leave(junk: bytes, at: int) -> None:
    for data in (junk, NOTE[:at] + junk + NOTE[at:], f"{TEXT}\n\u2014 a ".encode() + junk):
        try:
            opened = open_note(data, [LOG])
        except VerificationError:
            continue
        assert opened.text.encode() + b"\n" == data[: len(opened.text.encode()) + 1]


@pytest.mark.shared_data
def test_published_notes() -> None:
    verdicts = {
        "no known key": UnknownKey,
        "corrupt sig known key": BadSignature,
        "wrong key id": UnknownKey,
    }
    for vector in shared("signed-note/notes.json")["notes"]:
        keys = [VerifierKey.parse(text) for text in vector["vkeys"]]
        data = vector["note"].encode()
        if vector["ok"]:
            names = [s.name for s in open_note(data, keys).verified]
            assert names == vector["verified_signers"], vector["name"]
            continue
        expected = verdicts.get(vector["name"], MalformedEvidence)
        with pytest.raises(expected) as refused:
            open_note(data, keys)
        assert type(refused.value) is expected, vector["name"]


@pytest.mark.shared_data
def test_a_published_ml_dsa_checkpoint_is_unverifiable_here() -> None:
    vector = shared("signed-note/mldsa44_checkpoint.json")

    with pytest.raises(UnsupportedKey):
        open_note(vector["note"].encode(), [VerifierKey.parse(vector["vkey"])])

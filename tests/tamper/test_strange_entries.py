"""An operator puts anything at all into a signed tree: a verdict comes of it, never an error."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.audit import audit
from ledger.proof.bundle import verify_proof
from ledger.proof.sources import folder_source
from ledger.rules.canonical import encode
from tests.js.exports import write_export
from tests.tamper.proofs import Proofs, json_of, small_proofs

Document = dict[str, Any]
ODD = [
    None,
    True,
    False,
    0,
    1,
    -1,
    (1 << 53) - 1,
    1 << 53,
    1 << 64,
    10**30,
    -(10**30),
    1.5,
    "",
    "x",
    "x" * 300,
    "\n",
    "\r",
    "\u202e",
    "\ud800",
    "0" * 64,
    "AAAA",
    "2026-11-22T09:00:01.000000Z",
    "item/cards/1",
    "party/operator",
    [],
    [[]],
    [None],
    {},
    {"a": 1},
    {"A": 1},
    {"__proto__": []},
    [0] * 2000,
]
odd = st.sampled_from(ODD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=9,
)


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proofs]:
    with small_proofs(tmp_path_factory.mktemp("strange")) as made:
        yield made


def places(value: Any, so_far: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        yield (*so_far, name)
        if isinstance(inner, dict | list):
            yield from places(inner, (*so_far, name))


def put(document: Document, place: tuple[Any, ...], value: Any, *, how: str) -> Document:
    """Change one place of a copy: set it, take it away, or add a field beside it."""
    changed = copy.deepcopy(document)
    inner: Any = changed
    for name in place[:-1]:
        inner = inner[name]
    if how == "set":
        inner[place[-1]] = value
    elif how == "remove":
        del inner[place[-1]]
    elif isinstance(inner, dict):
        inner["odd"] = value
    else:
        inner.append(value)
    return changed


def looked_at(raws: list[bytes], proofs: Proofs) -> set[str]:
    """Verdicts on these entries: of a proof, and of an audit of a log."""
    with TemporaryDirectory() as folder:
        write_export(Path(folder), raws, origin=proofs.origin, signer=proofs.signer)
        report = audit(folder_source(Path(folder)), proofs.vkey)
    found = verify_proof(proofs.sign(raws), proofs.vkey)
    for each in (report, found):
        assert (each.fault is None) == (each.verdict == "valid")
        json_of(each.document())
    return {report.verdict, found.verdict}


@given(data=st.data())
def test_an_odd_value_anywhere_in_an_entry_is_found(proofs: Proofs, data: st.DataObject) -> None:
    entries = proofs.entries()
    index = data.draw(st.integers(0, len(entries) - 1), "index")
    place = data.draw(st.sampled_from(list(places(entries[index]))), "place")
    how = data.draw(st.sampled_from(["set", "set", "remove", "add"]), "how")
    changed = put(entries[index], place, data.draw(odd, "value"), how=how)

    raws = [json_of(entry) for entry in entries]
    raws[index] = json_of(changed)
    found = looked_at(raws, proofs)

    if changed == entries[index] or place == ("at",):
        return
    assert "valid" not in found


@pytest.mark.parametrize("place", ["policy", "seen", "body", "expect", "signers", "id", "by"])
def test_an_odd_value_in_a_command_is_found(proofs: Proofs, place: str) -> None:
    """What a proof looks at before it replays anything: each odd value, in each entry."""
    entries = proofs.entries()
    for index, entry in enumerate(entries):
        for value in ODD:
            if "command" in entry and entry["command"][place] != value:
                raws = [json_of(each) for each in entries]
                raws[index] = json_of(put(entry, ("command", place), value, how="set"))
                assert verify_proof(proofs.sign(raws), proofs.vkey).verdict != "valid"


@given(raw=st.binary(max_size=300))
def test_any_bytes_for_an_entry_are_found(proofs: Proofs, raw: bytes) -> None:
    raws = [encode(entry) for entry in proofs.entries()]
    raws[3] = raw

    assert "valid" not in looked_at(raws, proofs)


@pytest.mark.parametrize(
    "raw",
    [b"", b"[" * 60_000, b"9" * 60_000, b'{"a":' * 12_000, b'"' + b"\\" * 60_001, b"\xff" * 65_535],
    ids=["nothing", "nested", "a number", "nested objects", "endless", "not text"],
)
def test_a_bomb_for_an_entry_is_tampered(proofs: Proofs, raw: bytes) -> None:
    raws = [encode(entry) for entry in proofs.entries()]
    raws[3] = raw

    assert looked_at(raws, proofs) == {"tampered"}

"""Two verifiers that share no code reach the same verdict and name the same entry.

The second one, `tests/js/verify.mjs`, was written from docs/spec.md; it runs under Node.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger.log.export import export_log
from ledger.log.reader import LogReader
from ledger.proof.audit import audit
from ledger.proof.report import Report
from ledger.proof.sources import folder_source
from ledger.proof.tiles import decode_bundle
from ledger.rules.canonical import encode
from ledger.rules.digests import COMMAND_TAG
from ledger.rules.opening import vkey
from ledger.rules.text import b64encode
from ledger.signer import LocalSigner
from tests.databases import sqlite_file_url
from tests.golden_story import golden_world, play, publisher_of
from tests.js import code_forgeries, forgeries, trade_forgeries
from tests.js.exports import Forger, write_export
from tests.worlds import World

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "log"
VKEY = (GOLDEN / "vkey").read_text(encoding="ascii").strip()
BUNDLE = "tile/entries/000.p/57"
TILE = "tile/0/000.p/57"
SIZE = 57
MUTATIONS = 150

NODE = shutil.which("node")
FORGERIES = forgeries.EXPECTED | trade_forgeries.EXPECTED | code_forgeries.EXPECTED

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node 20 or newer on the path")


def node(script: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [NODE or "node", str(HERE / script), *arguments]
    run = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    return run


def theirs(folders: list[Path], vkey: str = VKEY) -> list[dict[str, Any]]:
    """What the second verifier says of each folder."""
    lines = [json.dumps({"folder": str(folder), "vkey": vkey}) for folder in folders]
    run = node("batch.mjs", given="".join(f"{line}\n" for line in lines))
    return [json.loads(line) for line in run.stdout.splitlines()]


@dataclass(frozen=True)
class Said:
    """A verdict and the index that it names."""

    verdict: str
    index: int | None


def said(report: dict[str, Any]) -> Said:
    return Said(report["verdict"], report["fault"]["index"] if report["fault"] else None)


def ours(folder: Path, vkey: str = VKEY) -> Report:
    return audit(folder_source(folder), vkey)


def assert_agree(folder: Path, verdict: str, index: int | None, vkey: str = VKEY) -> None:
    expected = Said(verdict, index)
    (other,) = theirs([folder], vkey)
    assert said(ours(folder, vkey).document()) == expected
    assert said(other) == expected, other


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A copy of the golden log."""
    return shutil.copytree(GOLDEN, tmp_path / "log")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The ledger behind the golden log, with every key in hand."""
    with golden_world(tmp_path_factory.mktemp("golden")) as opened:
        play(opened)
        yield opened


def golden_entries() -> list[bytes]:
    return decode_bundle((GOLDEN / BUNDLE).read_bytes(), width=SIZE)


def publish(world: World, folder: Path, entries: list[bytes]) -> Path:
    """Publish entries with the real key, as a dishonest operator can."""
    write_export(folder, entries, origin=world.origin, signer=world.key("checkpoint"))
    return folder


# Good logs


def test_the_golden_log_is_valid_to_both(log: Path) -> None:
    report = ours(log)
    (other,) = theirs([log])

    assert (report.verdict, report.size, report.root) == ("valid", SIZE, other["root"])
    assert other == {"verdict": "valid", "size": SIZE, "root": report.root, "fault": None}


def test_the_golden_log_of_trade_is_valid_to_both() -> None:
    folder = GOLDEN.parent / "trade"
    vkey = (folder / "vkey").read_text(encoding="ascii").strip()
    report = ours(folder, vkey)
    (other,) = theirs([folder], vkey)

    assert other == {
        "verdict": "valid",
        "size": report.size,
        "root": report.root,
        "fault": None,
    }


def test_the_golden_vectors_are_those_of_the_second_verifier() -> None:
    run = node("vectors.mjs", str(GOLDEN.parent / "vectors.json"))

    assert (run.returncode, json.loads(run.stdout)) == (0, [])


def test_a_log_of_two_levels_of_tiles_is_valid_to_both(tmp_path: Path) -> None:

    with World.create(sqlite_file_url(tmp_path), "large") as world:
        world.register("shop")
        world.open_namespace("cards", "shop")
        for number in range(257):
            world.register_item(f"cards/{number}")
        publisher_of(world).publish()
        export_log(LogReader(world.recorder), tmp_path / "log")
        assert_agree(tmp_path / "log", "valid", None, world.vkey)
        (tmp_path / "log" / "tile" / "1" / "000.p" / "1").write_bytes(bytes(32))
        assert_agree(tmp_path / "log", "tampered", 0, world.vkey)


# The command line


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda _log: None, 0),
        (lambda log: (log / TILE).write_bytes(bytes(32 * SIZE)), 1),
        (lambda log: (log / BUNDLE).unlink(), 3),
        (lambda log: (log / "checkpoint").unlink(), 4),
    ],
    ids=["valid", "tampered", "incomplete", "unverifiable"],
)
def test_the_exit_code_is_that_of_the_verdict(
    log: Path, damage: Callable[[Path], object], code: int
) -> None:
    damage(log)
    run = node("verify.mjs", str(log), VKEY)

    assert run.returncode == code == ours(log).exit_code
    assert len(run.stdout.splitlines()) == 1


def test_wrong_usage_exits_with_two() -> None:
    command = [NODE or "node", str(HERE / "verify.mjs")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout) == (2, "")


# Files changed by somebody without the log's key


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(bytes(data))


def rewrite(log: Path, change: Callable[[list[bytes]], object]) -> None:
    """Change the list of entries in the bundle, and nothing else."""
    entries = golden_entries()
    change(entries)
    data = b"".join(len(raw).to_bytes(2, "big") + raw for raw in entries)
    (log / BUNDLE).write_bytes(data)


def swap(entries: list[bytes]) -> None:
    entries[20], entries[21] = entries[21], entries[20]


def swap_two_hashes(log: Path) -> None:
    data = (log / TILE).read_bytes()
    (log / TILE).write_bytes(data[:320] + data[352:384] + data[320:352] + data[384:])


UNSIGNED: dict[str, tuple[Callable[[Path], object], str, int | None]] = {
    "an entry's byte": (lambda log: flip(log / BUNDLE, 20_000), "tampered", 20),
    "an entry's time": (
        lambda log: rewrite(
            log, lambda e: e.__setitem__(9, e[9].replace(b'{"at":"2026', b'{"at":"2025'))
        ),
        "tampered",
        9,
    ),
    "two entries swapped": (lambda log: rewrite(log, swap), "tampered", 20),
    "the first entry dropped": (lambda log: rewrite(log, lambda e: e.pop(0)), "tampered", 0),
    "an entry dropped": (lambda log: rewrite(log, lambda e: e.pop(30)), "tampered", 30),
    "the last entry dropped": (lambda log: rewrite(log, lambda e: e.pop()), "tampered", 56),
    "an entry added": (lambda log: rewrite(log, lambda e: e.append(e[5])), "tampered", 56),
    "a bundle cut off": (
        lambda log: (log / BUNDLE).write_bytes((log / BUNDLE).read_bytes()[:-1]),
        "tampered",
        56,
    ),
    "no bundle": (lambda log: (log / BUNDLE).unlink(), "incomplete", 0),
    "a hash in a tile": (lambda log: flip(log / TILE, 32 * 40), "tampered", 40),
    "two hashes swapped": (swap_two_hashes, "tampered", 10),
    "a tile cut off": (lambda log: (log / TILE).write_bytes(bytes(31)), "tampered", None),
    "no tile": (lambda log: (log / TILE).unlink(), "incomplete", None),
    "the signature": (lambda log: flip(log / "checkpoint", 150), "tampered", None),
    "the size": (lambda log: flip(log / "checkpoint", 20), "tampered", None),
    "the root": (lambda log: flip(log / "checkpoint", 40), "tampered", None),
    "an old checkpoint": (
        lambda log: shutil.copy(log / "checkpoints" / "31", log / "checkpoint"),
        "incomplete",
        31,
    ),
    "no checkpoint": (lambda log: (log / "checkpoint").unlink(), "unverifiable", None),
    "an empty checkpoint": (
        lambda log: (log / "checkpoint").write_bytes(b""),
        "tampered",
        None,
    ),
    "a listed checkpoint gone": (
        lambda log: (log / "checkpoints" / "31").unlink(),
        "incomplete",
        None,
    ),
    "a listed checkpoint under another size": (
        lambda log: shutil.copy(log / "checkpoints" / "57", log / "checkpoints" / "31"),
        "tampered",
        None,
    ),
    "a listed size that is no number": (
        lambda log: (log / "checkpoints" / "sizes").write_bytes(b"031\n57\n"),
        "tampered",
        None,
    ),
}


@pytest.mark.parametrize("name", UNSIGNED)
def test_both_find_what_was_changed_without_the_key(log: Path, name: str) -> None:
    damage, verdict, index = UNSIGNED[name]
    damage(log)

    assert_agree(log, verdict, index)


@pytest.mark.parametrize(
    "vkey",
    [
        "yinzheng.test/world",
        VKEY.replace("+", "+0", 1),
        VKEY.replace("yinzheng.test/world", "yinzheng.test/other"),
        VKEY[:-2],
    ],
)
def test_a_key_that_cannot_be_used_shows_nothing(log: Path, vkey: str) -> None:
    assert_agree(log, "unverifiable", None, vkey)


def test_the_key_of_another_log_shows_nothing(log: Path) -> None:

    stranger = LocalSigner.from_seed(bytes(range(32)))

    assert_agree(log, "unverifiable", None, vkey("yinzheng.test/world", stranger.public))


# Logs rewritten and signed again by somebody with every key of the operator


@pytest.mark.parametrize("name", FORGERIES)
def test_both_find_a_forgery_that_is_signed_well(world: World, tmp_path: Path, name: str) -> None:
    forge, verdict, offset, step = FORGERIES[name]
    forger = Forger(world, golden_entries(), world.clock.now())
    forge(forger, world)
    folder = publish(world, tmp_path / "log", forger.entries)

    report = ours(folder)
    assert (report.fault["step"] if report.fault else None) == step, report.fault
    assert_agree(folder, verdict, None if offset is None else SIZE + offset)


def test_both_name_the_same_entry_after_any_change(world: World, tmp_path: Path) -> None:
    dice = Random("golden mutations")  # noqa: S311 - the same corruptions every time

    def change(entries: list[bytes]) -> None:
        place = dice.randrange(SIZE)
        entries[place] = mutated(entries[place], dice)

    assert_agree_on_many(world, tmp_path, change)


def test_both_name_the_same_entry_after_any_command_signed_anew(
    world: World, tmp_path: Path
) -> None:
    dice = Random("golden splices")  # noqa: S311 - the same corruptions every time
    commands = [json.loads(raw)["command"] for raw in golden_entries() if b'"command":{' in raw]

    def change(entries: list[bytes]) -> None:
        place = dice.choice([at for at in range(SIZE) if b'"command":{' in entries[at]])
        document = json.loads(entries[place])
        splice(document["command"], dice.choice(commands), dice)
        sign_anew(document, world)
        entries[place] = encode(document)

    assert_agree_on_many(world, tmp_path, change)


def assert_agree_on_many(
    world: World, tmp_path: Path, change: Callable[[list[bytes]], None]
) -> None:
    folders = []
    for number in range(MUTATIONS):
        entries = golden_entries()
        change(entries)
        folders.append(publish(world, tmp_path / str(number), entries))

    mine = [said(ours(folder).document()) for folder in folders]
    assert mine == [said(other) for other in theirs(folders)]
    assert len(set(mine)) > SIZE // 2


def splice(command: dict[str, Any], other: dict[str, Any], dice: Random) -> None:
    """Put a value of another command where the same field stands in this one."""
    fields = [name for name in ("body", "body", "body", *command) if name != "v"]
    name = dice.choice(fields)
    shared = sorted(command["body"].keys() & other["body"].keys())
    if name == "body" and shared:
        name = dice.choice(shared)
        command["body"][name] = other["body"][name]
    else:
        command[name] = other[name]


def sign_anew(document: dict[str, Any], world: World) -> None:
    """Sign the command of an entry again with every key that it names and the world holds."""
    command, ring = document["command"], world._ring
    held = {signer.key_id: signer for signer in ring.values()}
    message = COMMAND_TAG + encode(command)
    signers = [held[signer["key"]] for signer in command["signers"] if signer["key"] in held]
    document["sigs"] = [b64encode(signer.sign(message)) for signer in signers]


def mutated(raw: bytes, dice: Random) -> bytes:
    """Change one entry at random: a byte, or one value of its document."""
    if dice.random() < 0.2:
        data = bytearray(raw)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        return bytes(data)
    document = json.loads(raw)
    holder, name = dice.choice(list(places(document)))
    holder[name] = dice.choice(CHANGES)(holder[name], dice)
    if dice.random() < 0.1:
        holder["extra" if isinstance(holder, dict) else 0] = holder[name]
    return encode(document)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document that holds a value, with its holder."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for name in list(keys):
        yield value, name
        if isinstance(value[name], dict | list):
            yield from places(value[name])


def other_text(value: Any, dice: Random) -> Any:
    if not isinstance(value, str) or not value:
        return value + 1 if type(value) is int else "other"
    at = dice.randrange(len(value))
    return value[:at] + dice.choice("0aZ/.-é") + value[at + 1 :]


CHANGES: list[Callable[[Any, Random], Any]] = [
    other_text,
    other_text,
    other_text,
    lambda _value, _dice: None,
    lambda _value, dice: dice.choice([0, 1, True, "", [], {}, "unknown", -1]),
    lambda value, _dice: [value, value],
    lambda value, _dice: value[1:] if isinstance(value, list | str) else value,
]

"""Exported folders: every file of the published tree, and what is put back or left out.

Forgeries by the operator in exported logs are in `tests/js`, where two verifiers must agree.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.proof.audit import audit
from ledger.proof.report import Report
from ledger.proof.sources import folder_source
from ledger.proof.tiles import decode_bundle, encode_bundle, paths_of
from tests.figures import record
from tests.js.exports import write_export
from tests.tamper.flips import flipped_value
from tests.tamper.market import SIZE, Market
from tests.tamper.test_columns import Fault

BUNDLE, NUMBER = "tile/entries/003", 3
FIRST = NUMBER * 256
# Files that no audit of the latest tree reads: a copy of the key that the verifier brings itself,
# and the partial tiles of earlier sizes, which later full tiles replace.
NO_EVIDENCE = {"vkey"}


@pytest.fixture
def log(log_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(log_folder, tmp_path / "log"))


def ours(log: Path, market: Market, *, since: bytes | None = None) -> Report:
    return audit(folder_source(log), market.world.vkey, since=since)


def test_the_export_is_valid(log: Path, the_market: Market) -> None:
    report = ours(log, the_market, since=the_market.outside)

    assert (report.verdict, report.size, report.derived) == ("valid", SIZE, "yes")
    assert (report.anchored, report.checkpoints) == ("yes", 4)


def test_a_bit_of_any_file_is_found_or_listed_as_no_evidence(log: Path, the_market: Market) -> None:
    latest = set(paths_of(SIZE)) | {"checkpoint"}
    kept = {f"checkpoints/{size}" for size in (31, 57, the_market.outside_size, SIZE)}
    files = {str(path.relative_to(log)) for path in log.rglob("*") if path.is_file()}
    earlier = {name for name in files if ".p/" in name} - latest
    assert files == latest | kept | earlier | NO_EVIDENCE | {"checkpoints/sizes"}

    verdicts = {}
    for name in sorted(files - NO_EVIDENCE - earlier):
        data = (log / name).read_bytes()
        (log / name).write_bytes(flipped_value(data))
        verdicts[name] = ours(log, the_market).verdict
        (log / name).write_bytes(data)
    assert set(verdicts.values()) <= {"tampered", "incomplete"}
    assert [name for name, verdict in verdicts.items() if verdict == "incomplete"] in (
        [],
        ["checkpoints/sizes"],
    )


def rewritten(change: Callable[[list[bytes]], object]) -> Callable[[Path, Market], object]:
    def damage(log: Path, _market: Market) -> None:
        entries = decode_bundle((log / BUNDLE).read_bytes(), width=256)
        change(entries)
        (log / BUNDLE).write_bytes(encode_bundle(entries[:256]))

    return damage


def swap(entries: list[bytes]) -> None:
    entries[7], entries[70] = entries[70], entries[7]


def put_back(log: Path, market: Market) -> None:
    shutil.copy(log / "checkpoints" / str(market.outside_size), log / "checkpoint")


def lacking(index: int | None, field: str | None) -> Fault:
    return Fault("fetch", field, index, derived=False, verdict="incomplete", exit_code=3)


LEAF = Fault("leaf", "entry", FIRST + 7, derived=False)
Damage = Callable[[Path, Market], object]
CASES: dict[str, tuple[Damage, Fault]] = {
    "an entry dropped": (rewritten(lambda e: e.pop(7)), LEAF._replace(index=FIRST + 7)),
    "two entries swapped": (rewritten(swap), LEAF),
    "an entry of another stream": (rewritten(lambda e: e.__setitem__(7, e[90])), LEAF),
    "a bundle gone": (lambda log, _: (log / BUNDLE).unlink(), lacking(FIRST, BUNDLE)),
    "a bundle that is a folder": (
        lambda log, _: ((log / BUNDLE).unlink(), (log / BUNDLE).mkdir()),
        lacking(FIRST, BUNDLE),
    ),
    "a bundle cut off": (
        lambda log, _: (log / BUNDLE).write_bytes((log / BUNDLE).read_bytes()[:-1]),
        Fault("bundle", "length", FIRST + 255, derived=False),
    ),
    "a bundle with more": (
        lambda log, _: (log / BUNDLE).write_bytes((log / BUNDLE).read_bytes() + b"\0"),
        Fault("bundle", "length", FIRST + 255, derived=False),
    ),
    "a tile of leaves": (
        lambda log, _: (log / "tile/0/003").write_bytes(bytes(8192)),
        Fault("tile", "tile/0/003", FIRST),
    ),
    "a tile gone": (
        lambda log, _: (log / "tile/0/003").unlink(),
        Fault("tile", "tile/0/003", None, verdict="incomplete", exit_code=3),
    ),
    "a tile of nodes": (
        lambda log, _: (log / "tile/1/000.p/7").write_bytes(bytes(7 * 32)),
        Fault("tile", "tile/1/000.p/7", 0),
    ),
    "no checkpoint": (
        lambda log, _: (log / "checkpoint").unlink(),
        Fault("fetch", "checkpoint", derived=False, verdict="unverifiable", exit_code=4),
    ),
    "a listed checkpoint gone": (
        lambda log, _: (log / "checkpoints/57").unlink(),
        lacking(None, "size 57"),
    ),
    "a checkpoint under another size": (
        lambda log, _: shutil.copy(log / "checkpoints/57", log / "checkpoints/31"),
        Fault("checkpoint", "size", derived=False),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_changed_export_is_found_and_its_place_named(
    log: Path, the_market: Market, name: str
) -> None:
    damage, wanted = CASES[name]
    damage(log, the_market)

    report = ours(log, the_market)

    fault = report.fault or {}
    found = tuple(fault.get(name) for name in ("step", "field", "index", "derived"))
    assert found == (wanted.step, wanted.field, wanted.index, wanted.derived)
    assert (report.verdict, report.exit_code) == (wanted.verdict, wanted.exit_code)
    record("tamper cases", 1, unit="cases")


def test_an_old_checkpoint_put_back_lacks_the_partial_bundle_of_its_time(
    log: Path, the_market: Market
) -> None:
    put_back(log, the_market)
    report = ours(log, the_market)

    assert (report.verdict, report.size) == ("incomplete", the_market.outside_size)
    assert report.fault is not None
    assert (report.fault["step"], report.fault["index"]) == (
        "fetch",
        the_market.outside_size & -256,
    )


def test_a_tail_cut_is_seen_only_from_outside(tmp_path: Path, the_market: Market) -> None:
    """What the log was when the outside checkpoint was its latest."""
    world = the_market.world
    kept = [entry.raw for entry in the_market.entries[: the_market.outside_size]]
    write_export(tmp_path, kept, origin=world.origin, signer=world.key("checkpoint"))

    alone = ours(tmp_path, the_market)
    anchored = ours(tmp_path, the_market, since=the_market.outside)
    later = ours(tmp_path, the_market, since=world.reader.checkpoint())

    assert (alone.verdict, alone.anchored) == ("valid", "no")
    assert (anchored.verdict, anchored.anchored) == ("valid", "yes")
    assert (later.verdict, later.exit_code, later.anchored) == ("incomplete", 3, "no")
    assert later.fault is not None
    assert (later.fault["step"], later.fault["index"]) == ("checkpoint", the_market.outside_size)

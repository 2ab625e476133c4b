"""The disk guard: read-only below 10 % or 2 GiB, at most one look a second, back by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from api.disk import DiskGuard, floor_of
from ledger.errors import DiskLow
from ledger.rules.errors import Malformed

GIB = 1024**3
HERE, THERE = Path("/here"), Path("/there")


@dataclass
class Disk:
    total: int
    free: int


class Probe:
    """File systems by folder, and how often anybody looked."""

    def __init__(self, **disks: Disk) -> None:
        self.disks, self.looks, self.now_s = disks, 0, 0.0

    def __call__(self, folder: Path) -> Disk:
        self.looks += 1
        return self.disks[folder.name]

    def seconds(self) -> float:
        return self.now_s


def guard_of(probe: Probe, *folders: Path, floor: int | None = None) -> DiskGuard:
    return DiskGuard(folders, floor=floor, probe=probe, seconds=probe.seconds)


@pytest.mark.parametrize(
    ("total", "free", "is_low"),
    [
        (100 * GIB, 10 * GIB, False),
        (100 * GIB, 10 * GIB - 1, True),
        (10 * GIB, 2 * GIB, False),
        (10 * GIB, 2 * GIB - 1, True),
        (GIB, GIB, True),
    ],
)
def test_the_larger_of_a_tenth_and_two_gibibytes_must_be_free(
    total: int, free: int, *, is_low: bool
) -> None:
    probe = Probe(here=Disk(total, free))

    (space,) = guard_of(probe, HERE).look()

    assert space.low is is_low


def test_the_folder_that_is_low_is_named_with_its_figures() -> None:
    probe = Probe(here=Disk(100 * GIB, 50 * GIB), there=Disk(20 * GIB, GIB))

    with pytest.raises(DiskLow) as refused:
        guard_of(probe, HERE, THERE).admit()

    assert refused.value.evidence == {"folder": "/there", "free": GIB, "needed": 2 * GIB}


def test_it_looks_once_a_second_and_opens_again_by_itself() -> None:
    probe = Probe(here=Disk(100 * GIB, GIB))
    guard = guard_of(probe, HERE)

    for _ in range(5):
        with pytest.raises(DiskLow):
            guard.admit()
    probe.disks["here"] = Disk(100 * GIB, 50 * GIB)
    probe.now_s = 0.9
    with pytest.raises(DiskLow):
        guard.admit()
    assert probe.looks == 1

    probe.now_s = 1.0
    guard.admit()
    assert probe.looks == 2


def test_an_operator_may_name_the_floor_in_bytes() -> None:
    probe = Probe(here=Disk(100 * GIB, 5))

    guard_of(probe, HERE, floor=5).admit()
    with pytest.raises(DiskLow):
        guard_of(probe, HERE, floor=6).admit()


def test_the_floor_comes_from_the_environment_or_is_the_rule() -> None:
    assert floor_of({}) is None
    assert floor_of({"YINZHENG_DISK_FREE_MIN": ""}) is None
    assert floor_of({"YINZHENG_DISK_FREE_MIN": "1024"}) == 1024


@pytest.mark.parametrize("text", ["-1", "1e9", " 1", "2GiB"])
def test_a_floor_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="whole number of bytes"):
        floor_of({"YINZHENG_DISK_FREE_MIN": text})

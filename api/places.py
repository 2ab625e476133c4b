"""The doctor's checks of files: their modes, the file system under them, the space that is left."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from api.checkup import Check, ok, unknown, warning, wrong
from api.config import KEYS_FOLDER, mark_of
from api.house import VAULT_FOLDER, House
from api.payments.setup import FOLDER

MOUNTS: Final = Path("/proc/mounts")
_OTHERS: Final = 0o077
_SHOWN: Final = 3
# Locks and the write-ahead log do not work there, or not always.
_REMOTE: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.glusterfs", "lustre"),
    }
)


def check_modes(house: House) -> Check:
    """Look whether others may read keys, vault, mark or the database's URL."""
    name = "file modes"
    folder = house.folder
    private = [folder / KEYS_FOLDER, folder / VAULT_FOLDER, mark_of(house.origin), folder / FOLDER]
    try:
        found = [path for folder in private for path in _tree(folder)]
        open_ = [path for path in found if stat.S_IMODE(path.stat().st_mode) & _OTHERS]
        # Which trees were signed is no secret; who may change the mark matters.
        open_ = [path for path in open_ if not _is_mark_others_only_read(path, house)]
    except OSError as error:
        return unknown(name, f"{error.filename}: {error.strerror}")
    if open_:
        shown = ", ".join(str(path) for path in open_[:_SHOWN])
        more = f" and {len(open_) - _SHOWN} more" if len(open_) > _SHOWN else ""
        return wrong(name, f"others can get at {shown}{more}", "chmod go= on them.")
    missing = [path.name for path in private[:2] if not path.is_dir()]
    if missing:
        do = "Put them back from where you keep them."
        return warning(name, f"there is no folder {', '.join(missing)}", do)
    return ok(name, f"{len(found)} private files and folders are private")


def check_file_system(path: Path, mounts: Path = MOUNTS) -> Check:
    """Look whether a SQLite file lies on a local disk."""
    name = "file system"
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        return unknown(name, f"this system lists no mounts: {error.strerror}")
    kind = _kind_of(path.absolute(), lines)
    if kind is None:
        return unknown(name, f"no mount is listed for {path}")
    if kind in _REMOTE:
        return wrong(name, f"{path} lies on {kind}", "Move the ledger to a local disk.")
    return ok(name, f"{path} lies on {kind}")


def check_disk(house: House) -> Iterator[Check]:
    """Look how much space is left wherever this ledger writes."""
    name = "disk space"
    try:
        spaces = house.disk.look()
    except OSError as error:
        yield unknown(name, f"{error.filename}: {error.strerror}")
        return
    for space in spaces:
        found = f"{space.folder}: {space.free} bytes are free, {space.needed} are needed"
        do = "Make room; writing goes on by itself."
        yield wrong(name, found, do) if space.low else ok(name, found)
    if house.recorder.engine.dialect.name == "postgresql":
        yield unknown(
            name, "the disk of the database server cannot be seen from here", "Watch it there."
        )


def _tree(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield folder
        yield from folder.iterdir()


def _is_mark_others_only_read(path: Path, house: House) -> bool:
    writable = stat.S_IMODE(path.stat().st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    return path.is_file() and path.parent == mark_of(house.origin) and not writable


def _kind_of(path: Path, mounts: Iterable[str]) -> str | None:
    """Find the kind of file system under a path: that of the longest mount point above it."""
    best, kind = -1, None
    real = os.path.realpath(path)
    for line in mounts:
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, kind
            continue
        point = fields[1].replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, kind = len(point), fields[2]
    return kind

"""The doctor: looks at everything that durability rests on, and says what is wrong and what to do.

It changes nothing. A check that fails to look is `could-not-check`, never `ok`.
"""

from __future__ import annotations

import email.utils
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from api.checkup import Check, Status, ok, unknown, warning, wrong
from api.client_errors import ClientError
from api.house import House
from api.places import check_disk, check_file_system, check_modes
from api.receipts import check_path, pin_log, read_receipt
from api.servers import check_settings
from ledger.errors import LedgerError
from ledger.log.errors import LogError
from ledger.log.standing import Class, Promise, Standing
from ledger.proof.errors import VerificationError
from ledger.record.errors import RecordError
from ledger.record.schema import check_schema
from ledger.record.settings import settings_of
from ledger.registry import BEHIND_MAX
from ledger.rules.entries import read_entry
from ledger.rules.errors import RuleError

_SECOND_US: Final = 1_000_000
_DRIFT_WARNING_US: Final = 5 * _SECOND_US
_DRIFT_WRONG_US: Final = 60 * _SECOND_US
_RECEIPT_BYTES_MAX: Final = 1 << 16
_TIMEOUT_S: Final = 10
_ERRORS: Final = (LedgerError, LogError, RecordError, RuleError, VerificationError, OSError)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, in the order in which it was looked at."""

    checks: tuple[Check, ...]
    standing: Standing | None

    def count(self, status: Status) -> int:
        """Count the checks that ended so."""
        return sum(check.status is status for check in self.checks)

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "schema": 1,
            "wrong": self.count(Status.WRONG),
            "warnings": self.count(Status.WARNING),
            "not_checked": self.count(Status.UNKNOWN),
            "standing": None if self.standing is None else self.standing.document(),
            "checks": [check.document() for check in self.checks],
        }


def examine(house: House, receipts: Sequence[Path] = ()) -> Diagnosis:
    """Look at an open ledger.

    Args:
        house: Open for reading, with a mirror if one is at hand.
        receipts: Files of receipts, whose entries must be there.

    """
    checks: list[Check] = []
    standing, found = _standing(house, receipts)
    checks += found
    for name, look in _LOOKS:
        try:
            checks += look(house)
        except _ERRORS as error:
            checks.append(unknown(name, str(error)))
    return Diagnosis(tuple(checks), standing)


def _standing(house: House, receipts: Sequence[Path]) -> tuple[Standing | None, list[Check]]:
    name, checks, promises = "standing", [], []
    for path in receipts:
        try:
            promises.append(read_promise(house, path))
        except (ClientError, *_ERRORS) as error:
            do = "Bring the receipt as the API gave it."
            checks.append(unknown("receipt", f"{path}: {error}", do))
    try:
        standing = house.gate.look(promises)
    except _ERRORS as error:
        return None, [*checks, wrong(name, str(error), "Nothing is written until this is right.")]
    open_ = standing.klass in {Class.SAME, Class.AHEAD}
    found = f"{standing.klass}: {standing.says}"
    checks.append(ok(name, found) if open_ else wrong(name, found, standing.do))
    if house.mirror is None:
        why = "no copy of the log was asked: a machine that came back whole looks like this too"
        checks.append(unknown("mirror", why, "Name one: --mirror URL|FOLDER."))
    elif "mirror_size" in standing.evidence:
        checks.append(ok("mirror", f"{standing.evidence['mirror_size']} entries, signed"))
    else:
        checks.append(unknown("mirror", str(standing.evidence.get("reason"))))
    return standing, checks


def read_promise(house: House, path: Path) -> Promise:
    """Read a receipt from a file, and check that the log's receipt key gave it.

    Raises:
        ReceiptRefused: It is no receipt of this log.
        LedgerNotOpen: There is no entry 0 to tell.
        OSError: The file cannot be read.

    """
    with path.open("rb") as file:
        text = file.read(_RECEIPT_BYTES_MAX)
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    first = house.reader.entry(0)
    assert first is not None  # noqa: S101 - an open ledger has an entry 0
    receipt = read_receipt(document, pin_log(first.entry, vkey=house.vkey))
    check_path(receipt)
    return Promise(receipt["index"], bytes.fromhex(receipt["leaf"]))


def _schema(house: House) -> Iterator[Check]:
    check_schema(house.recorder.engine)
    yield ok("schema", "the one of this version")


def _settings(house: House) -> Iterator[Check]:
    engine = house.recorder.engine
    yield from check_settings(engine.dialect.name, settings_of(engine))
    if engine.dialect.name == "sqlite":
        yield check_file_system(Path(engine.url.database or ""))


def _modes(house: House) -> Iterator[Check]:
    yield check_modes(house)


def _signer(house: House) -> Iterator[Check]:
    name = "checkpoint key"
    try:
        house.tree_signer  # noqa: B018 - making it is the check
    except _ERRORS as error:
        yield wrong(name, str(error), "Put the key back, or name the signer that holds it.")
        return
    where = house.config.signer or "this process"
    yield ok(name, f"{where} signs for {house.vkey.partition('+')[0]}")


def _clock(house: House) -> Iterator[Check]:
    name, now = "clock", house.clock.now()
    size = house.reader.size()
    last = house.reader.entry(size - 1) if size else None
    at = read_entry(last.entry).at if last else 0
    if now < at:
        behind = (at - now) // _SECOND_US
        do = "Set it: until then new entries carry the time of the last one."
        yield wrong(name, f"{behind} s behind the last entry", do)
    else:
        yield ok(name, "not behind the last entry")
    yield _drift(house)


def _drift(house: House) -> Check:
    """Compare with the clock of whoever serves the mirror."""
    name = "clock drift"
    if house.mirror is None or not house.mirror.lower().startswith(("http://", "https://")):
        return unknown(name, "no served mirror was named to compare with")
    request = urllib.request.Request(house.mirror, method="HEAD")  # noqa: S310 - looked at above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
        error.close()
    told = email.utils.parsedate_to_datetime(date) if date else None
    if told is None:
        return unknown(name, "the mirror's server does not tell the time")
    drift = abs(house.clock.now() - int(told.timestamp()) * _SECOND_US)
    found = f"{drift // _SECOND_US} s from the mirror's server"
    do = "Let a time service set the clocks of both."
    if drift >= _DRIFT_WRONG_US:
        return wrong(name, found, do)
    return warning(name, found, do) if drift >= _DRIFT_WARNING_US else ok(name, found)


def _views(house: House) -> Iterator[Check]:
    name, size = "views", house.reader.size()
    shown = min(house.runner.positions().values(), default=None)
    if shown is None or shown > size:
        yield wrong(name, "they do not belong to this log", "Run `yinzheng rebuild --dir D`.")
    elif shown < size:
        do = "They catch up when the ledger is served or written."
        yield warning(name, f"{size - shown} entries behind", do)
    else:
        yield ok(name, f"they show all {size} entries")


def _unpublished(house: House) -> Iterator[Check]:
    name = "unpublished"
    size, published = house.reader.size(), house.reader.published_size()
    if size == published:
        yield ok(name, f"all {size} entries are published")
        return
    first = house.reader.entry(published)
    opened = house.reader.entry(0)
    assert first is not None  # noqa: S101 - below the size
    assert opened is not None  # noqa: S101 - likewise
    delay = pin_log(opened.entry, vkey=house.vkey).receipt_delay
    waits = house.clock.now() - read_entry(first.entry).at
    found = f"{size - published} entries, the oldest for {waits // _SECOND_US} s"
    do = "Serve the ledger, or run any writing command: it publishes."
    yield wrong(name, found, do) if waits > delay else warning(name, found, do)


def _lost(house: House) -> Iterator[Check]:
    name, lost = "sealed values", len(house.recorder.lost_bodies())
    if lost:
        do = "D/recoveries lists them; their subjects may still have them."
        yield warning(name, f"{lost} are lost", do)
    else:
        yield ok(name, "every row has its box")


def _cards(house: House) -> Iterator[Check]:
    name, standing = "card keys", house.registry.look()
    do = f"Run `yinzheng cards reindex --dir {house.folder}`."
    if not standing.registered:
        yield ok(name, "none are registered")
    elif standing.ahead:
        yield wrong(name, "the index knows more than the log", do)
    elif standing.lacking > BEHIND_MAX:
        yield wrong(name, f"the index lacks more than {BEHIND_MAX}: none can be registered", do)
    elif standing.lacking:
        what = "lacks" if standing.there else "is not there, and would lack"
        yield warning(name, f"the index {what} {standing.lacking}: the next upload reads them", do)
    else:
        yield ok(name, "the index knows all")


_LOOKS: Final[Sequence[tuple[str, Callable[[House], Iterator[Check]]]]] = (
    ("schema", _schema),
    ("settings", _settings),
    ("file modes", _modes),
    ("checkpoint key", _signer),
    ("disk space", check_disk),
    ("clock", _clock),
    ("views", _views),
    ("unpublished", _unpublished),
    ("sealed values", _lost),
    ("card keys", _cards),
)

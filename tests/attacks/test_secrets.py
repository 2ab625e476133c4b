"""No card key leaves the vault: a thousand of them, everything that is run, every file searched.

The keys are registered, refused for every reason there is, sent over HTTP in commands that fail,
sold, delivered in parcels that are opened, revealed, and lost in crashes; their
codes are asked about; payments are told by providers and by who forges their notices; then the
ledger is backed up, exported, proved, audited, measured and read.
What the program wrote (databases, write-ahead logs, the index and the vault, backups, the published
log, proofs, what it printed, its own log at DEBUG, what it told of itself to the list of
processes) is searched for the keys, their verification codes and blindings, the private keys of
orders, what providers share with the ledger and say of payers, bare hashes and HMACs under any key
of the service.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from api.cards import card_order
from api.desk import Hand, write
from api.enrolment import enrol, grant
from api.folder import LedgerFolder
from api.house import House
from api.parcels import read_order_key
from ledger.cards.commitments import Opening, read_opening, write_opening
from ledger.cards.normalise import normalise
from ledger.clock import SystemClock
from ledger.rules.canonical import encode
from tests.api.serving import body_of
from tests.attacks.needles import Needles
from tests.cards.selling import PRODUCT, goods, open_shop, signed
from tests.cli.buying import LISTING, PRICE, publish_listing, top_up
from tests.cli.running import Program, Ran
from tests.paying import (
    SECRET,
    Sent,
    alipay_notice,
    rsa_key,
    set_up,
    till_notice,
    wechat_notice,
)

CANARIES = 1_000
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
UPLOAD = ("--product", PRODUCT, "--class", "game-card")
TRANSACTIONS = (
    *("2026112322001408840218000001", "4200000001202611230000000001"),
    "2026-11-23-0001",
)
PAYERS = ("2088102116773037", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")


def canaries(number: int) -> list[str]:
    """Keys as people type them: no two alike, none in its one spelling."""
    dice = random.Random(20_261_123)  # noqa: S311 - the same keys on every run
    groups = ("".join(dice.choices(LETTERS, k=6)) for _ in range(3 * number))
    return ["-".join((one, two.lower(), three)) for one, two, three in zip(*[groups] * 3)]  # noqa: B905


@dataclass
class Stage:
    """Where everything happens. `root` is searched; what people handed in lies outside of it."""

    root: Path
    outside: Path
    program: Program
    keys: list[str]
    _told: list[str] = field(default_factory=list)
    _taken: int = 0
    opened: list[str] = field(default_factory=list)
    waiting: str = ""
    delivered: list[str] = field(default_factory=list)
    revealed: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    def some(self, number: int) -> list[str]:
        """Take keys that were not used yet."""
        self._taken += number
        return self.keys[self._taken - number : self._taken]

    def file(self, keys: Sequence[str]) -> Path:
        path = self.outside / f"{self._taken}-{len(keys)}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["key"], *([key] for key in keys)])
        return path

    def run(self, *arguments: object, code: int = 0) -> Ran:
        """Run a command and keep what it printed."""
        ran = self.program(*arguments)
        self._told += [ran.out, ran.err]
        assert ran.code == code, ran
        return ran

    def upload(self, keys: Sequence[str], merchant: str = "shop", *, code: int = 0) -> Ran:
        options = ("--dir", self.ledger, "--merchant", merchant, *UPLOAD)
        return self.run("cards", "upload", self.file(keys), *options, code=code)

    def upload_alone(self, keys: Sequence[str]) -> str:
        """Upload in a process that was started as people start it."""
        options = ("--dir", self.ledger, "--merchant", "shop", *UPLOAD)
        command = self.program.command("cards", "upload", self.file(keys), *options)
        ran = subprocess.run(
            command, env=self.program.env, capture_output=True, text=True, check=True
        )
        self._told += [ran.stdout, ran.stderr]
        return ran.stdout

    def open(self, order: str, url: str | None = None) -> None:
        """Open an order as its buyer does, on a screen that nobody else sees; check evidence.

        With `url` the parcel is asked of the server that stands there.
        """
        evidence = self.outside / f"{order}.{'far' if url else 'near'}.json"
        at = ("--url", url) if url else ("--dir", self.ledger)
        on = ("--as", "ann", "--line", "1", "--evidence", evidence)
        ran = self.program("order", "open", order, *at, *on, "--json")
        assert ran.code == 0, ran
        (line,) = ran.document["lines"]
        self.opened.append(line["key"])
        self.run("cards", "check", evidence, "--vkey", f"@{self.ledger / 'vkey'}")

    def reveal(self, order: str) -> None:
        """See a card as its owner does, on a screen that nobody else sees; nobody else may."""
        on = ("--dir", self.ledger)
        (line,) = self.run("order", "show", order, *on, "--json").document["lines"]
        self.run("order", "reveal", line["item"], "--as", "shop", *on, "--json", code=2)
        ran = self.program("order", "reveal", line["item"], "--as", "ann", *on, "--json")
        assert ran.code == 0, ran
        self.revealed.append(ran.document["key"])

    def verify(self, item: str) -> None:
        """See a code as its owner does, on a screen that nobody else sees, and ask about it."""
        on = ("--dir", self.ledger)
        ran = self.program("codes", "show", item, *on, "--as", "shop", "--json")
        assert ran.code == 0, ran
        code = self.outside / "code"
        code.write_text(ran.document["code"], encoding="utf-8")
        for party, about in (("ann", item), ("shop", item), ("ann", "shop-cards/none")):
            self.run("codes", "check", about, f"@{code}", *on, "--as", party)
        self.run("codes", "show", item, *on, "--as", "ann", code=2)
        self.run("codes", "revoke", item, *on, "--as", "shop")

    def keep(self) -> None:
        """Write down what was printed, to be searched like everything else."""
        (self.root / "printed.txt").write_text("\n".join(self._told), encoding="utf-8")


@contextmanager
def watched(file: Path) -> Iterator[None]:
    """Write down what the list of processes shows of ours meanwhile."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        own = psutil.Process()
        while not over.wait(0.02):
            for process in own.children(recursive=True):
                with suppress(psutil.Error):
                    seen.add(" ".join(process.cmdline()))
                    seen.add(repr(process.environ()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        assert any("serve" in each for each in seen)
        file.write_text("\n".join(sorted(seen)), encoding="utf-8")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Play everything once; the tests look at what is left."""
    root, outside = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("outside")
    program = Program(root / "state")
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        (root / name.lower()).mkdir()
        program.env[name] = str(root / name.lower())
    stage = Stage(root, outside, program, canaries(CANARIES))
    with (
        closing(program),
        pytest.MonkeyPatch.context() as patch,
        watched(root / "processes.txt"),
    ):
        patch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])
        with open_shop(stage.ledger, clock=SystemClock()) as house:
            house.publisher.publish()
            house.runner.catch_up()
        _upload(stage)
        _crash(stage)
        _sell(stage)
        _serve(stage)
        _keep_and_show(stage)
    stage.keep()
    assert stage._taken == CANARIES
    yield stage
    shutil.rmtree(root)


def _upload(stage: Stage) -> None:
    """Registered, registered again, registered by another, in a file that is not in order."""
    own = stage.some(580)
    assert "accepted        580" in stage.upload_alone(own)
    stage.upload([key.replace("-", " ") for key in own[:50]])
    rival = [*own[50:100], *stage.some(20)]
    assert "rejected        50" in stage.upload(rival, "rival").out
    stage.upload([*stage.some(20), "---", "\x07"], code=2)
    stage.run("cards", "repepper", "--dir", stage.ledger)
    stage.run("cards", "sightings", "--dir", stage.ledger)
    # A vault that fails in the middle.
    stage.upload(own[100:101], "judge", code=2)
    first = next(path for path in sorted((stage.ledger / "vault").glob("?" * 64)))
    held = first.read_bytes()
    for path in (stage.ledger / "vault").glob("?" * 64):
        path.write_bytes(path.read_bytes() + b"\0")
    stage.upload(stage.some(10), code=2)
    for path in (stage.ledger / "vault").glob("?" * 64):
        path.write_bytes(path.read_bytes()[:-1])
    assert first.read_bytes() == held


def _crash(stage: Stage) -> None:
    for point in ("C3", "K1", "C4", "C5", "C7"):
        keys = stage.file(stage.some(20))
        options = ("--dir", stage.ledger, "--merchant", "shop", *UPLOAD)
        ran = stage.program.killed_at(point, "cards", "upload", keys, *options)
        stage._told += [ran.out, ran.err]
        # As it was left: the next command tidies up.
        shutil.copytree(stage.ledger, stage.root / f"killed-{point}")


def _sell(stage: Stage) -> None:
    """Delivered by commands that die, and by the server; opened where nobody searches."""
    ledger = stage.ledger
    with LedgerFolder.open(ledger) as house:
        for party in ("ann", "kay"):
            enrol(house, party, class_="member")
        for party in ("ali", "till", "wex"):
            enrol(house, party, class_="service")
        for party in ("kay", "ali", "till", "wex"):
            grant(house, party, "cashier")
        publish_listing(house)
        top_up(house, "ann", 3 * PRICE)
    set_up(ledger)
    orders = [_order(stage) for _ in range(3)]
    for point, order in zip(("C5", "C7"), orders[:2], strict=True):
        on = ("--dir", ledger)
        stage.run("order", "pay", order, "--as", "ann", *on)
        ran = stage.program.killed_at(point, "order", "deliver", *on)
        stage._told += [ran.out, ran.err]
        shutil.copytree(ledger, stage.root / f"killed-delivering-{point}")
        stage.run("order", "deliver", *on)
        stage.run("order", "open", order, "--as", "shop", *on, "--json", code=2)
        stage.open(order)
        stage.reveal(order)
        stage.delivered.append(order)
    # The server delivers this one.
    stage.run("order", "pay", orders[2], "--as", "ann", "--dir", ledger)
    stage.waiting = orders[2]


def _order(stage: Stage) -> str:
    ran = stage.run("order", "place", LISTING, "--as", "ann", "--dir", stage.ledger, "--json")
    return str(ran.document["order"])


def _serve(stage: Stage) -> None:
    """Over HTTP, at DEBUG, killed at the end: its write-ahead log stays."""
    command = stage.program.command(
        "serve", "--dir", stage.ledger, "--log-level", "debug", "--json"
    )
    with (
        (stage.root / "served.txt").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, env=stage.program.env, stdout=subprocess.PIPE, stderr=log, text=True
        ) as running,
    ):
        try:
            assert running.stdout is not None
            told = running.stdout.readline()
            limits = Path(f"/proc/{running.pid}/limits").read_text()
            (stage.root / "limits.txt").write_text(limits)
            _ask_all(stage, told.split('"url":"')[1].partition('"')[0])
        finally:
            running.send_signal(signal.SIGKILL)
    shutil.copytree(stage.ledger, stage.root / "killed-serving")


def _ask_all(stage: Stage, url: str) -> None:
    with LedgerFolder.open(stage.ledger) as house:
        for make in (_good, _lying, _mangled, _garbled):
            for key in stage.some(50):
                stage._told.append(post(url, make(house, key)))
        for key in (*stage.some(50), *stage.keys[:20]):
            stage._told.append(post(url, body_of(signed(house, key, "rival"))))
    _notify(stage, url)
    (keystore,) = stage.root.glob("state/keystores/*")
    shutil.copy(stage.ledger / "keys" / "ann.pem", keystore)
    for order in stage.delivered:
        stage.open(order, url)
    for path in ("/metrics", "/readyz", "/v1/items/shop-cards/none", "/log/checkpoint"):
        stage._told.append(ask(f"{url}{path}"))
    for index in range(0, 60, 7):
        stage._told.append(ask(f"{url}/v1/entries/{index}"))


def _notify(stage: Stage, url: str) -> None:
    """Notices of every provider: twice each, forged, and cut in the middle."""
    now = time.time_ns() // 1000
    told = {
        "alipay": alipay_notice(now),
        "internal": till_notice(now),
        "wechat": wechat_notice(now),
    }
    forged = alipay_notice(now, key=rsa_key("mallory"))
    for provider, (headers, body) in told.items():
        for sent in ((headers, body), (headers, body), (headers, body[:-2])):
            stage._told.append(notify(url, provider, sent))
    stage._told.append(notify(url, "alipay", forged))


def _keep_and_show(stage: Stage) -> None:
    ledger, root = stage.ledger, stage.root
    item = stage.upload(stage.some(20)).out.split("first           ")[1].split()[0]
    stage.open(stage.waiting)
    stage.verify(item)
    stage.run("backup", "--dir", ledger, "--to", root / "backup")
    stage.run("backup", "--dir", ledger, "--to", root / "whole", "--with-keys")
    stage.run("export", "--dir", ledger, "-o", root / "mirror")
    stage.run("prove", item, "--dir", ledger, "-o", root / "item.proof")
    stage.run("history", item, "--dir", ledger)
    stage.run("audit", "--dir", ledger)
    stage.run("doctor", "--dir", ledger)
    stage.run("cards", "reindex", "--dir", ledger)
    stage.run("restore", root / "backup", "--dir", root / "restored")


def post(url: str, body: bytes) -> str:
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/v1/commands", data=body, headers={"Content-Type": "application/json"}
    )
    return ask(request)


def notify(url: str, provider: str, sent: Sent) -> str:
    headers, body = sent
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/v1/payments/{provider}",
        data=body,
        headers={name: value for name, (value,) in headers.items()},
    )
    return ask(request)


def ask(request: str | urllib.request.Request) -> str:
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own server
            return str(answer.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as refused:
        return refused.read().decode("utf-8", "replace")


def _good(house: House, key: str) -> bytes:
    return body_of(signed(house, key))


def _lying(house: House, key: str) -> bytes:
    """Seal another key than the command commits to: each is refused with the key in hand."""
    hand = Hand("shop", "owner", house.signer("shop"))
    order = card_order(goods(house), hand, "ANOTHER-KEY", os.urandom)
    value = write_opening("card", Opening(key, os.urandom(32)))
    seal = {**order.seal, "card": ("shop", value)}
    return body_of(write(house.context(), replace(order, seal=seal), random=os.urandom)[1])


def _mangled(house: House, key: str) -> bytes:
    """Disclose what was not sealed."""
    one = signed(house, key)
    card = replace(one.disclosures[0], value=key)
    return body_of(replace(one, disclosures=(card, *one.disclosures[1:])))


def _garbled(house: House, key: str) -> bytes:
    """Send what is no JSON, cut in the middle of everything."""
    body = body_of(signed(house, key))
    return body[: body.rindex(b'"')] + key.encode()


def service_keys(ledger: Path) -> dict[str, bytes]:
    """Every key that the service has, by its file."""
    found = {path.name: path.read_bytes() for path in (ledger / "vault").iterdir()}
    keys = {name: held for name, held in found.items() if len(held) == 32}
    for path in (ledger / "keys").glob("*.pem"):
        pem = load_pem_private_key(path.read_bytes(), password=None)
        keys[path.name] = pem.private_bytes_raw()  # type: ignore[union-attr]
    return keys


def sealed_openings(house: House) -> Iterator[tuple[str, str, Opening]]:
    """What the vault holds of every card: item, kind and opening."""
    for row in house.recorder.entries_of_type("card-registered/1", 0, limit=10_000):
        for box in house.recorder.disclosures(row.index):
            held = house.vault.open(box.subject, index=row.index, name=box.name, box=box.box)
            yield row.stream, box.name, read_opening(box.name, held.decode().partition("\n")[2])


def needles(stage: Stage) -> Needles:
    """Everything that none of the files may hold."""
    keys, made = service_keys(stage.ledger), Needles()
    assert {"pepper-1", "pepper-2", "receipt.pem", "shop.pem"} <= keys.keys()
    for key in stage.keys:
        made.add_text(key, (key, normalise(key), key.lower()))
        made.add_macs(key, messages(key), keys)
    made.add_bytes("API key of wechat", "provider key", SECRET)
    for number in (*TRANSACTIONS, *PAYERS):
        made.add_text(f"payment {number}", [number])
    order_keys = sorted(stage.root.glob("state/keystores/*/orders/*.pem"))
    assert len(order_keys) == 3
    for path in order_keys:
        made.add_bytes(f"key of order {path.stem}", "order key", read_order_key(path))
    with LedgerFolder.open(stage.ledger, read_only=True) as house:
        opened = list(sealed_openings(house))
    assert len(opened) > 2 * 700
    for item, what, opening in opened:
        if what == "code":
            made.add_text(f"code of {item}", [opening.text])
        made.add_bytes(f"blinding of the {what} of {item}", "blinding", opening.blinding)
    return made


def messages(key: str) -> list[bytes]:
    """What an HMAC could be made over: the key, its one spelling, and the ledger's own message."""
    spelling = normalise(key)
    own = encode(["yinzheng/fingerprint/v1", PRODUCT, spelling])
    return [key.encode(), spelling.encode(), own]


def is_allowed(path: Path, form: str) -> bool:
    """Fingerprints stand in the index, and keys with whoever they are of: nothing else does."""
    if path.name == "wechat.key" and form == "provider key raw":
        return True
    if path.parent.name == "orders" and form.startswith("order key "):
        return True
    return path.name.startswith("index.sqlite") and form in {
        "HMAC pepper-1 raw",
        "HMAC pepper-2 raw",
    }


def test_no_file_that_was_written_holds_anything_of_a_thousand_keys(stage: Stage) -> None:
    wanted = needles(stage)
    files = [path for path in sorted(stage.root.rglob("*")) if path.is_file()]
    names = {path.name for path in files}

    found = [
        (str(path.relative_to(stage.root)), *hit)
        for path in files
        for hit in wanted.search(path.read_bytes())
        if not is_allowed(path, hit.form)
    ]

    assert found == []
    assert {
        *("ledger.sqlite", "index.sqlite", "item.proof", "printed.txt", "served.txt"),
        *("processes.txt", "pepper-2", "checkpoint", "config.json"),
        *("ledger.sqlite-wal", "index.sqlite-wal"),
    } <= names
    assert len(set(stage.opened) & set(stage.keys)) == len(stage.opened) - 2 == 3
    assert set(stage.revealed) == set(stage.opened[:2])
    with LedgerFolder.open(stage.ledger, read_only=True) as house:
        paid = house.recorder.entries_of_type("balance-topped-up/1", 0, limit=10)
    assert len(paid) == 1 + len(TRANSACTIONS)
    printed = (stage.root / "printed.txt").read_text()
    assert "success" in printed.splitlines()
    assert '"message":"notice-signature-invalid"' in printed
    for code in (
        "card-rejected",
        "commitment-differs",
        "disclosure-invalid",
        "malformed",
    ):
        assert f'"code":"{code}"' in printed
    assert "committed" in (stage.root / "served.txt").read_text()
    assert " cards upload " in (stage.root / "processes.txt").read_text()


def test_a_process_that_dies_leaves_no_core_file(stage: Stage) -> None:
    (line,) = [
        line
        for line in (stage.root / "limits.txt").read_text().splitlines()
        if line.startswith("Max core file size")
    ]

    assert line.split()[4:6] == ["0", "0"]


def test_the_index_holds_fingerprints_and_no_backup_has_it(stage: Stage) -> None:
    wanted = needles(stage)
    held = b"".join(path.read_bytes() for path in (stage.ledger / "vault").glob("index.sqlite*"))

    forms = {hit.form for hit in wanted.search(held)}

    assert forms == {"HMAC pepper-1 raw", "HMAC pepper-2 raw"}
    for folder in ("backup", "whole", "mirror"):
        found = {path.name for path in (stage.root / folder).rglob("*")}
        assert not {each for each in found if each.startswith(("index.sqlite", "pepper"))}


KEYS: Mapping[str, bytes] = {"pepper-1": bytes(32), "receipt.pem": b"r" * 32}


def _sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


@pytest.mark.parametrize(
    "leak",
    [
        lambda key: key.encode(),
        lambda key: b"x" + normalise(key).encode() + b"y",
        lambda key: key.encode("utf-16-le"),
        lambda key: key.encode().hex().upper().encode(),
        lambda key: base64.b64encode(b"ab" + key.encode() + b"c"),
        lambda key: base64.b64encode(b"a" + normalise(key).encode()),
        lambda key: base64.urlsafe_b64encode(_sha(key)),
        lambda key: _sha(normalise(key)).hex().encode(),
        _sha,
        lambda key: _mac(KEYS["pepper-1"], messages(key)[2]).hex().encode(),
        lambda key: _mac(KEYS["receipt.pem"], key.encode()),
    ],
)
def test_the_search_finds_each_way_to_leak(leak: Callable[[str], bytes]) -> None:
    keys = canaries(20)
    made = Needles()
    for key in keys:
        made.add_text(key, (key, normalise(key), key.lower()))
        made.add_macs(key, messages(key), KEYS)

    hits = list(made.search(os.urandom(1000) + leak(keys[7]) + os.urandom(1000)))

    assert {hit.name for hit in hits} == {keys[7]}
    assert list(made.search(os.urandom(20_000))) == []

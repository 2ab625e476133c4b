"""The SQL that every database understands which a ledger may one day run on.

Locks, sequences and strict isolation differ between PostgreSQL, YugabyteDB, CockroachDB and Citus;
the conditional UPDATE of one head row does not. What is found here names the rule that is broken.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger, Table, Text

FORBIDDEN = {
    "an advisory lock": r"\bpg_(try_)?advisory_",
    "a table lock": r"^LOCK\b",
    "a row lock": r"\bFOR (NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b",
    "a channel between sessions": r"^(LISTEN|NOTIFY|UNLISTEN)\b|\bpg_notify\b",
    "a sequence": r"\bSEQUENCE\b|\b(nextval|currval|lastval|setval)\b|\b(SMALL|BIG)?SERIAL[248]?\b"
    r"|\bIDENTITY\b|\bAUTOINCREMENT\b",
    "a constraint checked later": r"(?<!NOT )\bDEFERRABLE\b|\bINITIALLY DEFERRED\b"
    r"|^SET CONSTRAINTS\b",
    "an exclusion constraint": r"\bEXCLUDE (USING\b|\()",
    "a stricter isolation": r"\bISOLATION LEVEL (SERIALIZABLE|REPEATABLE READ)\b",
    "ending another session": r"\bpg_(cancel|terminate)_backend\b",
    "a transaction across databases": r"^PREPARE TRANSACTION\b|^COMMIT PREPARED\b|\bdblink\b"
    r"|\bATTACH DATABASE\b",
    "a key that takes NULL for equal": r"\bNULLS NOT DISTINCT\b",
    "a temporary table": r"\bCREATE (TEMP|TEMPORARY|UNLOGGED) ",
    "a settled conflict": r"\bON CONFLICT\b|\bINSERT OR (REPLACE|IGNORE)\b|^MERGE\b",
}
# The database refuses what the program never does; nothing is decided in a trigger.
_GUARD = re.compile(
    r"BEFORE (UPDATE|DELETE)( OR DELETE OR TRUNCATE| OR TRUNCATE)? ON \w+ .*"
    r"(SELECT RAISE\(ABORT, |EXECUTE FUNCTION ledger_(append_only|head_forward)\(\))"
)
_STATEMENT = re.compile(
    r"^(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|BEGIN|COMMIT|LOCK|LISTEN|NOTIFY|SET|PREPARE"
    r"|MERGE|WITH|TRUNCATE)\b"
)
_READS = re.compile(r"^(SELECT|SHOW|PRAGMA|WITH|BEGIN|SET TRANSACTION)\b", re.IGNORECASE)
_FORBIDDEN_NAMES = {
    "with_for_update": "a row lock",
    "begin_twophase": "a transaction across databases",
    "on_conflict_do_nothing": "a settled conflict",
    "on_conflict_do_update": "a settled conflict",
}
_FORBIDDEN_OF_SQLALCHEMY = {
    "Sequence": "a sequence",
    "Identity": "a sequence",
    "ExcludeConstraint": "an exclusion constraint",
}
_FORBIDDEN_KEYWORDS = {
    "deferrable": "a constraint checked later",
    "initially": "a constraint checked later",
    "twophase": "a transaction across databases",
    "server_default": "a value that the database makes up",
}
_LEVELS = {"READ COMMITTED", "REPEATABLE READ", None}
_TYPES = (BigInteger, Integer, LargeBinary, SmallInteger, Text)


def faults_of(sql: str) -> list[str]:
    """Name the rules that a whole statement breaks."""
    found, plain = _faults_of_words(sql), _plain(sql)
    if re.match(r"CREATE (CONSTRAINT )?TRIGGER\b", plain, re.IGNORECASE):
        found += [] if _GUARD.search(plain) else ["a trigger that does more than refuse"]
    return found


def _faults_of_words(sql: str) -> list[str]:
    plain = _plain(sql)
    return [rule for rule, form in FORBIDDEN.items() if re.search(form, plain, re.IGNORECASE)]


def _plain(sql: str) -> str:
    # What stands between quotes is a value or a name; the forbidden names are never ours.
    return " ".join(re.sub(r"'(?:[^']|'')*'", "''", sql).split())


def writes(sql: str) -> bool:
    """Say whether a statement is more than a read."""
    return _READS.match(sql.lstrip()) is None


def faults_of_table(table: Table) -> list[str]:
    """Name what a table asks of a database that not every one has."""
    found = [] if list(table.primary_key) else ["no primary key"]
    for column in table.columns:
        if not isinstance(column.type, _TYPES):
            found.append(f"the type of {column.name}")
        if column.server_default is not None or column.identity is not None:
            found.append(f"a value that the database makes up for {column.name}")
        if column is table.autoincrement_column:
            found.append(f"a sequence for {column.name}")
    return found


def faults_of_source(path: Path) -> list[str]:
    """Name the rules that a source file breaks, in its SQL and in what makes SQL."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # A literal inside an f-string is met twice.
    return list(dict.fromkeys(f"{path.name}:{line}: {what}" for line, what in _faults(tree)))


def _faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                yield from ((node.lineno, what) for what in _faults_of_keyword(keyword))
        if isinstance(node, ast.Attribute):
            yield from ((node.lineno, what) for what in _faults_of_name(node))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sqlalchemy"):
            imported = {alias.name for alias in node.names} & _FORBIDDEN_OF_SQLALCHEMY.keys()
            yield from ((node.lineno, _FORBIDDEN_OF_SQLALCHEMY[name]) for name in imported)
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "isolation_level":
                    yield from ((node.lineno, what) for what in _faults_of_level(value))
        for sql in _sql(node):
            yield from ((node.lineno, what) for what in _faults_of_words(sql))


def _faults_of_name(node: ast.Attribute) -> Iterator[str]:
    if node.attr in _FORBIDDEN_NAMES:
        yield _FORBIDDEN_NAMES[node.attr]
    if isinstance(node.value, ast.Name) and node.value.id in {"sa", "sqlalchemy"}:
        yield from (what for name, what in _FORBIDDEN_OF_SQLALCHEMY.items() if name == node.attr)


def _faults_of_keyword(keyword: ast.keyword) -> Iterator[str]:
    if keyword.arg in _FORBIDDEN_KEYWORDS:
        yield _FORBIDDEN_KEYWORDS[keyword.arg]
    truth = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
    if keyword.arg == "autoincrement" and truth:
        yield "a sequence"
    if keyword.arg == "isolation_level":
        yield from _faults_of_level(keyword.value)


def _faults_of_level(value: ast.expr) -> Iterator[str]:
    if not isinstance(value, ast.Constant) or value.value not in _LEVELS:
        yield "a stricter isolation"


def _sql(node: ast.AST) -> Iterator[str]:
    """Yield the text of a literal, each of its statements, if it begins like SQL."""
    if isinstance(node, ast.JoinedStr):
        parts = (each.value if isinstance(each, ast.Constant) else "x" for each in node.values)
        text = "".join(str(part) for part in parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    else:
        return
    yield from (line for line in text.split(";\n") if _STATEMENT.match(line.strip()))

"""What `init` leaves behind when it may not go on, and where a password may come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.main import run
from api.folder import LedgerFolder


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_an_origin_that_was_used_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LedgerFolder.create(tmp_path / "one", origin="yinzheng.test/used").close()

    code = run(["init", "--dir", str(tmp_path / "two"), "--origin", "yinzheng.test/used"])

    assert code == 2
    assert "had, this origin" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()


def test_a_database_url_may_stand_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], postgres_url: str
) -> None:
    (tmp_path / "url").write_text(f"{postgres_url}\n")

    code = run(["init", "--dir", str(tmp_path / "d"), "--database", f"@{tmp_path / 'url'}"])

    assert (code, capsys.readouterr().err) == (0, "")
    assert not (tmp_path / "d" / "ledger.sqlite").exists()
    assert run(["audit", "--dir", str(tmp_path / "d")]) == 0

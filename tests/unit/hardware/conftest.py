"""A token of the test's own, in a folder that goes away: SoftHSM2 stands in for hardware."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
PIN = "4711-secret"
LABEL = "yinzheng test"


def softhsm_module() -> str:
    """The path of SoftHSM2's module; skips where it is not installed."""
    found = next((path for path in MODULES if Path(path).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("no SoftHSM2 here (apt-get install softhsm2)")
    return found


def make_token(folder: Path, label: str) -> Path:
    """Make a token in an empty folder and return the configuration that finds it."""
    (folder / "tokens").mkdir()
    conf = folder / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    command = ["softhsm2-util", "--init-token", "--free", "--label", label]
    subprocess.run(
        [*command, "--pin", PIN, "--so-pin", PIN],
        env={"SOFTHSM2_CONF": str(conf)},
        check=True,
        capture_output=True,
    )
    return conf


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """One token a process, since a module is loaded once; gives the URI of a key on it."""
    module = softhsm_module()
    conf = make_token(tmp_path_factory.mktemp("token"), LABEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(conf))
        patch.setenv("YINZHENG_PKCS11_PIN", PIN)
        start = "pkcs11:token=yinzheng%20test;object="
        yield lambda name: f"{start}{name}?module-path={module}"

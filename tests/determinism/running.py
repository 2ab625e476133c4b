"""Running seeds: everything that a simulation replaces for the time of a run, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

from ledger import crashpoints
from ledger.log import files, mark
from ledger.proof import keys
from tests.determinism.options import expand
from tests.determinism.world import Fitting, Result, Simulation

_key = keys._ed25519


@lru_cache(maxsize=200_000)
def _verified(public: bytes, signature: bytes, message: bytes) -> Exception | None:
    try:
        _key(public).verify(signature, message)
    except Exception as error:
        return error
    return None


class _Remembering:
    """A public key that checks the same signature over the same bytes only once."""

    def __init__(self, public: bytes) -> None:
        self._public = public

    def verify(self, signature: bytes, message: bytes) -> None:
        error = _verified(self._public, signature, message)
        if error is not None:
            raise error


@contextmanager
def simulated(sim: Simulation) -> Iterator[None]:
    """Put the simulated disk under the product, and listen at its crash points."""
    with (
        patch.object(files, "os", sim.disk),
        patch.object(mark, "os", sim.disk),
        patch.object(mark, "fcntl", sim.disk),
        patch.object(keys, "_ed25519", _Remembering),
    ):
        crashpoints.arm(sim.at_point)
        try:
            yield
        finally:
            crashpoints.arm(None)


def run_seed(seed: int, fitting: Fitting | None = None) -> Result:
    """Play one seed.

    Raises:
        Violation: Something happened that must never happen; the seed repeats it.

    """
    sim = Simulation(expand(seed), fitting)
    with simulated(sim):
        return sim.run()

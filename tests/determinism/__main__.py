"""Replay seeds: `python -m tests.determinism --seed 7`, or `--seed 0 --count 1000`.

Prints the options that the seed stands for, what happened, and the hash of the trace; with
`--trace` every step. Ends with 1 when a seed fails.
"""

from __future__ import annotations

import argparse
import sys
import traceback

from tests.determinism.judge import Violation
from tests.determinism.options import expand
from tests.determinism.running import simulated
from tests.determinism.world import Simulation


def main() -> int:
    """Run the seeds that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.determinism", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds")
    parser.add_argument("--trace", action="store_true", help="print every step")
    options = parser.parse_args()
    failed = 0
    for seed in range(options.seed, options.seed + options.count):
        failed += not show(seed, trace=options.trace, brief=options.count > 1)
    return 1 if failed else 0


def show(seed: int, *, trace: bool, brief: bool) -> bool:
    """Play one seed and print what came of it; return whether it passed."""
    sim = Simulation(expand(seed))
    sim.told = [] if trace else None
    if not brief:
        print(sim.options.shown())
    try:
        with simulated(sim):
            result = sim.run()
    except Violation as found:
        print("".join(sim.told or ()), end="")
        print(f"seed {seed}: FAILED at step {sim.steps}: {found}")
        if found.__cause__ is not None:
            traceback.print_exception(found.__cause__)
        return False
    print("".join(sim.told or ()), end="")
    if not brief:
        for name, counts in (("faults", result.faults), ("outcomes", result.outcomes)):
            print(f"{name}: {', '.join(f'{n} {what}' for what, n in sorted(counts.items()))}")
    print(f"seed {seed}: {result.verdict} after {result.steps} steps, trace {result.trace}")
    return True


if __name__ == "__main__":
    sys.exit(main())

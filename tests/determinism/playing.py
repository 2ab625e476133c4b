"""Playing many seeds and adding up what happened in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.determinism.judge import Violation
from tests.determinism.running import run_seed
from tests.figures import record

# Of the seeds, at least these shares see each of these; the generator would be blind without.
FAULTS: dict[str, float] = {
    **dict.fromkeys(
        (
            *("request dropped", "answer dropped", "message doubled", "message delayed"),
            *("node cut off", "database away", "connection lost", "answer lost, committed"),
            *("answer lost, rolled back", "answer lost, decided later", "database restarted"),
            *("node killed", "crash at a point", "power cut", "clock jumps", "disk error"),
            *("new term", "failover", "standby cut off", "second fault in recovery"),
        ),
        0.05,
    ),
    **dict.fromkeys(("restore", "flip"), 0.03),
    "vault error": 0.02,
    "failover that lost something": 0.01,
    **dict.fromkeys(
        (
            *("crash at QUEUED", "crash at VERIFIED", "crash at DECIDED", "crash at INSERTED"),
            *("crash at BEFORE_COMMIT", "crash at COMMIT_SENT", "crash at COMMITTED"),
            *("crash at ACKNOWLEDGED", "crash at TILES_STORED", "crash at SIGNED"),
            "crash at PUBLISHED",
        ),
        0.01,
    ),
}
OUTCOMES: dict[str, float] = {
    **dict.fromkeys(("accepted", "accepted again", "published", "nothing to publish"), 0.5),
    **dict.fromkeys(
        (
            *("refused: stale-expectation", "OutcomeUnknown", "DatabaseUnavailable", "QueueFull"),
            *("publisher: OutcomeUnknown", "publisher: DatabaseUnavailable", "start fails"),
        ),
        0.05,
    ),
    **dict.fromkeys(
        (
            *("refused: expired", "refused: command-cancelled", "refused: already-appended"),
            *("refused: key-not-stored", "publisher: MarkDamaged", "publisher: OSError"),
            *("publisher: WriteLocked", "publisher: ReadBackDiffers", "write locked"),
        ),
        0.01,
    ),
}


@dataclass
class Played:
    """What many seeds came to."""

    seeds: int = 0
    steps: int = 0
    failed: list[str] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    seeds_with: Counter[str] = field(default_factory=Counter)

    @property
    def total_faults(self) -> int:
        """How many faults struck; the details of one are not counted again."""
        details = ("crash at ", "second fault", "failover that")
        kinds = (
            kind
            for kind in self.faults
            if kind == "crash at a point" or not kind.startswith(details)
        )
        return sum(self.faults[kind] for kind in kinds)


def play(seeds: Iterable[int]) -> Played:
    """Play seeds; a failure is noted with its seed, and the next one is played."""
    played = Played()
    for seed in seeds:
        played.seeds += 1
        try:
            result = run_seed(seed)
        except Violation as found:
            played.failed.append(f"python -m tests.determinism --seed {seed}: {found}")
            continue
        played.steps += result.steps
        played.verdicts[result.verdict] += 1
        played.faults += result.faults
        played.checks += result.checks
        played.seeds_with.update({**result.faults, **result.outcomes}.keys())
    return played


def lacking(played: Played, *, times: float = 1.0) -> dict[str, tuple[int, float]]:
    """Name what happened in too few seeds: how many it was, and how many are wanted."""
    wanted = {what: share * times * played.seeds for what, share in {**FAULTS, **OUTCOMES}.items()}
    return {
        what: (played.seeds_with[what], least)
        for what, least in wanted.items()
        if played.seeds_with[what] < least
    }


def tell(played: Played) -> None:
    """Record the figures of a run."""
    found = "; ".join(played.failed)
    record("simulation: seeds", played.seeds, unit="seeds", found=found)
    record("simulation: steps", played.steps, unit="steps")
    record("simulation: faults", played.total_faults, unit="faults")
    for kind, count in sorted(played.faults.items()):
        record(f"simulation: fault {kind}", count, unit="times")
    record("simulation: checks", sum(played.checks.values()), unit="checks")

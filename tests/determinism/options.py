"""What a seed stands for: the size of the world and how often each kind of fault strikes.

Each kind is on in about a third of the seeds (a fault that never rests hides what happens without
it), and each seed's options are printed, so that a failure can be told in a line.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from random import Random

STEPS = 500

# Kind of fault: how often it strikes where it can, in seeds where it is on.
RATES: dict[str, tuple[float, ...]] = {
    "request dropped": (0.05, 0.2),
    "answer dropped": (0.05, 0.2),
    "message doubled": (0.05, 0.3),
    "message delayed": (0.1, 0.4),
    "node cut off": (0.002, 0.01),
    "database away": (0.003, 0.02),
    "connection lost": (0.01, 0.05),
    "answer lost, committed": (0.03, 0.15),
    "answer lost, rolled back": (0.03, 0.15),
    "answer lost, decided later": (0.03, 0.15),
    "database restarted": (0.002, 0.008),
    "node killed": (0.003, 0.01),
    "crash at a point": (0.003, 0.02),
    "power cut": (0.001, 0.005),
    "clock jumps": (0.005, 0.03),
    "disk error": (0.01, 0.08),
    "vault error": (0.02, 0.1),
    "new term": (0.003, 0.01),
    "failover": (0.003, 0.01),
    "standby cut off": (0.003, 0.01),
}
STANDBY = ("failover", "standby cut off")
DISASTERS = ("restore", "flip")
_DISASTER = 0.16
# How many of the kinds are on: few faults let the races of sound nodes come out.
_ON = (0.1, 0.3, 0.6)


@dataclass(frozen=True)
class Options:
    """Everything that a seed decides before the first step."""

    seed: int
    database: str
    base: str
    nodes: int
    clients: int
    batch_max: int
    outstanding: int
    items: int
    read_pause: float
    skew_s: tuple[float, ...]
    second_fault: float
    disaster: str | None
    disaster_at: int
    rates: dict[str, float] = field(default_factory=dict)

    def shown(self) -> str:
        """Write every option on a line of its own."""
        plain = [one.name for one in fields(self) if one.name != "rates"]
        lines = [f"{name:>12} = {getattr(self, name)!r}" for name in plain]
        return "\n".join([*lines, *(f"{rate:>12} : {kind}" for kind, rate in self.rates.items())])


def expand(seed: int) -> Options:
    """Throw the options of a seed."""
    dice = dice_of(seed, "options")
    nodes = dice.choice((1, 2, 2, 3, 3))
    disaster = dice.choice(DISASTERS) if dice.random() < _DISASTER else None
    database = dice.choice(("server", "server", "file"))
    density = dice.choice(_ON)
    kinds = [kind for kind in RATES if dice.random() < density]
    return Options(
        seed=seed,
        database=database,
        base="large" if dice.random() < 0.15 else "small",
        nodes=nodes,
        clients=dice.randint(1, 5),
        batch_max=dice.choice((1, 2, 4, 8)),
        outstanding=dice.randint(1, 4),
        items=dice.choice((2, 4, 12)),
        read_pause=dice.choice((0.0, 0.02, 0.1)),
        skew_s=tuple(round(dice.uniform(-240, 240), 3) for _ in range(nodes)),
        second_fault=dice.choice((1.0, 3.0, 10.0)),
        disaster=disaster,
        disaster_at=dice.randint(100, 350),
        rates={
            kind: dice.choice(RATES[kind])
            for kind in kinds
            # A file has no standby.
            if database == "server" or kind not in STANDBY
        },
    )


def dice_of(seed: int, component: str) -> Random:
    """Dice for one component: what one throws does not change what another one gets."""
    return Random(f"{seed}/{component}")  # noqa: S311 - not a secret: a seed to be repeated

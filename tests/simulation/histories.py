"""The state machine that both kinds of history share: sending, time, batches, replays, cancelling.

A rule composes one command, mostly one that should be accepted; a *twist* spoils it on purpose. A
command is sent at once, or held back and sent in a batch, where it may be chained to the one
before it (`after`). The model says what must come of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.rules.commands import Command, Signer
from ledger.rules.compose import Context, Draft, Sealing, compose, uuid7
from ledger.signer import LocalSigner
from ledger.submission import Submission
from tests.simulation.checks import check_history
from tests.simulation.market import EVERYBODY, PEOPLE, Market, Sent
from tests.simulation.oracle import canonical, tagged

seeds = st.integers(0, 2**32 - 1)

Open = Callable[[], AbstractContextManager[Market]]
Place = tuple[str, str] | tuple[str, str, str]  # party, role, and its key's name if not the best

HOUR_US = 3_600_000_000
BATCH, BUSY = 5, 6
META = {"cancel", "regret", "replay", "conflict"}
SPOILT, HELD_BACK, CHAINED, ASTRAY = 0.15, 0.25, 0.7, 0.12
OTHER_DIGEST = "0" * 64
SPOILING = (
    *("stale", "unexpected", "after", "stale-after", "forged", "short", "closed", "cooling"),
    *("late", "early", "long", "backwards", "log", "policy", "seen", "other-seen"),
    *("by", "kind", "role", "twin", "sealed", "revoked", "surplus"),
)


@dataclass(frozen=True, slots=True)
class How:
    """How a command is sent: spoilt by a twist, held back for a batch, chained in it."""

    twist: str | None
    hold: bool
    chain: bool


def some_how(dice: Random) -> How:
    """Throw how a command is sent; most are sound."""
    twist = dice.choice(SPOILING) if dice.random() < SPOILT else None
    return How(twist, hold=dice.random() < HELD_BACK, chain=dice.random() < CHAINED)


def pick(dice: Random, fitting: Iterable[str], every: Sequence[str]) -> str:
    """Pick one that fits, if there is one; now and then any."""
    among = sorted(fitting)
    return dice.choice(among if among and dice.random() > ASTRAY else every)


def listed(names: str | Sequence[str]) -> Sequence[str]:
    """Return names as a list, one or several."""
    return (names,) if isinstance(names, str) else names


class Histories(RuleBasedStateMachine):
    """Everything but the commands of one kind of history."""

    # The methods that each send a command; a name that stands there twice comes up twice as often.
    actions: ClassVar[tuple[str, ...]]
    busyness: ClassVar[int] = BUSY

    def __init__(self, open_market: Open) -> None:
        """Open the market that the history begins with."""
        super().__init__()
        self.stack = ExitStack()
        self.market = self.stack.enter_context(open_market())
        self.world, self.model = self.market.world, self.market.model
        self.rings: dict[str, list[str]] = {party: [party] for party in PEOPLE}
        for later in ("operator/2", "ann/2"):
            self.rings[later.partition("/")[0]].append(later)
        self.queue: list[tuple[Command, Sent]] = []
        self.made: list[Command] = []
        self.sound, self.regretting = True, False

    # Keys

    def key_of(self, party: str, *, twist: str | None = None) -> str:
        """Name a key for a party: a good one, or on purpose one that cools down or is revoked."""
        ring = self.rings.setdefault(party, [party])
        known = self.model.parties.get(party, {"keys": {}})["keys"]
        at = max(self.world.clock.now(), self.model.at)

        def fits(name: str) -> bool:
            key = known.get(self.world.key(name).key_id)
            if key is None or twist == "revoked":
                return key is not None and bool(key["revoked"])
            return not key["revoked"] and (key["ready"] > at) == (twist == "cooling")

        return next(filter(fits, ring), ring[0])

    def new_key(self, party: str) -> str:
        """Name a key that nobody has yet."""
        ring = self.rings.setdefault(party, [])
        ring.append(f"{party}/{len(ring) + 1}" if ring else party)
        return ring[-1]

    def body_key(self, name: str) -> dict[str, str]:
        return self.world.key(name).key()

    # Composing

    @staticmethod
    def who(dice: Random, right: str) -> str:
        """Name who signs: whoever it should be, now and then anybody."""
        return pick(dice, [right], EVERYBODY)

    def act(  # noqa: PLR0913 - the parts of a command
        self,
        dice: Random,
        kind: str,
        places: Iterable[Place],
        body: dict[str, Any],
        *,
        expects: str | Sequence[str] = (),
        seal: str | Sequence[str] = (),
        command_id: str | None = None,
    ) -> None:
        """Compose and sign one command, spoilt by the twist, and send it or hold it back."""
        how = some_how(dice)
        if self.regretting:
            how = How(None, hold=True, chain=False)
        twist = how.twist
        signers = [self.place(place, twist) for place in places]
        if twist == "role":
            signers[-1] = signers[-1]._replace(role="guest")
        if twist == "twin":
            signers = [signer._replace(key=signers[0].key) for signer in signers]
        by = "eve" if twist == "by" else signers[0].party
        seals, streams = listed(seal), listed(expects)
        sealing = self.sealing(seals, by) if bool(seals) != (twist == "sealed") else ()
        expect, after = self.expectations(streams, how)
        draft = Draft(
            kind if twist != "kind" else "give-item/1",
            by,
            signers,
            body,
            expect,
            after,
            sealing,
            self.seen(twist),
        )
        context = self.context(twist)
        identifier = command_id or uuid7(context.at, self.world.dice(10))
        command = compose(context, identifier, draft)
        self.made.append(command)
        self.hand_in(command, self.sign(command, sealing, twist), how)

    def place(self, place: Place, twist: str | None) -> Signer:
        party, role, *key = place
        return self.world.signs(party, role, key=key[0] if key else self.key_of(party, twist=twist))

    def sealing(self, names: Sequence[str], subject: str) -> tuple[Sealing, ...]:
        return tuple(
            Sealing(name, subject, self.world.dice(32), "a sword") for name in names or ("secret",)
        )

    def expectations(
        self, streams: Sequence[str], how: How
    ) -> tuple[dict[str, str | None], dict[str, str]]:
        """Say what the signer expects of every stream; a twist spoils the last of them."""
        expect: dict[str, str | None] = {}
        after: dict[str, str] = {}
        for stream in streams:
            sound = replace(how, twist=None if stream != streams[-1] else how.twist)
            leaf, command = self.expectation(stream, sound)
            expect |= leaf
            after |= command
        if how.twist == "surplus":
            expect |= {"log": self.model.heads["log"]["leaf"]}
        return expect, after

    def expectation(self, stream: str, how: How) -> tuple[dict[str, str | None], dict[str, str]]:
        """Say what the signer expects of a stream: by its leaf, or by the command that wrote it."""
        if how.twist == "unexpected":
            return {}, {}
        held = [command for command, _ in self.queue if stream in self.streams_of(command)]
        if how.hold and how.chain and held:
            return {}, {stream: held[-1].digest}
        head = self.model.heads.get(stream, {"leaf": None, "command": OTHER_DIGEST})
        if how.twist == "after":
            return {}, {stream: head["command"]}
        if how.twist == "stale-after":
            return {}, {stream: OTHER_DIGEST}
        return {stream: OTHER_DIGEST if how.twist == "stale" else head["leaf"]}, {}

    @staticmethod
    def streams_of(command: Command) -> set[str]:
        return {one["stream"] for one in command.document["expect"]}

    def context(self, twist: str | None) -> Context:
        now = self.world.clock.now()
        at = now + HOUR_US if twist == "early" else now
        lives = {"long": 24 * HOUR_US + 1, "late": HOUR_US, "backwards": -1}
        signed = at - 2 * HOUR_US if twist == "late" else at
        return Context(
            "yinzheng.test/other" if twist == "log" else self.world.origin,
            OTHER_DIGEST if twist == "policy" else tagged("policy", canonical(self.model.policy)),
            signed,
            signed + lives.get(twist or "", HOUR_US),
        )

    def seen(self, twist: str | None) -> dict[str, Any] | None:
        if twist == "seen" and self.model.published:
            size, root = max(self.model.published.items())
            return {"root": root, "size": size}
        return {"root": OTHER_DIGEST, "size": 3} if twist == "other-seen" else None

    def sign(self, command: Command, sealing: tuple[Sealing, ...], twist: str | None) -> Sent:
        """Sign as the command says, or wrongly; say which answer a wrong signature must get."""
        keys = [self.world.key(name) for names in self.rings.values() for name in names]
        ring: dict[str, LocalSigner] = {key.key_id: key for key in keys}
        signers = [ring[one.key] for one in command.signers]
        flaw = None
        if twist == "forged":
            signers[-1], flaw = self.world.key("forger"), "signature-invalid"
        sent = self.world.sign(command, *signers, seal=sealing)
        if twist == "short":
            sent, flaw = replace(sent, sigs=sent.sigs[:-1]), "signature-count"
        if twist == "closed" and sealing:
            sent, flaw = replace(sent, disclosures=()), "disclosure-invalid"
        return Sent(command.raw, sent, flaw)

    def hand_in(self, command: Command, sent: Sent, how: How) -> None:
        self.queue.append((command, sent))
        if len(self.queue) == BATCH or not how.hold:
            self.send_held()

    def send(self, batch: list[Sent]) -> None:
        """Send a batch a second later and compare."""
        self.sound = False
        self.world.clock.advance(1_000_000)
        self.market.deliver(batch)
        self.sound = True

    # What happens in every history

    def send_held(self) -> None:
        """Send everything that was held back, as one batch."""
        batch, self.queue = [sent for _, sent in self.queue], []
        if batch:
            self.send(batch)

    @rule(name=st.runner().flatmap(lambda machine: st.sampled_from(machine.actions)), seed=seeds)
    def command(self, name: str, seed: int) -> None:
        """Send one command."""
        # Hypothesis likes to repeat a seed; the same seed need not mean the same again.
        getattr(self, name)(Random(f"{seed} {len(self.made)}"))  # noqa: S311

    @rule(seed=seeds)
    def busy(self, seed: int) -> None:
        """Send some commands of any kind."""
        dice = Random(f"{seed} {len(self.made)}")  # noqa: S311
        for name in dice.choices(self.actions, k=self.busyness):
            getattr(self, name)(dice)
            self.world.clock.advance(dice.choice((0, 0, 0, 1, HOUR_US)))

    @rule(seconds=st.sampled_from((1, 1, 60, 299, 3599, 3600, 3600, 86_400)))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.world.clock.advance(seconds * 1_000_000)

    @rule(project=st.booleans())
    def pause(self, project: bool) -> None:  # noqa: FBT001
        """Publish a checkpoint, or let the views catch up: they are folded in pieces."""
        if project:
            self.market.runner.catch_up()
        else:
            self.market.publish()

    def replay(self, dice: Random) -> None:
        """Send the same bytes again: recorded ones are answered, refused ones decided anew."""
        if self.market.sent:
            self.send(dice.choices(self.market.sent, k=dice.randint(1, 3)))

    def conflict(self, dice: Random) -> None:
        """Send other bytes under an id that was used, or would have been."""
        if self.made:
            command = dice.choice(self.made)
            document = command.document | {"seen": {"root": OTHER_DIGEST, "size": 1}}
            again = Submission(canonical(document), ("",) * len(command.signers))
            self.send([Sent(again.command, again, "signature-invalid")])

    def cancel(self, dice: Random) -> None:
        """Cancel a command that is not in the log, or is."""
        if self.made:
            target = dice.choice([command for command, _ in self.queue] or self.made[-9:])
            self.call_off(dice, target)

    def regret(self, dice: Random) -> None:
        """Compose some command, cancel it before it is sent, and send it all the same."""
        self.send_held()
        self.regretting = True
        getattr(self, dice.choice([name for name in self.actions if name not in META]))(dice)
        self.regretting = False
        for target, sent in self.queue[:1]:
            self.queue.clear()
            self.call_off(dice, target)
            self.send_held()
            self.send([sent])

    def call_off(self, dice: Random, target: Command) -> None:
        place = (self.who(dice, dice.choice(target.signers).party), "signer")
        self.act(dice, "cancel-command/1", [place], {"command": target.document})

    @invariant()
    def one_owner_each(self) -> None:
        self.market.check_owners()

    def teardown(self) -> None:
        """Check everything, unless the history has failed already."""
        with self.stack:
            for answer in self.market.answers:
                event(answer)
            if self.sound:
                check_history(self.market)

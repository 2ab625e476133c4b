"""Random histories of parties: registered, their keys added, revoked, recovered, their roles."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from tests.simulation.histories import OTHER_DIGEST, Histories, pick
from tests.simulation.market import EVERYBODY, IMPORTED
from tests.simulation.oracle import canonical, key_id, stream_of, tagged, text
from tests.simulation.running import run_histories
from tests.terms import terms

NEWCOMERS = ("nora", "paul", "unknown", "bob")
GRANTED = (
    *("arbitrator", "cashier", "freezer", "importer", "officer", "registrar", "reviewer", "root"),
)
DAY_US = 86_400_000_000
DELAYS = ("claim_cool_down_s", "key_change_delay_s", "key_cool_down_s")


class PartyHistories(Histories):
    """Commands about parties, keys and roles, and transfers signed with those keys."""

    actions: ClassVar[tuple[str, ...]] = (
        *("register", "add_key", "add_key", "revoke", "revoke", "revoke", "recover", "object"),
        *("complete", "complete", "complete", "grant", "grant", "withdraw", "open_namespace"),
        *("publish_policy", "claim", "transfer", "transfer", "cancel", "regret", "replay"),
        *("conflict", "fresh_key", "fresh_key", "give_up", "regret", "publish_terms"),
    )

    def some_party(self, dice: Random) -> str:
        """Name a party; mostly one of few, so that much happens to it."""
        return pick(dice, [*("ann", "bob", "operator", "system"), *self.claimed()], EVERYBODY)

    def holding(self, role: str) -> list[str]:
        return [name for name, one in self.model.parties.items() if role in one["roles"]]

    def claimed(self) -> list[str]:
        return [name for name in IMPORTED if name in self.model.parties]

    def waiting(self, dice: Random) -> tuple[str, dict[str, Any]]:
        """Name a party and a change that waits, if one does."""
        changing = [name for name, one in self.model.parties.items() if one["change"]]
        party = pick(dice, changing, EVERYBODY)
        change = self.model.parties.get(party, {"change": None})["change"]
        return party, change or {"digest": OTHER_DIGEST, "due": self.model.at, "with": None}

    def some_key(self, dice: Random, party: str) -> str:
        """Name any key of a party, revoked or not."""
        return dice.choice(self.rings.setdefault(party, [party]))

    def register(self, dice: Random) -> None:
        party = dice.choice(NEWCOMERS)
        key = self.new_key(party) if dice.random() < 0.9 else "ann"
        body = {"class": "member", "key": self.body_key(key), "party": party}
        places = [(party, "party", key), (self.who(dice, "operator"), "registrar")]
        self.act(dice, "register-party/1", places[: dice.choice((1, 2, 2, 2))], body)

    def add_key(self, dice: Random) -> None:
        self.add_to(dice, self.some_party(dice))

    def add_to(self, dice: Random, party: str) -> None:
        key = self.new_key(party) if dice.random() < 0.9 else self.some_key(dice, party)
        body = {"key": self.body_key(key), "party": party}
        places = [(self.who(dice, party), "party"), (party, "new", key)]
        self.act(dice, "add-key/1", places, body, expects=stream_of(party))

    def revoke(self, dice: Random) -> None:
        """Revoke one of a party's keys: with itself, or with another one."""
        party = self.some_party(dice)
        key, by = self.some_key(dice, party), self.some_key(dice, party)
        body = {"key": self.world.key(key).key_id, "party": party}
        place = (party, "party", dice.choice((key, by)))
        self.act(dice, "revoke-key/1", [place], body, expects=stream_of(party))

    def recover(self, dice: Random) -> None:
        # An officer cannot help itself.
        party = self.some_party(dice) if dice.random() < 0.8 else "otto"
        key = self.new_key(party)
        body = {"key": self.body_key(key), "party": party}
        officers = [(self.who(dice, name), "officer") for name in ("otto", "olga")]
        self.act(dice, "recover-party/1", [(party, "new", key), *officers], body)

    def object(self, dice: Random) -> None:
        """Object with some key, among them the one that asked and the one that is to go."""
        party, change = self.waiting(dice)
        body = {"change": change["digest"], "party": party}
        place = (self.who(dice, party), "party", self.some_key(dice, party))
        self.act(dice, "object-key-change/1", [place], body)

    def complete(self, dice: Random) -> None:
        """Fire the timer of a change, mostly when it is due."""
        party, change = self.waiting(dice)
        if dice.random() < 0.9:
            # What is sent is sent a second later: when it is due, or a microsecond before.
            moment = change["due"] - 1_000_000 - dice.choice((0, 0, 1))
            self.world.clock.advance(max(0, moment - self.world.clock.now()))
        due = text(change["due"] + dice.choice((0, 0, 0, 0, 1)))
        rule = dice.choice(("key-change",) * 5 + ("other-rule",))
        body = {"change": change["digest"], "due": due, "party": party}
        timer = tagged("timer", canonical([stream_of(party), rule, due]))
        place = (self.who(dice, "system"), "system")
        self.act(dice, "complete-key-change/1", [place], body, command_id=timer)

    def grant(self, dice: Random) -> None:
        party, role = self.some_party(dice), dice.choice(GRANTED)
        root = pick(dice, self.holding("root"), EVERYBODY)
        places = [(root, "root"), (self.who(dice, party), "grantee")]
        if party == root == "operator":
            places = [("operator", "root", "operator"), ("operator", "grantee", "operator/2")]
        if dice.random() < 0.7:
            places.append((dice.choice(("eve", "eve", "ann", "system", "operator")), "second"))
        self.act(dice, "grant-role/1", places, {"party": party, "role": role})

    def withdraw(self, dice: Random) -> None:
        held = [name for name, party in self.model.parties.items() if party["roles"]]
        party = pick(dice, held, EVERYBODY)
        roles = self.model.parties.get(party, {"roles": ()})["roles"]
        body = {"party": party, "role": pick(dice, set(roles) & set(GRANTED), GRANTED)}
        place = (pick(dice, self.holding("root"), EVERYBODY), "root")
        self.act(dice, "withdraw-role/1", [place], body)

    def open_namespace(self, dice: Random) -> None:
        name = dice.choice(("cards", "songs", "games"))
        places = [(self.who(dice, "operator"), "root"), (self.some_party(dice), "owner")]
        if places[1][0] == "operator":
            places[1] = ("shop", "owner")
        body = {"namespace": name}
        self.act(dice, "open-namespace/1", places, body, expects=f"namespace/{name}")

    def publish_policy(self, dice: Random) -> None:
        """Change a delay or who may register, or nothing."""
        changed = dice.choice(
            ({dice.choice(DELAYS): dice.choice((0, 60, 3600))}, {"registration": "open"}, {})
        )
        present = tagged("policy", canonical(self.model.policy))
        replaces = present if dice.random() < 0.9 else OTHER_DIGEST
        body = {"policy": {**self.model.policy, **changed}, "replaces": replaces}
        self.act(dice, "publish-policy/1", [(self.who(dice, "operator"), "root")], body)

    def publish_terms(self, dice: Random) -> None:
        """Publish a trade policy: at its earliest moment, a microsecond before, or far too late."""
        known, now = self.model.terms, max(self.world.clock.now(), self.model.at)
        if known and dice.random() < 0.5:
            # What is sent is sent a second later: when the one that waits takes effect, or before.
            moment = known[-1][1] - 1_000_000 - dice.choice((0, 1))
            self.world.clock.advance(max(0, moment - now))
        now = max(self.world.clock.now() + 1_000_000, self.model.at)
        running = [one for one in known if one[1] <= now]
        present, _, days = running[-1] if running else (None, 0, 7)
        since = now + dice.choice((days * DAY_US, days * DAY_US - 1, 730 * DAY_US, 731 * DAY_US))
        name = dice.choice(("a", "b", "c"))
        body = {
            "effective_at": text(since) if running or dice.random() < 0.1 else None,
            "policy": terms(id=name, notice_days=dice.choice((7, 8, 30))),
            "replaces": present if dice.random() < 0.9 else OTHER_DIGEST,
        }
        place = (self.who(dice, "operator"), "root")
        self.act(dice, "publish-trade-policy/1", [place], body, expects="policy/trade")

    def claim(self, dice: Random) -> None:
        """Bind an imported party, or one that is none, to a key by two officers."""
        party = pick(dice, IMPORTED, EVERYBODY)
        key = self.new_key(party)
        body = {"key": self.body_key(key), "party": party}
        officers = [(self.who(dice, name), "officer") for name in ("otto", "olga")]
        self.act(dice, "claim-imported-party/1", [(party, "claimant", key), *officers], body)

    def give_up(self, dice: Random) -> None:
        """Let a founder revoke one key by another, and then the other by itself."""
        party = dice.choice(("operator", "system"))
        keys = self.model.parties[party]["keys"]
        valid = [
            name
            for name in self.rings.setdefault(party, [party])
            if not keys.get(self.world.key(name).key_id, {"revoked": True})["revoked"]
        ]
        if len(valid) < 2:
            return self.add_to(dice, party)
        change = self.model.parties[party]["change"]
        going = change["revokes"] if change else self.world.key(valid[-1]).key_id
        by = next(name for name in valid if self.world.key(name).key_id != going)
        body = {"key": self.world.key(by).key_id if change else going, "party": party}
        place = (party, "party", by)
        return self.act(dice, "revoke-key/1", [place], body, expects=stream_of(party))

    def fresh_key(self, dice: Random) -> None:
        """Move an item with a key that cools down, at the very moment when it may, or before."""
        item = dice.choice(sorted(self.model.items))
        owner = self.model.items[item]["owner"]
        keys = self.model.parties.get(owner, {"keys": {}})["keys"]
        now = self.world.clock.now()
        cooling = [name for name in self.rings.get(owner, ()) if self.ready(keys, name) > now]
        if cooling:
            key = dice.choice(cooling)
            # What is sent is sent a second later.
            moment = self.ready(keys, key) - 1_000_000 - dice.choice((0, 1))
            self.world.clock.advance(max(0, moment - now))
            places = [(owner, "owner", key), ("eve", "recipient")]
            body = {"item": item, "price": None}
            self.act(dice, "transfer-item/1", places, body, expects=f"item/{item}")
        else:
            self.add_to(dice, owner)

    def ready(self, keys: dict[str, Any], name: str) -> int:
        key = keys.get(self.world.key(name).key_id, {"ready": 0, "revoked": True})
        return 0 if key["revoked"] else int(key["ready"])

    def transfer(self, dice: Random) -> None:
        """Move an item with any of its owner's keys: a good one, a new one, a revoked one."""
        item = dice.choice(sorted(self.model.items))
        owner = self.model.items[item]["owner"]
        key = self.some_key(dice, owner) if dice.random() < 0.5 else self.key_of(owner)
        to = dice.choice(("ann", "bob", "eve"))
        places = [(owner, "owner", key), (to, "recipient", self.some_key(dice, to))]
        body = {"item": item, "price": None}
        self.act(dice, "transfer-item/1", places, body, expects=f"item/{item}")


def test_random_histories_of_parties_leave_no_key_or_role_that_should_not_work(
    template: Any,
) -> None:
    run_histories(partial(PartyHistories, template.copy), share=50)


def test_histories_of_parties_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(PartyHistories, fresh_market), share=3)


def test_the_model_knows_a_key_by_the_id_that_the_ledger_gives_it(template: Any) -> None:
    with template.copy() as market:
        for name in ("ann", "bob"):
            key = market.world.key(name)
            assert key_id(key.key()) == key.key_id

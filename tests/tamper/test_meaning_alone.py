"""The invariants hold against a mistake in the rules themselves.

Writer and verifier share `ledger.rules`: what those let pass, both let pass. Here a rule says yes
to everything, in memory, and the invariants of `ledger.proof.meaning`, which are other code, must
still find it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.known import Known
from ledger.proof.replay import Replay
from ledger.rules import derive, kinds, parties
from ledger.rules.compose import Draft, Sealing
from ledger.rules.model import Fact, Given
from ledger.rules.text import format_time
from tests.js.exports import Forger
from tests.tamper.chargeback_cases import CHARGEBACK_CASES
from tests.tamper.code_cases import CODE_CASES
from tests.tamper.credit_cases import CREDIT_CASES
from tests.tamper.deposit_cases import DEPOSIT_CASES
from tests.tamper.duplicate_cases import DUPLICATE_CASES
from tests.tamper.escrow_cases import ESCROW_CASES
from tests.tamper.label_cases import LABEL_CASES
from tests.tamper.market import SIZE, Market
from tests.tamper.operator import forger
from tests.tamper.order_cases import ORDER_CASES
from tests.tamper.recourse_cases import RECOURSE_CASES
from tests.tamper.trade_cases import TRADE_CASES
from tests.terms import terms
from tests.worlds import World

Step = tuple[Draft, list[Fact]]
RELIC = "item/old/relic"


def move(world: World, owner: str, to: str, *, said: str | None = None, key: str = "") -> Step:
    """Move the relic, which is anna's; `said` is who the entry says held it."""
    places = [world.signs(owner, "owner", key=key or None), world.signs(to, "recipient")]
    body = {"item": "old/relic", "price": None}
    facts = [Fact(RELIC, "item-transferred/1", {"from": said or owner, "to": to})]
    return Draft("transfer-item/1", owner, places, body), facts


def anna_moves(world: World) -> Step:
    return move(world, "anna", "carl", key="anna-phone")


def freezing(world: World, verb: str, ground: str, *, by: str = "fred") -> Step:
    seal = [Sealing("reason", by, world.dice(32), "said so")]
    body = {"ground": ground, "item": "old/relic"}
    draft = Draft(f"{verb}-item/1", by, [world.signs(by, "freezer")], body, seal=seal)
    done = {"freeze": "item-frozen/1", "unfreeze": "item-unfrozen/1"}[verb]
    return draft, [Fact(RELIC, done, {})]


def freeze(world: World, *, by: str = "fred") -> Step:
    return freezing(world, "freeze", "in-dispute", by=by)


def offer(world: World, owner: str, *, key: str | None = None) -> Step:
    until = "2099-01-01T00:00:00.000000Z"
    body = {"item": "old/relic", "price": None, "to": "dora", "until": until}
    places = [world.signs(owner, "owner", key=key)]
    facts = [Fact(RELIC, "transfer-offered/1", {"from": owner})]
    return Draft("offer-transfer/1", owner, places, body), facts


def accept(world: World, party: str) -> Step:
    body = {"item": "old/relic", "offer": "0" * 64}
    facts = [Fact(RELIC, "item-transferred/1", {"from": "anna", "to": party})]
    return Draft("accept-transfer/1", party, [world.signs(party, "recipient")], body), facts


def withdraw(world: World) -> Step:
    body = {"item": "old/relic", "offer": "0" * 64}
    places = [world.signs("anna", "owner", key="anna-phone")]
    return Draft("withdraw-offer/1", "anna", places, body), [Fact(RELIC, "offer-ended/1", {})]


def register_item(world: World, item: str, owner: str) -> Step:
    seal = [Sealing("name", owner, world.dice(32), "copy")]
    body = {"class": "other", "item": item}
    facts = [Fact(f"item/{item}", "item-registered/1", {"owner": owner})]
    return Draft("register-item/1", owner, [world.signs(owner, "owner")], body, seal=seal), facts


def register_party(world: World, party: str, key: str) -> Step:
    body = {"class": "member", "key": world.key(key).key(), "party": party}
    places = [world.signs(party, "party", key=key)]
    facts = [Fact(f"party/{party}", "party-registered/1", {})]
    return Draft("register-party/1", party, places, body), facts


def open_namespace(world: World) -> Step:
    places = [world.signs("operator", "root"), world.signs("carl", "owner")]
    facts = [Fact("namespace/cards", "namespace-opened/1", {"owner": "carl"})]
    return Draft("open-namespace/1", "operator", places, {"namespace": "cards"}), facts


def sale(world: World, item: str, importer: str = "shop") -> Step:
    draft = replace(
        world.import_draft(item, seller="e", buyer="f"),
        by=importer,
        signers=[world.signs(importer, "importer")],
    )
    stream = f"item/{item}"
    return draft, [
        Fact(stream, "sale-presented/1", {"identity": "0" * 64}),
        Fact(stream, "sale-imported/1", {"from": "unknown", "to": "imported/old/f"}),
    ]


def grant_importer(world: World) -> Step:
    places = [world.signs("operator", "root"), world.signs("carl", "grantee")]
    facts = [Fact("party/carl", "role-granted/1", {"single_handed": True})]
    body = {"party": "carl", "role": "importer"}
    return Draft("grant-role/1", "operator", places, body), facts


def publish_terms(world: World) -> Step:
    """The log's second trade policy waits for its day, and here is a third."""
    effective_at = format_time(world.clock.now() + 30 * 86_400_000_000)
    body = {"effective_at": effective_at, "policy": terms(id="c"), "replaces": "0" * 64}
    draft = Draft("publish-trade-policy/1", "operator", [world.signs("operator", "root")], body)
    return draft, [Fact("policy/trade", "trade-policy-published/1", {})]


def withdraw_role(world: World) -> Step:
    body = {"party": "fred", "role": "freezer"}
    places = [world.signs("operator", "root")]
    facts = [Fact("party/fred", "role-withdrawn/1", {})]
    return Draft("withdraw-role/1", "operator", places, body), facts


def revoke_dora(world: World) -> Step:
    body = {"key": world.key("dora").key_id, "party": "dora"}
    facts = [Fact("party/dora", "key-revoked/1", {})]
    return Draft("revoke-key/1", "dora", [world.signs("dora", "party")], body), facts


CASES: dict[str, tuple[str, list[Callable[[World], Step]]]] = {
    "a key that its party revoked by a waiting change": (
        "keys",
        [lambda w: move(w, "anna", "carl")],
    ),
    "a key that revoked itself": ("keys", [revoke_dora, lambda w: move(w, "dora", "carl")]),
    "a key registered for two parties": ("keys", [lambda w: register_party(w, "eve", "carl")]),
    "a revoked key registered again": ("keys", [lambda w: register_party(w, "eve", "bob")]),
    "a role that was never granted": ("roles", [lambda w: freeze(w, by="carl")]),
    "a role that was withdrawn": ("roles", [withdraw_role, freeze]),
    "an owner who did not sign": ("owner", [lambda w: move(w, "carl", "dora", said="anna")]),
    "an item that left another hand": ("owner", [lambda w: move(w, "carl", "dora")]),
    "a recipient who did not sign": (
        "owner",
        [
            lambda w: (
                anna_moves(w)[0],
                [Fact(RELIC, "item-transferred/1", {"from": "anna", "to": "dora"})],
            )
        ],
    ),
    "an offer by who does not own": ("owner", [lambda w: offer(w, "carl")]),
    "an offer taken by another": (
        "owner",
        [lambda w: offer(w, "anna", key="anna-phone"), lambda w: accept(w, "carl")],
    ),
    "an offer taken after it ended": (
        "owner",
        [lambda w: offer(w, "anna", key="anna-phone"), withdraw, lambda w: accept(w, "dora")],
    ),
    "an offer taken twice": (
        "owner",
        [
            lambda w: offer(w, "anna", key="anna-phone"),
            lambda w: accept(w, "dora"),
            lambda w: accept(w, "dora"),
        ],
    ),
    "an offer that a freeze ended": (
        "owner",
        [
            lambda w: offer(w, "anna", key="anna-phone"),
            freeze,
            lambda w: freezing(w, "unfreeze", "dispute-ended"),
            lambda w: accept(w, "dora"),
        ],
    ),
    "an item registered twice": ("owner", [lambda w: register_item(w, "old/relic", "shop")]),
    "an item in a namespace of another": (
        "owner",
        [lambda w: register_item(w, "cards/new", "carl")],
    ),
    "a frozen item that moves": ("frozen", [freeze, anna_moves]),
    "a frozen item on offer": (
        "frozen",
        [freeze, lambda w: offer(w, "anna", key="anna-phone")],
    ),
    "an item frozen twice": ("frozen", [freeze, freeze]),
    "an item unfrozen that was not frozen": (
        "frozen",
        [lambda w: freezing(w, "unfreeze", "dispute-ended")],
    ),
    "a namespace opened twice": ("imports", [open_namespace]),
    "an import into a namespace of another": (
        "owner",
        [grant_importer, lambda w: sale(w, "old/new", importer="carl")],
    ),
    "a trade policy while another one waits": ("policy", [publish_terms]),
    "an import of a signed item": ("imports", [lambda w: sale(w, "old/relic")]),
    **TRADE_CASES,
    **ORDER_CASES,
    **ESCROW_CASES,
    **LABEL_CASES,
    **DEPOSIT_CASES,
    **DUPLICATE_CASES,
    **CHARGEBACK_CASES,
    **RECOURSE_CASES,
    **CREDIT_CASES,
    **CODE_CASES,
}


def say_yes(monkeypatch: pytest.MonkeyPatch, facts: dict[str, list[Fact]]) -> None:
    """Let every rule about items, keys and roles pass, and follow whatever it is told."""

    def yes(kind: str) -> Callable[[Given], list[Fact]]:
        return lambda _given: facts[kind]

    changed = {
        name: replace(
            kind,
            derive=yes(name),
            before_expect=lambda _given: None,
            expects=lambda _command: (),
        )
        for name, kind in kinds.KINDS.items()
    }
    monkeypatch.setattr(kinds, "KINDS", changed)
    monkeypatch.setattr(derive, "_check_signer", lambda *_: None)
    monkeypatch.setattr(parties, "check_fresh_key", lambda *_: None)


@pytest.fixture
def replay(the_market: Market) -> Replay:
    """The whole log, replayed by the rules as they are."""
    replayed = Replay(Known(), log=the_market.world.origin, complete=True)
    for entry in the_market.entries:
        replayed.take(entry.raw, index=entry.index)
    return replayed


@pytest.mark.parametrize("name", CASES)
def test_an_invariant_holds_where_a_rule_fails(
    the_market: Market, replay: Replay, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    invariant, steps = CASES[name]
    world, facts = the_market.world, dict[str, list[Fact]]()
    forging = forger(the_market)
    say_yes(monkeypatch, facts)

    *before, last = steps
    for step in before:
        replay_all(replay, forging, facts, step(world))
    with pytest.raises(Tampered) as caught:
        replay_all(replay, forging, facts, last(world))

    assert (caught.value.step, caught.value.field) == ("meaning", invariant)
    assert caught.value.index == len(replay.view.tree) >= SIZE


def replay_all(replay: Replay, forging: Forger, facts: dict[str, list[Fact]], step: Step) -> None:
    """Seal one command with its facts and replay what was sealed."""
    draft, follows = step
    facts[draft.kind] = follows
    start = len(forging.entries)
    forging.append(forging.world.submission(draft), *follows)
    for index in range(start, len(forging.entries)):
        replay.take(forging.entries[index], index=index)

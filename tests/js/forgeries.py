"""Forgeries that only an operator with every key could publish: signed well, breaking a rule.

Each function appends to a copy of the golden log; `EXPECTED` says at which entry, counted from the
first appended one, the verifiers must find the fault, and in which step ours finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ledger.rules.compose import Context, Draft, Sealing
from ledger.rules.digests import sale_identity
from ledger.rules.model import Fact
from ledger.rules.text import b64decode, b64encode, format_time, time_us
from ledger.submission import Submission
from tests.golden_story import HOUR_US
from tests.js.exports import Forger
from tests.worlds import SECOND_US, World

Forgery = Callable[[Forger, World], None]

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_NEUTRAL = b64encode(b"\x01" + bytes(31))
Expected = dict[str, tuple[Forgery, str, int | None, str | None]]
EXPECTED: Expected = {}


def forgery(
    verdict: str, offset: int | None = None, step: str | None = None, *, among: Expected = EXPECTED
) -> Callable[[Forgery], Forgery]:
    """Register a forgery with the verdict it must get, among those that need the same log."""

    def register(function: Forgery) -> Forgery:
        among[function.__name__] = (function, verdict, offset, step)
        return function

    return register


def _move(world: World, item: str, owner: str, to: str, *, key: str | None = None) -> Draft:
    """A transfer signed by `owner` and `to`, whoever owns the item."""
    places = [world.signs(owner, "owner", key=key), world.signs(to, "recipient")]
    body = {"item": item, "price": None}
    stream = f"item/{item}"
    return Draft("transfer-item/1", owner, places, body, {stream: world.head(stream)})


def _moved(item: str, owner: str, to: str) -> Fact:
    return Fact(f"item/{item}", "item-transferred/1", {"from": owner, "to": to})


def _register(world: World, party: str, key: dict[str, str]) -> Draft:
    body = {"class": "member", "key": key, "party": party}
    return Draft("register-party/1", party, [world.signs(party, "party")], body)


def _registered(party: str) -> Fact:
    return Fact(f"party/{party}", "party-registered/1", {})


@forgery("valid")
def an_honest_transfer(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    forger.append(world.submission(draft), _moved("old/relic", "anna", "carl"))


@forgery("tampered", 0, "rule")
def a_transfer_by_who_does_not_own(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "carl", "dora")
    forger.append(world.submission(draft), _moved("old/relic", "anna", "dora"))


@forgery("tampered", 0, "derive")
def another_recipient_than_who_signed(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    forger.append(world.submission(draft), _moved("old/relic", "anna", "fred"))


@forgery("tampered", 0, "derive")
def a_command_wrapped_in_an_entry_of_another_item(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    forger.append(world.submission(draft), _moved("cards/2", "anna", "carl"))


@forgery("tampered", 0, "rule")
def a_transfer_without_the_recipient(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    alone = replace(draft, signers=draft.signers[:1])
    forger.append(world.submission(alone), _moved("old/relic", "anna", "carl"))


@forgery("tampered", 0, "rule")
def a_signature_by_a_revoked_key(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "anna", "carl")
    forger.append(world.submission(draft), _moved("old/relic", "anna", "carl"))


@forgery("tampered", 1, "rule")
def a_transfer_of_a_frozen_item(forger: Forger, world: World) -> None:
    seal = [Sealing("reason", "anna", world.dice(32), "stolen")]
    body = {"ground": "reported-stolen", "item": "old/relic"}
    freeze = Draft("freeze-item/1", "fred", [world.signs("fred", "freezer")], body, seal=seal)
    frozen = forger.append(world.submission(freeze), ("item/old/relic", "item-frozen/1", {}))
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    after = replace(draft, expect={}, after={"item/old/relic": frozen.digest})
    forger.append(world.submission(after), _moved("old/relic", "anna", "carl"))


@forgery("tampered", 0, "rule")
def a_freeze_by_who_may_not(forger: Forger, world: World) -> None:
    seal = [Sealing("reason", "anna", world.dice(32), "mine")]
    body = {"ground": "in-dispute", "item": "old/relic"}
    freeze = Draft("freeze-item/1", "carl", [world.signs("carl", "freezer")], body, seal=seal)
    forger.append(world.submission(freeze), ("item/old/relic", "item-frozen/1", {}))


@forgery("tampered", 0, "rule")
def a_freeze_without_its_sealed_reason(forger: Forger, world: World) -> None:
    body = {"ground": "in-dispute", "item": "old/relic"}
    freeze = Draft("freeze-item/1", "fred", [world.signs("fred", "freezer")], body)
    forger.append(world.submission(freeze), ("item/old/relic", "item-frozen/1", {}))


@forgery("tampered", 1, "rule")
def a_key_that_is_still_cooling_down(forger: Forger, world: World) -> None:
    body = {"key": world.key("carl-2").key(), "party": "carl"}
    places = [world.signs("carl", "party"), world.signs("carl", "new", key="carl-2")]
    expect = {"party/carl": world.head("party/carl")}
    ready = format_time(forger.at + HOUR_US)
    adding = world.submission(Draft("add-key/1", "carl", places, body, expect))
    forger.append(adding, ("party/carl", "key-added/1", {"ready": ready}))
    draft = _move(world, "cards/2", "bob", "carl", key="bob-new")
    places = [
        world.signs("bob", "owner", key="bob-new"),
        world.signs("carl", "recipient", key="carl-2"),
    ]
    forger.append(
        world.submission(replace(draft, signers=places)), _moved("cards/2", "bob", "carl")
    )


@forgery("tampered", 0, "rule")
def an_item_in_a_namespace_of_another(forger: Forger, world: World) -> None:
    seal = [Sealing("name", "carl", world.dice(32), "copy")]
    body = {"class": "other", "item": "cards/9"}
    draft = Draft("register-item/1", "carl", [world.signs("carl", "owner")], body, seal=seal)
    fact = ("item/cards/9", "item-registered/1", {"owner": "carl"})
    forger.append(world.submission(draft), fact)


@forgery("tampered", 0, "rule")
def an_imported_sale_of_a_signed_item(forger: Forger, world: World) -> None:
    draft = world.import_draft("old/relic", seller="e", buyer="f")
    stream = "item/old/relic"
    forger.append(
        world.submission(draft),
        (stream, "sale-presented/1", {"identity": "0" * 64}),
        (stream, "sale-imported/1", {"from": "imported/old/e", "to": "imported/old/f"}),
    )


@forgery("tampered", 0, "rule")
def a_role_that_moves_property_without_a_second_party(forger: Forger, world: World) -> None:
    places = [world.signs("operator", "root"), world.signs("carl", "grantee")]
    body = {"party": "carl", "role": "importer"}
    draft = Draft("grant-role/1", "operator", places, body)
    granted = ("party/carl", "role-granted/1", {"single_handed": True})
    forger.append(world.submission(draft), granted)


@forgery("tampered", 0, "derive")
def a_role_granted_with_one_for_true(forger: Forger, world: World) -> None:
    places = [world.signs("operator", "root"), world.signs("carl", "grantee")]
    body = {"party": "carl", "role": "registrar"}
    draft = Draft("grant-role/1", "operator", places, body)
    forger.append(world.submission(draft), ("party/carl", "role-granted/1", {"single_handed": 0}))


def _at(world: World, at: int, not_after: int | None = None) -> Context:
    return replace(world.context(), at=at, not_after=not_after)


def _move_at(forger: Forger, world: World, context: Context) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    command = world.compose(draft, context=context)
    forger.append(world.sign(command), _moved("old/relic", "anna", "carl"))


@forgery("tampered", 0, "rule")
def an_expired_command(forger: Forger, world: World) -> None:
    _move_at(forger, world, _at(world, forger.at - 2 * HOUR_US))


@forgery("tampered", 0, "rule")
def a_command_that_lives_too_long(forger: Forger, world: World) -> None:
    _move_at(forger, world, _at(world, forger.at, forger.at + 25 * HOUR_US))


@forgery("tampered", 0, "rule")
def a_command_from_the_future(forger: Forger, world: World) -> None:
    _move_at(forger, world, _at(world, forger.at + 301 * SECOND_US))


@forgery("valid")
def a_command_five_minutes_ahead(forger: Forger, world: World) -> None:
    _move_at(forger, world, _at(world, forger.at + 300 * SECOND_US))


@forgery("tampered", 0, "rule")
def a_command_for_another_log(forger: Forger, world: World) -> None:
    _move_at(forger, world, replace(world.context(), log="yinzheng.test/other"))


@forgery("tampered", 0, "rule")
def a_command_under_an_old_policy(forger: Forger, world: World) -> None:
    _move_at(forger, world, replace(world.context(), policy="0" * 64))


def _moves(forger: Forger, world: World, **changes: Any) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    submission = world.submission(replace(draft, **changes))
    forger.append(submission, _moved("old/relic", "anna", "carl"))


@forgery("tampered", 0, "rule")
def a_decision_on_an_old_head(forger: Forger, world: World) -> None:
    _moves(forger, world, expect={"item/old/relic": "0" * 64})


@forgery("tampered", 0, "rule")
def a_decision_on_no_head(forger: Forger, world: World) -> None:
    _moves(forger, world, expect={})


@forgery("tampered", 0, "rule")
def a_decision_after_another_command(forger: Forger, world: World) -> None:
    _moves(forger, world, expect={}, after={"item/old/relic": "0" * 64})


@forgery("tampered", 0, "rule")
def a_signer_who_saw_another_tree(forger: Forger, world: World) -> None:
    _moves(forger, world, seen={"root": "0" * 64, "size": 31})


@forgery("tampered", 0, "rule")
def a_signer_who_saw_a_larger_tree(forger: Forger, world: World) -> None:
    _moves(forger, world, seen={"root": "0" * 64, "size": len(forger.entries) + 1})


@forgery("tampered", 0, "rule")
def a_price_in_a_currency_that_the_policy_lacks(forger: Forger, world: World) -> None:
    price = {"amount": "1", "currency": "USD"}
    _moves(forger, world, body={"item": "old/relic", "price": price})


@forgery("tampered", 0, "rule")
def a_price_that_is_a_number(forger: Forger, world: World) -> None:
    _moves(forger, world, body={"item": "old/relic", "price": 9900})


@forgery("tampered", 1, "command")
def a_command_that_is_replayed(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    submission = world.submission(draft)
    for _ in range(2):
        forger.append(submission, _moved("old/relic", "anna", "carl"))


@forgery("tampered", 0, "rule")
def a_key_of_small_order(forger: Forger, world: World) -> None:
    draft = _register(world, "eve", {"alg": "ed25519", "public": _NEUTRAL})
    forger.append(world.submission(draft), _registered("eve"))


@forgery("tampered", 0, "rule")
def a_revoked_key_registered_again(forger: Forger, world: World) -> None:
    body = {"class": "member", "key": world.key("anna").key(), "party": "eve"}
    place = world.signs("eve", "party", key="anna")
    draft = Draft("register-party/1", "eve", [place], body)
    forger.append(world.submission(draft), _registered("eve"))


@forgery("tampered", 0, "signature")
def a_p256_signature_with_a_high_s(forger: Forger, world: World) -> None:
    draft = _register(world, "eve", world.key("eve", alg="p256").key())
    submission = world.submission(draft)
    raw = b64decode(submission.sigs[0], field="sigs")
    high = _P256_ORDER - int.from_bytes(raw[32:], "big")
    sig = b64encode(raw[:32] + high.to_bytes(32, "big"))
    forger.append(replace(submission, sigs=(sig,)), _registered("eve"))


@forgery("valid")
def a_p256_signature_with_a_low_s(forger: Forger, world: World) -> None:
    draft = _register(world, "eve", world.key("eve", alg="p256").key())
    forger.append(world.submission(draft), _registered("eve"))


def _signed(forger: Forger, world: World, sigs: Callable[[Submission], tuple[str, ...]]) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    submission = world.submission(draft)
    changed = replace(submission, sigs=sigs(submission))
    forger.append(changed, _moved("old/relic", "anna", "carl"))


@forgery("tampered", 0, "signature")
def signatures_in_another_order(forger: Forger, world: World) -> None:
    _signed(forger, world, lambda submission: submission.sigs[::-1])


@forgery("tampered", 0, "signature")
def a_signature_too_few(forger: Forger, world: World) -> None:
    _signed(forger, world, lambda submission: submission.sigs[:1])


@forgery("tampered", 0, "signature")
def a_signature_of_another_length(forger: Forger, world: World) -> None:
    _signed(forger, world, lambda submission: (submission.sigs[0], "AAAA"))


@forgery("tampered", 0, "derive")
def an_effect_too_many(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    moved = _moved("old/relic", "anna", "carl")
    forger.append(world.submission(draft), moved, _moved("old/relic", "carl", "anna"))


@forgery("tampered", 2, "effect")
def an_effect_missing_at_the_end(forger: Forger, world: World) -> None:
    _import(forger, world, keep=2)


@forgery("tampered", 1, "effect")
def an_effect_with_other_data(forger: Forger, world: World) -> None:
    _import(forger, world, keep=3, owner="imported/old/b")


@forgery("valid")
def an_honest_import(forger: Forger, world: World) -> None:
    _import(forger, world, keep=3)


def _import(forger: Forger, world: World, *, keep: int, owner: str = "imported/old/a") -> None:
    draft = world.import_draft("old/new", seller="a", buyer="b")
    row = {name: draft.body[name] for name in ("from", "price", "time", "to")} | {"item": "new"}
    stream = "item/old/new"
    facts = [
        (stream, "sale-presented/1", {"identity": sale_identity("old", row, tx=None, ordinal=0)}),
        (stream, "item-first-seen/1", {"owner": owner}),
        (stream, "sale-imported/1", {"from": "imported/old/a", "to": "imported/old/b"}),
    ]
    forger.append(world.submission(draft), *facts[:keep], effects=2)


@forgery("tampered", 1, "rule")
def a_cancelled_command(forger: Forger, world: World) -> None:
    seal = [Sealing("name", "shop", world.dice(32), "regretted")]
    body = {"class": "other", "item": "cards/3"}
    draft = Draft("register-item/1", "shop", [world.signs("shop", "owner")], body, seal=seal)
    regretted = world.compose(draft)
    cancel = {"command": regretted.document}
    places = [world.signs("shop", "signer")]
    cancelling = world.submission(Draft("cancel-command/1", "shop", places, cancel))
    cancelled = ("party/shop", "command-cancelled/1", {"command": regretted.digest})
    forger.append(cancelling, cancelled)
    fact = ("item/cards/3", "item-registered/1", {"owner": "shop"})
    forger.append(world.sign(regretted), fact)


@forgery("tampered", 0, "rule")
def a_time_past_the_last_year(forger: Forger, world: World) -> None:
    forger.at = time_us("9999-12-31T23:30:00.000000Z", field="at")
    body = {"key": world.key("carl-2").key(), "party": "carl"}
    places = [world.signs("carl", "party"), world.signs("carl", "new", key="carl-2")]
    expect = {"party/carl": world.head("party/carl")}
    draft = Draft("add-key/1", "carl", places, body, expect)
    submission = world.sign(world.compose(draft, context=_at(world, forger.at, forger.at)))
    forger.append(submission, ("party/carl", "key-added/1", {"ready": format_time(forger.at)}))


@forgery("unverifiable", 0, "type")
def a_type_that_nobody_knows(forger: Forger, world: World) -> None:
    draft = _move(world, "old/relic", "anna", "carl", key="anna-phone")
    forger.append(world.submission(draft), ("item/old/relic", "item-blessed/1", {}))


@forgery("unverifiable", 0, "type")
def a_kind_that_nobody_knows(forger: Forger, world: World) -> None:
    draft = replace(_move(world, "old/relic", "anna", "carl", key="anna-phone"), kind="bless/1")
    forger.append(world.submission(draft), _moved("old/relic", "anna", "carl"))


def _cancelling(forger: Forger, world: World, levels: int) -> None:
    """Cancel a command whose body is nested, so that the cancelling one has `levels`."""
    body: dict[str, Any] = {}
    # The command, its body, the command in it and the innermost body are four.
    for _ in range(levels - 4):
        body = {"a": body}
    places = [world.signs("shop", "signer")]
    regretted = world.compose(Draft("deep/1", "shop", places, body))
    cancel = {"command": regretted.document}
    cancelling = world.submission(Draft("cancel-command/1", "shop", places, cancel))
    cancelled = ("party/shop", "command-cancelled/1", {"command": regretted.digest})
    forger.append(cancelling, cancelled)


@forgery("valid")
def a_command_of_twenty_four_levels(forger: Forger, world: World) -> None:
    _cancelling(forger, world, 24)

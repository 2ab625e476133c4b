"""Derive: the order of its checks, that it is total, and what no command may get past."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules import errors
from ledger.rules.canonical import encode
from ledger.rules.commands import Command, Signer, read_command
from ledger.rules.compose import Draft, Sealing
from ledger.rules.digests import terms_digest, timer_id
from ledger.rules.errors import Malformed, Refused, RuleError
from ledger.rules.kinds import EVENT_TYPES, KINDS
from ledger.rules.parties import KEYS_MAX
from ledger.rules.state import Party
from ledger.rules.text import format_time, time_us
from tests.goods import CARD_CLASS, card_body, placing_body
from tests.money import money_body
from tests.shops import listing_body
from tests.terms import terms
from tests.unit.rules.coding import coded
from tests.unit.rules.crediting import credited
from tests.unit.rules.depositing import deposited
from tests.unit.rules.duplicating import duplicated
from tests.unit.rules.ordering import traded
from tests.unit.rules.small import HOUR_US, POLICY, START_US, Small, key, key_id

OTHER = "0" * 64
Fault = Callable[[Small, dict[str, Any]], None]


def unknown_kind(_small: Small, document: dict[str, Any]) -> None:
    document["kind"] = "give-item/1"


def malformed_body(_small: Small, document: dict[str, Any]) -> None:
    document["body"]["price"] = "free"


def wrong_log(_small: Small, document: dict[str, Any]) -> None:
    document["log"] = "yinzheng.test/other"


def expired(_small: Small, document: dict[str, Any]) -> None:
    document["at"] = document["not_after"] = format_time(START_US - HOUR_US)


def other_view(_small: Small, document: dict[str, Any]) -> None:
    document["seen"] = {"root": OTHER, "size": 3}


def other_policy(_small: Small, document: dict[str, Any]) -> None:
    document["policy"] = OTHER


def one_signer(_small: Small, document: dict[str, Any]) -> None:
    document["signers"].pop()


def by_nobody(_small: Small, document: dict[str, Any]) -> None:
    document["by"] = "nobody"


def same_key(_small: Small, document: dict[str, Any]) -> None:
    for signer in document["signers"]:
        signer["key"] = key_id("shop")


def stranger(_small: Small, document: dict[str, Any]) -> None:
    document["signers"][0]["party"] = document["by"] = "stranger"


def foreign_key(_small: Small, document: dict[str, Any]) -> None:
    document["signers"][0]["key"] = key_id("ann")


def sealed_too_much(_small: Small, document: dict[str, Any]) -> None:
    document["sealed"] = [{"digest": OTHER, "name": "name", "subject": "bob"}]


def expects_nothing(_small: Small, document: dict[str, Any]) -> None:
    document["expect"] = []


def stale(_small: Small, document: dict[str, Any]) -> None:
    for entry in document["expect"]:
        entry["leaf"] = OTHER


def frozen(small: Small, _document: dict[str, Any]) -> None:
    body = {"item": "cards/1", "ground": "in-dispute"}
    small.act("freeze-item/1", ("ann", "freezer"), **body)


# The order of section 9.0 of the specification; each fault hides those after it.
ORDER: list[tuple[Fault, type[RuleError]]] = [
    (unknown_kind, errors.UnknownKind),
    (malformed_body, errors.Malformed),
    (wrong_log, errors.WrongLog),
    (expired, errors.Expired),
    (other_view, errors.OtherView),
    (other_policy, errors.PolicyNotInForce),
    (one_signer, errors.WrongSigners),
    (by_nobody, errors.WrongSigners),
    (same_key, errors.WrongSigners),
    (stranger, errors.UnknownParty),
    (foreign_key, errors.KeyNotValid),
    (sealed_too_much, errors.Malformed),
    (expects_nothing, errors.MissingExpectation),
    (stale, errors.StaleExpectation),
]
MESSAGES = {
    one_signer: "is signed by",
    by_nobody: "none of the signers",
    same_key: "a key of its own",
    malformed_body: "command.body.price",
    sealed_too_much: "command.sealed",
}


@pytest.mark.parametrize("first", range(len(ORDER)), ids=lambda at: ORDER[at][0].__name__)
def test_the_first_of_several_faults_is_the_one_reported(first: int) -> None:
    small = Small().market()
    places = [("shop", "owner"), ("bob", "recipient")]
    draft = small.draft("transfer-item/1", *places, item="cards/1", price=None)
    document = deepcopy(small.command(draft).document)
    # Later faults go in first, so that a fault that replaces a field is the one that stands.
    for fault, _ in reversed(ORDER[first:]):
        fault(small, document)

    fault, error = ORDER[first]
    with pytest.raises(error, match=MESSAGES.get(fault)) as refusal:
        small.derive(read_command(encode(document)))

    assert type(refusal.value) is error


def test_what_is_stale_is_said_before_the_kinds_own_checks() -> None:
    small = Small().market()
    places = [("shop", "owner"), ("bob", "recipient")]
    draft = small.draft("transfer-item/1", *places, item="cards/1", price=None)
    frozen(small, {})

    with pytest.raises(errors.StaleExpectation):
        small.derive(small.command(draft))
    with pytest.raises(errors.ItemFrozen):
        small.derive(small.command(small.draft("transfer-item/1", *places, **draft.body)))


def test_a_presented_sale_is_said_before_what_is_stale() -> None:
    small = Small().market()
    draft = small.sale("cards/9", "a", "b")
    small.do(draft)

    with pytest.raises(errors.SalePresent):
        small.derive(small.command(draft))


def test_times_are_accepted_up_to_their_last_microsecond() -> None:
    small = Small().market()
    small.at += HOUR_US
    draft = small.sale("cards/9", "a", "b")
    command = small.command(draft, context=small.context(life_us=24 * HOUR_US))
    for at in (command.at - 300_000_000, command.not_after):
        small.at = at
        assert small.derive(command)

    longer = small.command(draft, context=small.context(life_us=24 * HOUR_US + 1))
    with pytest.raises(errors.Expired, match="24 hours at most"):
        small.derive(longer)
    with pytest.raises(errors.Expired, match="24 hours at most"):
        small.derive(small.command(draft, context=small.context(life_us=-1)))


def test_a_time_that_a_rule_computes_past_the_year_9999_is_malformed() -> None:
    """It was an OverflowError: an operator could stop every audit with one entry."""
    small = Small().market()
    places = [("bob", "party"), ("bob", "new", "x")]
    draft = small.draft("add-key/1", *places, key=key("x"), party="bob")
    small.at = time_us("9999-12-31T23:59:59.999999Z", field="at")

    with pytest.raises(Malformed, match="past the year 9999"):
        small.derive(small.command(draft, context=small.context(life_us=0)))


def test_an_expectation_by_a_command_holds_through_its_effects() -> None:
    small = Small().market()
    first = small.do(small.sale("cards/9", "a", "b"))
    draft = small.sale("cards/9", "b", "c", ordinal=1)
    chained = replace(draft, expect={}, after={"item/cards/9": first.digest})

    assert small.derive(small.command(chained))
    for digest in (OTHER, small.command(draft).digest):
        wrong = small.command(replace(chained, after={"item/cards/9": digest}))
        with pytest.raises(errors.StaleExpectation) as refusal:
            small.derive(wrong)
        assert refusal.value.evidence["found"] == first.digest


def test_an_expectation_after_nothing_is_stale() -> None:
    small = Small().market()
    draft = replace(small.sale("cards/9", "a", "b"), expect={}, after={"item/cards/9": OTHER})

    with pytest.raises(errors.StaleExpectation) as refusal:
        small.derive(small.command(draft))

    evidence = {"stream": "item/cards/9", "expected": OTHER, "found": None}
    assert refusal.value.evidence == evidence


# Keys that must not work


def waiting(small: Small, *, asks: str, revokes: str, party: str) -> Command:
    place = (party, "party", asks)
    return small.act("revoke-key/1", place, key=key_id(revokes), party=party)


def add_key(small: Small, party: str, name: str) -> None:
    small.act("add-key/1", (party, "party"), (party, "new", name), key=key(name), party=party)


def test_a_founder_cannot_lose_its_last_key_to_two_revocations() -> None:
    """One waits, the other takes effect at once."""
    small = Small()
    add_key(small, "system", "system-2")
    waiting(small, asks="system", revokes="system-2", party="system")
    place = ("system", "party")
    draft = small.draft("revoke-key/1", place, key=key_id("system"), party="system")

    with pytest.raises(errors.LastKey) as refusal:
        small.derive(small.command(draft))

    assert refusal.value.evidence == {"party": "system", "key": key_id("system")}
    last = draft.body | {"key": key_id("system-2")}
    assert small.act("revoke-key/1", ("system", "party", "system-2"), **last)


def test_whoever_is_no_founder_may_give_up_the_last_key() -> None:
    small = Small().market()
    small.act("revoke-key/1", ("bob", "party"), key=key_id("bob"), party="bob")

    state = small.state("party/bob")
    assert isinstance(state, Party)
    assert [found.revoked for found in state.keys] == [True]


def recovery(small: Small, name: str = "new") -> Draft:
    places = [("bob", "new", name), ("otto", "officer"), ("olga", "officer")]
    return small.draft("recover-party/1", *places, key=key(name), party="bob")


def test_a_recovering_key_works_only_when_the_recovery_is_complete() -> None:
    small = Small().market().officers()
    change = small.do(recovery(small))
    signed = [("bob", "party", "new")]
    for _ in range(2):
        with pytest.raises(errors.KeyNotValid):
            small.derive(
                small.command(small.draft("revoke-key/1", *signed, key=key_id("bob"), party="bob"))
            )
        small.at += HOUR_US
    due = format_time(change.at + HOUR_US)
    complete(small, change, due)

    state = small.state("party/bob")
    assert isinstance(state, Party)
    assert {found.id: found.revoked for found in state.keys} == {
        key_id("bob"): True,
        key_id("new"): False,
    }


def complete(small: Small, change: Command, due: str) -> Command:
    body = {"change": change.digest, "due": due, "party": "bob"}
    draft = small.draft("complete-key-change/1", ("system", "system"), **body)
    return small.do(draft, identifier=timer_id("party/bob", "key-change", due))


def test_a_stopped_recovery_leaves_its_key_to_nobody() -> None:
    small = Small().market().officers()
    change = small.do(recovery(small))
    place = ("bob", "party")
    small.act("object-key-change/1", place, change=change.digest, party="bob")

    with pytest.raises(errors.KeyUsed) as refusal:
        small.derive(small.command(recovery(small)))

    assert refusal.value.evidence == {"key": key_id("new"), "party": "bob"}
    assert small.derive(small.command(recovery(small, "newer")))


def test_a_recovery_always_fits_since_a_party_has_at_most_a_hundred_keys() -> None:
    """With some hundred keys more, no entry could have named all that it revokes."""
    small = Small().market().officers()
    small.do(small.draft("publish-policy/1", ("operator", "root"), **hasty(small)))
    for number in range(2, KEYS_MAX + 1):
        add_key(small, "bob", f"bob-{number}")
    with pytest.raises(errors.TooLarge) as refusal:
        add_key(small, "bob", "one too many")
    assert refusal.value.evidence == {"keys": 100, "most": 100}

    change = small.do(recovery(small))
    complete(small, change, format_time(small.at))

    state = small.state("party/bob")
    assert isinstance(state, Party)
    assert [found.id for found in state.keys if not found.revoked] == [key_id("new")]


def hasty(small: Small) -> dict[str, Any]:
    policy = dict(POLICY) | {"key_cool_down_s": 0, "key_change_delay_s": 0}
    return {"policy": policy, "replaces": small.context().policy}


# Cancelling


def test_whoever_signs_for_a_recovery_can_cancel_it_whoever_sends_it() -> None:
    """A cancellation by the party to recover once had no effect, and the command was accepted."""
    for canceller in ("bob", "otto"):
        for sender in ("bob", "olga"):
            small = Small().market().officers()
            command = small.command(replace(recovery(small), by=sender))
            small.act("cancel-command/1", (canceller, "signer"), command=command.document)

            with pytest.raises(errors.CommandCancelled) as refusal:
                small.derive(command)

            assert refusal.value.evidence == {"command": command.digest}


def test_a_registrar_can_cancel_a_registration() -> None:
    small = Small()
    body = {"class": "member", "key": key("new"), "party": "new"}
    draft = small.draft("register-party/1", ("new", "party"), ("operator", "registrar"), **body)
    command = small.command(draft)
    small.act("cancel-command/1", ("operator", "signer"), command=command.document)

    with pytest.raises(errors.CommandCancelled):
        small.derive(command)


def test_cancelling_writes_to_nobodys_stream_but_the_cancellers() -> None:
    """By a forged `by` anybody could once move the head of anybody's stream."""
    small = Small().market()
    draft = small.draft("cancel-command/1", ("bob", "signer"), command={})
    forged = small.command(replace(draft, body={"command": {}}))
    document = forged.document | {"by": "ann"}

    cancel = small.command(replace(draft, body={"command": document}))

    assert {fact.stream for fact in small.derive(cancel)} == {"party/bob"}


# Offers


def ending(small: Small, how: str) -> None:
    offer = small.offer("cards/1", "shop", "bob")
    answer = {"item": "cards/1", "offer": offer.digest}
    if how == "withdrawn":
        small.act("withdraw-offer/1", ("shop", "owner"), **answer)
    elif how == "refused":
        small.act("refuse-offer/1", ("bob", "recipient"), **answer)
    elif how == "accepted":
        small.act("accept-transfer/1", ("bob", "recipient"), **answer)
    elif how == "transferred":
        small.transfer("cards/1", "shop", "ann")
    elif how == "frozen and unfrozen":
        frozen(small, {})
        body = {"item": "cards/1", "ground": "dispute-ended"}
        small.act("unfreeze-item/1", ("ann", "freezer"), **body)
    else:
        small.at += HOUR_US
        small.offer("cards/1", "shop", "ann")
    accept = small.draft("accept-transfer/1", ("bob", "recipient"), **answer)
    with pytest.raises(errors.NoSuchOffer) as refusal:
        small.derive(small.command(accept))
    assert refusal.value.evidence == answer


@pytest.mark.parametrize(
    "how",
    ["withdrawn", "refused", "accepted", "transferred", "frozen and unfrozen", "replaced"],
)
def test_an_offer_is_good_once_and_gone_after(how: str) -> None:
    ending(Small().market(), how)


def test_an_offer_is_good_until_its_last_microsecond() -> None:
    small = Small().market()
    offer = small.offer("cards/1", "shop", "bob", life_us=10)
    body = {"item": "cards/1", "offer": offer.digest}
    accept = small.command(small.draft("accept-transfer/1", ("bob", "recipient"), **body))

    small.at += 10
    assert small.derive(accept)
    small.at += 1
    with pytest.raises(errors.OfferEnded):
        small.derive(accept)


# Totality


def shops(small: Small) -> None:
    """A merchant is reviewed, lists something, ends it, is qualified no more, and has money."""
    small.grant("ann", "reviewer")
    merchant = {"class": "game-card", "merchant": "shop"}
    until = format_time(small.at + 24 * HOUR_US)
    body = {**merchant, "namespace": "cards", "origin": None, "until": until}
    small.act("qualify-merchant/1", ("shop", "merchant"), ("ann", "reviewer"), **body)
    body = listing_body("cards/gift", "shop")
    small.act("publish-listing/1", ("shop", "merchant"), **body)
    small.act("end-listing/1", ("shop", "merchant"), listing="cards/gift")
    small.act("revoke-qualification/1", ("ann", "reviewer"), ground="rules-broken", **merchant)
    small.grant("ann", "cashier", second="otto")
    small.act("top-up/1", ("ann", "cashier"), **money_body("shop", 500))
    small.act("pay-out/1", ("shop", "owner"), ("ann", "cashier"), **money_body("shop", 300))


def goods(small: Small) -> None:
    """Cards and a thing are placed with an agent, and one is taken back."""
    with_agent = {"agent": "bob", "terms": terms_digest(terms())}
    for number in (1, 2):
        body = card_body(f"cards/card-{number}", **with_agent)
        small.act("register-card/1", ("shop", "owner"), **body)
    small.act("withdraw-from-escrow/1", ("shop", "owner"), item="cards/card-2")
    body = {"class": CARD_CLASS, "product": "gift-cards", **with_agent}
    small.act("place-in-escrow/1", ("shop", "owner"), **placing_body("cards/card-2", **body))


@cache
def story() -> tuple[Small, tuple[Command, ...]]:
    """A log that holds every kind of command."""
    small = Small().market().officers()
    small.transfer("cards/1", "shop", "bob")
    offer = small.offer("cards/1", "bob", "ann")
    small.act("refuse-offer/1", ("ann", "recipient"), item="cards/1", offer=offer.digest)
    offer = small.offer("cards/1", "bob", "ann")
    small.act("withdraw-offer/1", ("bob", "owner"), item="cards/1", offer=offer.digest)
    offer = small.offer("cards/1", "bob", "ann")
    small.act("accept-transfer/1", ("ann", "recipient"), item="cards/1", offer=offer.digest)
    frozen(small, {})
    small.act("unfreeze-item/1", ("ann", "freezer"), item="cards/1", ground="order-lifted")
    small.do(small.sale("cards/8", None, "b"))
    small.do(small.sale("cards/8", "c", None, ordinal=1))
    party = "imported/cards/b"
    officers = [("otto", "officer"), ("olga", "officer")]
    places = [(party, "claimant", "b"), *officers]
    small.act("claim-imported-party/1", *places, key=key("b"), party=party)
    add_key(small, "bob", "bob-2")
    waiting(small, asks="bob", revokes="bob-2", party="bob")
    change = small.entries[-1].command
    assert change is not None
    small.act("object-key-change/1", ("bob", "party", "bob-2"), change=change.digest, party="bob")
    change = small.do(recovery(small))
    small.at += HOUR_US
    complete(small, change, format_time(change.at + HOUR_US))
    small.act("cancel-command/1", ("bob", "signer", "new"), command=change.document)
    small.act("withdraw-role/1", ("operator", "root"), party="ann", role="freezer")
    small.do(small.draft("publish-policy/1", ("operator", "root"), **hasty(small)))
    small.offer("cards/1", "ann", "bob")
    add_key(small, "ann", "a2")
    waiting(small, asks="ann", revokes="a2", party="ann")
    body = {"effective_at": None, "policy": terms(), "replaces": None}
    small.do(small.draft("publish-trade-policy/1", ("operator", "root"), **body))
    for family in (shops, goods, traded, deposited, duplicated, credited, coded):
        family(small)
    commands = tuple(entry.command for entry in small.entries if entry.command)
    assert {command.kind for command in commands} == set(KINDS)
    assert {entry.type for entry in small.entries} == set(EVENT_TYPES) - {"key-revoked/1"}
    return small, commands


TEXTS = st.sampled_from(
    (
        *("shop", "bob", "ann", "operator", "nobody", "unknown", "imported/cards/b", "cards/1"),
        *("cards/8", "cards/9", "no/1", "root", "owner", "freezer", "officer", OTHER, "", "é"),
        *("9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z", "USD", "AAAA"),
        *("item/cards/1", "party/bob", "log", "policy/ledger", "imported/cards/b", "namespace/x"),
    )
)
JSON = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abk"), inner),
    max_leaves=5,
)


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """List every place inside a document: its container and its name or number."""
    inside = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    nested = [each for _, one in inside if isinstance(one, dict | list) for each in places_in(one)]
    return [(value, name) for name, _ in inside] + nested


@given(st.data())
def test_derive_gives_facts_or_a_rule_error_whatever_stands_in_a_command(
    data: st.DataObject,
) -> None:
    small, commands = story()
    command = data.draw(st.sampled_from(commands))
    document = deepcopy(command.document)
    for _ in range(data.draw(st.integers(1, 3))):
        container, name = data.draw(st.sampled_from(places_in(document)))
        container[name] = data.draw(JSON)
    if data.draw(st.booleans()):
        # As if signed and sent now, so that the checks behind the first ones are reached too.
        now = {"at": format_time(small.at), "not_after": format_time(small.at)}
        document |= now | {"policy": small.context().policy}
        for entry in document["expect"] if isinstance(document["expect"], list) else []:
            if isinstance(entry, dict) and "leaf" in entry and isinstance(entry["stream"], str):
                entry["leaf"] = small.head(entry["stream"])

    with suppress(RuleError):
        facts = small.derive(read_command(encode(document)))
        assert all(fact.type in EVENT_TYPES for fact in facts)


@given(st.data())
def test_facts_hold_what_their_event_type_declares(data: st.DataObject) -> None:
    small, _ = story()
    entry = data.draw(st.sampled_from(small.entries))

    assert set(entry.data) == set(EVENT_TYPES[entry.type].data)


def test_a_refusal_is_the_same_the_second_time() -> None:
    small, commands = story()
    # Money may come in again, and credit, and a question be asked: its id sees to the command's.
    comes_in = {"top-up/1", "confirm-payment/1", "grant-credit/1", "claw-back-credit/1"}
    comes_in |= {"check-code/1", "earn-credit/1"}
    for command in [command for command in commands if command.kind not in comes_in]:
        outcomes = []
        for _ in range(2):
            with pytest.raises(Refused) as refusal:
                small.derive(command)
            outcomes.append((type(refusal.value), refusal.value.evidence))
        assert outcomes[0] == outcomes[1]


def test_a_second_name_to_seal_is_malformed() -> None:
    small = Small().market()
    draft = small.draft("register-item/1", ("shop", "owner"), **{"class": "other"}, item="cards/2")
    extra = Sealing("story", "shop", bytes(32), "x")
    for seal in ((), (*draft.seal, extra), (extra,)):
        with pytest.raises(Malformed, match=r"command\.sealed: does not hold exactly: name"):
            small.derive(small.command(replace(draft, seal=seal)))


def test_a_founder_is_not_called_unknown() -> None:
    """Every item whose owner is not known would have been that party's."""
    small = Small(opened=False)
    draft = small.opening()
    body = deepcopy(dict(draft.body))
    body["parties"][1]["party"] = "unknown"
    signers = [*draft.signers]
    signers[1] = Signer("unknown", "system", signers[1].key)

    with pytest.raises(Malformed, match=r"command\.body\.parties"):
        small.derive(small.command(replace(draft, body=body, signers=signers)))

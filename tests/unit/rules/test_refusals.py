"""One minimal command for every refusal: its exact class, code and evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.application import Accepted
from ledger.rules import chargeback_errors, code_errors, errors, trade_errors
from ledger.rules.commands import COMMAND_BYTES_MAX, Command, Signer, read_command
from ledger.rules.compose import Draft
from ledger.rules.digests import policy_digest, sale_identity, timer_id
from ledger.rules.errors import Refused
from ledger.rules.text import format_time
from tests.databases import sqlite_file_url
from tests.unit.rules import (  # noqa: F401 - they add their cases
    chargeback_refusals,
    code_refusals,
    credit_refusals,
    deposit_refusals,
    duplicate_refusals,
    escrow_refusals,
    order_refusals,
    trade_refusals,
)
from tests.unit.rules.refusing import CASES, Found, expect, refusal
from tests.unit.rules.small import HOUR_US, ORIGIN, POLICY, Small, key, key_id
from tests.worlds import World

SECOND_US = 1_000_000
OTHER = "0" * 64
CLASS = {"class": "other"}


def revoking(small: Small, party: str, name: str, *, by: str | None = None) -> Draft:
    return small.draft("revoke-key/1", (party, "party", by or name), key=key_id(name), party=party)


def add_key(small: Small, party: str, name: str) -> None:
    places = [(party, "party"), (party, "new", name)]
    small.act("add-key/1", *places, key=key(name), party=party)


@refusal(errors.WrongLog)
def _wrong_log() -> Found:
    small = Small()
    draft = small.draft("cancel-command/1", ("operator", "signer"), command={})
    command = small.command(draft, context=small.context(log="yinzheng.test/other"))
    return expect(small, command, named="yinzheng.test/other", log=ORIGIN)


@refusal(errors.Expired)
def _expired() -> Found:
    small = Small().market()
    command = small.command(small.sale("cards/9", "a", "b"))
    small.at += HOUR_US + 1
    now, until = format_time(small.at), format_time(small.at - 1)
    return expect(small, command, now=now, not_after=until)


@refusal(errors.NotYetValid)
def _not_yet_valid() -> Found:
    small = Small().market()
    command = small.command(small.sale("cards/9", "a", "b"))
    small.at -= 300 * SECOND_US + 1
    now, at = format_time(small.at), format_time(small.at + 300 * SECOND_US + 1)
    return expect(small, command, now=now, at=at)


@refusal(errors.OtherView)
def _other_view() -> Found:
    small = Small().market()
    small.roots[5] = "5" * 64
    draft = replace(small.sale("cards/9", "a", "b"), seen={"root": OTHER, "size": 5})
    return expect(small, draft, size=5, seen=OTHER, root="5" * 64)


@refusal(errors.PolicyNotInForce)
def _policy_not_in_force() -> Found:
    small = Small().market()
    context = replace(small.context(), policy=OTHER)
    command = small.command(small.sale("cards/9", "a", "b"), context=context)
    return expect(small, command, named=OTHER, in_force=policy_digest(dict(POLICY)))


@refusal(errors.TooLarge)
def _too_large() -> Found:
    with pytest.raises(Refused) as caught:
        read_command(bytes(COMMAND_BYTES_MAX + 1))
    return caught.value, {"bytes": 24_577, "most": 24_576}


@refusal(errors.UnknownKind)
def _unknown_kind() -> Found:
    small = Small()
    draft = replace(small.draft("cancel-command/1", ("operator", "signer"), command={}))
    return expect(small, replace(draft, kind="give-item/1"), kind="give-item/1")


@refusal(errors.WrongSigners)
def _wrong_signers() -> Found:
    small = Small().market()
    places = [("shop", "owner"), ("bob", "buyer")]
    draft = small.draft("transfer-item/1", *places, item="cards/1", price=None)
    return expect(small, draft, signed="owner, buyer")


@refusal(errors.KeyNotValid)
def _key_not_valid() -> Found:
    small = Small().market()
    draft = small.draft("register-item/1", ("shop", "owner", "x"), item="cards/2", **CLASS)
    return expect(small, draft, party="shop", key=key_id("x"))


@refusal(errors.KeyCoolingDown)
def _key_cooling_down() -> Found:
    small = Small().market()
    add_key(small, "shop", "shop-2")
    ready = format_time(small.at + HOUR_US)
    places = [("shop", "owner", "shop-2"), ("bob", "recipient")]
    draft = small.draft("transfer-item/1", *places, item="cards/1", price=None)
    small.at += HOUR_US - 1
    return expect(small, draft, key=key_id("shop-2"), ready=ready)


@refusal(errors.RoleMissing)
def _role_missing() -> Found:
    small = Small().market()
    draft = small.draft("freeze-item/1", ("bob", "freezer"), item="cards/1", ground="in-dispute")
    return expect(small, draft, party="bob", role="freezer")


@refusal(errors.MissingExpectation)
def _missing_expectation() -> Found:
    small = Small().market()
    draft = replace(small.sale("cards/9", "a", "b"), expect={})
    return expect(small, draft, stream="item/cards/9")


@refusal(errors.StaleExpectation)
def _stale_expectation() -> Found:
    small = Small().market()
    head = small.head("item/cards/1")
    places = [("shop", "owner"), ("bob", "recipient")]
    draft = small.draft("transfer-item/1", *places, item="cards/1", price=None)
    small.act("freeze-item/1", ("ann", "freezer"), item="cards/1", ground="in-dispute")
    found = small.head("item/cards/1")
    return expect(small, draft, stream="item/cards/1", expected=head, found=found)


@refusal(errors.CommandCancelled)
def _command_cancelled() -> Found:
    small = Small().market()
    command = small.command(small.sale("cards/9", "a", "b"))
    small.act("cancel-command/1", ("shop", "signer"), command=command.document)
    return expect(small, command, command=command.digest)


@refusal(errors.PartyExists)
def _party_exists() -> Found:
    small = Small().market()
    places = [("bob", "party", "x"), ("operator", "registrar")]
    body = {"class": "member", "key": key("x"), "party": "bob"}
    return expect(small, small.draft("register-party/1", *places, **body), party="bob")


@refusal(errors.UnknownParty)
def _unknown_party() -> Found:
    small = Small()
    draft = small.draft("cancel-command/1", ("nobody", "signer"), command={})
    return expect(small, draft, party="nobody")


@refusal(errors.KeyUsed)
def _key_used() -> Found:
    small = Small().market()
    small.do(revoking(small, "bob", "bob"))
    places = [("new", "party", "bob"), ("operator", "registrar")]
    body = {"class": "member", "key": key("bob"), "party": "new"}
    draft = small.draft("register-party/1", *places, **body)
    return expect(small, draft, key=key_id("bob"), party="bob")


@refusal(errors.WeakKey)
def _weak_key() -> Found:
    small = Small()
    places = [("new", "party"), ("operator", "registrar")]
    zero = {"alg": "ed25519", "public": "A" * 43 + "="}
    body = {"class": "member", "key": zero, "party": "new"}
    return expect(small, small.draft("register-party/1", *places, **body), alg="ed25519")


@refusal(errors.LastKey)
def _last_key() -> Found:
    small = Small()
    draft = revoking(small, "system", "system")
    return expect(small, draft, party="system", key=key_id("system"))


def waiting(small: Small) -> Command:
    """Let bob's first key ask that his second be revoked."""
    add_key(small, "bob", "bob-2")
    return small.do(revoking(small, "bob", "bob-2", by="bob"))


@refusal(errors.ChangePending)
def _change_pending() -> Found:
    small = Small().market()
    change = waiting(small)
    draft = revoking(small, "bob", "bob", by="bob-2")
    return expect(small, draft, party="bob", change=change.digest)


@refusal(errors.NoSuchChange)
def _no_such_change() -> Found:
    small = Small().market()
    draft = small.draft("object-key-change/1", ("bob", "party"), change=OTHER, party="bob")
    return expect(small, draft, party="bob", change=OTHER)


def completing(small: Small, change: Command, due: str) -> Command:
    body = {"change": change.digest, "due": due, "party": "bob"}
    draft = small.draft("complete-key-change/1", ("system", "system"), **body)
    return small.command(draft, identifier=timer_id("party/bob", "key-change", due))


@refusal(errors.ChangeNotDue)
def _change_not_due() -> Found:
    small = Small().market()
    change = waiting(small)
    due = small.at + HOUR_US
    small.at = due - 1
    command = completing(small, change, format_time(due))
    return expect(small, command, due=format_time(due), at=format_time(due - 1))


def granting(small: Small, party: str, role: str, *second: str) -> Draft:
    places = [("operator", "root"), (party, "grantee"), *((name, "second") for name in second)]
    return small.draft("grant-role/1", *places, party=party, role=role)


@refusal(errors.RoleHeld)
def _role_held() -> Found:
    small = Small().market()
    return expect(small, granting(small, "ann", "freezer"), party="ann", role="freezer")


@refusal(errors.RoleNotHeld)
def _role_not_held() -> Found:
    small = Small().market()
    draft = small.draft("withdraw-role/1", ("operator", "root"), party="bob", role="freezer")
    return expect(small, draft, party="bob", role="freezer")


@refusal(errors.SecondPartyNeeded)
def _second_party_needed() -> Found:
    small = Small().market()
    return expect(small, granting(small, "bob", "officer"), role="officer")


@refusal(errors.WitnessNotIndependent)
def _witness_not_independent() -> Found:
    small = Small().market()
    return expect(small, granting(small, "bob", "officer", "system"), party="system")


@refusal(errors.NamespaceTaken)
def _namespace_taken() -> Found:
    small = Small().market()
    places = [("operator", "root"), ("bob", "owner")]
    draft = small.draft("open-namespace/1", *places, namespace="cards")
    return expect(small, draft, namespace="cards", owner="shop")


@refusal(errors.NotNamespaceOwner)
def _not_namespace_owner() -> Found:
    small = Small().market()
    draft = small.draft("register-item/1", ("bob", "owner"), item="cards/2", **CLASS)
    return expect(small, draft, namespace="cards", owner="shop")


@refusal(errors.UnknownNamespace)
def _unknown_namespace() -> Found:
    small = Small().market()
    draft = small.draft("register-item/1", ("shop", "owner"), item="songs/1", **CLASS)
    return expect(small, draft, namespace="songs")


@refusal(errors.ItemExists)
def _item_exists() -> Found:
    small = Small().market()
    draft = small.draft("register-item/1", ("shop", "owner"), item="cards/1", **CLASS)
    return expect(small, draft, item="cards/1")


def moving(small: Small, item: str, owner: str, to: str, price: Any = None) -> Draft:
    places = [(owner, "owner"), (to, "recipient", f"{to}-2" if to == owner else to)]
    return small.draft("transfer-item/1", *places, item=item, price=price)


@refusal(errors.UnknownItem)
def _unknown_item() -> Found:
    small = Small().market()
    return expect(small, moving(small, "cards/9", "shop", "bob"), item="cards/9")


@refusal(errors.NotOwner)
def _not_owner() -> Found:
    small = Small().market()
    return expect(small, moving(small, "cards/1", "bob", "ann"), party="bob", owner="shop")


@refusal(errors.ItemFrozen)
def _item_frozen() -> Found:
    small = Small().market()
    small.act("freeze-item/1", ("ann", "freezer"), item="cards/1", ground="in-dispute")
    return expect(small, moving(small, "cards/1", "shop", "bob"), item="cards/1")


@refusal(errors.ItemNotFrozen)
def _item_not_frozen() -> Found:
    small = Small().market()
    body = {"item": "cards/1", "ground": "dispute-ended"}
    return expect(small, small.draft("unfreeze-item/1", ("ann", "freezer"), **body), item="cards/1")


def offering(small: Small, to: str, until: int) -> Draft:
    body = {"item": "cards/1", "price": None, "to": to, "until": format_time(until)}
    return small.draft("offer-transfer/1", ("shop", "owner"), **body)


@refusal(errors.OfferPending)
def _offer_pending() -> Found:
    small = Small().market()
    offer = small.offer("cards/1", "shop", "bob")
    draft = offering(small, "ann", small.at + HOUR_US)
    return expect(small, draft, offer=offer.digest, to="bob")


def answering(small: Small, kind: str, place: tuple[str, str], offer: str) -> Draft:
    return small.draft(kind, place, item="cards/1", offer=offer)


@refusal(errors.NoSuchOffer)
def _no_such_offer() -> Found:
    small = Small().market()
    draft = answering(small, "accept-transfer/1", ("bob", "recipient"), OTHER)
    return expect(small, draft, item="cards/1", offer=OTHER)


@refusal(errors.OfferEnded)
def _offer_ended() -> Found:
    small = Small().market()
    offer = small.offer("cards/1", "shop", "bob", life_us=5)
    until = format_time(small.at + 5)
    small.at += 6
    draft = answering(small, "accept-transfer/1", ("bob", "recipient"), offer.digest)
    return expect(small, draft, until=until)


@refusal(errors.NotRecipient)
def _not_recipient() -> Found:
    small = Small().market()
    offer = small.offer("cards/1", "shop", "bob")
    draft = answering(small, "accept-transfer/1", ("ann", "recipient"), offer.digest)
    return expect(small, draft, party="ann", to="bob")


@refusal(errors.SameParty)
def _same_party() -> Found:
    small = Small().market()
    add_key(small, "shop", "shop-2")
    small.at += HOUR_US
    return expect(small, moving(small, "cards/1", "shop", "shop"), party="shop")


@refusal(errors.UnknownCurrency)
def _unknown_currency() -> Found:
    small = Small().market()
    price = {"amount": "1", "currency": "USD"}
    return expect(small, moving(small, "cards/1", "shop", "bob", price), currency="USD")


@refusal(errors.ItemUnderSignature)
def _item_under_signature() -> Found:
    small = Small().market()
    return expect(small, small.sale("cards/1", "a", "b"), item="cards/1", owner="shop")


@refusal(errors.OutOfOrder)
def _out_of_order() -> Found:
    small = Small().market()
    small.do(small.sale("cards/9", "a", "b"))
    earlier, last = "2021-01-01T23:59:59.999999Z", "2021-01-02T00:00:00.000000Z"
    return expect(small, small.sale("cards/9", "b", "c", time=earlier), time=earlier, last=last)


@refusal(errors.SalePresent)
def _sale_present() -> Found:
    small = Small().market()
    small.do(small.sale("cards/9", "a", "b"))
    again = small.sale("cards/9", "a", "b", source={"file": "e" * 64, "row": 7})
    parts = {"item": "9", "from": "a", "to": "b", "price": None}
    row = parts | {"time": again.body["time"]}
    identity = sale_identity("cards", row, tx=None, ordinal=0)
    return expect(small, again, identity=identity)


@refusal(errors.ImportedPartyClaimed)
def _imported_party_claimed() -> Found:
    small = Small().officers()
    party = "imported/cards/a"
    officers = [("otto", "officer"), ("olga", "officer")]
    body = {"key": key("a"), "party": party}
    small.act("claim-imported-party/1", (party, "claimant", "a"), *officers, **body)
    body = {"key": key("b"), "party": party}
    draft = small.draft("claim-imported-party/1", (party, "claimant", "b"), *officers, **body)
    return expect(small, draft, party=party)


@refusal(errors.PolicyUnchanged)
def _policy_unchanged() -> Found:
    small = Small()
    present = policy_digest(dict(POLICY))
    body = {"policy": dict(POLICY), "replaces": present}
    draft = small.draft("publish-policy/1", ("operator", "root"), **body)
    return expect(small, draft, policy=present)


@refusal(errors.AlreadyOpen)
def _already_open() -> Found:
    small = Small()
    return expect(small, small.opening(), index=5)


def every_refusal(base: type[Refused]) -> set[type[Refused]]:
    """Every class below `base` that the rules define."""
    modules = {each.__name__ for each in (chargeback_errors, code_errors, errors, trade_errors)}
    own = {one for one in base.__subclasses__() if one.__module__ in modules}
    return own.union(*map(every_refusal, own))


@pytest.mark.parametrize("error", CASES, ids=lambda error: error.code)
def test_every_refusal_is_exactly_this_one_with_its_evidence(error: type[Refused]) -> None:
    raised, evidence = CASES[error]()

    assert (type(raised), raised.code) == (error, error.code)
    assert raised.evidence == evidence
    assert raised.message


def test_no_refusal_of_the_rules_lacks_its_case() -> None:
    """Only the application knows which command ids were used."""
    assert every_refusal(Refused) - CASES.keys() == {errors.CommandConflict}


def test_codes_are_stable_spelt_like_their_class_and_unlike_each_other() -> None:
    classes = every_refusal(Refused)

    codes = {error.code for error in classes}

    assert len(codes) == len(classes)
    for error in classes:
        assert error.code.replace("-", "") == error.__name__.lower()


def test_an_id_used_for_other_bytes_is_a_conflict_that_names_both(tmp_path: Any) -> None:
    with World.create(sqlite_file_url(tmp_path), "conflict") as world:
        world.register("ann")
        body = {"change": OTHER, "party": "ann"}
        places = [Signer("ann", "party", world.key("ann").key_id)]
        cancel = Draft("cancel-command/1", "ann", [places[0]._replace(role="signer")], {})
        doomed = world.compose(Draft("object-key-change/1", "ann", places, body))
        first = world.compose(replace(cancel, body={"command": doomed.document}))
        (accepted,) = world.send(world.sign(first))
        other = read_command(
            first.raw.replace(b'"seen":null', b'"seen":{"root":"%s","size":1}' % (b"0" * 64))
        )

        (outcome,) = world.send(world.sign(other))

        assert isinstance(accepted, Accepted)
        assert type(outcome) is errors.CommandConflict
        assert outcome.evidence == {
            "recorded": first.digest,
            "sent": other.digest,
            "index": accepted.index,
        }

"""Batches: each command stands or falls by itself, and a chain falls with its first link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ledger.application import Accepted
from ledger.errors import (
    AlreadyAppended,
    DisclosureInvalid,
    LedgerError,
    SignatureCount,
    SignatureInvalid,
)
from ledger.rules.compose import Draft
from ledger.rules.errors import KeyUsed, Malformed, RuleError, StaleExpectation
from ledger.submission import SealedValue, Submission
from tests.simulation.checks import check_audit, check_replay, check_views
from tests.simulation.market import Market, Template
from tests.worlds import World


@pytest.fixture
def market(template: Template) -> Iterator[Market]:
    with template.copy() as opened:
        yield opened


@pytest.fixture
def world(market: Market) -> World:
    return market.world


def transfer(world: World, item: str, owner: str, to: str, **more: Any) -> Draft:
    places = [world.signs(owner, "owner"), world.signs(to, "recipient")]
    stream = f"item/{item}"
    expect = {} if "after" in more else {stream: world.head(stream)}
    return Draft("transfer-item/1", owner, places, {"item": item, "price": None}, expect, **more)


def good(world: World) -> Submission:
    """A command that stands in nobody's way: it cancels another that was never sent."""
    place = [world.signs("ann", "signer")]
    body = {"command": world.compose(transfer(world, "cards/2", "ann", "bob")).document}
    return world.submission(Draft("cancel-command/1", "ann", place, body))


def misshapen(world: World) -> dict[str, tuple[Submission, type[LedgerError | RuleError]]]:
    sound = world.submission(transfer(world, "cards/2", "ann", "bob"))
    draft = world.item_draft("cards/7")
    sealed = world.submission(draft)
    (opened,) = sealed.disclosures
    first, second = sound.sigs
    return {
        "a signature that is no base64": (replace(sound, sigs=(first, "?")), SignatureInvalid),
        "a signature of three bytes": (replace(sound, sigs=(first, "AAAA")), SignatureInvalid),
        "an empty signature": (replace(sound, sigs=("", second)), SignatureInvalid),
        "swapped signatures": (replace(sound, sigs=(second, first)), SignatureInvalid),
        "one signature too few": (replace(sound, sigs=(first,)), SignatureCount),
        "one signature too many": (replace(sound, sigs=(first, second, second)), SignatureCount),
        "a disclosure too many": (replace(sound, disclosures=(opened,)), DisclosureInvalid),
        "no disclosure": (replace(sealed, disclosures=()), DisclosureInvalid),
        "another value": (
            replace(sealed, disclosures=(replace(opened, value="shield"),)),
            DisclosureInvalid,
        ),
        "a salt of three bytes": (
            replace(sealed, disclosures=(replace(opened, salt="AAAA"),)),
            Malformed,
        ),
        "a salt with a line break": (
            replace(sealed, disclosures=(SealedValue("name", "A\nB", "C"),)),
            Malformed,
        ),
        "a value in no normal form": (
            replace(sealed, disclosures=(replace(opened, value="e\u0301"),)),
            Malformed,
        ),
        "no command": (Submission(b"", ()), Malformed),
        "a command with a space": (replace(sound, command=sound.command + b" "), Malformed),
    }


def test_a_misshapen_submission_fails_alone_and_the_others_stand(
    market: Market, world: World
) -> None:
    """A signature of another length once broke the whole batch."""
    cases = misshapen(world)
    batch = [each for case, _ in cases.values() for each in (good(world), case)]
    before = world.size()

    outcomes = world.send(*batch)

    for (name, (_, error)), sound, spoilt in zip(
        cases.items(), outcomes[::2], outcomes[1::2], strict=True
    ):
        assert isinstance(sound, Accepted), name
        assert type(spoilt) is error, name
    assert world.size() == before + len(cases)
    world.publish()
    for index in range(before, world.size()):
        market.read_back(index)
    check_replay(market)
    check_views(market)
    check_audit(market)


def test_a_chain_in_one_batch_holds_link_by_link(world: World) -> None:
    first = world.compose(transfer(world, "cards/2", "ann", "bob"))
    steps = [first]
    for owner, to in (("bob", "eve"), ("eve", "ann")):
        after = {"item/cards/2": steps[-1].digest}
        steps.append(world.compose(transfer(world, "cards/2", owner, to, after=after)))

    outcomes = world.send(*map(world.sign, steps))

    assert [type(outcome) for outcome in outcomes] == [Accepted] * 3
    assert world.item("cards/2").owner == "ann"


def test_a_chain_whose_first_link_is_refused_falls_whole(world: World) -> None:
    first = world.compose(transfer(world, "cards/2", "bob", "eve"))
    after = {"item/cards/2": first.digest}
    second = world.compose(transfer(world, "cards/2", "ann", "eve", after=after))
    before = world.size()

    _, refused = world.send(world.sign(first), world.sign(second))

    assert type(refused) is StaleExpectation
    assert refused.evidence["expected"] == first.digest
    assert (world.size(), world.item("cards/2").owner) == (before, "ann")


def test_a_command_twice_in_one_batch_is_answered_twice_and_written_once(world: World) -> None:
    submission = world.submission(transfer(world, "cards/2", "ann", "bob"))
    before = world.size()

    first, again = world.send(submission, submission)

    assert isinstance(first, Accepted)
    assert isinstance(again, Accepted)
    assert (first.again, again.again) == (False, True)
    assert (first.index, first.leaf) == (again.index, again.leaf) == (before, first.leaf)
    assert world.size() == before + 1


def test_a_key_registered_in_a_batch_is_used_for_the_rest_of_it(world: World) -> None:
    submissions = []
    for party in ("nora", "paul"):
        body = {"class": "member", "key": world.key("nora").key(), "party": party}
        places = [world.signs(party, "party", key="nora"), world.signs("operator", "registrar")]
        submissions.append(world.submission(Draft("register-party/1", party, places, body)))

    first, second = world.send(*submissions)

    assert isinstance(first, Accepted)
    assert type(second) is KeyUsed
    assert second.evidence == {"key": world.key("nora").key_id, "party": "nora"}


def test_what_came_before_in_the_batch_cannot_be_cancelled_any_more(world: World) -> None:
    target = world.compose(transfer(world, "cards/2", "ann", "bob"))
    place = [world.signs("bob", "signer")]
    cancel = world.submission(Draft("cancel-command/1", "bob", place, {"command": target.document}))

    moved, refused = world.send(world.sign(target), cancel)

    assert isinstance(moved, Accepted)
    assert type(refused) is AlreadyAppended
    assert refused.evidence == {"index": moved.index}

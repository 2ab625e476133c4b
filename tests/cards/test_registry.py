"""Card keys in a ledger: each once in a product, as committed, whatever crashed in between."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.cards import card_order
from api.desk import Hand, write
from api.doctor import examine
from api.folder import LedgerFolder
from api.house import House
from api.keeper import Keeper
from api.logs import configure
from ledger.application import Accepted
from ledger.cards.commitments import Opening, write_opening
from ledger.cards.index import CLOCKS_DIFFER_US, CardIndex
from ledger.clock import FixedClock
from ledger.crashpoints import CrashPoint, arm
from ledger.errors import (
    CardDuplicate,
    CardIndexUnavailable,
    CardRejected,
    CommitmentDiffers,
    UploadsCapped,
)
from ledger.record.errors import HeadMoved
from ledger.registry import BEHIND_MAX, Double, Filled
from ledger.rules.errors import Malformed
from ledger.submission import SealedValue, Submission
from tests.cards.selling import (
    PRODUCT,
    SHARED_CLASS,
    START_US,
    goods,
    signed,
    submit,
    upload,
)

HOUR_US = 3600 * 1_000_000


def only(outcomes: list[Any]) -> Any:
    (outcome,) = outcomes
    return outcome


def index_of(house: House) -> Path:
    return house.folder / "vault" / "index.sqlite"


def reopened(house: House, at: int = START_US) -> House:
    """The ledger as another process finds it."""
    return LedgerFolder.open(house.folder, FixedClock(at))


def quiet(_done: int, _all: int) -> None:
    return None


def test_a_key_is_registered_once_in_a_product(shop: House) -> None:
    assert upload(shop, ["AB12-CD34", "AB12-CD35"]).accepted == 2

    again = upload(shop, ["x1", "ab12 cd34", "\uff21\uff22\uff11\uff12CD35", "x2"])
    others = upload(shop, ["AB12CD34", "x3"], "rival")
    elsewhere = upload(shop, ["AB12CD34"], "rival", product="steam-50")

    assert (again.accepted, [row for row, _ in again.duplicates]) == (2, [2, 3])
    assert all(item.startswith("shop-cards/") for _, item in again.duplicates)
    assert (others.accepted, others.rejected, others.duplicates) == (1, 1, [])
    assert elsewhere.accepted == 1


def test_the_keys_of_one_batch_see_each_other(shop: House) -> None:
    one, same, other = signed(shop, "K1"), signed(shop, "k-1"), signed(shop, "K1", "rival")

    first, second, third = submit(shop, one, same, other)

    assert isinstance(first, Accepted)
    assert isinstance(second, CardDuplicate)
    assert isinstance(third, CardRejected)


def test_a_rejection_is_the_same_whatever_it_is_for(shop: House) -> None:
    """A key that is sold, one that is only reserved, and one in the very same batch."""
    upload(shop, ["K1"])
    outcomes = submit(shop, signed(shop, "K2"), signed(shop, "K2", "rival"))
    outcomes += submit(shop, signed(shop, "K1", "rival"))
    arm(_failing(CrashPoint.INDEXED))
    with pytest.raises(Stopped):
        submit(shop, signed(shop, "K3"))
    arm(None)
    outcomes += submit(shop, signed(shop, "K3", "rival"))

    rejected = [each for each in outcomes if isinstance(each, CardRejected)]
    assert {(each.message, *each.evidence.items()) for each in rejected} == {
        ("this card key cannot be registered",)
    }
    assert len(rejected) == 3


def test_the_same_command_is_accepted_again_and_no_duplicate(shop: House) -> None:
    one = signed(shop, "K1")

    first, again = only(submit(shop, one)), only(submit(shop, one))

    assert (first.again, again.again, first.index) == (False, True, again.index)


def test_a_merchants_shared_class_takes_a_key_again_and_no_other_class_does(shop: House) -> None:
    shared = {"item_class": SHARED_CLASS}
    assert upload(shop, ["LOOP-1", "LOOP-1"], **shared).accepted == 2

    other = upload(shop, ["LOOP-1"], "rival", **shared)
    card = upload(shop, ["LOOP-1"])

    assert (other.accepted, other.rejected) == (0, 1)
    assert (card.accepted, len(card.duplicates)) == (0, 1)


@pytest.mark.parametrize("name", ["card", "code"])
def test_what_was_sealed_is_what_was_committed_to(shop: House, name: str) -> None:
    one = signed(shop, "K1")
    other = signed(shop, "K2")
    position = ["card", "code"].index(name)
    mixed = list(one.disclosures)
    mixed[position] = other.disclosures[position]
    # The disclosure must open the sealed digest first: the other command's cannot even do that.
    assert only(submit(shop, replace(one, disclosures=tuple(mixed)))).code == "disclosure-invalid"

    lying = signed_with(shop, {name: write_opening(name, Opening("K9", b"r" * 32))})
    refused = only(submit(shop, lying))

    assert isinstance(refused, CommitmentDiffers)
    assert refused.evidence["field"] == name
    assert "K9" not in str(refused)
    assert isinstance(only(submit(shop, one)), Accepted)


def signed_with(house: House, sealed: dict[str, str], merchant: str = "shop") -> Submission:
    """Sign a card whose sealed values are other ones than it commits to."""
    hand = Hand(merchant, "owner", house.signer(merchant))
    order = card_order(goods(house, merchant), hand, "K1", os.urandom)
    seal = {**order.seal, **{name: (merchant, value) for name, value in sealed.items()}}
    return write(house.context(), replace(order, seal=seal), random=os.urandom)[1]


@pytest.mark.parametrize(
    "value", ["K9", '{"key":"K9"}', '{"key":"K9","r":"x"}', '{"code":"K9","r":"x"}']
)
def test_what_is_no_sealed_card_is_refused_without_being_quoted(shop: House, value: str) -> None:
    refused = only(submit(shop, signed_with(shop, {"card": value})))

    assert isinstance(refused, Malformed)
    assert "K9" not in str(refused) + repr(refused.__dict__)


def test_a_key_of_dashes_is_no_key(shop: House) -> None:
    refused = only(submit(shop, signed(shop, "---")))

    assert str(refused) == "card: holds no characters of a key"


class Stopped(BaseException):
    """The process died there."""


def _failing(point: CrashPoint) -> Any:
    def hook(reached: CrashPoint) -> None:
        if reached is point:
            raise Stopped

    return hook


@pytest.fixture(autouse=True)
def disarmed() -> Any:
    yield
    arm(None)


@pytest.mark.parametrize(
    ("point", "recorded"),
    [
        (CrashPoint.DECIDED, False),
        (CrashPoint.INDEXED, False),
        (CrashPoint.INSERTED, False),
        (CrashPoint.BEFORE_COMMIT, False),
        (CrashPoint.COMMIT_SENT, True),
        (CrashPoint.COMMITTED, True),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_after_a_crash_the_same_command_passes_and_nobody_elses(
    shop: House, point: CrashPoint, *, recorded: bool
) -> None:
    one = signed(shop, "K1")
    arm(_failing(point))
    with pytest.raises(Stopped):
        submit(shop, one)
    arm(None)

    with reopened(shop) as after:
        taken = point is not CrashPoint.DECIDED
        rival = only(submit(after, signed(after, "K1", "rival"))) if taken else None
        outcome = only(submit(after, one))
        own = only(submit(after, signed(after, "K1")))
    with reopened(shop, START_US + 100 * 24 * HOUR_US) as later:
        others = upload(later, ["K1"], "rival")

    assert rival is None or isinstance(rival, CardRejected)
    assert isinstance(outcome, Accepted)
    assert outcome.again is recorded
    assert isinstance(own, CardDuplicate)
    assert (others.accepted, others.rejected) == (0, 1)


def test_a_reservation_without_a_command_in_the_log_is_taken_over_when_it_is_stale(
    shop: House,
) -> None:
    arm(_failing(CrashPoint.INDEXED))
    with pytest.raises(Stopped):
        submit(shop, signed(shop, "K1"))
    arm(None)
    expired = START_US + HOUR_US

    with reopened(shop, expired + CLOCKS_DIFFER_US) as early:
        assert upload(early, ["K1"], "rival").rejected == 1
    with reopened(shop, expired + CLOCKS_DIFFER_US + 1) as late:
        assert upload(late, ["K1"], "rival").accepted == 1
        assert upload(late, ["K1"]).rejected == 1


def test_a_lost_race_decides_again_and_finds_its_own_reservation(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, lost = shop.recorder.append, []

    def losing(batch: Any) -> None:
        if not lost:
            lost.append(batch)
            raise HeadMoved(expected=shop.recorder.head(), found=shop.recorder.head())
        append(batch)

    monkeypatch.setattr(shop.recorder, "append", losing)

    assert upload(shop, ["K1", "K2"]).accepted == 2
    assert len(lost) == 1


def test_two_processes_register_each_key_once(shop: House) -> None:
    with reopened(shop) as other:
        told = [
            upload(house, [f"K{number}" for number in range(start, start + 10)], merchant)
            for start in (0, 5, 10)
            for house, merchant in ((shop, "shop"), (other, "rival"))
        ]

    assert sum(each.accepted for each in told) == 20


def test_too_many_keys_of_others_close_the_day(shop: House) -> None:
    keys = [f"K{number}" for number in range(101)]
    upload(shop, keys)

    told = upload(shop, [*keys, "fresh-1", "fresh-2"], "rival")

    assert (told.accepted, told.rejected, told.left) == (0, 100, 3)
    outcome = only(submit(shop, signed(shop, "fresh-1", "rival")))
    assert isinstance(outcome, UploadsCapped)
    assert outcome.evidence == {"most": 100, "retry_after_s": 15 * 3600 + 1}
    with reopened(shop, START_US + 15 * HOUR_US) as tomorrow:
        assert upload(tomorrow, ["fresh-1"], "rival").accepted == 1


def test_staff_see_both_streams_of_a_key_that_was_tried(shop: House) -> None:
    first = upload(shop, ["K1"]).first
    upload(shop, ["K1"], "rival")

    (seen,) = shop.registry.sightings()

    assert (seen.owner, seen.other_owner, seen.other_item) == ("rival", "shop", first)
    assert seen.item.startswith("rival-cards/")


def test_staff_are_told_once_of_each_by_whichever_process_looks_first(shop: House) -> None:
    upload(shop, ["K1", "K2"])
    assert shop.registry.untold() == []
    upload(shop, ["K1"], "rival")
    with reopened(shop) as other:
        (first,) = other.registry.untold()
        upload(shop, ["K2"], "rival")
        (second,) = shop.registry.untold()

        assert other.registry.untold() == []

    assert set(shop.registry.sightings()) == {first, second}


async def _one_round(house: House) -> dict[str, str]:
    keeper = Keeper(house)
    await keeper.round()
    return dict(keeper.failures)


def test_a_server_warns_of_it_in_its_log(shop: House) -> None:
    first = upload(shop, ["K1"]).first
    upload(shop, ["K1"], "rival")
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    configure("warning", stream)
    try:
        assert [asyncio.run(_one_round(shop)) for _ in range(2)] == [{}, {}]
    finally:
        logging.getLogger().handlers[:] = before

    (told,) = map(json.loads, stream.getvalue().splitlines())
    assert (told["event"], told["level"]) == ("card-key-of-another", "warning")
    assert (told["party"], told["other_party"]) == ("rival", "shop")
    assert told["stream"].startswith("item/rival-cards/")
    assert told["other_stream"] == f"item/{first}"
    assert "K1" not in stream.getvalue()


def test_nobody_made_an_index_where_no_card_was_registered(shop: House) -> None:
    assert shop.registry.sightings() == []
    assert shop.registry.untold() == []
    assert not index_of(shop).exists()


def test_an_index_that_was_lost_is_made_again_from_the_vault(shop: House) -> None:
    upload(shop, ["K1", "K2"])
    shop.close()
    for path in index_of(shop).parent.glob("index.sqlite*"):
        path.unlink()

    with reopened(shop) as after:
        told = upload(after, ["K1", "K3"], "rival")

    assert (told.accepted, told.rejected) == (1, 1)


def test_an_older_copy_of_the_index_is_brought_up_to_date(shop: House, tmp_path: Path) -> None:
    upload(shop, ["K1"])
    shop.registry.close()
    shutil.copyfile(index_of(shop), tmp_path / "older")
    upload(shop, ["K2"])
    shop.close()
    shutil.copyfile(tmp_path / "older", index_of(shop))

    with reopened(shop) as after:
        told = upload(after, ["K1", "K2", "K3"], "rival")

    assert (told.accepted, told.rejected) == (1, 2)


def test_an_index_that_lacks_too_much_waits_for_the_operator(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(shop, ["K1", "K2"])
    shop.registry.close()
    index_of(shop).unlink()
    monkeypatch.setattr("ledger.registry.BEHIND_MAX", 1)

    refused = only(submit(shop, signed(shop, "K3")))
    assert isinstance(refused, CardIndexUnavailable)
    assert refused.evidence == {"reason": "behind the log", "do": "yinzheng cards reindex"}
    filled = shop.registry.reindex(shop.ledger.stream, quiet)

    assert filled == Filled(cards=2, unreadable=0, doubles=())
    assert upload(shop, ["K1", "K2", "K3"], "rival").rejected == 2
    assert BEHIND_MAX == 10_000


def test_a_card_that_the_vault_cannot_open_is_not_passed_over_in_silence(shop: House) -> None:
    upload(shop, ["K1"])
    shop.registry.close()
    index_of(shop).unlink()
    shop.vault.erase("shop")

    refused = only(submit(shop, signed(shop, "K2", "rival")))
    assert isinstance(refused, CardIndexUnavailable)
    filled = shop.registry.reindex(shop.ledger.stream, quiet)

    assert (filled.cards, filled.unreadable) == (1, 1)
    assert upload(shop, ["K2"], "rival").accepted == 1


def test_an_index_of_a_longer_log_is_not_believed(shop: House) -> None:
    upload(shop, ["K1"])
    shop.registry.close()
    index = CardIndex(index_of(shop))
    with index.writing():
        index.advance(10_000)
    index.close()

    refused = only(submit(shop, signed(shop, "K2")))

    assert isinstance(refused, CardIndexUnavailable)
    assert refused.evidence["reason"] == "ahead of the log"


def test_a_pepper_that_is_gone_or_replaced_stops_uploads_and_reindexing_goes_on(
    shop: House,
) -> None:
    upload(shop, ["K1"])
    shop.registry.close()
    pepper = shop.folder / "vault" / "pepper-1"
    pepper.write_bytes(bytes(32))

    refused = only(submit(shop, signed(shop, "K2")))
    assert isinstance(refused, CardIndexUnavailable)
    assert refused.evidence == {"reason": "pepper-1 differs"}
    shop.registry.reindex(shop.ledger.stream, quiet)
    with reopened(shop) as after:
        assert upload(after, ["K1", "K2"], "rival").rejected == 1


def test_a_new_pepper_gives_every_card_another_fingerprint(shop: House) -> None:
    upload(shop, ["K1", "K2"])

    version, filled = shop.registry.repepper(shop.ledger.stream, quiet)

    assert (version, filled) == (2, Filled(cards=2, unreadable=0, doubles=()))
    upload(shop, ["K3"])
    assert shop.registry.ready(shop.ledger.stream).count() == {1: 3, 2: 3}
    assert upload(shop, ["K1", "K2", "K3"], "rival").rejected == 3


def test_another_process_uses_a_new_pepper_at_once(shop: House) -> None:
    upload(shop, ["K1"])
    with reopened(shop) as other:
        other.registry.repepper(other.ledger.stream, quiet)
    upload(shop, ["K2"])

    assert shop.registry.ready(shop.ledger.stream).count() == {1: 2, 2: 2}


def test_a_key_that_was_sold_twice_is_found_afterwards(shop: House) -> None:
    """As by two machines that did not share their vault."""
    first = upload(shop, ["K1"]).first
    index = shop.registry.ready(shop.ledger.stream)
    index._connection.execute("DELETE FROM fingerprint")
    second = upload(shop, ["K1"], "rival").first

    filled = shop.registry.reindex(shop.ledger.stream, quiet)

    assert filled.doubles == (Double(str(second), str(first)),)


def test_when_the_index_cannot_be_written_no_card_is_recorded_and_all_else_is(
    shop: House,
) -> None:
    upload(shop, ["K1"])
    head = shop.recorder.head().size
    shop.registry.ready(shop.ledger.stream)._connection.execute("PRAGMA query_only=ON")

    card, again = submit(shop, signed(shop, "K2"), signed(shop, "K3"))
    shop.registry.ready(shop.ledger.stream)._connection.execute("PRAGMA query_only=OFF")

    assert isinstance(card, CardIndexUnavailable)
    assert isinstance(again, CardIndexUnavailable)
    assert shop.recorder.head().size == head
    assert upload(shop, ["K2"]).accepted == 1


def test_a_confirmation_that_fails_takes_nothing_back(shop: House) -> None:
    def failing(*_given: object, **_named: object) -> None:
        raise CardIndexUnavailable("full", reason="full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CardIndex, "confirm", failing)
        assert upload(shop, ["K1"]).accepted == 1

    assert isinstance(shop.clock, FixedClock)
    shop.clock.advance(100 * 24 * HOUR_US)
    assert upload(shop, ["K1"], "rival").rejected == 1
    with reopened(shop, START_US + 200 * 24 * HOUR_US) as later:
        assert upload(later, ["K1"], "rival").rejected == 1


def checked(house: House) -> tuple[str, str]:
    (found,) = [each for each in examine(house).checks if each.name == "card keys"]
    return found.status.value, found.found


def test_the_doctor_says_where_the_index_stands(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checked(shop) == ("ok", "none are registered")
    upload(shop, ["K1", "K2"])
    assert checked(shop) == ("ok", "the index knows all")

    shop.registry.close()
    older = index_of(shop).read_bytes()
    upload(shop, ["K3"])
    shop.registry.close()
    index_of(shop).write_bytes(older)
    assert checked(shop) == ("warning", "the index lacks 1: the next upload reads them")
    monkeypatch.setattr("api.doctor.BEHIND_MAX", 0)
    assert checked(shop) == ("wrong", "the index lacks more than 0: none can be registered")
    monkeypatch.setattr("api.doctor.BEHIND_MAX", BEHIND_MAX)
    shop.registry.close()
    index_of(shop).unlink()
    assert checked(shop) == (
        "warning",
        "the index is not there, and would lack 3: the next upload reads them",
    )
    assert not index_of(shop).exists()


def test_the_doctor_finds_a_pepper_or_an_index_of_another_ledger(shop: House) -> None:
    upload(shop, ["K1"])
    index = shop.registry.ready(shop.ledger.stream)
    with index.writing():
        index.advance(10_000)
    assert checked(shop) == ("wrong", "the index knows more than the log")

    shop.registry.close()
    (shop.folder / "vault" / "pepper-1").write_bytes(bytes(32))
    status, found = checked(shop)
    assert status == "could-not-check"
    assert found.startswith("the pepper 1 of card keys is not the one")


def test_only_the_vault_holds_anything_of_a_key(shop: House) -> None:
    canary = "CANARY-7777-KEY"
    upload(shop, [canary])
    shop.close()

    for path in shop.folder.rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path
            assert b"CANARY7777KEY" not in path.read_bytes(), path
    assert PRODUCT.encode() in (shop.folder / "ledger.sqlite").read_bytes()


def test_a_disclosure_that_is_missing_leaves_no_reservation(shop: House) -> None:
    one = signed(shop, "K1")
    refused = only(submit(shop, replace(one, disclosures=one.disclosures[:1])))

    assert refused.code == "disclosure-invalid"
    assert isinstance(one.disclosures[0], SealedValue)
    assert upload(shop, ["K1"], "rival").accepted == 1

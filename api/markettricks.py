"""What people try in vain on the market day: every kind of refusal, again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from api.desk import Hand, Order, write
from api.enrolment import OPERATOR
from api.market import SECOND_US, Market
from ledger.rules.text import format_time
from ledger.signer import Signer

REGISTRAR, FREEZER = "gatekeeper", "warden"
_NOTHING = "0" * 64
_HOUR_US = 3600 * SECOND_US


@dataclass(frozen=True, slots=True)
class Forger:
    """Claims somebody's key and signs with another."""

    claimed: Signer
    own: Signer

    @property
    def alg(self) -> str:
        """The claimed key's algorithm."""
        return self.claimed.alg

    @property
    def public(self) -> bytes:
        """The claimed public key."""
        return self.claimed.public

    @property
    def key_id(self) -> str:
        """The claimed key's id."""
        return self.claimed.key_id

    def sign(self, message: bytes) -> bytes:
        """Sign with the forger's own key."""
        return self.own.sign(message)


class Day(Protocol):
    """What a trick needs of the day on which it is tried."""

    market: Market
    items: list[str]
    members: list[str]
    merchants: list[str]

    def other(self, party: str) -> str:
        """Pick a member other than this party."""

    def freeze(self, item: str) -> None:
        """Freeze an item."""

    def freezing(self, kind: str, item: str, ground: str) -> Order:
        """Write a freeze or an unfreeze."""

    def offering(self, item: str, owner: str, *, to: str | None = None) -> Order:
        """Write an offer of an item."""


class Tricks:
    """Commands that the ledger refuses, each for the reason that its method names."""

    def __init__(self, day: Day) -> None:
        """Take the day on which they are tried."""
        self._day = day
        self._market = day.market

    def all(self) -> Sequence[Callable[[], None]]:
        """Return every trick."""
        return (
            self._not_owner,
            self._item_frozen,
            self._stale_expectation,
            self._missing_expectation,
            self._unknown_item,
            self._same_party,
            self._unknown_currency,
            self._item_exists,
            self._not_namespace_owner,
            self._wrong_context,
            self._signature_invalid,
            self._role_missing,
            self._second_party_needed,
            self._not_recipient,
            self._no_such_offer,
            self._offer_ended,
            self._party_exists,
            self._key_used,
            self._item_not_frozen,
            self._command_cancelled,
            self._command_conflict,
        )

    def _free(self) -> tuple[str, str]:
        """Pick an item that could move now, and its owner."""
        while True:
            item = self._market.dice.pick(self._day.items)
            state = self._market.item(item)
            if not state.frozen and state.offer is None:
                return item, state.owner

    def _transfer(self, item: str, owner: str, **body: Any) -> Order:
        buyer = self._day.other(owner)
        hands = [self._market.hand(owner, "owner"), self._market.hand(buyer, "recipient")]
        return Order("transfer-item/1", hands, {"item": item, "price": None} | body)

    def _try(
        self,
        order: Order,
        refused: str,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Try something with an item whose head is expected as it is."""
        stream = f"item/{order.body['item']}"
        self._market.say(order, streams=[stream], refused=refused, context=context)

    def _not_owner(self) -> None:
        item, owner = self._free()
        self._try(self._transfer(item, self._day.other(owner)), "not-owner")

    def _item_frozen(self) -> None:
        item, owner = self._free()
        self._day.freeze(item)
        self._try(self._transfer(item, owner), "item-frozen")

    def _stale_expectation(self) -> None:
        item, owner = self._free()
        order = replace(self._transfer(item, owner), expect={f"item/{item}": _NOTHING})
        self._market.say(order, refused="stale-expectation")

    def _missing_expectation(self) -> None:
        self._market.say(self._transfer(*self._free()), refused="missing-expectation")

    def _unknown_item(self) -> None:
        self._try(self._transfer("curios/nothing", self._day.members[0]), "unknown-item")

    def _same_party(self) -> None:
        item, owner = self._free()
        self._try(self._day.offering(item, owner, to=owner), "same-party")

    def _unknown_currency(self) -> None:
        price = {"amount": "1", "currency": "DOGE"}
        self._try(self._transfer(*self._free(), price=price), "unknown-currency")

    def _register(self, item: str, owner: str) -> Order:
        body = {"class": "other", "item": item}
        hands = [self._market.hand(owner, "owner")]
        return Order("register-item/1", hands, body, seal={"name": (owner, "赝品")})

    def _item_exists(self) -> None:
        place = self._market.dice.below(len(self._day.merchants))
        count = len(self._day.items) // len(self._day.merchants)
        order = self._register(self._day.items[place * count], self._day.merchants[place])
        self._market.say(order, refused="item-exists")

    def _not_namespace_owner(self) -> None:
        order = self._register("curios/mine-now", self._day.other(""))
        self._market.say(order, refused="not-namespace-owner")

    def _wrong_context(self) -> None:
        now = self._market.clock.now()
        wrong: Sequence[tuple[str, Mapping[str, Any]]] = (
            ("expired", {"at": now - 3 * _HOUR_US}),
            ("not-yet-valid", {"at": now + _HOUR_US}),
            ("wrong-log", {"log": "elsewhere.example/log"}),
            ("policy-not-in-force", {"policy": _NOTHING}),
        )
        # A batch is dated when it is handed in: the future must still be ahead then.
        self._market.flush()
        refused, context = self._market.dice.pick(wrong)
        self._try(self._transfer(*self._free()), refused, context=context)

    def _signature_invalid(self) -> None:
        order = self._transfer(*self._free())
        owner, buyer = order.hands
        forged = replace(owner, key=Forger(owner.key, self._market.wallets[FREEZER][-1]))
        self._try(replace(order, hands=[forged, buyer]), "signature-invalid")

    def _role_missing(self) -> None:
        item, owner = self._free()
        order = self._day.freezing("freeze-item/1", item, "in-dispute")
        hands = [self._market.hand(self._day.other(owner), "freezer")]
        self._try(replace(order, hands=hands), "role-missing")

    def _second_party_needed(self) -> None:
        party = self._market.dice.pick(self._day.merchants)
        hands = [self._market.hand(OPERATOR, "root"), self._market.hand(party, "grantee")]
        order = Order("grant-role/1", hands, {"party": party, "role": "arbitrator"})
        self._market.say(order, refused="second-party-needed")

    def _not_recipient(self) -> None:
        item, owner = self._free()
        to = self._day.other(owner)
        self._market.say(self._day.offering(item, owner, to=to), streams=[f"item/{item}"])
        self._try(self._day.offering(item, owner, to=to), "offer-pending")
        offer = self._market.item(item).offer
        assert offer is not None  # noqa: S101 - it was just made
        thief = next(each for each in self._day.members if each not in {owner, to})
        hands = [self._market.hand(thief, "recipient")]
        body = {"item": item, "offer": offer.digest}
        self._try(Order("accept-transfer/1", hands, body), "not-recipient")

    def _no_such_offer(self) -> None:
        item, owner = self._free()
        hands = [self._market.hand(self._day.other(owner), "recipient")]
        body = {"item": item, "offer": _NOTHING}
        self._try(Order("accept-transfer/1", hands, body), "no-such-offer")

    def _offer_ended(self) -> None:
        order = self._day.offering(*self._free())
        past = {"until": format_time(self._market.clock.now() - _HOUR_US)}
        self._try(replace(order, body={**order.body, **past}), "offer-ended")

    def _enter(self, party: str, hand: Hand, key: Mapping[str, str]) -> Order:
        body = {"class": "member", "key": dict(key), "party": party}
        return Order("register-party/1", [hand, self._market.hand(REGISTRAR, "registrar")], body)

    def _party_exists(self) -> None:
        party = self._day.other("")
        key = self._market.make_key("impostor")
        order = self._enter(party, Hand(party, "party", key), key.key())
        self._market.say(order, refused="party-exists")

    def _key_used(self) -> None:
        key = self._market.wallets[self._day.other("")][0]
        order = self._enter("newcomer", Hand("newcomer", "party", key), key.key())
        self._market.say(order, refused="key-used")

    def _item_not_frozen(self) -> None:
        item, _ = self._free()
        self._try(self._day.freezing("unfreeze-item/1", item, "dispute-ended"), "item-not-frozen")

    def _command_cancelled(self) -> None:
        """Sign a transfer, think better of it, and see it handed in all the same."""
        item, owner = self._free()
        head = {f"item/{item}": self._market.head(f"item/{item}")}
        order = replace(self._transfer(item, owner), expect=head)
        command, submission = write(self._market.context(), order, random=self._market.dice)
        cancel = {"command": command.document}
        self._market.say(Order("cancel-command/1", [self._market.hand(owner, "signer")], cancel))
        self._market.hand_in(command, submission, refused="command-cancelled")

    def _command_conflict(self) -> None:
        """Use the id of a command that is in the log for another one."""
        item, owner = self._free()
        first = self._market.say(self._day.offering(item, owner), streams=[f"item/{item}"])
        second = replace(self._day.offering(item, owner), command_id=first.id)
        self._try(second, "command-conflict")

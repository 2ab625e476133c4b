"""What a log must mean of trade: which reading judges which entry, and what is common to all.

  policy      trade policies follow each other with notice (`ledger.proof.meaning_terms`)
  shops       merchants and listings are as `ledger.proof.meaning_shops` says
  money       movements of money are as `ledger.proof.meaning_money` says
  orders      orders and their payments are as `ledger.proof.meaning_orders` says
  escrow      what becomes of paid lines is as `ledger.proof.meaning_escrow` says
  cards       a card is revealed by its owner, once, after it was sold and while something of its
              price is with its merchant or held
  activation  an item is activated once, as the buyer or the ledger says, and late is called late
  claims      claims on them are as `ledger.proof.meaning_claims` says
  chargebacks what providers take back is as `ledger.proof.meaning_chargebacks` says
  duplicates  card keys found twice are as `ledger.proof.meaning_duplicates` says
  deposits    what merchants deposit is as `ledger.proof.meaning_deposits` says
  credit      credit, points and levels are as `ledger.proof.meaning_credit` says
  codes       questions about verification codes are as `ledger.proof.meaning_codes` says

Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ledger.proof.errors import Tampered
from ledger.proof.meaning_chargebacks import ChargebacksMeaning
from ledger.proof.meaning_claims import ClaimsMeaning
from ledger.proof.meaning_codes import Coded, CodesMeaning
from ledger.proof.meaning_credit import CreditMeaning
from ledger.proof.meaning_deposits import DepositsMeaning
from ledger.proof.meaning_duplicates import Card, DuplicatesMeaning
from ledger.proof.meaning_escrow import EscrowMeaning
from ledger.proof.meaning_money import MoneyMeaning
from ledger.proof.meaning_orders import OrdersMeaning
from ledger.proof.meaning_shops import ShopsMeaning
from ledger.proof.meaning_terms import TermsMeaning


@dataclass(slots=True)
class Thing:
    """One item as the invariants see it."""

    owner: str
    namespace: str
    frozen: bool = False
    signed_for: bool = False
    offered_to: str | None = None
    agent: str | None = None
    is_card: bool = False
    goods: tuple[str, str] | None = None
    sold_by: str | None = None
    sold_at: str = ""
    revealed: bool = False
    activated: bool = False


@dataclass(slots=True)
class TradeMeaning:
    """What trade has come to so far; the items are those of the whole log."""

    complete: bool
    namespaces: dict[str, str] = field(default_factory=dict)
    items: dict[str, Thing] = field(default_factory=dict)
    terms: TermsMeaning = field(default_factory=TermsMeaning)
    shops: ShopsMeaning = field(init=False)
    money: MoneyMeaning = field(init=False)
    orders: OrdersMeaning = field(init=False)
    escrow: EscrowMeaning = field(init=False)
    claims: ClaimsMeaning = field(init=False)
    deposits: DepositsMeaning = field(init=False)
    chargebacks: ChargebacksMeaning = field(init=False)
    duplicates: DuplicatesMeaning = field(init=False)
    credit: CreditMeaning = field(init=False)
    codes: CodesMeaning = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no money anywhere, and nothing ordered."""
        self.money = MoneyMeaning(self.complete)
        self.shops = ShopsMeaning(self.complete)
        self.orders = OrdersMeaning(self.complete, self.shops, self.terms)
        self.escrow = EscrowMeaning(self.orders)
        self.claims = ClaimsMeaning(self.complete, self.escrow)
        self.chargebacks = ChargebacksMeaning(self.escrow)
        self.deposits = DepositsMeaning(self.complete, self.shops, self.terms, self.money)
        self.duplicates = DuplicatesMeaning(self.complete, self.escrow)
        self.credit = CreditMeaning(self.complete, self.terms, self.money)
        self.codes = CodesMeaning(self.complete, self.terms)

    def end(self) -> None:
        """Check that all effects of the last command came. Raises `Tampered`."""
        self.money.end()
        self.orders.end()
        self.claims.end()
        self.deposits.end()
        self.duplicates.end()
        self.codes.end()

    def _terms(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.terms.take(document, command)

    def _merchant(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.shops.qualify(command, self.namespaces)

    def _unqualified(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.shops.revoke(command)

    def _labelled(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        body = command["body"]
        self.shops.label(document, body, self.terms, self.deposits.available(body["merchant"]))

    def _listing(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.shops.publish(document, command)

    def _listing_ended(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.shops.end(command)

    def _moved(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.orders.check_accounts(document)
        self.deposits.check_accounts(document)
        self.credit.check_accounts(document)
        self.money.take(document)

    def _served(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        cashiers = [each["party"] for each in command["signers"] if each["role"] == "cashier"]
        if command["body"]["party"] in cashiers:
            raise broken("money", "a cashier served itself", None, command["body"]["party"])
        self._moved(document, command)

    def _placed(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.orders.place(document, command, self._owner)
        for line in command["body"]["lines"]:
            listing = self.shops.listings[line["listing"]] or {}
            listed = (listing["class"], listing["product"])
            goods = self.items["item/" + line["item"]].goods
            if goods != listed:
                raise broken("order", "an order of something else than was listed", listed, goods)
        self.credit.check_tier(document, command)
        self.escrow.place(document, command)

    def _owner(self, item: str) -> str | None:
        """Say whose an item is that an agent may sell now. Raises `Tampered` for a flagged one."""
        self.duplicates.check_sellable(item)
        thing = self.items.get(item)
        return thing.owner if thing and thing.agent is not None and not thing.frozen else None

    def _reserved(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.orders.reserve(document)
        self.items[document["stream"]].offered_to = None

    def _freed(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.orders.free(document)

    def _order_expired(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.orders.expire(document)

    def _paid(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.orders.pay(document, command)
        self.escrow.pay(document)
        self._moved(document, command)

    def _delivered(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.escrow.deliver(document, command, self._agent)

    def _agent(self, item: str) -> str | None:
        """Say with whom an item is that may be sold now. Raises `Tampered` for a flagged one."""
        self.duplicates.check_sellable(item)
        thing = self.items.get(item)
        return None if thing is None or thing.frozen else thing.agent

    def _sold(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        thing, data = self.items[document["stream"]], document["data"]
        self.escrow.sell(document)
        check_hand(thing, data)
        thing.owner, thing.agent, thing.offered_to = data["to"], None, None
        thing.sold_by, thing.sold_at = data["order"], document["at"]

    def _revealed(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        owner, order = command["signers"][0]["party"], document["data"]["order"]
        if thing.owner != owner:
            raise broken("cards", "another party revealed a card", thing.owner, owner)
        if thing.sold_by != order:
            raise broken("cards", "a card was revealed that was not sold", thing.sold_by, order)
        if thing.revealed:
            raise broken("cards", "a card was revealed twice", None, document["stream"])
        if thing.frozen:
            raise broken("cards", "a frozen card was revealed", None, document["stream"])
        self.escrow.check_revealed(document["stream"], command["body"])
        thing.revealed, thing.offered_to = True, None

    def _activated(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing, body = self.items[document["stream"]], command["body"]
        if thing.sold_by != body["order"]:
            message = "an activation for an order that did not sell the item"
            raise broken("activation", message, thing.sold_by, body["order"])
        line = self.escrow.check_activation(document, command, thing.sold_at)
        if body["outcome"] == "success" and thing.activated:
            raise broken("activation", "an item was activated twice", None, line.item)
        thing.activated = thing.activated or body["outcome"] == "success"
        thing.offered_to = None

    def _reported(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.duplicates.report(document, command, self._card)

    def _card(self, item: str) -> Card | None:
        thing = self.items.get(item)
        if thing is None or not thing.is_card or thing.goods is None:
            return None
        _, product = thing.goods
        return Card(product, thing.sold_by)

    def _item_flagged(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.duplicates.follow(document)
        self.items[document["stream"]].offered_to = None

    def _order_flagged(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.duplicates.follow(document)

    def _released(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.escrow.release(document, command)
        self._moved(document, command)

    def _refunded(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.escrow.refund(document, command)
        self._moved(document, command)

    def _claimed(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.deposits.count(self.claims.open(document, command), 1)

    def _claim_closed(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.deposits.count(self.claims.close(document, command), -1)
        self._moved(document, command)

    def _charged_back(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        for merchant in self.chargebacks.take(document, command):
            self.deposits.count(merchant, 1)
        self._moved(document, command)

    def _chargeback_ended(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        name = document["stream"]
        for merchant, owed in self.chargebacks.end(document, command).items():
            self.deposits.count(merchant, -1)
            if owed and self.complete:
                currency, terms = self.orders.orders[name].currency, self.escrow.terms[name]
                self.deposits.owe(merchant, currency, owed, document["at"], terms)
        self._moved(document, command)

    def _recovered(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.deposits.recover(document, command["body"])
        self._moved(document, command)
        self.deposits.check_said(document, command["body"]["merchant"])

    def _deposit_agreed(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.deposits.agree(document, command)

    def _deposit_asked(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.deposits.ask(document, command)

    def _deposit_moved(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self._moved(document, command)
        self.deposits.move(document, command)

    def _deposit_claimed(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.deposits.claimed(document)

    def _credited(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self._moved(document, command)
        self.credit.take(document, command)

    def _earned(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        body = command["body"]
        name = f"order/{body['order']}"
        line, buyer = self.escrow.line(name, body["line"]), self.orders.orders[name].buyer
        self.credit.earn(body, buyer, line, self.escrow.terms[name])
        self._credited(document, command)

    def _levelled(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.credit.level(document, command["body"])

    def _code_revoked(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        reserved = self.orders.reserved.get(document["stream"])
        self.codes.revoke(document, command, self._coded(document["stream"]), reserved)

    def _code_asked(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.codes.ask(document, command)

    def _code_verified(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.codes.verify(document, command["body"], self._coded(document["stream"]))

    def _code_answered(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        body = command["body"]
        stream = f"item/{body['item']}"
        known = body["item"] is not None and stream in self.items
        self.codes.answer(document, body, self._coded(stream) if known else None)

    def _coded(self, item: str) -> Coded:
        thing = self.items[item]
        return Coded(thing.owner, thing.is_card)

    def _claim_followed(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.claims.follow(document)

    def _balance(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.money.say(document)


_Judge = Callable[[TradeMeaning, dict[str, Any], dict[str, Any]], None]
TRADE_JUDGES: dict[str, _Judge] = {
    "trade-policy-published/1": TradeMeaning._terms,
    "merchant-qualified/1": TradeMeaning._merchant,
    "qualification-revoked/1": TradeMeaning._unqualified,
    "labels-changed/1": TradeMeaning._labelled,
    "listing-published/1": TradeMeaning._listing,
    "listing-ended/1": TradeMeaning._listing_ended,
    "balance-topped-up/1": TradeMeaning._served,
    "balance-paid-out/1": TradeMeaning._served,
    "balance-changed/1": TradeMeaning._balance,
    "order-placed/1": TradeMeaning._placed,
    "item-reserved/1": TradeMeaning._reserved,
    "item-freed/1": TradeMeaning._freed,
    "order-expired/1": TradeMeaning._order_expired,
    "payment-confirmed/1": TradeMeaning._paid,
    "lines-delivered/1": TradeMeaning._delivered,
    "item-sold/1": TradeMeaning._sold,
    "card-revealed/1": TradeMeaning._revealed,
    "activation-recorded/1": TradeMeaning._activated,
    "escrow-released/1": TradeMeaning._released,
    "escrow-refunded/1": TradeMeaning._refunded,
    "claim-opened/1": TradeMeaning._claimed,
    "claim-closed/1": TradeMeaning._claim_closed,
    "chargeback-recorded/1": TradeMeaning._charged_back,
    "chargeback-ended/1": TradeMeaning._chargeback_ended,
    "deposit-agreed/1": TradeMeaning._deposit_agreed,
    "deposit-reserved/1": TradeMeaning._deposit_asked,
    "deposit-changed/1": TradeMeaning._deposit_moved,
    "deposit-claimed/1": TradeMeaning._deposit_claimed,
    "recourse-taken/1": TradeMeaning._recovered,
    "credit-granted/1": TradeMeaning._credited,
    "credit-clawed-back/1": TradeMeaning._credited,
    "credit-redeemed/1": TradeMeaning._credited,
    "credit-earned/1": TradeMeaning._earned,
    "level-changed/1": TradeMeaning._levelled,
    "code-revoked/1": TradeMeaning._code_revoked,
    "code-asked/1": TradeMeaning._code_asked,
    "code-verified/1": TradeMeaning._code_verified,
    "check-answered/1": TradeMeaning._code_answered,
    "escrow-frozen/1": TradeMeaning._claim_followed,
    "escrow-settled/1": TradeMeaning._claim_followed,
    "duplicate-reported/1": TradeMeaning._reported,
    "item-flagged/1": TradeMeaning._item_flagged,
    "order-flagged/1": TradeMeaning._order_flagged,
}


def check_hand(thing: Thing, data: dict[str, Any]) -> None:
    """Check that an item leaves its owner's hand, and is not frozen. Raises `Tampered`."""
    if thing.frozen:
        raise broken("frozen", "a frozen item moved", thing.owner, data["to"])
    if data["from"] != thing.owner:
        raise broken("owner", "an item left another hand", thing.owner, data["from"])


def broken(invariant: str, message: str, expected: object, found: object) -> Tampered:
    """Name the invariant that breaks, what it wants and what is there."""
    return Tampered(
        "meaning",
        message,
        field=invariant,
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )

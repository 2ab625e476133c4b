"""The card shop of the demo: keys are uploaded, sold, delivered and complained about.

It follows the market day, on the same dice. What goes wrong in shops goes wrong here: a key is
uploaded twice, an order is left unpaid, a card does not work, a delivery is repeated, and one comes
too late. Everything that is not meant to be refused is accepted, or the demo stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from api.access import Caller
from api.cards import Goods, card_order
from api.codes import answer, ask
from api.desk import Order
from api.enrolment import OPERATOR
from api.market import SECOND_US, Market, MarketBroken
from api.markettricks import REGISTRAR
from api.policies.reading import default_policy, read_policy
from api.revealing import open_code
from api.timers import SYSTEM, fire_due
from ledger.rules.codes import ANSWER
from ledger.rules.compose import ID_RANDOM_BYTES, uuid7
from ledger.rules.digests import terms_digest
from ledger.rules.order_state import Order as Ordered
from ledger.rules.text import format_time
from ledger.rules.trade_state import Listing

_CARDS: Final = 500
_LISTING: Final = "points-500"
_REVIEWER, _CASHIER, _ARBITRATOR = "reviewer-1", "cashier-1", "arbitrator-1"
_CLASS: Final = "point-card"
_PRICE: Final = 4_800
_MONEY: Final = 100_000
_BUYERS, _ORDERS = 10, 24
_COPIES: Final = 3
_HOUR_US: Final = 3600 * SECOND_US
_DAY_US: Final = 24 * _HOUR_US
_PROMISES: Final = "激活失败包退 到账延迟两小时内补发或退款"


@dataclass
class TradeDay:
    """What happens in the shop, from the trade policy to the last timer.

    Attributes:
        market: The floor, after the market day.
        merchant: Who sells cards.
        namespace: Its own; the product has the same name.
        rival: Another merchant with a namespace, who has one of the keys too.
        members: Who buys.

    """

    market: Market
    merchant: str
    namespace: str
    rival: tuple[str, str]
    members: Sequence[str]
    order: str = ""
    _stock: list[str] = field(default_factory=list)
    _orders: list[str] = field(default_factory=list)
    _terms: dict[str, Any] = field(default_factory=dict)
    _digest: str = ""

    @property
    def listing(self) -> str:
        """Name of the listing that everything is bought from."""
        return f"{self.namespace}/{_LISTING}"

    def play(self) -> None:
        """Play all of it.

        Raises:
            MarketBroken: The ledger answered in another way than the script says.

        """
        self._open()
        self._upload()
        buyers = self.members[:_BUYERS]
        for buyer in buyers:
            self._top_up(buyer)
        for number in range(_ORDERS):
            self._buy(buyers[number % len(buyers)], 1 + number % 3)
        # One that nobody pays.
        self._place(buyers[0], 2)
        late = self._orders.pop()
        for order in self._orders:
            self._deliver(order)
        # A program that runs twice, or a merchant who forgot.
        self._deliver(self._orders[0], refused="line-delivered")
        self._complain(self._orders[1])
        for order in self._orders[2:8]:
            self._accept(order)
        self._reveal(self._orders[2])
        self._verify(self._orders[2])
        self._let_time_pass(3 * _HOUR_US)
        # Whether or not its timer fired by now: what comes too late is not delivered any more.
        self._deliver(late, refused="delivery-late")
        self._do_what_is_due()
        self._let_time_pass(3 * _DAY_US)
        self._do_what_is_due()
        # One that is delivered, paid and not yet looked at, for who tries the commands.
        self._buy(buyers[1], 1)
        self.order = self._orders[-1]
        self._deliver(self.order)
        self.market.publish()

    def _open(self) -> None:
        for party in (_REVIEWER, _CASHIER, _ARBITRATOR):
            self.market.register(party, class_="service", by=REGISTRAR)
        self.market.grant(_REVIEWER, "reviewer")
        # Both can move money: another party signs the grant.
        self.market.grant(_CASHIER, "cashier", second=_REVIEWER)
        self.market.grant(_ARBITRATOR, "arbitrator", second=_REVIEWER)
        # Keys are new for an hour, and what is queued would be too old after it.
        self.market.flush()
        self.market.clock.advance(2 * _HOUR_US)
        self._publish_terms()
        self._qualify()
        self._list()

    def _publish_terms(self) -> None:
        document = read_policy(default_policy()).document
        assert document is not None  # noqa: S101 - it comes with the program
        self._terms, self._digest = document, terms_digest(document)
        body = {"effective_at": None, "policy": document, "replaces": None}
        order = Order("publish-trade-policy/1", [self.market.hand(OPERATOR, "root")], body)
        self.market.say(order, streams=["policy/trade"])

    def _qualify(self) -> None:
        market = self.market
        body = {
            "class": _CLASS,
            "merchant": self.merchant,
            "namespace": self.namespace,
            "origin": None,
            "until": format_time(market.clock.now() + 20 * 365 * _DAY_US),
        }
        hands = [market.hand(self.merchant, "merchant"), market.hand(_REVIEWER, "reviewer")]
        seal = {
            "documents": (self.merchant, "营业执照与授权书 已核对原件"),
            "issuer": (self.merchant, "星际互娱"),
        }
        streams = [f"merchant/{self.merchant}", f"namespace/{self.namespace}"]
        market.say(Order("qualify-merchant/1", hands, body, seal=seal), streams=streams)

    def _list(self) -> None:
        body = {
            "class": _CLASS,
            "listing": self.listing,
            "merchant": self.merchant,
            "price": {"amount": str(_PRICE), "currency": "CNY"},
            "product": self.namespace,
            "promises": _text_digest(_PROMISES),
            "region": "cn",
            "text": _text_digest("星际点卡 500点"),
            "validity_days": 365,
        }
        order = Order("publish-listing/1", [self.market.hand(self.merchant, "merchant")], body)
        streams = [f"listing/{self.listing}", f"merchant/{self.merchant}"]
        self.market.say(order, streams=streams)

    # Cards

    def _upload(self) -> None:
        keys = [self.market.dice(10).hex().upper() for _ in range(_CARDS)]
        for key in keys:
            self._stock.append(self._card(key, self.merchant, self.namespace))
        for key in keys[:_COPIES]:
            # The same key in another spelling.
            other = f"{key[:5]}-{key[5:]}"
            self._card(other, self.merchant, self.namespace, refused="card-duplicate")
        self._card(keys[0], *self.rival, refused="card-rejected")
        self.market.flush()

    def _card(self, key: str, merchant: str, namespace: str, *, refused: str | None = None) -> str:
        goods = Goods(merchant, namespace, self.namespace, _CLASS, SYSTEM, self._digest)
        order = card_order(goods, self.market.hand(merchant, "owner"), key, self.market.dice)
        self.market.say(order, refused=refused)
        return str(order.body["item"])

    # Orders

    def _top_up(self, buyer: str) -> None:
        body = {
            "amount": {"amount": str(_MONEY), "currency": "CNY"},
            "party": buyer,
            "provider": "internal",
        }
        seal = {"transaction": (buyer, f"充值 {self.market.dice(6).hex()}")}
        self.market.say(Order("top-up/1", [self.market.hand(_CASHIER, "cashier")], body, seal=seal))

    def _place(self, buyer: str, count: int) -> str:
        market, listing = self.market, self._listing()
        order = uuid7(market.clock.now(), market.dice(ID_RANDOM_BYTES))
        items, self._stock = self._stock[:count], self._stock[count:]
        lines = [
            {
                "item": item,
                "listing": self.listing,
                "merchant": self.merchant,
                "price": str(_PRICE),
                "snapshot": listing.snapshot,
            }
            for item in items
        ]
        body = {
            "agreement": self._terms["agreement"],
            "currency": "CNY",
            "key": None,
            "lines": lines,
            "order": order,
            "terms": self._digest,
        }
        streams = [f"listing/{self.listing}", f"merchant/{self.merchant}"]
        streams += [f"item/{item}" for item in items]
        self.market.say(
            Order("place-order/1", [market.hand(buyer, "buyer")], body), streams=streams
        )
        return order

    def _listing(self) -> Listing:
        self.market.flush()
        found = self.market.house.ledger.stream(f"listing/{self.listing}")
        assert found is not None  # noqa: S101 - published above
        assert isinstance(found.state, Listing)  # noqa: S101 - by the stream's name
        return found.state

    def _buy(self, buyer: str, count: int) -> None:
        order = self._place(buyer, count)
        money = {"amount": str(_PRICE * count), "currency": "CNY"}
        self._say(order, "pay-order/1", buyer, "buyer", {"amount": money, "order": order})
        self._orders.append(order)

    def _state(self, order: str) -> Ordered:
        self.market.flush()
        found = self.market.house.ledger.stream(f"order/{order}")
        assert found is not None  # noqa: S101 - placed above
        assert isinstance(found.state, Ordered)  # noqa: S101 - by the stream's name
        return found.state

    def _deliver(self, order: str, *, refused: str | None = None) -> None:
        numbers = range(1, len(self._state(order).lines) + 1)
        body = {"order": order, "parcels": [{"line": each, "parcel": None} for each in numbers]}
        hands = [self.market.hand(SYSTEM, "agent")]
        self.market.say(Order("deliver-lines/1", hands, body), refused=refused)

    def _accept(self, order: str) -> None:
        found = self._state(order)
        lines = list(range(1, len(found.lines) + 1))
        self._say(order, "accept-lines/1", found.buyer, "buyer", {"lines": lines, "order": order})

    def _reveal(self, order: str) -> None:
        found = self._state(order)
        item = found.lines[0].item
        hands = [self.market.hand(found.buyer, "owner")]
        body = {"item": item, "line": 1, "order": order}
        self.market.say(Order("reveal-card/1", hands, body), streams=[f"item/{item}"])

    def _verify(self, order: str) -> None:
        """Let a buyer, another member and somebody who guesses ask about a card's code."""
        house, found = self.market.house, self._state(order)
        item = found.lines[0].item
        code = open_code(house, item, Caller(found.buyer, frozenset()))["code"]
        other = next(each for each in self.members if each != found.buyer)
        guess = code[1:] + code[0]
        for party, tried, expected in (
            (found.buyer, code, "valid"),
            (found.buyer, code, "already_verified"),
            (other, code, "valid"),
            (other, guess, "invalid"),
        ):
            asked = self.market.say(ask(self.market.hand(party, "party"), item, tried))
            self.market.flush()
            told = answer(house, party, asked.id)
            if told.result != expected:
                raise MarketBroken(asked.kind, expected=expected, found=told.result)
            self.market.accepted[ANSWER] += 1

    def _complain(self, order: str) -> None:
        """Let a buyer say that a key does not work, and an arbitrator give the money back."""
        found = self._state(order)
        claim = uuid7(self.market.clock.now(), self.market.dice(ID_RANDOM_BYTES))
        body = {"claim": claim, "kind": "key-invalid", "line": 1, "order": order}
        seal = {"description": (found.buyer, "激活提示卡密无效")}
        self._say(order, "open-claim/1", found.buyer, "buyer", body, seal=seal)
        # Nothing leaves the line meanwhile.
        accept = {"lines": [1], "order": order}
        self._say(order, "accept-lines/1", found.buyer, "buyer", accept, refused="claim-open")
        closing = {"claim": claim, "outcome": "refund", "to_buyer": None}
        self.market.flush()
        hands = [self.market.hand(_ARBITRATOR, "arbitrator")]
        reason = {"reason": (_ARBITRATOR, "官方接口显示该卡密此前已被使用")}
        said = Order("close-claim/1", hands, closing, seal=reason)
        self.market.say(said, streams=[f"claim/{claim}"])

    def _say(  # noqa: PLR0913 - the parts of a command
        self,
        order: str,
        kind: str,
        party: str,
        role: str,
        body: dict[str, Any],
        *,
        seal: dict[str, tuple[str, str]] | None = None,
        refused: str | None = None,
    ) -> None:
        # The order's stream may just have been written by what is queued.
        self.market.flush()
        said = Order(kind, [self.market.hand(party, role)], body, seal=seal or {})
        self.market.say(said, streams=[f"order/{order}"], refused=refused)

    def _let_time_pass(self, span_us: int) -> None:
        self.market.flush()
        self.market.clock.advance(span_us)

    def _do_what_is_due(self) -> None:
        """Let timers fire, as a serving process does in every round."""
        self.market.flush()
        self.market.house.runner.catch_up()
        self.market.accepted["timers"] += fire_due(self.market.house)


def _text_digest(text: str) -> str:
    """Return the digest of a published text, hex."""
    return sha256(text.encode()).hexdigest()

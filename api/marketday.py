"""The script of the market day: who comes, what they sell, and what they try in vain.

Forty members and eight merchants trade point cards, equipment and licences; a registrar lets them
in, a freezer stops what is reported, two officers restore a lost key. About one command in twenty
is refused on purpose. Everything follows from the dice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from api.desk import Order
from api.enrolment import OPERATOR
from api.market import SECOND_US, Market
from api.marketkeys import OFFICERS, KeyChanges
from api.markettricks import FREEZER, REGISTRAR, Tricks
from api.opening import DEFAULT_POLICY
from api.timers import SYSTEM
from ledger.rules.state import Item
from ledger.rules.text import format_time

# 11 November 2024, 08:00 in Beijing: long enough ago that no machine's clock is behind it.
OPENS_AT = 1_731_283_200 * SECOND_US
SEED = "yinzheng market day 1"
MEMBERS, MERCHANTS, ITEMS_A_MERCHANT = 40, 8, 45
TRADES, TRICK_EVERY, FREEZE_EVERY, PUBLISH_EVERY = 1_620, 14, 60, 250
# Of a hundred throws.
OFFERS, ACCEPTS, REFUSES = 45, 60, 20
HOUR_US = 3600 * SECOND_US

# A day is too short for delays of a day.
POLICY = DEFAULT_POLICY | {
    "claim_cool_down_s": 3600,
    "key_change_delay_s": 2 * 3600,
    "key_cool_down_s": 3600,
}
_GOODS = (
    ("star-cards", "point-card", "星际点卡 500点"),
    ("cloud-cards", "point-card", "云游点卡 30天"),
    ("sword-online", "virtual-equipment", "青锋剑"),
    ("dragon-realm", "virtual-equipment", "龙鳞甲"),
    ("pixel-farm", "virtual-equipment", "金色水壶"),
    ("ink-studio", "software-licence", "墨客绘图 专业版"),
    ("sheet-master", "software-licence", "表格大师 年度版"),
    ("curios", "other", "纪念徽章"),
)
NAMESPACES = tuple(namespace for namespace, _, _ in _GOODS)
"""Of the merchants, in their order."""
_FREEZE = (
    ("reported-stolen", "report-withdrawn"),
    ("in-dispute", "dispute-ended"),
    ("under-review", "review-ended"),
)

Progress = Callable[[int, int], None]


@dataclass
class MarketDay:
    """One day on the market, from the first registration to the last checkpoint."""

    market: Market
    items: list[str] = field(default_factory=list)
    frozen: list[tuple[str, str]] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    merchants: list[str] = field(default_factory=list)

    def play(self, progress: Progress) -> None:
        """Play the whole day.

        Raises:
            MarketBroken: The ledger answered in another way than the script says.

        """
        self._open_doors()
        self._put_goods_on_sale()
        tricks = Tricks(self).all()
        rotation = KeyChanges(self.market, self.members)
        rotation.begin()
        self.market.publish()
        for number in range(TRADES):
            self._trade(number)
            if number % TRICK_EVERY == 0:
                tricks[number // TRICK_EVERY % len(tricks)]()
            if number % PUBLISH_EVERY == PUBLISH_EVERY - 1:
                self.market.publish()
                progress(number, TRADES)
        rotation.end()
        self.market.publish()

    def _open_doors(self) -> None:
        market = self.market
        for name in (OPERATOR, SYSTEM):
            market.wallets[name] = [market.house.signer(name)]
        market.register(REGISTRAR, class_="service", by=OPERATOR)
        market.grant(REGISTRAR, "registrar")
        for name in (FREEZER, *OFFICERS):
            market.register(name, by=REGISTRAR, class_="service")
        market.grant(FREEZER, "freezer")
        # An officer can move property: another party signs the grant.
        market.grant(OFFICERS[0], "officer", second=FREEZER)
        market.grant(OFFICERS[1], "officer", second=OFFICERS[0])
        for number in range(MERCHANTS):
            self.merchants.append(f"merchant-{number + 1}")
            market.register(self.merchants[-1], by=REGISTRAR, class_="merchant")
        for number in range(MEMBERS):
            self.members.append(f"member-{number + 1:02}")
            alg = "p256" if number % 5 == 0 else "ed25519"
            market.register(self.members[-1], by=REGISTRAR, class_="member", alg=alg)

    def _put_goods_on_sale(self) -> None:
        for merchant, (namespace, class_, name) in zip(self.merchants, _GOODS, strict=True):
            hands = [self.market.hand(OPERATOR, "root"), self.market.hand(merchant, "owner")]
            stream = f"namespace/{namespace}"
            order = Order("open-namespace/1", hands, {"namespace": namespace})
            self.market.say(order, streams=[stream])
            for number in range(ITEMS_A_MERCHANT):
                # Guessable names are sealed; the id says nothing.
                self.items.append(f"{namespace}/{self.market.dice(8).hex()}")
                self.market.say(self._registration(merchant, class_, f"{name} #{number + 1}"))

    def _registration(self, merchant: str, class_: str, name: str) -> Order:
        hands = [self.market.hand(merchant, "owner")]
        body = {"class": class_, "item": self.items[-1]}
        return Order("register-item/1", hands, body, seal={"name": (merchant, name)})

    def _trade(self, number: int) -> None:
        """Let one item change hands, or not."""
        market, item = self.market, self.market.dice.pick(self.items)
        state = market.item(item)
        if state.frozen:
            self._unfreeze(item)
        elif number % FREEZE_EVERY == FREEZE_EVERY // 2:
            self.freeze(item)
        elif state.offer is not None and state.offer.until > market.clock.now() + HOUR_US // 4:
            self._answer(item, state)
        elif market.dice.below(100) < OFFERS:
            self._offer(item, state)
        else:
            self._transfer(item, state)

    def _transfer(self, item: str, state: Item) -> None:
        buyer = self.other(state.owner)
        hands = [self.market.hand(state.owner, "owner"), self.market.hand(buyer, "recipient")]
        order = Order("transfer-item/1", hands, {"item": item, "price": self.price()})
        self.market.say(order, streams=[f"item/{item}"])

    def _offer(self, item: str, state: Item) -> None:
        if state.offer is not None and state.offer.until > self.market.clock.now() - HOUR_US:
            # It ends, or has just ended: the owner takes it back before anything else.
            self._end("withdraw-offer/1", item, state.owner, "owner", state.offer.digest)
            return
        self.market.say(self.offering(item, state.owner), streams=[f"item/{item}"])

    def other(self, party: str) -> str:
        """Pick a member other than this party."""
        return self.market.dice.pick([each for each in self.members if each != party])

    def price(self) -> dict[str, str] | None:
        """Think of a price: usually yuan, now and then ether or none at all."""
        throw = self.market.dice.below(20)
        if throw == 0:
            return None
        if throw == 1:
            return {"amount": str(10**16 * (1 + self.market.dice.below(90))), "currency": "ETH"}
        return {"amount": str(100 * (1 + self.market.dice.below(999))), "currency": "CNY"}

    def offering(self, item: str, owner: str, *, to: str | None = None) -> Order:
        """Write an offer of an item."""
        until = self.market.clock.now() + (1 + self.market.dice.below(4)) * HOUR_US
        body = {
            "item": item,
            "price": self.price(),
            "to": to or self.other(owner),
            "until": format_time(until),
        }
        return Order("offer-transfer/1", [self.market.hand(owner, "owner")], body)

    def _answer(self, item: str, state: Item) -> None:
        assert state.offer is not None  # noqa: S101 - looked at by the caller
        throw, digest, to = self.market.dice.below(100), state.offer.digest, state.offer.to
        if throw < ACCEPTS:
            self._end("accept-transfer/1", item, to, "recipient", digest)
        elif throw < ACCEPTS + REFUSES:
            self._end("refuse-offer/1", item, to, "recipient", digest)
        else:
            self._end("withdraw-offer/1", item, state.owner, "owner", digest)

    def _end(self, kind: str, item: str, party: str, role: str, offer: str) -> None:
        order = Order(kind, [self.market.hand(party, role)], {"item": item, "offer": offer})
        self.market.say(order, streams=[f"item/{item}"])

    def freeze(self, item: str) -> None:
        """Freeze an item; a later trade finds it so and unfreezes it."""
        ground, end = self.market.dice.pick(_FREEZE)
        self.market.say(self.freezing("freeze-item/1", item, ground), streams=[f"item/{item}"])
        self.frozen.append((item, end))

    def _unfreeze(self, item: str) -> None:
        end = next(end for frozen, end in self.frozen if frozen == item)
        self.frozen = [each for each in self.frozen if each[0] != item]
        self.market.say(self.freezing("unfreeze-item/1", item, end), streams=[f"item/{item}"])

    def freezing(self, kind: str, item: str, ground: str) -> Order:
        """Write a freeze or an unfreeze; the reason is sealed."""
        hands = [self.market.hand(FREEZER, "freezer")]
        seal = {"reason": (FREEZER, f"工单 {self.market.dice(4).hex()}")}
        return Order(kind, hands, {"ground": ground, "item": item}, seal=seal)

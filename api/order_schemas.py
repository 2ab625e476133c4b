"""What answers about orders and stock hold."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas import HEX32, TIME, Money, Shape

Amount = Field(pattern="^(0|[1-9][0-9]{0,37})$", description="In minor units of the currency")


class OrderLine(Shape):
    """One item of an order, and where its money is."""

    line: int = Field(description="From 1")
    item: str
    listing: str
    snapshot: str = Field(pattern=HEX32, description="Digest of the listing that was bought")
    merchant: str
    labels: list[str] = Field(description="What the merchant had when the order was placed")
    item_class: str = Field(alias="class")
    price: str = Amount
    fee: str = Amount
    flagged: str | None = Field(description="Alert that its card key is another item's too")
    state: Literal["unfunded", "held", "released", "refunded", "split", "charged-back"]
    claims: list[str] = Field(
        description="Open claims and chargebacks; while there is one, the line is frozen"
    )
    delivered: bool
    deliver_by: str | None
    inspect_by: str | None
    released: str = Amount
    refunded: str = Amount
    charged_back: str = Amount


class ChargedLine(Shape):
    """What a provider took back of a line."""

    line: int
    amount: str = Amount


class Chargeback(Shape):
    """A case of a provider that took money back."""

    case: str
    provider: str
    open: bool = Field(description="Whether it was neither won nor lost yet")
    lines: list[ChargedLine]


class Timer(Shape):
    """What falls due on an order next if nobody acts."""

    rule: str
    due: str = Field(pattern=TIME)


class Order(Shape):
    """An order as its stream says it is."""

    order: str
    buyer: str
    state: Literal["unpaid", "paid", "expired"]
    currency: str
    total: str = Amount
    tier: str
    terms: str = Field(pattern=HEX32, description="Digest of the trade policy that it pins")
    pay_by: str = Field(pattern=TIME)
    lines: list[OrderLine]
    chargebacks: list[Chargeback]
    timers: list[Timer] = Field(description="Soonest first")
    head: str = Field(pattern=HEX32, description="Leaf of the last entry of its stream")
    head_index: int


class OrderInShort(Shape):
    """An order in a list."""

    order: str
    buyer: str
    state: Literal["unpaid", "paid", "expired"]
    total: Money
    lines: int
    head_index: int


class OrderPage(Shape):
    """A page of the orders of a buyer, by number."""

    data: list[OrderInShort]
    has_more: bool
    next_after: str | None


class FreeItem(Shape):
    """An item that is free to order."""

    item: str
    head: str = Field(pattern=HEX32, description="What an order expects of its stream")


class StockPage(Shape):
    """Items that are free to order at a listing as it stands."""

    listing: str
    data: list[FreeItem]

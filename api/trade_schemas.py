"""What answers about merchants, listings and balances hold."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas import HEX32, TIME, Money, Shape


class Qualification(Shape):
    """A class of goods that a merchant was reviewed for."""

    item_class: str = Field(alias="class")
    ended: bool = Field(description="Its end has passed: nothing new of the class is listed")
    origin: str | None
    until: str = Field(pattern=TIME)


class Label(Shape):
    """What the trade policy calls a merchant."""

    label: str
    since: str = Field(pattern=TIME, description="Time of the entry that gave it")


class Merchant(Shape):
    """A merchant: its namespace, its labels, and what it is qualified for."""

    merchant: str
    namespace: str
    labels: list[Label] = Field(description="By name")
    qualified: list[Qualification]
    head_index: int = Field(description="Index of the last entry of its stream")


class Listing(Shape):
    """A listing as it was published last."""

    listing: dict[str, Any] = Field(description="The whole edit, as the merchant signed it")
    snapshot: str = Field(pattern=HEX32, description="Its digest")
    ended: bool
    labels: list[Label] = Field(description="Those of its merchant now, by name")
    head_index: int = Field(description="Index of the last entry of its stream")


class Balance(Shape):
    """What the platform owes a party, by currency."""

    party: str
    holds: list[Money]
    head_index: int | None = Field(description="Null where money never came in")


class AgreedDeposit(Shape):
    """What a merchant agreed to of its deposit."""

    terms: str = Field(description="Digest of the trade policy")
    cool_down_s: int = Field(description="From asking for a part to its payment at the earliest")
    minimum: list[Money] = Field(description="What a merchant that sells leaves")


class OwedMoney(Shape):
    """What a merchant owes by chargebacks it lost, in one currency."""

    amount: str
    currency: str
    due: str = Field(description="When it is taken from its balance, and then from its deposit")


class MerchantDeposit(Shape):
    """What a merchant deposited, by currency."""

    merchant: str
    agreed: AgreedDeposit | None = Field(description="Null where it agreed to none")
    available: list[Money]
    reserved: list[Money] = Field(description="What it asked back and did not get yet")
    requested_at: str | None
    due: str | None = Field(description="When that may be paid back at the earliest")
    forfeited: list[Money] = Field(description="What was taken from it for good")
    claims: int = Field(description="How many claims and chargebacks on what it sold are open")
    owed: list[OwedMoney] = Field(description="What it lost by chargebacks and was not taken yet")
    head_index: int | None = Field(description="Null where nothing was ever written of it")


class MemberCredit(Shape):
    """What a member has of credit and points, which are no money, and its level."""

    party: str
    held: list[Money] = Field(description="By unit: CREDIT, POINTS")
    owed: list[Money] = Field(description="What was taken back and was no longer there")
    level: str | None = Field(description="The one recorded last; null before the first")
    head_index: int | None = Field(description="Null where nothing was ever given")

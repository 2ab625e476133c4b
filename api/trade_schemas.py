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

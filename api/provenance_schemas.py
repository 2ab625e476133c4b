"""The shape of an item's provenance, as OpenAPI shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas import HEX32, TIME, AsOf, Money, Shape, Since

Flag = Literal["clean", "disputed", "frozen", "reported-stolen", "unknown-before-import"]


class Made(Shape):
    """The first that the log knows of an item."""

    at: str = Field(pattern=TIME)
    index: int
    item_class: str | None
    attested: bool = Field(description="An importer says so; nobody signed for it here")


class Sale(Shape):
    """The order by which an item was sold, and what its listing was then."""

    order: str
    line: int
    listing: str
    merchant: str
    labels: list[str] = Field(description="What the merchant had when the order was placed")
    snapshot: str = Field(pattern=HEX32, description="Digest of the listing as it was ordered")
    promises: str = Field(pattern=HEX32, description="Digest of what it promised")


class Activation(Shape):
    """What came of using an item: that it worked, or else that it failed last."""

    outcome: Literal["success", "failure"]
    late: bool
    index: int
    at: str = Field(pattern=TIME)


class OwnerOnce(Shape):
    """How somebody came to hold an item."""

    owner: str
    index: int
    at: str = Field(pattern=TIME)
    type: str
    command: str = Field(pattern=HEX32)
    price: Money | None
    source_time: str | None
    word: Literal["signed", "attested", "role"] = Field(description="On whose word")
    sale: Sale | None = Field(description="Null where no order sold it")


class Provenance(Shape):
    """Where an item comes from and what is known against it, as of an index."""

    item: str
    flag: Flag = Field(description="The gravest of `flags`")
    flags: list[Flag]
    made: Made
    owner: str
    frozen: bool
    activation: Activation | None
    since: Since
    owners: list[OwnerOnce] = Field(description="Oldest first; the history goes on where `more`")
    more: bool
    as_of: AsOf

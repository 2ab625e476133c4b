"""The words in which the views tell what happened to an item, and on whose word it stands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ledger.rules.entries import Entry

SIGNED, ATTESTED, BY_ROLE = "signed", "attested", "role"
EARLIER_UNKNOWN, LATE = "earlier-history-unknown", "late"

# On whose word an entry of an item's stream stands: its owner's (and recipient's or buyer's), the
# importer's, or that of somebody who holds a role.
_BY_SIGNATURE = (
    *("activation-recorded/1", "card-registered/1", "card-revealed/1", "code-revoked/1"),
    "item-registered/1",
    *("item-escrowed/1", "item-withdrawn/1"),
    *("item-transferred/1", "transfer-offered/1", "offer-ended/1"),
    *("item-reserved/1", "item-sold/1"),
)
WORDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_BY_SIGNATURE, SIGNED),
        **dict.fromkeys(("code-verified/1", "item-flagged/1", "item-freed/1"), BY_ROLE),
        **dict.fromkeys(("item-frozen/1", "item-unfrozen/1"), BY_ROLE),
        "item-first-seen/1": ATTESTED,
        "provenance-gap-recorded/1": ATTESTED,
        "sale-imported/1": ATTESTED,
    }
)
# It only carries the command whose effects are shown.
NOT_SHOWN = frozenset({"sale-presented/1"})
_ACTIVATION = "activation-recorded/1"


def reason_of(entry: Entry) -> str | None:
    """Say why there is a gap, that nothing earlier is known, or that an activation is late."""
    if entry.type == "item-first-seen/1":
        return EARLIER_UNKNOWN
    if entry.type == _ACTIVATION:
        return LATE if entry.data["late"] else None
    reason: str | None = entry.data.get("reason")
    return reason


def ground_of(entry: Entry, body: Mapping[str, Any]) -> str | None:
    """Say on which ground an item was frozen, or what came of an activation."""
    ground: str | None = body["outcome"] if entry.type == _ACTIVATION else body.get("ground")
    return ground

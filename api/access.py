"""Who may read what: the authorisation matrix, one row a route, in the OpenAPI description.

Each operation says `x-yinzheng-access`: who it lets in. `anonymous` is whoever signs nothing,
`party` every registered party, any other name whoever holds that role beside that. Each reaches
`none`, `own` (what is about the signer), `all`, or a list of sealed fields that it may read of
others too. `local` is for clients on the server's own machine. Who is not named reaches nothing,
except that a row with `anonymous: all` is public. What stands in the description is what decides;
there is no second list. Decision: docs/adr/0029.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EXTENSION = "x-yinzheng-access"
ANONYMOUS, PARTY = "anonymous", "party"
ALL, OWN, NONE, LOCAL = "all", "own", "none", "local"

Reach = str | Sequence[str]


def access(**reach: Reach) -> dict[str, Any]:
    """Write a row of the matrix, for `openapi_extra` of a route."""
    return {EXTENSION: dict(reach)}


PUBLIC = access(anonymous=ALL)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request: a party with a valid key, and the roles that it holds now."""

    party: str
    roles: frozenset[str]


def may_read(row: Mapping[str, Reach], caller: Caller, *, subject: str, name: str) -> bool:
    """Say whether a caller may read a sealed field.

    Args:
        row: Of the matrix.
        caller: Who asks.
        subject: The party that the field is about.
        name: Of the field.

    """
    for who in (PARTY, *caller.roles):
        reach = row.get(who, NONE)
        if reach == ALL or (reach == OWN and subject == caller.party):
            return True
        if not isinstance(reach, str) and name in reach:
            return True
    return False

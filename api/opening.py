"""Opening a log: entry 0, signed by every key it names, and the first checkpoint."""

from __future__ import annotations

from typing import Any

from api.desk import Hand, Order, write
from api.house import House
from ledger.application import Accepted
from ledger.rules.compose import Context
from ledger.rules.model import OPERATOR_ROLES

# Parties of entry 0, in the order of their roles: root is the operator's.
FOUNDERS = ("operator", "system", "receipt", "checkpoint")
RECEIPT_DELAY_SECONDS = 60
_DAY_SECONDS = 24 * 3600

DEFAULT_POLICY: dict[str, Any] = {
    "claim_cool_down_s": _DAY_SECONDS,
    "currencies": [
        {"currency": "CNY", "exponent": 2},
        {"currency": "ETH", "exponent": 18},
        {"currency": "JPY", "exponent": 0},
        {"currency": "USD", "exponent": 2},
    ],
    "key_change_delay_s": _DAY_SECONDS,
    "key_cool_down_s": _DAY_SECONDS,
    "registration": "approved",
    "v": 1,
}


def open_log(house: House, *, policy: dict[str, Any] | None = None) -> Accepted:
    """Append entry 0 to an empty log and publish the first checkpoint.

    Args:
        house: Its keys are made, its log is empty.
        policy: The first ledger policy; the default one when None.

    Raises:
        Malformed: The policy is not one.

    """
    keys = [house.log_key(name) for name in FOUNDERS]
    founders = list(zip(FOUNDERS, OPERATOR_ROLES, keys, strict=True))
    order = Order(
        kind="open-ledger/1",
        hands=[Hand(party, role, key) for party, role, key in founders],
        body={
            "parties": [
                {"key": key.key(), "party": party, "role": role} for party, role, key in founders
            ],
            "policy": policy or DEFAULT_POLICY,
            "receipt_delay_s": RECEIPT_DELAY_SECONDS,
            "vkey": house.vkey,
        },
    )
    context = Context(log=house.origin, policy=None, at=house.clock.now())
    _, submission = write(context, order, random=house.random)
    (outcome,) = house.ledger.submit([submission])
    if not isinstance(outcome, Accepted):
        raise outcome
    house.publisher.publish()
    return outcome

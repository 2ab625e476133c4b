"""The trade policy that tests publish: small numbers, every list with something in it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ledger.application import Accepted
from ledger.rules.compose import Draft
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Terms
from ledger.rules.text import format_time
from tests.worlds import World

HOUR_S = 3600
DAY_S = 24 * HOUR_S
CNY = "CNY"


def money(amount: str, currency: str = CNY) -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def tier(name: str, credit: int, response_s: int, n: int, unit: str) -> dict[str, Any]:
    return {
        "arbitration": {"n": n, "unit": unit},
        "credit_min": credit,
        "first_response_s": response_s,
        "tier": name,
    }


def item_class(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "activation_s": DAY_S,
        "class": name,
        "delay_remedy_s": None,
        "deliver_s": 2 * HOUR_S,
        "evidence": [],
        "evidence_due_s": DAY_S,
        "high_value_min": [money("50000")],
        "inspect_s": 3 * DAY_S,
        "provenance": "optional",
        "reusable": "no",
        "sells": "card",
        "unpaid_s": 15 * 60,
        **changes,
    }


_TERMS: dict[str, Any] = {
    "agreement": "a9" * 32,
    "appeal": {
        "after_enforcement": "compensating-events",
        "committee": {
            "commit_s": 3 * DAY_S,
            "majority": "simple",
            "quorum": "all-classes",
            "recusal_days": 180,
            "reveal_s": 2 * DAY_S,
            "seats": [
                {"n": 1, "seat": "legal-adviser"},
                {"n": 1, "seat": "member-rep"},
                {"n": 1, "seat": "operator"},
            ],
            "size": "odd",
            "tie": "first-instance-stands",
            "voting": "commit-reveal",
        },
        "per_party": 1,
        "stays_enforcement": "yes",
        "window_days": 7,
    },
    "checks": {"lock_after": 5, "lock_s": HOUR_S, "per_hour": 20},
    "claims": {
        "channel": "platform",
        "evidence_types": ["official-verification", "screenshot", "trade-record-screenshot"],
        "kinds": ["key-invalid", "not-delivered"],
        "late_activation": "weight-only",
        "required": ["attachment", "description"],
        "window_days": 30,
    },
    "classes": [
        item_class("point-card", delay_remedy_s=2 * HOUR_S),
        item_class(
            "virtual-equipment",
            sells="item",
            evidence=["official-verification", "trade-record-screenshot"],
            provenance="required",
        ),
    ],
    "clocks": {
        "calendar": "CN-gov",
        "count_filing_day": "no",
        "hours": "wall-clock",
        "missing_year": "estimate-and-flag",
        "tier_pinned_at": "filing",
        "upgrade_improves": "yes",
    },
    "compensation": {
        "delay": {"on_timeout": "refund", "options": ["refund", "reissue"]},
        "forms": ["penalty", "points", "refund", "reissue"],
        "insolvency": {
            "rank": ["principal", "incidental", "penalty", "points"],
            "within_rank": "pro-rata-largest-remainder",
        },
        "order": ["refund-or-reissue", "incidental", "penalty", "points"],
        "penalty": {
            "apply_days": 30,
            "base": "line-paid",
            "below_min_unit": "one-unit",
            "clamp": "yes",
            "max_bp": 3000,
            "min_bp": 1000,
            "payout": ["cash", "member-credit"],
            "requires": "malicious-breach",
            "rounding": "half-up",
        },
        "sources": [
            "frozen-escrow",
            "merchant-balance",
            "merchant-deposit",
            "guarantee-fund",
            "receivable",
        ],
    },
    "credit": {"points_bp": 100, "points_expiry_days": 365, "purchase_bp": 100},
    "exclusions": [
        {"burden": "pleader", "code": "account-theft", "disapplied_if": ["device-bound", "mfa"]},
        {"burden": "pleader", "code": "off-platform-payment", "disapplied_if": []},
    ],
    "id": "small",
    "limits": {"rejected_uploads_per_day": 100, "unpaid_orders": 5},
    "merchant": {
        "deposit": {
            "blocked_if": ["below-minimum", "cool-down", "open-claims"],
            "cool_down_s": 3600,
            "minimum": [money("0")],
        },
        "fee_bp": 250,
        "labels": [
            {"deposit_min": [money("1000000")], "label": "gold", "origin": None},
            {
                "deposit_min": [money("0")],
                "label": "platform-direct",
                "origin": "platform-direct",
            },
        ],
        "recourse_s": DAY_S,
    },
    "metrics": ["mean-handling-time", "warranty-success-rate"],
    "notice_days": 7,
    "retention": {"legal_hold": "yes", "years": 3},
    "risk": {
        "description_edits": {
            "max_material": 3,
            "window_s": DAY_S,
            "with_open_orders": "alert",
        },
        "refund_burst": {
            "cool_down_s": HOUR_S,
            "min_count": 10,
            "min_ratio_bp": 2000,
            "window_s": HOUR_S,
        },
    },
    "third_party": {"claw_back": "never-if-unflagged-at-purchase", "remedy": "money"},
    "tiers": [
        tier("diamond", 100_000, 2 * HOUR_S, 48, "hours"),
        tier("ordinary", 0, 24 * HOUR_S, 7, "working-days"),
        tier("vip", 10_000, 2 * HOUR_S, 7, "working-days"),
    ],
    "timezone": "Asia/Shanghai",
    "v": 1,
}


def terms(**changes: Any) -> dict[str, Any]:
    """A trade policy document of its own, with these fields replaced."""
    return deepcopy(_TERMS) | changes


def terms_draft(
    world: World, document: dict[str, Any], effective_at: int | None = None, *, by: str = "operator"
) -> Draft:
    """Draft a trade policy: the first, or the successor of the one in force now."""
    found = world.ledger.stream(TERMS_STREAM)
    state = found.state if found else None
    assert state is None or isinstance(state, Terms)
    body = {
        "effective_at": None if effective_at is None else format_time(effective_at),
        "policy": document,
        "replaces": state.at(world.clock.now()).digest if state else None,
    }
    expect = {TERMS_STREAM: world.head(TERMS_STREAM)}
    return Draft("publish-trade-policy/1", by, [world.signs(by, "root")], body, expect)


def publish_terms(
    world: World, document: dict[str, Any], effective_at: int | None = None
) -> Accepted:
    """Publish a trade policy: the first, or the successor of the one in force now."""
    return world.submit(terms_draft(world, document, effective_at))

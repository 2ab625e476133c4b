"""The trade policy document: every number that a trade is judged by, as data.

A closed schema: names are values and never keys, an array whose order means nothing is sorted with
nothing twice, and there are only whole numbers, texts and null. What the schema cannot say of two
fields together is in `faults`. Specification: docs/spec.md section 9.8.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ledger.rules import schema
from ledger.rules.errors import Malformed
from ledger.rules.schema import Check, Schema

NOTICE_DAYS_MIN: Final = 7
NOTICE_DAYS_MAX: Final = 365
_BP: Final = 10_000
_HOURS_A_DAY: Final = 24
_NAMES_MAX: Final = 32
_ZONE: Final = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,31}(/[A-Z][A-Za-z0-9_+-]{0,31}){0,2}")

EVIDENCE: Final = (
    "api-result",
    "authorisation-certificate",
    "chat",
    "official-certificate",
    "official-verification",
    "screenshot",
    "trade-record",
    "trade-record-screenshot",
    "video",
)
CLAIM_KINDS: Final = (
    "counterfeit",
    "delayed-credit",
    "delivered-twice",
    "key-invalid",
    "key-sold-twice",
    "not-as-described",
    "not-delivered",
    "stolen-item",
)
METRICS: Final = (
    "appeal-reversal-rate",
    "mean-handling-time",
    "median-handling-time",
    "open-cases",
    "p95-handling-time",
    "sla-hit-rate",
    "warranty-success-rate",
)
_ORDER: Final = ("incidental", "penalty", "points", "refund-or-reissue")
_SOURCES: Final = (
    "frozen-escrow",
    "guarantee-fund",
    "merchant-balance",
    "merchant-deposit",
    "receivable",
)
_RANK: Final = ("incidental", "penalty", "points", "principal")


class Fault(NamedTuple):
    """What is wrong with a document that fits the schema: the field, below the document."""

    field: str
    message: str


def _matching(pattern: re.Pattern[str], what: str) -> Check:
    def check(value: Any, field: str) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise Malformed(field, f"is not {what}")

    return check


name = schema.name
_zone = _matching(_ZONE, "a time zone such as Asia/Shanghai")
_yes_no = schema.one_of(("no", "yes"))
_bp = schema.whole(0, _BP)
_days = schema.whole(1, 366)
LOCK_AFTER_MAX = 64
"""A party's state holds the times of so many wrong answers about codes."""
PER_HOUR_MAX = 1000
"""And those of so many questions within an hour."""
_count = schema.whole(1, 1_000_000)
_holding = schema.whole(0, 1_000_000_000_000)
period = schema.whole(1, schema.SECONDS_MAX)
_moneys = schema.sorted_items(schema.money, most=16, by="currency")


def _some_of(values: tuple[str, ...], *, least: int = 0) -> Check:
    return schema.sorted_items(schema.one_of(values), least=least, most=len(values))


def _names(*, least: int = 0) -> Check:
    return schema.sorted_items(name, least=least, most=_NAMES_MAX)


def _objects(fields: Schema, by: str, *, least: int = 0) -> Check:
    return schema.sorted_items(schema.nested(fields), least=least, most=_NAMES_MAX, by=by)


_TERM: Schema = {"n": schema.whole(1, 1000), "unit": schema.one_of(("hours", "working-days"))}
_TIER: Schema = {
    "arbitration": schema.nested(_TERM),
    "credit_min": _holding,
    "first_response_s": period,
    "tier": name,
}
_CLOCKS: Schema = {
    "calendar": schema.identifier,
    "count_filing_day": _yes_no,
    "hours": schema.one_of(("wall-clock",)),
    "missing_year": schema.one_of(("estimate-and-flag",)),
    "tier_pinned_at": schema.one_of(("filing",)),
    "upgrade_improves": _yes_no,
}
_CLASS: Schema = {
    "activation_s": period,
    "class": name,
    "delay_remedy_s": schema.nullable(period),
    "deliver_s": period,
    "evidence": _some_of(EVIDENCE),
    "evidence_due_s": period,
    "high_value_min": _moneys,
    "inspect_s": period,
    "provenance": schema.one_of(("optional", "required")),
    "reusable": _yes_no,
    "sells": schema.one_of(("card", "item")),
    "unpaid_s": period,
}
_CLAIMS: Schema = {
    "channel": schema.one_of(("platform",)),
    "evidence_types": _some_of(EVIDENCE, least=1),
    "kinds": _some_of(CLAIM_KINDS, least=1),
    "late_activation": schema.one_of(("excludes", "weight-only")),
    "required": _some_of(("attachment", "description")),
    "window_days": _days,
}
_EXCLUSION: Schema = {
    "burden": schema.one_of(("opponent", "pleader")),
    "code": name,
    "disapplied_if": _some_of(("device-bound", "mfa")),
}
_PENALTY: Schema = {
    "apply_days": _days,
    "base": schema.one_of(("line-paid",)),
    "below_min_unit": schema.one_of(("one-unit",)),
    "clamp": _yes_no,
    "max_bp": _bp,
    "min_bp": _bp,
    "payout": _some_of(("cash", "member-credit"), least=1),
    "requires": schema.one_of(("malicious-breach",)),
    "rounding": schema.one_of(("half-up",)),
}
_DELAY: Schema = {
    "on_timeout": schema.one_of(("refund", "reissue")),
    "options": _some_of(("refund", "reissue"), least=1),
}
_INSOLVENCY: Schema = {
    "rank": schema.permutation(_RANK),
    "within_rank": schema.one_of(("pro-rata-largest-remainder",)),
}
_COMPENSATION: Schema = {
    "delay": schema.nested(_DELAY),
    "forms": _some_of(("penalty", "points", "refund", "reissue"), least=1),
    "insolvency": schema.nested(_INSOLVENCY),
    "order": schema.permutation(_ORDER),
    "penalty": schema.nested(_PENALTY),
    "sources": schema.permutation(_SOURCES),
}
_SEAT: Schema = {
    "n": schema.whole(1, 9),
    "seat": schema.one_of(("legal-adviser", "member-rep", "operator")),
}
_COMMITTEE: Schema = {
    "commit_s": period,
    "majority": schema.one_of(("simple",)),
    "quorum": schema.one_of(("all-classes",)),
    "recusal_days": _days,
    "reveal_s": period,
    "seats": schema.sorted_items(schema.nested(_SEAT), least=3, most=3, by="seat"),
    "size": schema.one_of(("any", "odd")),
    "tie": schema.one_of(("first-instance-stands",)),
    "voting": schema.one_of(("commit-reveal",)),
}
_APPEAL: Schema = {
    "after_enforcement": schema.one_of(("compensating-events",)),
    "committee": schema.nested(_COMMITTEE),
    "per_party": schema.whole(1, 9),
    "stays_enforcement": _yes_no,
    "window_days": _days,
}
_LABEL: Schema = {"deposit_min": _moneys, "label": name, "origin": schema.nullable(name)}
_DEPOSIT: Schema = {
    "blocked_if": _some_of(("below-minimum", "cool-down", "open-claims")),
    "cool_down_s": period,
    "minimum": _moneys,
}
_MERCHANT: Schema = {
    "deposit": schema.nested(_DEPOSIT),
    "fee_bp": _bp,
    "labels": _objects(_LABEL, "label"),
    "recourse_s": period,
}
_THIRD_PARTY: Schema = {
    "claw_back": schema.one_of(("never-if-unflagged-at-purchase",)),
    "remedy": schema.one_of(("money",)),
}
_EDITS: Schema = {
    "max_material": _count,
    "window_s": period,
    "with_open_orders": schema.one_of(("alert", "ignore")),
}
_BURST: Schema = {
    "cool_down_s": period,
    "min_count": _count,
    "min_ratio_bp": _bp,
    "window_s": period,
}
_RISK: Schema = {
    "description_edits": schema.nested(_EDITS),
    "refund_burst": schema.nested(_BURST),
}
_RETENTION: Schema = {"legal_hold": _yes_no, "years": schema.whole(3, 100)}
_CHECKS: Schema = {
    "lock_after": schema.whole(1, LOCK_AFTER_MAX),
    "lock_s": period,
    "per_hour": schema.whole(1, PER_HOUR_MAX),
}
_LIMITS: Schema = {"rejected_uploads_per_day": _count, "unpaid_orders": _count}
_CREDIT: Schema = {
    "points_bp": _bp,
    "points_expiry_days": schema.whole(1, 3660),
    "purchase_bp": _bp,
}
TERMS: Schema = {
    "agreement": schema.nullable(schema.hex32),
    "appeal": schema.nested(_APPEAL),
    "checks": schema.nested(_CHECKS),
    "claims": schema.nested(_CLAIMS),
    "classes": _objects(_CLASS, "class", least=1),
    "clocks": schema.nested(_CLOCKS),
    "compensation": schema.nested(_COMPENSATION),
    "credit": schema.nested(_CREDIT),
    "exclusions": _objects(_EXCLUSION, "code"),
    "id": schema.identifier,
    "limits": schema.nested(_LIMITS),
    "merchant": schema.nested(_MERCHANT),
    "metrics": _some_of(METRICS, least=1),
    "notice_days": schema.whole(NOTICE_DAYS_MIN, NOTICE_DAYS_MAX),
    "retention": schema.nested(_RETENTION),
    "risk": schema.nested(_RISK),
    "third_party": schema.nested(_THIRD_PARTY),
    "tiers": _objects(_TIER, "tier", least=1),
    "timezone": _zone,
    "v": schema.whole(1, 1),
}


def trade_policy(value: Any, field: str) -> None:
    """Accept a trade policy document whose fields agree with each other.

    Raises:
        Malformed: It is not of the schema, or two of its fields contradict; the first is named.

    """
    schema.check_object(value, TERMS, field)
    for fault in faults(value):
        raise Malformed(f"{field}.{fault.field}", fault.message)


def faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Name every contradiction in a document that fits the schema, in a fixed order."""
    for find in _FINDERS:
        yield from find(document)


def _tiers(document: dict[str, Any]) -> Iterator[Fault]:
    places = list(enumerate(document["tiers"]))
    places.sort(key=lambda place: (place[1]["credit_min"], place[0]))
    first, lowest = places[0]
    if lowest["credit_min"] != 0:
        message = "is not 0, though no tier has less: every member is in one"
        yield Fault(f"tiers[{first}].credit_min", message)
    for (_, below), (place, tier) in pairwise(places):
        if tier["credit_min"] == below["credit_min"]:
            message = f"is that of {below['tier']} too"
            yield Fault(f"tiers[{place}].credit_min", message)
        if tier["first_response_s"] > below["first_response_s"]:
            message = f"is longer than that of {below['tier']}, which needs less credit"
            yield Fault(f"tiers[{place}].first_response_s", message)
        if _hours(tier["arbitration"]) > _hours(below["arbitration"]):
            message = f"is longer than that of {below['tier']}, which needs less credit"
            yield Fault(f"tiers[{place}].arbitration", message)


def _hours(term: dict[str, Any]) -> int:
    """Count a term in hours; a working day lasts 24 at least."""
    return int(term["n"]) * (1 if term["unit"] == "hours" else _HOURS_A_DAY)


def _evidence(document: dict[str, Any]) -> Iterator[Fault]:
    known = document["claims"]["evidence_types"]
    for place, each in enumerate(document["classes"]):
        for at, kind in enumerate(each["evidence"]):
            if kind not in known:
                yield Fault(
                    f"classes[{place}].evidence[{at}]", "is not among claims.evidence_types"
                )


def _penalty(document: dict[str, Any]) -> Iterator[Fault]:
    penalty = document["compensation"]["penalty"]
    if penalty["min_bp"] > penalty["max_bp"]:
        yield Fault("compensation.penalty.min_bp", f"is above max_bp, {penalty['max_bp']}")


def _delay(document: dict[str, Any]) -> Iterator[Fault]:
    delay = document["compensation"]["delay"]
    if delay["on_timeout"] not in delay["options"]:
        yield Fault("compensation.delay.on_timeout", "is not among compensation.delay.options")


def _committee(document: dict[str, Any]) -> Iterator[Fault]:
    committee = document["appeal"]["committee"]
    total = sum(each["n"] for each in committee["seats"])
    if committee["size"] == "odd" and total % 2 == 0:
        yield Fault("appeal.committee.seats", f"are {total} together, which is not odd")


def _labels(document: dict[str, Any]) -> Iterator[Fault]:
    merchant = document["merchant"]
    for place, label in enumerate(merchant["labels"]):
        asked = {each["currency"]: int(each["amount"]) for each in label["deposit_min"]}
        for least in merchant["deposit"]["minimum"]:
            if asked.get(least["currency"], 0) < int(least["amount"]):
                message = (
                    f"asks for less {least['currency']} than merchant.deposit.minimum, "
                    f"{least['amount']}"
                )
                yield Fault(f"merchant.labels[{place}].deposit_min", message)


_FINDERS: Final[tuple[Callable[[dict[str, Any]], Iterator[Fault]], ...]] = (
    _tiers,
    _evidence,
    _penalty,
    _delay,
    _committee,
    _labels,
)

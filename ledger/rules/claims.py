"""Claims: the buyer freezes a line at once, and what it holds stays until the claim is closed.

A claim and a release of the same line are decided by which of them is written first: both read the
order's stream. Several claims may be open on a line; nothing leaves it before the last is closed.
Specification: docs/spec.md section 9.14.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.delivery import check_held, line_of
from ledger.rules.deposits import claim_counted
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed, TooLarge, WrongSigners
from ledger.rules.escrow import Part, check_delivered, line_number, postings_of
from ledger.rules.model import TERMS_STREAM, EventType, Fact, Given, Kind
from ledger.rules.money import POSTING, POSTINGS_MAX, balance_changes
from ledger.rules.order_state import Line, Order
from ledger.rules.orders import as_order, freed, order_of, order_stream, own_order
from ledger.rules.payments import check_buyer
from ledger.rules.refunds import check_merchant
from ledger.rules.state import State
from ledger.rules.terms import DAY_US, stream_of_terms, terms_of
from ledger.rules.terms_document import CLAIM_KINDS
from ledger.rules.text import format_time, time_us
from ledger.rules.trade_errors import (
    ClaimClosed,
    ClaimExists,
    ClaimNotAccepted,
    ClaimOpen,
    OutcomeNotAllowed,
    RefundTooLarge,
    UnknownClaim,
)
from ledger.rules.trade_state import Claim

# A buyer that claims without end would keep its merchant's money without end.
CLAIMS_MAX: Final = 8
NONE, REFUND, RELEASE, SPLIT = "none", "refund", "release", "split"
OUTCOMES: Final = (NONE, REFUND, RELEASE, SPLIT)
_OUTCOMES_OF: Final = MappingProxyType(
    {"arbitrator": (NONE, REFUND, SPLIT), "buyer": (NONE, RELEASE), "merchant": (REFUND,)}
)


def claim_stream(claim: str) -> str:
    """Name the stream of a claim."""
    return f"claim/{claim}"


def _open(given: Given) -> list[Fact]:
    order, body = order_of(given), given.body
    check_buyer(order, given.command.signers[0].party)
    line = line_of(order, body["line"])
    taken = body["claim"] in line.claims
    if taken or given.view.stream(claim_stream(body["claim"])) is not None:
        raise ClaimExists("a claim of this number was opened", claim=body["claim"])
    check_held(body["line"], line)
    kinds = _terms(given, order)["claims"]["kinds"]
    if body["kind"] not in kinds:
        raise ClaimNotAccepted(
            "the order's trade policy takes no such claim",
            kind=body["kind"],
            taken=", ".join(kinds),
        )
    if line.claimed == CLAIMS_MAX:
        raise TooLarge("the line was claimed too often", claims=line.claimed, most=CLAIMS_MAX)
    data = {"claim": body["claim"], "line": body["line"]}
    return [
        Fact(claim_stream(body["claim"]), "claim-opened/1", {}),
        Fact(order_stream(body["order"]), "escrow-frozen/1", data),
        claim_counted(given, line.merchant, 1),
    ]


def _terms(given: Given, order: Order) -> dict[str, Any]:
    terms = terms_of(given, order.terms)
    # Kept for longer than an order takes: terms.OLD_KEPT.
    assert terms is not None  # noqa: S101 - see there
    return terms.document


def _opened(_state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    body = entry.command.body
    return Claim(body["order"], body["line"], body["kind"])


def _frozen(state: State | None, entry: Entry) -> State:
    line = _line(state, entry)
    frozen = line._replace(claims=(*line.claims, entry.data["claim"]), claimed=line.claimed + 1)
    return _with_line(as_order(state), entry.data["line"], frozen)


def _line(state: State | None, entry: Entry) -> Line:
    number: int = entry.data["line"]
    return as_order(state).lines[number - 1]


def _with_line(order: Order, number: int, line: Line) -> Order:
    lines = list(order.lines)
    lines[number - 1] = line
    return order._replace(lines=tuple(lines))


def _close(given: Given) -> list[Fact]:
    body, claim = given.body, _claim(given)
    found = given.view.stream(order_stream(claim.order))
    order = as_order(found.state if found else None)
    line = line_of(order, claim.line)
    _check_closer(given, order, line)
    part = _part(given, claim, line)
    postings = postings_of(claim.order, order, [part])
    data = {
        "claim": body["claim"],
        "deliver_by": _deliver_by(given, line),
        "inspect_by": _inspect_by(given, order, line),
        "line": claim.line,
        "outcome": body["outcome"],
        "refunded": str(part.refunded),
        "released": str(part.released),
    }
    ended = 0 < part.refunded == line.held and not line.delivered
    return [
        Fact(claim_stream(body["claim"]), "claim-closed/1", {"postings": postings}),
        Fact(order_stream(claim.order), "escrow-settled/1", data),
        *freed((line,) if ended else ()),
        *balance_changes(given, postings),
        claim_counted(given, line.merchant, -1),
    ]


def _claim(given: Given) -> Claim:
    name = given.body["claim"]
    found = given.view.stream(claim_stream(name))
    if found is None:
        raise UnknownClaim(f"no such claim: {name}", claim=name)
    claim = found.state
    assert isinstance(claim, Claim)  # noqa: S101 - the stream's name says what it holds
    if not claim.open:
        raise ClaimClosed("the claim is closed", claim=name)
    return claim


def _check_closer(given: Given, order: Order, line: Line) -> None:
    """Accept a party to the claim, or an arbitrator that is none, with an outcome of its own."""
    signer, outcome = given.command.signers[0], given.body["outcome"]
    if signer.role == "buyer":
        check_buyer(order, signer.party)
    elif signer.role == "merchant":
        check_merchant(given, line)
    elif signer.party in {order.buyer, line.merchant}:
        raise WrongSigners("a party to a claim does not decide it", signer=signer.party)
    if outcome not in _OUTCOMES_OF[signer.role]:
        raise OutcomeNotAllowed(
            f"a claim that the {signer.role} closes does not end like this",
            outcome=outcome,
            allowed=", ".join(_OUTCOMES_OF[signer.role]),
        )


def _part(given: Given, claim: Claim, line: Line) -> Part:
    """Say what leaves the line when its claim closes."""
    outcome, to_buyer = given.body["outcome"], given.body["to_buyer"]
    if (to_buyer is None) != (outcome != SPLIT):
        raise Malformed("command.body.to_buyer", "is there exactly where the outcome is split")
    if outcome == NONE:
        return Part(claim.line)
    others = [each for each in line.claims if each != given.body["claim"]]
    if others:
        raise ClaimOpen("another claim is open on this line", line=claim.line, claim=others[0])
    if outcome == REFUND:
        return Part(claim.line, refunded=line.held)
    check_delivered(claim.line, line)
    if outcome == RELEASE:
        return Part(claim.line, released=line.held)
    refunded = int(to_buyer)
    if not 0 < refunded < line.held:
        raise RefundTooLarge(
            "a split leaves both with something", line=claim.line, left=str(line.held)
        )
    return Part(claim.line, released=line.held - refunded, refunded=refunded)


def _deliver_by(given: Given, line: Line) -> str | None:
    """Say until when a line that goes on is awaited, where its time came while it was frozen.

    The timer of that time may have fired for other lines; it fires once, so this one needs its own.
    """
    if given.body["outcome"] != NONE or line.delivered or line.deliver_by is None:
        return None
    return format_time(max(line.deliver_by, given.at))


def _inspect_by(given: Given, order: Order, line: Line) -> str | None:
    """Say until when a line waits that goes on: for an appeal, where somebody else decided."""
    if given.body["outcome"] != NONE or line.inspect_by is None:
        return None
    until = given.at
    if given.command.signers[0].role == "arbitrator":
        until += int(_terms(given, order)["appeal"]["window_days"]) * DAY_US
    return format_time(max(line.inspect_by, until))


def _closed(state: State | None, _entry: Entry) -> State:
    assert isinstance(state, Claim)  # noqa: S101 - the stream's name says what it holds
    return state._replace(open=False)


def _settled(state: State | None, entry: Entry) -> State:
    data, line = entry.data, _line(state, entry)
    line = line._replace(claims=tuple(each for each in line.claims if each != data["claim"]))
    if data["deliver_by"] is not None:
        line = line._replace(deliver_by=time_us(data["deliver_by"], field="data.deliver_by"))
    if data["inspect_by"] is not None:
        line = line._replace(inspect_by=time_us(data["inspect_by"], field="data.inspect_by"))
    if data["refunded"] != "0" or data["released"] != "0":
        line = line.settled(released=int(data["released"]), refunded=int(data["refunded"]))
    return _with_line(as_order(state), data["line"], line)


def _claim_and_terms(command: Command) -> tuple[str, ...]:
    return (claim_stream(command.body["claim"]), TERMS_STREAM)


def _own_claim(command: Command) -> tuple[str, ...]:
    return (claim_stream(command.body["claim"]),)


KINDS = (
    Kind(
        "open-claim/1",
        (("buyer",),),
        {
            "claim": schema.uuid7,
            "kind": schema.one_of(CLAIM_KINDS),
            "line": line_number,
            "order": schema.uuid7,
        },
        _open,
        sealed=("description",),
        expects=own_order,
        reads=_claim_and_terms,
        exact=True,
    ),
    Kind(
        "close-claim/1",
        (("buyer",), ("merchant",), ("arbitrator",)),
        {
            "claim": schema.uuid7,
            "outcome": schema.one_of(OUTCOMES),
            "to_buyer": schema.nullable(schema.amount),
        },
        _close,
        sealed=("reason",),
        expects=_own_claim,
        reads=stream_of_terms,
        risky=True,
        exact=True,
    ),
)
EVENTS = (
    EventType("claim-opened/1", {}, _opened, "the buyer claims that a line is not as promised"),
    EventType(
        "escrow-frozen/1",
        {"claim": schema.uuid7, "line": line_number},
        _frozen,
        "a claim froze what a line holds",
    ),
    EventType(
        "claim-closed/1",
        {"postings": schema.items(schema.nested(POSTING), most=POSTINGS_MAX)},
        _closed,
        "a claim was closed",
    ),
    EventType(
        "escrow-settled/1",
        {
            "claim": schema.uuid7,
            "deliver_by": schema.nullable(schema.time),
            "inspect_by": schema.nullable(schema.time),
            "line": line_number,
            "outcome": schema.one_of(OUTCOMES),
            "refunded": schema.amount,
            "released": schema.amount,
        },
        _settled,
        "a claim on a line was settled",
    ),
)

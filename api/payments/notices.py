"""From a provider's notice to the one command that stands for it.

A notice may come again, late, out of order, to several processes at once, and one of them may be
killed at any moment. So the id of its command is reserved in the notice book before the command is
composed. Whatever the notice says that the log holds already changes nothing. A refund at the
provider moves nothing here, and what was not recorded before it never is by itself: a person
decides.
"""

from __future__ import annotations

from typing import Any, Final

from api.desk import Hand, Order, write
from api.house import House
from api.logs import logger
from api.payments.movements import catch_up
from api.payments.port import Fields, Notice, Port, State
from ledger.crashpoints import CrashPoint, reach
from ledger.record.stored import read_stored
from ledger.rules.compose import ID_RANDOM_BYTES, uuid7
from ledger.rules.orders import order_stream
from ledger.rules.trade_errors import UnknownOrder
from ledger.submission import Submission

CASHIER: Final = "cashier"
_LOG = logger("payments")


def take(house: House, port: Port, headers: Fields, body: bytes) -> Submission | None:
    """Verify a notice and compose what it asks for; blocks.

    Args:
        house: Open for writing.
        port: Whose notice it is said to be.
        headers: As they came.
        body: As it came.

    Returns:
        What must be handed in before the provider is answered; None where there is nothing left to
        do. If the log says that the command's id was used, it holds the payment already.

    Raises:
        Malformed: The notice is not in the provider's form.
        NoticeSignatureInvalid: The provider did not sign these bytes.
        NoticeStale: It is too old, or dated ahead.
        NoticeNotOurs: It is for another shop.
        NoticeUnassigned: It does not say what was paid for.
        UnknownOrder: The order that it names was never placed.
        NoticesUnavailable: The notice book cannot be used.
        KeyFileInvalid: The key of the provider's party is not here.

    """
    notice = port.verify(headers, body, now=house.clock.now())
    if notice.state is State.PENDING:
        return None
    catch_up(house)
    fresh = uuid7(house.clock.now(), house.random(ID_RANDOM_BYTES))
    if notice.state is State.REFUNDED:
        held = house.notices.refund(notice.provider, notice.transaction, fresh)
        _LOG.warning("payment-refunded", provider=notice.provider, entry=held.entry)
        return None
    held = house.notices.reserve(notice.provider, notice.transaction, fresh)
    reach(CrashPoint.NOTICE_RESERVED)
    if held.entry is not None:
        return None
    if held.refunded:
        _LOG.warning("payment-not-recorded", provider=notice.provider, problem="refunded")
        return None
    order = _order(house, port, notice, held.command_id)
    return write(house.context(), order, random=house.random)[1]


def _order(house: House, port: Port, notice: Notice, command_id: str) -> Order:
    family, _, name = notice.order.partition("/")
    body: dict[str, Any] = {
        "amount": {"amount": str(notice.amount), "currency": notice.currency},
        "provider": notice.provider,
    }
    if family == "order":
        kind, payer = "confirm-payment/1", _buyer(house, name)
        body["order"] = name
    else:
        kind, payer = "top-up/1", name
        body["party"] = name
    return Order(
        kind,
        [Hand(port.party, CASHIER, house.signer(port.party))],
        body,
        seal={"transaction": (payer, notice.transaction)},
        command_id=command_id,
    )


def _buyer(house: House, order: str) -> str:
    """Find out whose order it is. Raises `UnknownOrder`."""
    rows = house.recorder.stream_entries(order_stream(order), limit=1)
    placed = read_stored(rows[0]).command if rows else None
    if placed is None:
        raise UnknownOrder(f"no such order: {order}", order=order)
    return placed.by

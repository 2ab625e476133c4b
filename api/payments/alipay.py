"""Alipay's asynchronous notifications: a signed form (RSA2, which is SHA256withRSA).

What is signed is every parameter that came but `sign` and `sign_type`, percent-decoded, sorted by
name, as `name=value` joined by `&`: in bytes, so that no character set can be read in two ways. A
notification is sent again for a day until it is answered, so an old one may still be right; that it
counts once is the notice book's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from api.errors import NoticeNotOurs, NoticeSignatureInvalid
from api.payments.port import (
    CNY,
    SECOND_US,
    Fields,
    Notice,
    State,
    check_age,
    check_rsa,
    number,
    only,
    order_of,
    positive,
    read_base64,
    time_told,
    yuan,
)
from ledger.rules.errors import Malformed

PROVIDER: Final = "alipay"
AGE_MAX_US: Final = 26 * 3600 * SECOND_US
"""The last repetition comes 24 hours and 22 minutes after the first."""
_PAIRS_MAX: Final = 100
_NAME: Final = re.compile(rb"[A-Za-z0-9_.]{1,64}")
_PLAIN: Final = re.compile(rb"(?:[!-$'-<>-~]|%[0-9A-Fa-f]{2})*")
_MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_BEIJING: Final = "+08:00"
_CARRIED_MAX: Final = 200
_STATES: Final[Mapping[str, State]] = {
    "WAIT_BUYER_PAY": State.PENDING,
    "TRADE_CLOSED": State.PENDING,
    "TRADE_SUCCESS": State.PAID,
    "TRADE_FINISHED": State.PAID,
}


@dataclass(frozen=True, slots=True)
class Alipay:
    """One application of one seller at Alipay.

    Attributes:
        party: Who signs for it here.
        app_id: Of the application.
        seller_id: Of the seller (2088...).
        key: Alipay's public key for this application.

    """

    party: str
    app_id: str
    seller_id: str
    key: RSAPublicKey
    provider: str = PROVIDER

    def verify(self, headers: Fields, body: bytes, *, now: int) -> Notice:
        """Read an asynchronous notification; raises as the port says."""
        form = _read_form(headers, body)
        _check_signature(self.key, form)
        said = {name: _text(name, value) for name, value in form.items() if name in _READ}
        self._check_ours(said)
        check_age(_time(said, "notify_time"), now, most_us=AGE_MAX_US)
        reference = number(_need(said, "out_trade_no"), "notice.out_trade_no")
        state = _state(said)
        return Notice(
            PROVIDER,
            number(_need(said, "trade_no"), "notice.trade_no"),
            reference,
            order_of(reference, _carried(said)) if state is State.PAID else "",
            positive(
                yuan(_need(said, "total_amount"), "notice.total_amount"), "notice.total_amount"
            ),
            CNY,
            state,
            _time(said, "gmt_payment" if "gmt_payment" in said else "notify_time"),
        )

    def _check_ours(self, said: Mapping[str, str]) -> None:
        if _need(said, "notify_type") != "trade_status_sync":
            raise Malformed("notice.notify_type", "is not trade_status_sync")
        for name, ours in (("app_id", self.app_id), ("seller_id", self.seller_id)):
            if _need(said, name) != ours:
                raise NoticeNotOurs("the notice is for another shop", field=name)
        for name in ("trans_currency", "settle_currency"):
            if said.get(name, CNY) != CNY:
                raise Malformed(f"notice.{name}", "is not CNY")


_READ: Final = frozenset(
    {
        *("app_id", "seller_id", "notify_type", "notify_time", "gmt_payment", "gmt_refund"),
        *("trade_no", "out_trade_no", "trade_status", "total_amount", "refund_fee"),
        *("passback_params", "trans_currency", "settle_currency"),
    }
)


def _read_form(headers: Fields, body: bytes) -> dict[str, bytes]:
    """Read a form in which every name stands once; values stay bytes."""
    declared = only(headers, "content-type").partition(";")[0].strip().lower()
    if declared != _MEDIA_TYPE:
        raise Malformed("content-type", f"is not {_MEDIA_TYPE}")
    pairs = body.split(b"&")
    if len(pairs) > _PAIRS_MAX:
        raise Malformed("notice", f"has more than {_PAIRS_MAX} parameters")
    form: dict[str, bytes] = {}
    for place, pair in enumerate(pairs):
        name, equals, value = pair.partition(b"=")
        if not equals or _NAME.fullmatch(name) is None or _PLAIN.fullmatch(value) is None:
            raise Malformed(f"notice[{place}]", "is not a parameter of a form")
        known = name.decode()
        if known in form:
            raise Malformed(f"notice.{known}", "is given more than once")
        form[known] = unquote_to_bytes(value.replace(b"+", b" "))
    return form


def _check_signature(key: RSAPublicKey, form: Mapping[str, bytes]) -> None:
    if "sign" not in form:
        raise NoticeSignatureInvalid("the notice is not signed")
    if form.get("sign_type") != b"RSA2":
        raise NoticeSignatureInvalid("the notice is not signed with RSA2")
    signed = sorted(form.keys() - {"sign", "sign_type"})
    message = b"&".join(name.encode() + b"=" + form[name] for name in signed)
    check_rsa(key, read_base64(form["sign"], "notice.sign"), message)


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed(f"notice.{name}", "is not ASCII") from None


def _need(said: Mapping[str, str], name: str) -> str:
    if name not in said:
        raise Malformed(f"notice.{name}", "is missing")
    return said[name]


def _time(said: Mapping[str, str], name: str) -> int:
    day, _, hour = _need(said, name).partition(" ")
    return time_told(f"{day}T{hour}{_BEIJING}", f"notice.{name}")


def _carried(said: Mapping[str, str]) -> str | None:
    """Return what the shop had carried; it comes back in the percent encoding it was sent in."""
    carried = said.get("passback_params")
    if carried is None:
        return None
    if len(carried) > _CARRIED_MAX or _PLAIN.fullmatch(carried.encode()) is None:
        raise Malformed("notice.passback_params", "is not in percent encoding")
    return _text("passback_params", unquote_to_bytes(carried))


def _state(said: Mapping[str, str]) -> State:
    told = _STATES.get(_need(said, "trade_status"))
    if told is None:
        raise Malformed("notice.trade_status", "is not a state of a trade")
    refunded = yuan(said.get("refund_fee", "0"), "notice.refund_fee")
    # A refund is told under the states of a paid, or of a closed, trade.
    return State.REFUNDED if refunded or "gmt_refund" in said else told

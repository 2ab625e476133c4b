"""Alipay's notifications: what is believed, and what is refused with which error."""

from __future__ import annotations

from typing import Any

import pytest

from api.errors import NoticeNotOurs, NoticeSignatureInvalid, NoticeStale, NoticeUnassigned
from api.payments.port import Notice, State
from ledger.rules.errors import Malformed
from ledger.rules.text import time_us
from tests.paying import Sent, alipay, alipay_notice, rsa_key

NOW = time_us("2026-11-23T09:00:00.000000Z", field="now")
HOUR_US = 3600 * 1_000_000
ORDER = "0199a2b3-c4d5-7e6f-8a9b-0c1d2e3f4a5b"


def verify(sent: Sent, now: int = NOW) -> Notice:
    headers, body = sent
    return alipay().verify(headers, body, now=now)


def altered(sent: Sent, old: bytes, new: bytes) -> Sent:
    headers, body = sent
    assert old in body
    return headers, body.replace(old, new, 1)


def test_a_notice_is_read() -> None:
    assert verify(alipay_notice(NOW)) == Notice(
        "alipay",
        "2026112322001408840218000001",
        "T-1001",
        "balance/ann",
        8880,
        "CNY",
        State.PAID,
        NOW,
    )


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_what_is_signed_is_bytes_whatever_their_character_set(charset: str) -> None:
    assert verify(alipay_notice(NOW, charset=charset)).amount == 8880


def test_parameters_that_nobody_described_are_signed_too() -> None:
    sent = alipay_notice(NOW, new_in_2027="x=y&z", empty="")

    assert verify(sent).amount == 8880
    with pytest.raises(NoticeSignatureInvalid, match="does not hold"):
        verify(altered(sent, b"new_in_2027", b"new_in_2028"))


def test_the_order_of_the_parameters_does_not_matter() -> None:
    headers, body = alipay_notice(NOW)
    turned = b"&".join(reversed(body.split(b"&")))

    assert verify((headers, turned)) == verify((headers, body))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"total_amount=88.80", b"total_amount=888.0"),
        (b"trade_no=2026112322001408840218000001", b"trade_no=2026112322001408840218000002"),
        (b"balance%252Fann", b"balance%252Fbob"),
        (b"TRADE_SUCCESS", b"TRADE_FINISHED"),
        (b"&version=1.0", b""),
        (b"&version=1.0", b"&version=1.0&more=1"),
        (b"notify_id=4a", b"notify_id=4b"),
        (b"charset=utf-8", b"charset=gbk"),
    ],
)
def test_an_altered_notice_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(NoticeSignatureInvalid, match="does not hold"):
        verify(altered(alipay_notice(NOW), old, new))


def test_a_notice_that_somebody_else_signed_is_refused() -> None:
    with pytest.raises(NoticeSignatureInvalid, match="does not hold"):
        verify(alipay_notice(NOW, key=rsa_key("mallory")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"sign_type=RSA2", b"sign_type=RSA", "not signed with RSA2"),
        (b"&sign_type=RSA2", b"", "not signed with RSA2"),
        (b"&sign=", b"&signed=", "is not signed"),
    ],
)
def test_an_unsigned_notice_is_refused(old: bytes, new: bytes, said: str) -> None:
    with pytest.raises(NoticeSignatureInvalid, match=said):
        verify(altered(alipay_notice(NOW), old, new))


@pytest.mark.parametrize("field", ["app_id", "seller_id"])
def test_a_notice_for_another_shop_is_refused(field: str) -> None:
    with pytest.raises(NoticeNotOurs) as refused:
        verify(alipay_notice(NOW, **{field: "2088000000000009"}))

    assert refused.value.evidence == {"field": field}


@pytest.mark.parametrize(("late_us", "accepted"), [(26, True), (27, False)])
def test_a_repetition_is_taken_for_a_day_and_no_longer(late_us: int, *, accepted: bool) -> None:
    sent, now = alipay_notice(NOW), NOW + late_us * HOUR_US
    if accepted:
        assert verify(sent, now).amount == 8880
        return
    with pytest.raises(NoticeStale) as refused:
        verify(sent, now)

    assert refused.value.evidence == {"seconds_ago": 27 * 3600, "seconds_max": 26 * 3600}


@pytest.mark.parametrize(("ahead_s", "accepted"), [(300, True), (301, False)])
def test_a_notice_that_is_dated_ahead_is_refused(ahead_s: int, *, accepted: bool) -> None:
    sent = alipay_notice(NOW + ahead_s * 1_000_000)
    if accepted:
        assert verify(sent).state is State.PAID
        return
    with pytest.raises(NoticeStale) as refused:
        verify(sent)

    assert refused.value.evidence["seconds_ago"] == -ahead_s


@pytest.mark.parametrize(
    ("text", "minor"),
    [("0.01", 1), ("7", 700), ("7.5", 750), ("88.88", 8888), ("9999999999999.99", 10**15 - 1)],
)
def test_an_amount_becomes_whole_minor_units(text: str, minor: int) -> None:
    assert verify(alipay_notice(NOW, total_amount=text)).amount == minor


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"total_amount": "0.00"}, "notice.total_amount", "more than zero"),
        ({"total_amount": "1.001"}, "notice.total_amount", "at most two decimals"),
        ({"total_amount": "1e3"}, "notice.total_amount", "at most two decimals"),
        ({"total_amount": "-1"}, "notice.total_amount", "at most two decimals"),
        ({"total_amount": "01"}, "notice.total_amount", "at most two decimals"),
        ({"total_amount": "1."}, "notice.total_amount", "at most two decimals"),
        ({"total_amount": "\uff11"}, "notice.total_amount", "is not ASCII"),
        ({"total_amount": "9" * 14}, "notice.total_amount", "at most two decimals"),
        ({"total_amount": "1,000"}, "notice.total_amount", "at most two decimals"),
        ({"total_amount": None}, "notice.total_amount", "is missing"),
        ({"trans_currency": "USD"}, "notice.trans_currency", "is not CNY"),
        ({"settle_currency": "HKD"}, "notice.settle_currency", "is not CNY"),
        ({"trade_status": "TRADE_WON"}, "notice.trade_status", "not a state"),
        ({"trade_no": ""}, "notice.trade_no", "1 to 64"),
        ({"trade_no": "2026 1"}, "notice.trade_no", "1 to 64"),
        ({"trade_no": None}, "notice.trade_no", "is missing"),
        ({"out_trade_no": "x" * 65}, "notice.out_trade_no", "1 to 64"),
        ({"notify_time": "2026-11-23T17:00:00"}, "notice.notify_time", "not a time"),
        ({"notify_time": "2026-11-23T17:00:00 "}, "notice.notify_time", "not a time"),
        ({"notify_time": "2026-11-23 7:00:00"}, "notice.notify_time", "not a time"),
        ({"notify_time": "0001-01-01 00:00:00"}, "notice.notify_time", "not a time"),
        ({"notify_time": "2026-02-30 17:00:00"}, "notice.notify_time", "not a time"),
        ({"notify_time": None}, "notice.notify_time", "is missing"),
        ({"notify_type": "dispute"}, "notice.notify_type", "trade_status_sync"),
        ({"app_id": None}, "notice.app_id", "is missing"),
        ({"passback_params": "%zz"}, "notice.passback_params", "percent encoding"),
        ({"passback_params": "%E4%BD%99"}, "notice.passback_params", "is not ASCII"),
        ({"refund_fee": "x"}, "notice.refund_fee", "at most two decimals"),
    ],
)
def test_a_signed_notice_in_another_form_is_refused(
    changes: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(Malformed, match=said) as refused:
        verify(alipay_notice(NOW, **changes))

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (lambda body: body + b"&total_amount=1.00", "notice.total_amount", "more than once"),
        (lambda body: body + b"&sign=AAAA", "notice.sign", "more than once"),
        (lambda body: body + b"&x", "notice[18]", "not a parameter"),
        (lambda body: body + b"&", "notice[18]", "not a parameter"),
        (lambda body: body + b"&x=%4", "notice[18]", "not a parameter"),
        (lambda body: body + b"&x=\xff", "notice[18]", "not a parameter"),
        (lambda body: body + b"&x%20=1", "notice[18]", "not a parameter"),
        (lambda body: body + b"&a=" * 100, "notice", "more than 100"),
        (lambda body: b"", "notice[0]", "not a parameter"),
        (lambda body: body.replace(b"&sign=", b"&sign=%20"), "notice.sign", "not base64"),
    ],
)
def test_a_body_that_is_no_form_is_refused(change: Any, field: str, said: str) -> None:
    headers, body = alipay_notice(NOW)

    with pytest.raises(Malformed, match=said) as refused:
        verify((headers, change(body)))

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (["application/json"], "is not application/x-www-form-urlencoded"),
        ([], "is missing"),
        (["application/x-www-form-urlencoded", "text/plain"], "more than once"),
    ],
)
def test_a_body_of_another_type_is_refused(types: list[str], said: str) -> None:
    with pytest.raises(Malformed, match=said) as refused:
        verify(({"content-type": types}, alipay_notice(NOW)[1]))

    assert refused.value.field == "content-type"


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({"passback_params": f"order%2F{ORDER}"}, f"order/{ORDER}"),
        ({"passback_params": f"order/{ORDER}"}, f"order/{ORDER}"),
        ({"passback_params": None, "out_trade_no": ORDER.replace("-", "")}, f"order/{ORDER}"),
        ({"passback_params": "balance/bob:2"}, "balance/bob:2"),
    ],
)
def test_a_notice_says_what_was_paid_for(changes: dict[str, Any], order: str) -> None:
    assert verify(alipay_notice(NOW, **changes)).order == order


@pytest.mark.parametrize(
    "changes",
    [
        {"passback_params": None},
        {"passback_params": None, "out_trade_no": "0" * 32},
        {"passback_params": ""},
        {"passback_params": "ann"},
        {"passback_params": "balance/.."},
        {"passback_params": "order/1"},
    ],
)
def test_a_payment_for_nothing_is_refused_and_never_kept(changes: dict[str, Any]) -> None:
    with pytest.raises(NoticeUnassigned):
        verify(alipay_notice(NOW, **changes))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"trade_status": "WAIT_BUYER_PAY", "gmt_payment": None}, State.PENDING),
        ({"trade_status": "TRADE_CLOSED", "gmt_payment": None}, State.PENDING),
        ({"trade_status": "TRADE_FINISHED"}, State.PAID),
        ({"trade_status": "TRADE_SUCCESS", "refund_fee": "0.00"}, State.PAID),
        ({"trade_status": "TRADE_SUCCESS", "refund_fee": "1.00"}, State.REFUNDED),
        ({"trade_status": "TRADE_CLOSED", "gmt_refund": "2026-11-23 17:00:00"}, State.REFUNDED),
        # What is not paid needs to be for nothing.
        ({"trade_status": "WAIT_BUYER_PAY", "passback_params": None}, State.PENDING),
    ],
)
def test_only_what_is_paid_and_not_refunded_counts_as_paid(
    changes: dict[str, Any], state: State
) -> None:
    assert verify(alipay_notice(NOW, **changes)).state is state

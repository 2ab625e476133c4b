"""WeChat Pay's notifications: what is believed, and what is refused with which error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.errors import NoticeNotOurs, NoticeSignatureInvalid, NoticeStale, NoticeUnassigned
from api.payments.port import Notice, State
from api.payments.wechat import WeChat
from ledger.rules.errors import Malformed
from ledger.rules.text import time_us
from tests.paying import (
    MERCHANT,
    SECRET,
    SERIAL,
    WX_APP,
    Sent,
    envelope,
    payment,
    rsa_key,
    wechat,
    wechat_headers,
    wechat_notice,
    wechat_refund,
)

NOW = time_us("2026-11-23T09:00:00.000000Z", field="now")
SECOND_US = 1_000_000
ORDER = "0199a2b3-c4d5-7e6f-8a9b-0c1d2e3f4a5b"
CERTIFICATE = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"


def verify(sent: Sent, now: int = NOW) -> Notice:
    headers, body = sent
    return wechat().verify(headers, body, now=now)


def signed(body: bytes) -> Sent:
    return wechat_headers(body, NOW), body


def test_a_notice_is_read() -> None:
    assert verify(wechat_notice(NOW)) == Notice(
        "wechat",
        "4200000001202611230000000001",
        "T-2001",
        "balance/ann",
        8880,
        "CNY",
        State.PAID,
        NOW,
    )


def test_the_signature_is_over_the_body_as_it_came() -> None:
    headers, body = wechat_notice(NOW)
    same = json.dumps(json.loads(body)).encode()

    assert json.loads(same) == json.loads(body)
    assert same != body
    with pytest.raises(NoticeSignatureInvalid, match="does not hold"):
        verify((headers, same))


@pytest.mark.parametrize("name", ["wechatpay-timestamp", "wechatpay-nonce"])
def test_an_altered_header_is_refused(name: str) -> None:
    headers, body = wechat_notice(NOW)
    headers[name] = [f"{headers[name][0]}1"]

    with pytest.raises(NoticeSignatureInvalid, match="does not hold"):
        verify((headers, body))


def test_a_notice_that_somebody_else_signed_is_refused() -> None:
    body = envelope(payment(NOW))

    with pytest.raises(NoticeSignatureInvalid, match="does not hold"):
        verify((wechat_headers(body, NOW, key=rsa_key("mallory")), body))


def test_a_probe_with_a_false_signature_is_refused() -> None:
    headers, body = wechat_notice(NOW)
    headers["wechatpay-signature"] = ["WECHATPAY/SIGNTEST/" + headers["wechatpay-signature"][0]]

    with pytest.raises((NoticeSignatureInvalid, Malformed)):
        verify((headers, body))


def test_an_unknown_serial_is_refused() -> None:
    body = envelope(payment(NOW))

    with pytest.raises(NoticeSignatureInvalid, match="serial number"):
        verify((wechat_headers(body, NOW, serial=CERTIFICATE), body))


def test_the_key_is_the_one_that_the_serial_names() -> None:
    body = envelope(payment(NOW))
    keys = {SERIAL: rsa_key("wechat").public_key(), CERTIFICATE: rsa_key("older").public_key()}
    port = WeChat("wex", WX_APP, MERCHANT, SECRET, keys)
    old = wechat_headers(body, NOW, key=rsa_key("older"), serial=CERTIFICATE)

    assert port.verify(old, body, now=NOW).amount == 8880
    with pytest.raises(NoticeSignatureInvalid, match="does not hold"):
        port.verify(wechat_headers(body, NOW, serial=CERTIFICATE), body, now=NOW)


@pytest.mark.parametrize(("moved_s", "accepted"), [(300, True), (-300, True), (301, False)])
def test_a_notice_is_taken_within_five_minutes(moved_s: int, *, accepted: bool) -> None:
    sent, now = wechat_notice(NOW), NOW + moved_s * SECOND_US
    if accepted:
        assert verify(sent, now).amount == 8880
        return
    with pytest.raises(NoticeStale) as refused:
        verify(sent, now)

    assert refused.value.evidence == {"seconds_ago": 301, "seconds_max": 300}


def test_a_notice_that_is_dated_ahead_is_refused() -> None:
    with pytest.raises(NoticeStale) as refused:
        verify(wechat_notice(NOW), NOW - 301 * SECOND_US)

    assert refused.value.evidence["seconds_ago"] == -301


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("wechatpay-timestamp", [], "is missing"),
        ("wechatpay-timestamp", ["1", "2"], "more than once"),
        ("wechatpay-timestamp", ["1.5"], "not a number of seconds"),
        ("wechatpay-timestamp", ["٣"], "not a number of seconds"),
        ("wechatpay-nonce", ["a\nb"], "is not a nonce"),
        ("wechatpay-serial", [], "is missing"),
        ("wechatpay-signature", [], "is missing"),
        ("wechatpay-signature", ["AA=A"], "is not base64"),
        ("wechatpay-signature", ["AB=="], "one spelling"),
    ],
)
def test_headers_in_another_form_are_refused(name: str, values: list[str], said: str) -> None:
    headers, body = wechat_notice(NOW)
    headers[name] = values

    with pytest.raises(Malformed, match=said) as refused:
        verify((headers, body))

    assert refused.value.field == name


def test_another_kind_of_signature_is_refused() -> None:
    headers, body = wechat_notice(NOW)
    headers["wechatpay-signature-type"] = ["WECHATPAY2-SM2-WITH-SM3"]

    with pytest.raises(NoticeSignatureInvalid, match="WECHATPAY2-SHA256-RSA2048"):
        verify((headers, body))


@pytest.mark.parametrize(
    "body",
    [
        envelope(payment(NOW), secret=b"x" * 32),
        envelope(payment(NOW), associated_data="refund"),
        envelope(payment(NOW), nonce="fdasflkja485"),
    ],
)
def test_a_resource_that_does_not_open_is_refused(body: bytes) -> None:
    with pytest.raises(NoticeSignatureInvalid, match="does not open"):
        verify(signed(body))


@pytest.mark.parametrize(
    ("change", "field"), [({"mchid": "1900000999"}, "mchid"), ({"appid": "wx1"}, "appid")]
)
def test_a_notice_for_another_shop_is_refused(change: dict[str, str], field: str) -> None:
    with pytest.raises(NoticeNotOurs) as refused:
        verify(wechat_notice(NOW, **change))

    assert refused.value.evidence == {"field": field}


def amount(**changes: Any) -> dict[str, Any]:
    return {"amount": {"total": 8880, "currency": "CNY", **changes}}


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        (amount(total=0), "resource.amount.total", "more than zero"),
        (amount(total=-1), "resource.amount.total", "more than zero"),
        (amount(total=10**15), "resource.amount.total", "less than"),
        (amount(total="8880"), "resource.amount.total", "whole number"),
        (amount(total=True), "resource.amount.total", "whole number"),
        (amount(total=88.8), "resource", "not whole"),
        ({"amount": 8880}, "resource.amount", "not an object"),
        ({"amount": None}, "resource.amount", "is missing"),
        (amount(currency="USD"), "resource.amount.currency", "is not CNY"),
        (amount(currency=156), "resource.amount.currency", "a string"),
        ({"trade_state": "WON"}, "resource.trade_state", "not a state"),
        ({"trade_state": None}, "resource.trade_state", "is missing"),
        ({"transaction_id": 42}, "resource.transaction_id", "a string"),
        ({"transaction_id": "4 2"}, "resource.transaction_id", "1 to 64"),
        ({"out_trade_no": ""}, "resource.out_trade_no", "1 to 64"),
        ({"success_time": "2026-11-23T17:00:00"}, "resource.success_time", "not a time"),
        ({"success_time": "2026-11-23T17:00:00.5+08:00"}, "resource.success_time", "not a time"),
        ({"success_time": None}, "resource.success_time", "is missing"),
    ],
)
def test_a_signed_notice_in_another_form_is_refused(
    changes: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(Malformed, match=said) as refused:
        verify(wechat_notice(NOW, **changes))

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b"", "notice", "is not JSON"),
        (b"\xff", "notice", "is not JSON"),
        (b"[1]", "notice", "not an object"),
        (b"[" * 100_000, "notice", "is not JSON"),
        (b'{"resource":{},"resource":{}}', "notice", "a name twice"),
        (b'{"resource":{"nonce":NaN}}', "notice", "not whole"),
        (b'{"resource":1}', "notice.resource", "not an object"),
        (b"{}", "notice.resource", "is missing"),
        (envelope(payment(NOW), algorithm="AEAD_SM4_GCM"), "notice.resource.algorithm", "AES"),
        (envelope(payment(NOW), nonce="short"), "notice.resource.nonce", "12 bytes"),
        (envelope(payment(NOW), ciphertext="!"), "notice.resource.ciphertext", "base64"),
        (envelope(payment(NOW), associated_data=1), "notice.resource.associated_data", "string"),
        (envelope(payment(NOW), event="COUPON.USE"), "notice.event_type", "a payment"),
        (envelope(payment(NOW), kind="refund"), "notice.event_type", "a payment"),
        (envelope(b'{"mchid":"1","mchid":"2"}'), "resource", "a name twice"),
        (envelope(b"mchid"), "resource", "is not JSON"),
    ],
)
def test_a_signed_body_in_another_form_is_refused(body: bytes, field: str, said: str) -> None:
    with pytest.raises(Malformed, match=said) as refused:
        verify(signed(body))

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({"attach": f"order/{ORDER}"}, f"order/{ORDER}"),
        ({"attach": None, "out_trade_no": ORDER.replace("-", "")}, f"order/{ORDER}"),
        ({"attach": "", "out_trade_no": ORDER.replace("-", "")}, f"order/{ORDER}"),
    ],
)
def test_a_notice_says_what_was_paid_for(changes: dict[str, Any], order: str) -> None:
    assert verify(wechat_notice(NOW, **changes)).order == order


def test_a_payment_for_nothing_is_refused_and_never_kept() -> None:
    with pytest.raises(NoticeUnassigned, match="neither an order nor a balance"):
        verify(wechat_notice(NOW, attach=None))


@pytest.mark.parametrize(
    ("state", "found"), [("REFUND", State.REFUNDED), ("CLOSED", State.PENDING)]
)
def test_only_what_is_paid_counts_as_paid(state: str, found: State) -> None:
    sent = wechat_notice(NOW, trade_state=state, success_time=None, attach=None)

    assert verify(sent).state is found


def test_a_refund_names_the_transaction_that_it_undoes() -> None:
    notice = verify(wechat_refund(NOW))

    assert (notice.state, notice.transaction) == (State.REFUNDED, "4200000001202611230000000001")
    assert verify(wechat_refund(NOW, refund_status="ABNORMAL")).state is State.PENDING
    with pytest.raises(Malformed, match="state of a refund"):
        verify(wechat_refund(NOW, refund_status="WON"))
    with pytest.raises(NoticeNotOurs):
        verify(wechat_refund(NOW, mchid="1"))


def test_the_secret_is_not_shown() -> None:
    assert SECRET.decode() not in repr(wechat())

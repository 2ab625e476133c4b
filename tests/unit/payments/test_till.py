"""Notices of the marketplace's own till: signed over the body as received, and read strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.errors import (
    NoticeNotOurs,
    NoticeSignatureInvalid,
    NoticeStale,
    NoticeUnassigned,
)
from api.payments.port import AMOUNT_LIMIT, Notice, State
from ledger.rules.errors import Malformed
from tests.paying import Sent, till, till_body, till_headers, till_notice

NOW = 1_795_000_000_000_000
DAY = 24 * 3600 * 1_000_000
ORDER = "019d5b1c-8c00-7000-8000-00000000000a"


def read(sent: Sent, now: int = NOW) -> Notice:
    headers, body = sent
    return till().verify(headers, body, now=now)


def malformed(**changes: Any) -> str:
    with pytest.raises(Malformed) as found:
        read(till_notice(NOW, **changes))
    return str(found.value)


def test_a_payment_is_read() -> None:
    assert read(till_notice(NOW)) == Notice(
        *("internal", "2026-11-23-0001", "T-3001", "balance/ann"),
        *(8880, "CNY", State.PAID, NOW),
    )


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_read(state: State) -> None:
    assert read(till_notice(NOW, state=state.value)).state is state


def test_a_payment_may_be_of_an_order_and_in_any_currency() -> None:
    notice = read(till_notice(NOW, pays=f"order/{ORDER}", currency="USD"))

    assert (notice.order, notice.currency) == (f"order/{ORDER}", "USD")


def test_every_byte_of_the_body_is_signed() -> None:
    headers, body = till_notice(NOW)
    for place in range(len(body)):
        flipped = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(NoticeSignatureInvalid):
            read((headers, flipped))


def test_what_another_key_signed_or_signed_for_another_purpose_is_refused() -> None:
    body = till_body(NOW)
    with pytest.raises(NoticeSignatureInvalid):
        read((till_headers(body, Ed25519PrivateKey.generate()), body))
    # The same key over the bare body, as another protocol may have it sign them.
    tagged = till_headers(body.removeprefix(b"yinzheng/notice/v1\n"))
    with pytest.raises(NoticeSignatureInvalid):
        read((tagged, b"yinzheng/notice/v1\n" + body))


@pytest.mark.parametrize("signature", [[], ["", ""], ["?"], ["QUJD", "QUJD"]])
def test_a_signature_stands_there_once_in_base64(signature: list[str]) -> None:
    headers, body = till_notice(NOW)
    with pytest.raises(Malformed, match="yinzheng-signature"):
        read((headers | {"yinzheng-signature": signature}, body))


def test_a_signature_of_another_length_is_refused() -> None:
    headers, body = till_notice(NOW)
    with pytest.raises(NoticeSignatureInvalid):
        read((headers | {"yinzheng-signature": ["QUJD"]}, body))


def test_a_notice_for_another_shop_is_refused() -> None:
    with pytest.raises(NoticeNotOurs) as found:
        read(till_notice(NOW, shop="shop2"))
    assert found.value.evidence == {"field": "shop"}


@pytest.mark.parametrize("late", [7 * DAY + 1, -300_000_001])
def test_a_notice_is_neither_older_than_a_week_nor_ahead(late: int) -> None:
    with pytest.raises(NoticeStale):
        read(till_notice(NOW), NOW + late)


@pytest.mark.parametrize("late", [7 * DAY, -300_000_000])
def test_a_notice_within_a_week_is_taken(late: int) -> None:
    assert read(till_notice(NOW), NOW + late).at == NOW


@pytest.mark.parametrize("pays", ["balance/", "order/1", "deposit/ann", "ann", "\ud800"])
def test_what_pays_for_nothing_is_refused(pays: str) -> None:
    with pytest.raises(NoticeUnassigned):
        read(till_notice(NOW, pays=pays))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shop": None}, "does not hold exactly amount, currency, pays"),
        ({"more": "1"}, "does not hold exactly"),
        ({"amount": 8880}, "notice.amount: is not a string"),
        ({"amount": "88.80"}, "notice.amount"),
        ({"amount": "0"}, "notice.amount"),
        ({"amount": "-1"}, "notice.amount"),
        ({"amount": str(AMOUNT_LIMIT)}, "notice.amount: is not more than zero and less than"),
        ({"currency": "yuan"}, "notice.currency"),
        ({"state": "lost"}, "notice.state: is not a state of a payment"),
        ({"time": "2026-11-23"}, "notice.time"),
        ({"transaction": ""}, "notice.transaction: is not 1 to 64"),
        ({"reference": "x" * 65}, "notice.reference: is not 1 to 64"),
        ({"pays": ["balance/ann"]}, "notice.pays: is not a string"),
    ],
)
def test_a_field_that_is_not_in_form_is_named(changes: dict[str, Any], said: str) -> None:
    assert said in malformed(**changes)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "notice: is not JSON in UTF-8"),
        (b"[]", "notice: is not an object"),
        (b"[" * 100_000, "notice: is not JSON in UTF-8"),
        (b"\xff", "notice: is not JSON in UTF-8"),
        (b'{"shop":"shop1","shop":"shop1"}', "notice: holds a name twice"),
        (b'{"amount":1.5}', "notice: holds a number that is not whole"),
    ],
)
def test_a_body_that_is_no_document_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(Malformed) as found:
        read((till_headers(body), body))
    assert said in str(found.value)


def test_the_body_is_what_is_signed_and_not_what_it_means() -> None:
    body = json.dumps(json.loads(till_body(NOW)), indent=2).encode()

    assert read((till_headers(body), body)).amount == 8880
    with pytest.raises(NoticeSignatureInvalid):
        read((till_headers(till_body(NOW)), body))

"""WeChat Pay v3 notifications: signed over the body as received, their content encrypted.

The signature is SHA256withRSA over `timestamp LF nonce LF body LF`, with the key that the header
`Wechatpay-Serial` names: a platform certificate's serial number or the id of a public key. The
resource is AES-256-GCM under the merchant's API v3 key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

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
)
from api.payments.reading import StrictObject, read_json
from ledger.rules.errors import Malformed

PROVIDER: Final = "wechat"
AGE_MAX_US: Final = 300 * SECOND_US
_ALGORITHM: Final = "AEAD_AES_256_GCM"
_SIGNATURE_TYPE: Final = "WECHATPAY2-SHA256-RSA2048"
_NONCE_BYTES: Final = 12
_TIMESTAMP: Final = re.compile(r"[1-9][0-9]{0,11}")
_HEADER_NONCE: Final = re.compile(r"[!-~]{1,128}")
_PAYMENT: Final[Mapping[str, State]] = {
    "SUCCESS": State.PAID,
    "REFUND": State.REFUNDED,
    **dict.fromkeys(("NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR"), State.PENDING),
}
_REFUND: Final[Mapping[str, State]] = {
    "SUCCESS": State.REFUNDED,
    **dict.fromkeys(("CLOSED", "PROCESSING", "ABNORMAL"), State.PENDING),
}


@dataclass(frozen=True, slots=True)
class WeChat:
    """One application of one merchant at WeChat Pay.

    Attributes:
        party: Who signs for it here.
        app_id: Of the application.
        merchant: Number of the merchant.
        secret: The API v3 key, 32 bytes.
        keys: WeChat's public keys, by serial number or id.

    """

    party: str
    app_id: str
    merchant: str
    secret: bytes = field(repr=False)
    keys: Mapping[str, RSAPublicKey]
    provider: str = PROVIDER

    def verify(self, headers: Fields, body: bytes, *, now: int) -> Notice:
        """Read a notification; raises as the port says."""
        self._check_signature(headers, body, now)
        envelope = StrictObject(read_json(body, "notice"), "notice")
        resource = envelope.object("resource")
        kind, event = resource.text("original_type"), envelope.text("event_type")
        said = StrictObject(read_json(self._open(resource), "resource"), "resource")
        if kind == "transaction" and event == "TRANSACTION.SUCCESS":
            return self._payment(said)
        if kind == "refund" and event.startswith("REFUND."):
            return self._refund(said)
        raise Malformed("notice.event_type", "is not of a payment or a refund")

    def _check_signature(self, headers: Fields, body: bytes, now: int) -> None:
        kind = headers.get("wechatpay-signature-type", (_SIGNATURE_TYPE,))
        if list(kind) != [_SIGNATURE_TYPE]:
            raise NoticeSignatureInvalid(f"the notice is not signed with {_SIGNATURE_TYPE}")
        timestamp, nonce = only(headers, "wechatpay-timestamp"), only(headers, "wechatpay-nonce")
        if _TIMESTAMP.fullmatch(timestamp) is None:
            raise Malformed("wechatpay-timestamp", "is not a number of seconds")
        if _HEADER_NONCE.fullmatch(nonce) is None:
            raise Malformed("wechatpay-nonce", "is not a nonce")
        signature = read_base64(only(headers, "wechatpay-signature"), "wechatpay-signature")
        key = self.keys.get(only(headers, "wechatpay-serial"))
        if key is None:
            raise NoticeSignatureInvalid("no key of this serial number is known here")
        check_rsa(key, signature, b"\n".join((timestamp.encode(), nonce.encode(), body, b"")))
        # Signed, and so worth an answer that tells of clocks.
        check_age(int(timestamp) * SECOND_US, now, most_us=AGE_MAX_US)

    def _open(self, resource: StrictObject) -> bytes:
        if resource.text("algorithm") != _ALGORITHM:
            raise Malformed("notice.resource.algorithm", f"is not {_ALGORITHM}")
        nonce = resource.text("nonce").encode()
        if len(nonce) != _NONCE_BYTES:
            raise Malformed("notice.resource.nonce", f"is not of {_NONCE_BYTES} bytes")
        sealed = read_base64(resource.text("ciphertext"), "notice.resource.ciphertext")
        bound = resource.text("associated_data", "").encode()
        try:
            return AESGCM(self.secret).decrypt(nonce, sealed, bound)
        except InvalidTag:
            raise NoticeSignatureInvalid(
                "the resource does not open with this merchant's API v3 key"
            ) from None

    def _payment(self, said: StrictObject) -> Notice:
        self._check_ours(said, app_id=True)
        state = _PAYMENT.get(said.text("trade_state"))
        if state is None:
            raise Malformed("resource.trade_state", "is not a state of a trade")
        return _notice(said, state, said.text("attach", "") or None)

    def _refund(self, said: StrictObject) -> Notice:
        self._check_ours(said, app_id=False)
        state = _REFUND.get(said.text("refund_status"))
        if state is None:
            raise Malformed("resource.refund_status", "is not a state of a refund")
        return _notice(said, state, None)

    def _check_ours(self, said: StrictObject, *, app_id: bool) -> None:
        if said.text("mchid") != self.merchant:
            raise NoticeNotOurs("the notice is for another shop", field="mchid")
        if app_id and said.text("appid") != self.app_id:
            raise NoticeNotOurs("the notice is for another shop", field="appid")


def _notice(said: StrictObject, state: State, carried: str | None) -> Notice:
    reference = number(said.text("out_trade_no"), "resource.out_trade_no")
    amount = said.object("amount")
    if amount.text("currency", CNY) != CNY:
        raise Malformed("resource.amount.currency", "is not CNY")
    # A refund does not carry back what it was for, and moves nothing here.
    paid = state is State.PAID
    return Notice(
        PROVIDER,
        number(said.text("transaction_id"), "resource.transaction_id"),
        reference,
        order_of(reference, carried) if paid else "",
        positive(amount.whole("total"), "resource.amount.total"),
        CNY,
        state,
        time_told(said.text("success_time"), "resource.success_time") if paid else 0,
    )

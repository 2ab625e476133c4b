"""Payment providers for tests: their keys, their notices, and a shop that is set up for them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.payments.alipay import Alipay
from api.payments.setup import FILE, FOLDER
from api.payments.till import Till
from api.payments.wechat import WeChat
from ledger.rules.text import format_time

APP_ID, SELLER = "2021000000000001", "2088000000000001"
WX_APP, MERCHANT, SERIAL = "wx8888888888888888", "1900000109", "PUB_KEY_ID_0119000001090001"
SECRET = b"0123456789abcdef0123456789ABCDEF"
SHOP = "shop1"
TILL_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BEIJING = timezone(timedelta(hours=8))
FORM = "application/x-www-form-urlencoded"
Sent = tuple[dict[str, list[str]], bytes]


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for each name, made when it is first asked for."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def signature(key: rsa.RSAPrivateKey, message: bytes) -> str:
    return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()


def public_pem(key: rsa.RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def alipay(party: str = "ali") -> Alipay:
    return Alipay(party, APP_ID, SELLER, rsa_key("alipay").public_key())


def wechat(party: str = "wex") -> WeChat:
    return WeChat(party, WX_APP, MERCHANT, SECRET, {SERIAL: rsa_key("wechat").public_key()})


def till(party: str = "till") -> Till:
    return Till(party, SHOP, TILL_KEY.public_key())


def beijing(now: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromtimestamp(now // 1_000_000, UTC).astimezone(BEIJING).strftime(form)


def alipay_form(now: int, **changes: str | None) -> dict[str, str]:
    """What Alipay says of a payment of 88.80 yuan to ann's balance; None leaves a field out."""
    form: dict[str, str | None] = {
        "app_id": APP_ID,
        "buyer_id": "2088102116773037",
        "charset": "utf-8",
        "gmt_create": beijing(now),
        "gmt_payment": beijing(now),
        "notify_id": "4a91b7a78a503640467525113fb7d8bg8e",
        "notify_time": beijing(now),
        "notify_type": "trade_status_sync",
        "out_trade_no": "T-1001",
        "passback_params": "balance%2Fann",
        "seller_id": SELLER,
        "subject": "余额充值 + more",
        "total_amount": "88.80",
        "trade_no": "2026112322001408840218000001",
        "trade_status": "TRADE_SUCCESS",
        "version": "1.0",
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def alipay_notice(
    now: int, *, key: rsa.RSAPrivateKey | None = None, charset: str = "utf-8", **changes: str | None
) -> Sent:
    """A signed notification of Alipay."""
    form = alipay_form(now, **changes)
    message = "&".join(f"{name}={form[name]}" for name in sorted(form)).encode(charset)
    form |= {"sign": signature(key or rsa_key("alipay"), message), "sign_type": "RSA2"}
    pairs = [f"{name}={quote_plus(value.encode(charset))}" for name, value in form.items()]
    return {"content-type": [f"{FORM}; charset=UTF-8"]}, "&".join(pairs).encode()


def payment(now: int, **changes: Any) -> dict[str, Any]:
    """What WeChat Pay says of a payment of 88.80 yuan to ann's balance; None leaves it out."""
    said = {
        "transaction_id": "4200000001202611230000000001",
        "amount": {"payer_total": 8880, "total": 8880, "currency": "CNY", "payer_currency": "CNY"},
        "mchid": MERCHANT,
        "trade_state": "SUCCESS",
        "bank_type": "CMC",
        "success_time": f"{beijing(now, '%Y-%m-%dT%H:%M:%S')}+08:00",
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "out_trade_no": "T-2001",
        "appid": WX_APP,
        "trade_state_desc": "支付成功",
        "trade_type": "NATIVE",
        "attach": "balance/ann",
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def refund(now: int, **changes: Any) -> dict[str, Any]:
    """What WeChat Pay says of a refund of that payment."""
    return {
        "mchid": MERCHANT,
        "out_trade_no": "T-2001",
        "transaction_id": "4200000001202611230000000001",
        "out_refund_no": "R-1",
        "refund_id": "50200207182026112300000000001",
        "refund_status": "SUCCESS",
        "success_time": f"{beijing(now, '%Y-%m-%dT%H:%M:%S')}+08:00",
        "user_received_account": "招商银行信用卡0403",
        "amount": {"total": 8880, "refund": 8880, "payer_total": 8880, "payer_refund": 8880},
        **changes,
    }


def envelope(
    said: Mapping[str, Any] | bytes,
    *,
    event: str = "TRANSACTION.SUCCESS",
    kind: str = "transaction",
    secret: bytes = SECRET,
    **changes: Any,
) -> bytes:
    """The body of a notification: its resource is encrypted."""
    nonce, bound = b"fdasflkja484", kind.encode()
    plain = said if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False).encode()
    resource = {
        "original_type": kind,
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(AESGCM(secret).encrypt(nonce, plain, bound)).decode(),
        "associated_data": kind,
        "nonce": nonce.decode(),
        **changes,
    }
    document = {
        "id": "EV-2018022511223320873",
        "create_time": "2026-11-23T10:34:56+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": "支付成功",
        "resource": resource,
    }
    return json.dumps(document, ensure_ascii=False).encode()


def wechat_headers(
    body: bytes, now: int, *, key: rsa.RSAPrivateKey | None = None, serial: str = SERIAL
) -> dict[str, list[str]]:
    """The header fields of a notification, signed over its body."""
    timestamp, nonce = str(now // 1_000_000), "593BEC0C930BF1AFEB40B4A08C8FB242"
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return {
        "content-type": ["application/json"],
        "wechatpay-timestamp": [timestamp],
        "wechatpay-nonce": [nonce],
        "wechatpay-serial": [serial],
        "wechatpay-signature": [signature(key or rsa_key("wechat"), message)],
        "wechatpay-signature-type": ["WECHATPAY2-SHA256-RSA2048"],
    }


def wechat_notice(now: int, **changes: Any) -> Sent:
    """A signed notification of a payment."""
    body = envelope(payment(now, **changes))
    return wechat_headers(body, now), body


def wechat_refund(now: int, **changes: Any) -> Sent:
    """A signed notification of a refund."""
    body = envelope(refund(now, **changes), event="REFUND.SUCCESS", kind="refund")
    return wechat_headers(body, now), body


def till_body(now: int, **changes: Any) -> bytes:
    """What the till says of a payment of 88.80 yuan to ann's balance; None leaves a field out."""
    said = {
        "amount": "8880",
        "currency": "CNY",
        "pays": "balance/ann",
        "reference": "T-3001",
        "shop": SHOP,
        "state": "paid",
        "time": format_time(now),
        "transaction": "2026-11-23-0001",
        **changes,
    }
    return json.dumps({name: value for name, value in said.items() if value is not None}).encode()


def till_headers(body: bytes, key: Ed25519PrivateKey = TILL_KEY) -> dict[str, list[str]]:
    signed = base64.b64encode(key.sign(b"yinzheng/notice/v1\n" + body)).decode()
    return {"content-type": ["application/json"], "yinzheng-signature": [signed]}


def till_notice(now: int, **changes: Any) -> Sent:
    """A signed notice of the till."""
    body = till_body(now, **changes)
    return till_headers(body), body


def set_up(folder: Path) -> Path:
    """Write what a ledger's folder holds of every provider, and return that folder."""
    place = folder / FOLDER
    place.mkdir(mode=0o700)
    (place / "alipay.pem").write_bytes(public_pem(rsa_key("alipay")))
    (place / "wechat.pem").write_bytes(public_pem(rsa_key("wechat")))
    (place / "till.pem").write_bytes(public_pem(TILL_KEY))
    (place / "wechat.key").write_bytes(SECRET + b"\n")
    write_setup(folder, setup_document())
    for path in place.iterdir():
        path.chmod(0o600)
    return place


def setup_document() -> dict[str, Any]:
    return {
        "schema": 1,
        "alipay": {
            "party": "ali",
            "app_id": APP_ID,
            "seller_id": SELLER,
            "public_key": "alipay.pem",
        },
        "internal": {"party": "till", "shop": SHOP, "public_key": "till.pem"},
        "wechat": {
            "party": "wex",
            "app_id": WX_APP,
            "merchant": MERCHANT,
            "api_v3_key": "wechat.key",
            "public_keys": {SERIAL: "wechat.pem"},
        },
    }


def write_setup(folder: Path, document: Any) -> None:
    (folder / FOLDER / FILE).write_text(json.dumps(document), encoding="utf-8")

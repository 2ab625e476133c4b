"""Notices of the marketplace's own till: cash, a transfer, or a wallet that it had before.

What a member holds here pays orders by the member's own signature (`pay-order/1`) and needs no
notice. How money came to be held, when no outside provider says so, the till says: a JSON document
signed with Ed25519 over `yinzheng/notice/v1 LF body`, the body as received.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.errors import NoticeNotOurs, NoticeSignatureInvalid
from api.payments.port import (
    SECOND_US,
    Fields,
    Notice,
    State,
    check_age,
    number,
    only,
    order_of,
    positive,
    read_base64,
)
from api.payments.reading import StrictObject, read_json
from ledger.rules.errors import Malformed
from ledger.rules.text import check_amount, check_currency, time_us

PROVIDER: Final = "internal"
TAG: Final = b"yinzheng/notice/v1\n"
AGE_MAX_US: Final = 7 * 24 * 3600 * SECOND_US
_SIGNATURE: Final = "yinzheng-signature"
_NAMES: Final = frozenset(
    {"amount", "currency", "pays", "reference", "shop", "state", "time", "transaction"}
)
_STATES: Final[Mapping[str, State]] = {each.value: each for each in State}


@dataclass(frozen=True, slots=True)
class Till:
    """The till of one shop.

    Attributes:
        party: Who signs for it here.
        shop: The name by which its notices call this shop.
        key: Its public key.

    """

    party: str
    shop: str
    key: Ed25519PublicKey
    provider: str = PROVIDER

    def verify(self, headers: Fields, body: bytes, *, now: int) -> Notice:
        """Read a notice; raises as the port says."""
        signature = read_base64(only(headers, _SIGNATURE), _SIGNATURE)
        try:
            self.key.verify(signature, TAG + body)
        except InvalidSignature:
            raise NoticeSignatureInvalid(
                "the till's signature does not hold over what this server received"
            ) from None
        document = read_json(body, "notice")
        said = StrictObject(document, "notice")
        if document.keys() != _NAMES:
            raise Malformed("notice", f"does not hold exactly {', '.join(sorted(_NAMES))}")
        if said.text("shop") != self.shop:
            raise NoticeNotOurs("the notice is for another shop", field="shop")
        at = time_us(said.text("time"), field="notice.time")
        check_age(at, now, most_us=AGE_MAX_US)
        state = _STATES.get(said.text("state"))
        if state is None:
            raise Malformed("notice.state", "is not a state of a payment")
        reference = number(said.text("reference"), "notice.reference")
        amount = check_amount(said.text("amount"), "notice.amount")
        return Notice(
            PROVIDER,
            number(said.text("transaction"), "notice.transaction"),
            reference,
            order_of(reference, said.text("pays")),
            positive(int(amount), "notice.amount"),
            check_currency(said.text("currency"), "notice.currency"),
            state,
            at,
        )

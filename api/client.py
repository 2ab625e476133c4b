"""The Python client: composes, signs, sends, and believes only receipts that it has checked.

After an unknown outcome the very same bytes are sent again, never others: the log keeps one entry
for them however often they come.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2

from api.actors import Actor, Confirmed, Prepared
from api.client_errors import NotReached, OutcomeUnknown
from api.client_reads import read_document
from api.client_signed import SignedReads
from api.desk import Hand, Order, write
from api.receipts import check_entry, read_receipt
from ledger.clock import Clock, SystemClock
from ledger.rules.canonical import encode
from ledger.rules.compose import Context
from ledger.rules.items import item_stream
from ledger.rules.text import format_time

ATTEMPTS = 6
PAUSE_FIRST_S = 0.2
OFFER_LIFE_US = 7 * 24 * 3600 * 1_000_000
WAIT_MAX_S = 60.0
_SERVER_FAULT = 500
_DIGITS_MAX = 9
_BYTE = 256


class _Told:
    """What came of the attempts so far: too many requests, or no clear answer and why."""

    def __init__(self) -> None:
        self.refused: httpx2.Response | None = None
        self.reason: str | None = None

    def unknown(self, reason: str) -> None:
        self.refused, self.reason = None, reason


def _advised_s(answer: httpx2.Response) -> float:
    """Read in how many seconds it is worth coming again; one, where it is not said."""
    advice = answer.headers.get("retry-after", "")
    readable = advice.isascii() and advice.isdigit() and len(advice) <= _DIGITS_MAX
    return float(advice) if readable else 1.0


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class LedgerClient(SignedReads):
    """A client of one served log that also writes. Not to be shared between threads."""

    def __init__(  # noqa: PLR0913 - everything but the address has a default at this edge
        self,
        base_url: str,
        *,
        vkey: str | None = None,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock | None = None,
        random: Callable[[int], bytes] = os.urandom,
        attempts: int = ATTEMPTS,
        pause: Callable[[float], object] = _pause,
        wait_max_s: float = WAIT_MAX_S,
    ) -> None:
        """Talk to a server.

        Args:
            base_url: For instance `http://127.0.0.1:8000`.
            vkey: The log's checkpoint key; the server's own word for it when None.
            transport: How requests travel; the network when None.
            clock: Dates commands and signed requests.
            random: Gives random bytes for ids, salts and nonces.
            attempts: How often the same bytes are sent until the outcome is known.
            pause: Waits so many seconds between two attempts.
            wait_max_s: Longest wait that a server may ask for; beyond it the problem is raised.

        """
        super().__init__(
            base_url, vkey=vkey, transport=transport, clock=clock or SystemClock(), random=random
        )
        self._attempts = attempts
        self._pause = pause
        self._wait_max_s = wait_max_s

    def prepare(self, order: Order) -> Prepared:
        """Compose and sign a command without sending it.

        Raises:
            Malformed: A part is not in its accepted form.
            OtherLog: The server serves another log than the pinned one.

        """
        context = Context(self.log.origin, self.policy()["digest"], self._clock.now())
        command, submission = write(context, order, random=self._random)
        document = {
            "command": command.document,
            "disclosures": [
                {"name": one.name, "salt": one.salt, "value": one.value}
                for one in submission.disclosures
            ],
            "sigs": list(submission.sigs),
        }
        return Prepared(command.raw, command.digest, submission.sigs, encode(document))

    def send(self, prepared: Prepared) -> Confirmed:
        """Send a command until its outcome is known, always the same bytes, and check the receipt.

        A server that has too much to do says when to come again; that long is waited, and a random
        part of a second more, as long as attempts are left.

        Raises:
            ProblemAnswer: The log refused it, or never had room for it; nothing was recorded.
            OutcomeUnknown: No clear answer came, however often it was sent.
            ReceiptRefused: The receipt or the entry is not what was signed.

        """
        told = _Told()
        for attempt in range(self._attempts):
            if attempt:
                self._pause(self._wait_s(attempt, told))
            try:
                answer = self._http.post(
                    "/v1/commands",
                    content=prepared.body,
                    headers={"Content-Type": "application/json"},
                )
            except httpx2.TransportError as error:
                told.unknown(type(error).__name__)
                continue
            if answer.status_code == httpx2.codes.TOO_MANY_REQUESTS:
                told.refused = answer
                if _advised_s(answer) > self._wait_max_s:
                    break
                continue
            if answer.status_code >= _SERVER_FAULT:
                told.unknown(f"HTTP {answer.status_code}")
                continue
            try:
                return self._confirm(prepared, answer)
            except NotReached as error:
                # Recorded, but not seen: the same bytes again bring a receipt again.
                told.unknown(str(error))
        if told.refused is not None and told.reason is None:
            # Refused each time before anything was looked at: nothing was recorded.
            read_document(told.refused)
        raise OutcomeUnknown(told.reason or "it was not sent", prepared)

    def _wait_s(self, attempt: int, told: _Told) -> float:
        backoff_s = float(PAUSE_FIRST_S * 2 ** (attempt - 1))
        if told.refused is None:
            return backoff_s
        # Not all at the same moment: whoever was refused was so together with others.
        return max(backoff_s, _advised_s(told.refused)) + self._random(1)[0] / _BYTE

    def submit(self, order: Order) -> Confirmed:
        """Compose, sign and send a command. Raises as `prepare` and `send` do."""
        return self.send(self.prepare(order))

    def register_party(
        self, actor: Actor, *, registrar: Actor | None, class_: str = "member"
    ) -> Confirmed:
        """Register a party with its first key.

        Args:
            actor: The new party and its key.
            registrar: Who approves, where the policy asks for it.
            class_: `member`, `merchant` or `service`.

        """
        hands = [actor.hand("party")]
        if registrar is not None:
            hands.append(registrar.hand("registrar"))
        return self.submit(
            Order(
                "register-party/1",
                hands,
                {"class": class_, "key": actor.public_key(), "party": actor.party},
            )
        )

    def register_item(
        self, item: str, owner: Actor, *, name: str, class_: str = "other"
    ) -> Confirmed:
        """Register an item in a namespace that the owner owns; its name is sealed."""
        body = {"class": class_, "item": item}
        seal = {"name": (owner.party, name)}
        return self.submit(Order("register-item/1", [owner.hand("owner")], body, seal=seal))

    def transfer(
        self, item: str, owner: Actor, recipient: Actor, *, price: Mapping[str, str] | None = None
    ) -> Confirmed:
        """Give an item to another party; both sign."""
        hands = [owner.hand("owner"), recipient.hand("recipient")]
        return self._on_item("transfer-item/1", item, hands, price=price)

    def offer(
        self,
        item: str,
        owner: Actor,
        *,
        to: str,
        price: Mapping[str, str] | None = None,
        until: int | None = None,
    ) -> Confirmed:
        """Offer an item to a party; `until` in microseconds, seven days from now when None."""
        ends = self._clock.now() + OFFER_LIFE_US if until is None else until
        hands = [owner.hand("owner")]
        return self._on_item(
            "offer-transfer/1", item, hands, price=price, to=to, until=format_time(ends)
        )

    def accept(self, item: str, recipient: Actor, *, offer: str) -> Confirmed:
        """Accept the offer with this digest, as `offer_on` told it."""
        return self._on_item("accept-transfer/1", item, [recipient.hand("recipient")], offer=offer)

    def refuse(self, item: str, recipient: Actor, *, offer: str) -> Confirmed:
        """Refuse the offer with this digest."""
        return self._on_item("refuse-offer/1", item, [recipient.hand("recipient")], offer=offer)

    def withdraw(self, item: str, owner: Actor, *, offer: str) -> Confirmed:
        """Withdraw one's offer with this digest."""
        return self._on_item("withdraw-offer/1", item, [owner.hand("owner")], offer=offer)

    def freeze(self, item: str, freezer: Actor, *, ground: str, reason: str) -> Confirmed:
        """Freeze an item; the reason is sealed."""
        return self._freezing("freeze-item/1", item, freezer, ground=ground, reason=reason)

    def unfreeze(self, item: str, freezer: Actor, *, ground: str, reason: str) -> Confirmed:
        """Unfreeze an item; the reason is sealed."""
        return self._freezing("unfreeze-item/1", item, freezer, ground=ground, reason=reason)

    def _freezing(
        self, kind: str, item: str, freezer: Actor, *, ground: str, reason: str
    ) -> Confirmed:
        body, seal = {"ground": ground, "item": item}, {"reason": (freezer.party, reason)}
        return self.submit(Order(kind, [freezer.hand("freezer")], body, seal=seal))

    def _on_item(self, kind: str, item: str, hands: Sequence[Hand], **body: Any) -> Confirmed:
        """Send an owner's or recipient's act, decided on the item as it stands now."""
        expect = {item_stream(item): self.item(item)["head"]["leaf"]}
        if "price" in body and body["price"] is not None:
            body["price"] = dict(body["price"])
        return self.submit(Order(kind, hands, {"item": item, **body}, expect=expect))

    def _confirm(self, prepared: Prepared, answer: httpx2.Response) -> Confirmed:
        document = read_document(answer)
        receipt = read_receipt(document.get("receipt"), self.log)
        raw = self.entry(receipt["index"])
        check_entry(receipt, raw, command=prepared.command, sigs=prepared.sigs)
        self._written = max(self._written or 0, receipt["index"])
        again = answer.status_code != httpx2.codes.CREATED
        return Confirmed(receipt["index"], prepared.digest, receipt, again)

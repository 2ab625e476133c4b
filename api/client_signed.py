"""Reading what is not for everybody: the client signs the request, and checks what it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2

from api.actors import Actor
from api.client_errors import NotReached, StrangeAnswer
from api.client_reads import LogClient, read_document
from api.signatures import NONCE_BYTES, Target, authority_of, sign_request
from ledger.clock import Clock
from ledger.rules.digests import sealed_digest
from ledger.rules.entries import read_entry
from ledger.rules.errors import RuleError

_OPEN = "open"


class SignedReads(LogClient):
    """A reader of one served log with keys of its own. Not to be shared between threads."""

    def __init__(
        self,
        base_url: str,
        *,
        vkey: str | None,
        transport: httpx2.BaseTransport | None,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        """Talk to a server; the arguments are those of `LedgerClient`."""
        super().__init__(base_url, vkey=vkey, transport=transport)
        self._clock = clock
        self._random = random

    def disclosures(self, index: int, actor: Actor) -> list[dict[str, Any]]:
        """Have sealed fields of an entry opened: those that are about a party.

        Each is compared with what the entry's signers sealed.

        Args:
            index: Of the entry.
            actor: The party, with a key of its own.

        Returns:
            `name`, `subject`, `digest`, `state`, `salt` and `value` of each; salt and value are
            None where `state` is not `open`.

        Raises:
            ProblemAnswer: The server said no: 401 where the key or this machine's clock is wrong,
                403 where nothing in the entry is for the party.
            StrangeAnswer: A value is not the one that was sealed.

        """
        document = self._get_signed(f"/v1/entries/{index}/disclosures", actor)
        self._check(index, document.get("disclosures"))
        found: list[dict[str, Any]] = document["disclosures"]
        return found

    def parcel(self, order: str, line: int, actor: Actor) -> dict[str, Any]:
        """Fetch what was delivered to the key of an order; nothing of it is believed here.

        Args:
            order: Id of the order.
            line: Its line, from 1.
            actor: Who placed the order.

        Returns:
            `parcel`, base64, and what it is bound to. `api.evidence.delivery_in` holds it against
            the item's proof.

        Raises:
            ProblemAnswer: The server said no: 403 where the order is not the party's, 404 where no
                parcel is kept.

        """
        return self._get_signed(f"/v1/orders/{order}/parcels/{line}", actor)

    def _get_signed(self, path: str, actor: Actor) -> dict[str, Any]:
        request = self._http.build_request("GET", path)
        url = request.url
        authority = authority_of(url.netloc.decode("ascii"), url.scheme)
        target = Target(request.method, url.scheme, authority, url.raw_path.decode("ascii"))
        signed = sign_request(
            target,
            actor.key,
            origin=self.log.origin,
            created=self._clock.now(),
            nonce=self._random(NONCE_BYTES).hex(),
        )
        request.headers.update(signed)
        try:
            answer = self._http.send(request)
        except httpx2.TransportError as error:
            raise NotReached(f"{type(error).__name__}: {error}") from error
        return read_document(answer)

    def _check(self, index: int, found: Any) -> None:
        """Compare what was opened with the digests in the entry itself."""
        try:
            command = read_entry(self.entry(index)).command
            sealed = (
                {}
                if command is None
                else {each["name"]: each["digest"] for each in command.document["sealed"]}
            )
            for each in found:
                if each["state"] != _OPEN:
                    continue
                name, salt, value = each["name"], each["salt"], each["value"]
                log, by_id = self.log.origin, "" if command is None else command.id
                if sealed_digest(log, by_id, name, salt, value) != sealed.get(name):
                    raise StrangeAnswer(f"{name} is not what was sealed in entry {index}")
        except (RuleError, KeyError, TypeError) as error:
            raise StrangeAnswer(f"the disclosures of entry {index} cannot be read") from error

"""Reading a served log: what the client does without signing anything.

The checkpoint key should be pinned, from wherever the caller trusts; without it the client believes
the first one that the server names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self
from urllib.parse import quote

import httpx2

from api.client_errors import NotReached, ProblemAnswer, StrangeAnswer
from api.receipts import PinnedLog, pin_log
from ledger.proof.hashing import leaf_hash
from ledger.rules.digests import policy_digest, terms_digest
from ledger.rules.entries import read_entry
from ledger.rules.errors import RuleError
from ledger.rules.text import check_item, format_time

TIMEOUT_S = 30.0
_PAGE = 500


class LogClient:
    """A reader of one served log. Not to be shared between threads."""

    def __init__(
        self,
        base_url: str,
        *,
        vkey: str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Talk to a server.

        Args:
            base_url: For instance `http://127.0.0.1:8000`.
            vkey: The log's checkpoint key; the server's own word for it when None.
            transport: How requests travel; the network when None.

        """
        self._http = httpx2.Client(base_url=base_url, transport=transport, timeout=TIMEOUT_S)
        self._given_vkey = vkey
        # Reads wait until they show the last of one's own writes.
        self._written: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @cached_property
    def log(self) -> PinnedLog:
        """What entry 0 fixed, checked against the pinned checkpoint key.

        Raises:
            OtherLog: The server serves another log.

        """
        vkey = self._given_vkey or self._get("/log/vkey").text.removesuffix("\n")
        return pin_log(self.entry(0), vkey=vkey)

    def policy(self) -> Mapping[str, Any]:
        """Read the ledger policy in force: `digest`, `policy` and `since`."""
        found = self._json("/v1/policy")
        if policy_digest(found["policy"]) != found["digest"]:
            raise StrangeAnswer("the digest is not that of the policy")
        return found

    def trade_policies(self) -> Mapping[str, Any]:
        """Read the trade policies: `in_force`, `pending`, and `superseded`, the newest first.

        Raises:
            StrangeAnswer: A digest is not that of its policy.

        """
        found = self._json("/v1/policies/trade")
        for each in (found["in_force"], found["pending"], *found["superseded"]):
            if each is not None and terms_digest(each["policy"]) != each["digest"]:
                raise StrangeAnswer("a digest is not that of its trade policy")
        return found

    def entry(self, index: int) -> bytes:
        """Read the exact bytes of the entry at a 0-based index."""
        return self._get(f"/v1/entries/{index}").content

    def item(
        self, item: str, *, at_index: int | None = None, at_time: int | None = None
    ) -> dict[str, Any]:
        """Read who holds an item.

        Args:
            item: `NS/ID`.
            at_index: As of the state after this entry.
            at_time: As of this time, in microseconds.

        """
        return self._json(_item_path(item), **_moment(at_index, at_time))

    def history(
        self, item: str, *, at_index: int | None = None, at_time: int | None = None
    ) -> list[dict[str, Any]]:
        """Read all that happened to an item, oldest first, page by page as of one moment."""
        path, rows = f"{_item_path(item)}/history", []
        page = self._json(path, limit=str(_PAGE), **_moment(at_index, at_time))
        rows += page["data"]
        while page["has_more"]:
            page = self._json(path, limit=str(_PAGE), cursor=page["next_cursor"])
            rows += page["data"]
        return rows

    def order(self, order: str) -> dict[str, Any]:
        """Read the lines of an order, and where the money of each is."""
        return self._json(f"/v1/orders/{quote(order, safe='')}")

    def party(self, party: str) -> dict[str, Any]:
        """Read the keys and roles of a party."""
        return self._json(f"/v1/parties/{quote(party, safe='/')}")

    def proof(self, item: str, *, index: int | None = None) -> bytes:
        """Get an item's proof file, which `python -m ledger.proof verify` checks offline."""
        query = {} if index is None else {"index": str(index)}
        return self._get(f"{_item_path(item)}/proof", **query).content

    def offer_on(self, item: str) -> dict[str, Any]:
        """Read the offer that stands on an item, from the very bytes that the owner signed.

        Raises:
            StrangeAnswer: No offer stands, or the server tells of another one.

        """
        found = self.item(item)
        offer: dict[str, Any] | None = found["offer"]
        if offer is None:
            raise StrangeAnswer(f"no offer stands on {item}")
        raw = self.entry(found["head"]["index"])
        try:
            command = read_entry(raw).command
        except RuleError as error:
            raise StrangeAnswer(f"the offer's entry cannot be read: {error}") from None
        signed = {} if command is None else {**command.body, "digest": command.digest}
        if leaf_hash(raw).hex() != found["head"]["leaf"] or signed != {**offer, "item": item}:
            raise StrangeAnswer("the offer is not the one that was signed")
        return offer

    def _json(self, path: str, **query: str) -> dict[str, Any]:
        if self._written is not None and path.startswith(("/v1/items/", "/v1/parties/")):
            query["wait_for_index"] = str(self._written)
        return read_document(self._get(path, **query))

    def _get(self, path: str, **query: str) -> httpx2.Response:
        try:
            answer = self._http.get(path, params=query)
        except httpx2.TransportError as error:
            raise NotReached(f"{type(error).__name__}: {error}") from error
        if not answer.is_success:
            read_document(answer)
        return answer


def _item_path(item: str) -> str:
    return f"/v1/items/{check_item(item, field='item')}"


def _moment(at_index: int | None, at_time: int | None) -> dict[str, str]:
    query = {}
    if at_index is not None:
        query["at_index"] = str(at_index)
    if at_time is not None:
        query["at_time"] = format_time(at_time)
    return query


def read_document(answer: httpx2.Response) -> dict[str, Any]:
    """Read an answer as a JSON object; a problem document is raised."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise StrangeAnswer(f"HTTP {answer.status_code} without a JSON object")
    if not answer.is_success:
        raise ProblemAnswer(document)
    return document

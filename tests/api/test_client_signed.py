"""The client signs what it reads for somebody, and believes no value that was not sealed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.actors import Actor
from api.client import LedgerClient
from api.client_errors import NotReached, ProblemAnswer, StrangeAnswer
from api.settings import Settings
from tests.api.serving import Served, furnish, serve
from tests.api.signing import seal_about

Change = Callable[[dict[str, Any]], Any]


class Wire(httpx2.BaseTransport):
    """Carries requests as they are; `change` may spoil what is disclosed."""

    def __init__(self, served: Served, change: Change | None = None) -> None:
        self.served, self.change = served, change
        self.nonces: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.nonces += [request.headers.get("signature-input", "").partition(";nonce=")[2][:34]]
        path = str(request.url.raw_path, "ascii")
        headers = dict(request.headers)
        answer = self.served.client.request(request.method, path, headers=headers)
        content = answer.content
        if self.change is not None and path.endswith("/disclosures"):
            document = answer.json()
            content = json.dumps(self.change(document) or document).encode()
        return httpx2.Response(answer.status_code, content=content)


def client_of(served: Served, wire: httpx2.BaseTransport) -> LedgerClient:
    world = served.world
    return LedgerClient(
        "http://testserver", vkey=world.vkey, transport=wire, clock=world.clock, random=world.dice
    )


def actor(served: Served, party: str) -> Actor:
    return Actor(party, served.world.key(party))


def test_a_party_reads_what_is_about_it_as_often_as_it_likes(served: Served) -> None:
    index = seal_about(served.world, "cards/8", "ann", "for ann").index
    wire = Wire(served)

    with client_of(served, wire) as client:
        found = [client.disclosures(index, actor(served, "ann")) for _ in range(3)]
        with pytest.raises(ProblemAnswer) as refused:
            client.disclosures(index, actor(served, "bob"))

    assert [each["value"] for (each,) in found] == ["for ann"] * 3
    assert (refused.value.status, refused.value.code) == (403, "not-authorised")
    signed = [nonce for nonce in wire.nonces if nonce]
    assert len(signed) == len(set(signed)) == 4


def test_a_client_reads_through_a_proxy_that_takes_a_path_away(tmp_path: Path) -> None:
    class Proxy(Wire):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            assert request.url.host == "shop.example"
            inner = request.url.copy_with(path=request.url.path.removeprefix("/ledger"))
            headers = {
                **request.headers,
                "Host": "backend:8000",
                "X-Forwarded-Host": "evil.example",
            }
            return super().handle_request(httpx2.Request(request.method, inner, headers=headers))

    settings = Settings(public_url="https://shop.example/ledger")
    with serve(tmp_path, settings=settings) as served:
        furnish(served.world)
        index = seal_about(served.world, "cards/8", "ann", "for ann").index
        world = served.world
        client = LedgerClient(
            "https://Shop.Example:443/ledger",
            vkey=world.vkey,
            transport=Proxy(served),
            clock=world.clock,
            random=world.dice,
        )
        with client:
            (found,) = client.disclosures(index, actor(served, "ann"))

    assert found["value"] == "for ann"


def test_an_erased_value_is_told_as_erased(served: Served) -> None:
    index = seal_about(served.world, "cards/8", "ann", "for ann").index
    served.world.vault.erase("ann")

    with client_of(served, Wire(served)) as client:
        (found,) = client.disclosures(index, actor(served, "ann"))

    assert (found["state"], found["value"]) == ("erased", None)


def test_a_clock_that_is_wrong_is_told_with_both_times(served: Served) -> None:
    index = seal_about(served.world, "cards/8", "ann", "for ann").index
    now = served.world.clock.now() // 1_000_000

    class Behind:
        def now(self) -> int:
            return served.world.clock.now() - 3600 * 1_000_000

    client = LedgerClient(
        "http://testserver", vkey=served.world.vkey, transport=Wire(served), clock=Behind()
    )
    with client, pytest.raises(ProblemAnswer) as refused:
        client.disclosures(index, actor(served, "ann"))

    assert refused.value.code == "request-stale"
    assert refused.value.evidence == {"created": now - 3600, "now": now}


def replace_value(document: dict[str, Any]) -> None:
    document["disclosures"][0]["value"] = "for bob"


def replace_salt(document: dict[str, Any]) -> None:
    document["disclosures"][0]["salt"] = "A" * 43 + "="


def replace_name(document: dict[str, Any]) -> None:
    document["disclosures"][0]["name"] = "reason"


@pytest.mark.parametrize("change", [replace_value, replace_salt, replace_name])
def test_what_was_not_sealed_in_the_entry_is_not_believed(served: Served, change: Change) -> None:
    index = seal_about(served.world, "cards/8", "ann", "for ann").index

    with (
        client_of(served, Wire(served, change)) as client,
        pytest.raises(StrangeAnswer, match=f"is not what was sealed in entry {index}"),
    ):
        client.disclosures(index, actor(served, "ann"))


@pytest.mark.parametrize(
    "spoiled", [{"index": 1}, {"disclosures": None}, {"disclosures": [{}]}, {"disclosures": [1]}]
)
def test_an_answer_in_another_shape_is_strange(served: Served, spoiled: dict[str, Any]) -> None:
    index = seal_about(served.world, "cards/8", "ann", "for ann").index

    with (
        client_of(served, Wire(served, lambda _document: spoiled)) as client,
        pytest.raises(StrangeAnswer, match="cannot be read"),
    ):
        client.disclosures(index, actor(served, "ann"))


def test_a_server_that_went_away_is_not_reached(served: Served) -> None:
    index = seal_about(served.world, "cards/8", "ann", "for ann").index

    class Gone(Wire):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.url.path.endswith("/disclosures"):
                message = "gone"
                raise httpx2.ConnectError(message)
            return super().handle_request(request)

    with client_of(served, Gone(served)) as client, pytest.raises(NotReached, match="ConnectError"):
        client.disclosures(index, actor(served, "ann"))

"""The client signs, sends the same bytes until it knows, and believes no receipt unchecked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from api.actors import Actor, Confirmed
from api.client import LedgerClient
from api.client_errors import (
    NotReached,
    OtherLog,
    OutcomeUnknown,
    ProblemAnswer,
    ReceiptRefused,
    StrangeAnswer,
)
from api.receipts import pin_log
from ledger.rules.canonical import encode
from ledger.rules.digests import RECEIPT_TAG
from ledger.rules.entries import read_entry
from ledger.rules.errors import Malformed
from ledger.rules.text import b64encode, format_time, time_us
from tests.api.serving import Served
from tests.worlds import World

PRICE = {"amount": "9900", "currency": "CNY"}
Answer = Callable[[httpx2.Request], httpx2.Response | None]


class Wire(httpx2.BaseTransport):
    """Carries requests to the application; `meddle` may answer instead, or spoil the answer."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.sent: list[bytes] = []
        self.before: Answer = lambda request: None
        self.after: Callable[[httpx2.Request, dict[str, Any]], dict[str, Any]] | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        if request.method == "POST":
            self.sent.append(body)
        meddled = self.before(request)
        if meddled is not None:
            return meddled
        answer = self.served.client.request(
            request.method,
            str(request.url.raw_path, "ascii"),
            content=body,
            headers={"Content-Type": request.headers.get("content-type", "")},
        )
        content = answer.content
        if self.after is not None and answer.headers["content-type"] == "application/json":
            changed = self.after(request, answer.json())
            # What is left alone keeps its exact bytes.
            if changed != answer.json():
                content = json.dumps(changed).encode()
        return httpx2.Response(answer.status_code, content=content)


def client_of(served: Served, **changes: Any) -> tuple[LedgerClient, Wire]:
    wire = Wire(served)
    settings: dict[str, Any] = {
        "vkey": served.world.vkey,
        "transport": wire,
        "clock": served.world.clock,
        "random": served.world.dice,
        "pause": lambda seconds: None,
        **changes,
    }
    return LedgerClient("http://ledger.test", **settings), wire


def actor(world: World, party: str, *, alg: str = "ed25519") -> Actor:
    return Actor(party, world.key(party, alg=alg))


@pytest.fixture
def opened(served: Served) -> Iterator[tuple[LedgerClient, Wire, World]]:
    client, wire = client_of(served)
    with client:
        yield client, wire, served.world


Opened = tuple[LedgerClient, Wire, World]


def test_a_life_of_an_item_through_the_client(opened: Opened) -> None:
    client, _, world = opened
    shop, ann, fay = (actor(world, name) for name in ("shop", "ann", "fay"))
    zoe = actor(world, "zoe", alg="p256")

    client.register_party(zoe, registrar=actor(world, "operator"))
    client.register_item("cards/9", shop, name="gift card", class_="point-card")
    client.transfer("cards/9", shop, zoe, price=PRICE)
    client.offer("cards/9", zoe, to="ann", price=PRICE)
    offer = client.offer_on("cards/9")
    client.refuse("cards/9", ann, offer=offer["digest"])
    client.offer("cards/9", zoe, to="ann")
    client.withdraw("cards/9", zoe, offer=client.offer_on("cards/9")["digest"])
    client.offer("cards/9", zoe, to="ann", until=world.clock.now() + 60_000_000)
    client.accept("cards/9", ann, offer=client.offer_on("cards/9")["digest"])
    client.freeze("cards/9", fay, ground="in-dispute", reason="a complaint came in")
    frozen = client.item("cards/9")
    last = client.unfreeze("cards/9", fay, ground="dispute-ended", reason="it was settled")

    assert (offer["price"], offer["to"]) == (PRICE, "ann")
    assert frozen["frozen"] is True
    assert (client.item("cards/9")["owner"], client.item("cards/9")["frozen"]) == ("ann", False)
    assert [row["type"].partition("/")[0] for row in client.history("cards/9")] == [
        "item-registered",
        "item-transferred",
        "transfer-offered",
        "offer-ended",
        "transfer-offered",
        "offer-ended",
        "transfer-offered",
        "item-transferred",
        "item-frozen",
        "item-unfrozen",
    ]
    assert client.item("cards/9", at_index=last.index - 1)["frozen"] is True
    assert client.party("zoe")["keys"][0]["alg"] == "p256"


def test_a_history_is_read_to_its_end(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _, world = opened
    monkeypatch.setattr("api.client_reads._PAGE", 1)

    whole = client.history("cards/1")

    assert [row["to"] for row in whole] == ["shop", "ann", "bob"]
    assert client.history("cards/1", at_index=whole[1]["index"]) == whole[:2]
    at = time_us(whole[0]["at"], field="at")
    assert client.history("cards/1", at_time=at) == whole[:1]
    assert world.size() == whole[2]["index"] + 1


def test_a_proof_is_the_servers_file(opened: Opened) -> None:
    client, wire, _ = opened
    prover = wire.served.app.state.rooms.house.prover

    assert client.proof("cards/1") == prover.prove("cards/1")
    born = client.history("cards/1")[0]["index"]
    assert client.proof("cards/1", index=born) == prover.prove("cards/1", born)


def register(opened: Opened, name: str = "carl") -> Confirmed:
    client, _, world = opened
    return client.register_party(actor(world, name), registrar=actor(world, "operator"))


def test_a_confirmed_command_is_in_the_log(opened: Opened) -> None:
    client, wire, world = opened
    size = world.size()

    confirmed = register(opened)

    assert (confirmed.index, confirmed.again) == (size, False)
    command = read_entry(client.entry(size)).command
    assert command is not None
    assert command.digest == confirmed.digest
    assert len(wire.sent) == 1


def test_a_refusal_carries_the_problem(opened: Opened) -> None:
    with pytest.raises(ProblemAnswer) as refused:
        register(opened, "ann")

    assert (refused.value.code, refused.value.status) == ("party-exists", 409)
    assert refused.value.evidence == {"party": "ann"}
    assert refused.value.retryable is False
    assert refused.value.problem["type"] == "/errors/party-exists"


def test_an_item_of_no_form_is_refused_before_it_is_sent(opened: Opened) -> None:
    client, wire, _ = opened

    with pytest.raises(Malformed):
        client.item("cards/../x")

    assert wire.sent == []


def lose_answers(wire: Wire, count: int, *, deliver: bool) -> None:
    """Lose the first answers to a POST; `deliver` says whether the server saw the request."""
    left = count

    def before(request: httpx2.Request) -> httpx2.Response | None:
        nonlocal left
        if request.method == "POST" and left > 0:
            left -= 1
            if deliver:
                wire.served.client.post(
                    "/v1/commands", content=request.content, headers=dict(request.headers)
                )
            raise httpx2.ReadTimeout("lost", request=request)
        return None

    wire.before = before


@pytest.mark.parametrize("deliver", [True, False])
def test_the_same_bytes_are_sent_again_until_the_outcome_is_known(
    opened: Opened,
    deliver: bool,  # noqa: FBT001 - of the parametrization
) -> None:
    _, wire, world = opened
    size = world.size()
    lose_answers(wire, 2, deliver=deliver)

    confirmed = register(opened)

    assert len(wire.sent) == 3
    assert len(set(wire.sent)) == 1
    assert world.size() == size + 1
    assert (confirmed.index, confirmed.again) == (size, deliver)


def test_a_server_fault_is_an_unknown_outcome(opened: Opened) -> None:
    _, wire, _ = opened
    answers = iter([httpx2.Response(502, text="bad gateway"), httpx2.Response(503, json={})])
    wire.before = lambda request: next(answers, None) if request.method == "POST" else None

    register(opened)

    assert len(wire.sent) == 3
    assert len(set(wire.sent)) == 1


def test_who_gives_up_keeps_the_bytes_to_send_them_later(opened: Opened) -> None:
    client, wire, world = opened
    size = world.size()
    lose_answers(wire, 6, deliver=True)

    with pytest.raises(OutcomeUnknown) as unknown:
        register(opened)
    confirmed = client.send(unknown.value.prepared)

    assert len(set(wire.sent)) == 1
    assert (confirmed.index, confirmed.again) == (size, True)
    assert world.size() == size + 1


def test_pauses_grow_and_come_only_between_attempts(served: Served) -> None:
    pauses: list[float] = []
    client, wire = client_of(served, pause=pauses.append, attempts=4)
    lose_answers(wire, 9, deliver=False)

    with pytest.raises(OutcomeUnknown):
        register((client, wire, served.world))

    assert pauses == [0.2, 0.4, 0.8]


def test_an_entry_that_cannot_be_fetched_is_an_unknown_outcome(opened: Opened) -> None:
    client, wire, _ = opened
    assert client.log.origin == wire.served.world.origin
    failures = iter([True, False, False])

    def before(request: httpx2.Request) -> httpx2.Response | None:
        if request.url.path.startswith("/v1/entries/") and next(failures):
            raise httpx2.ConnectError("down", request=request)
        return None

    wire.before = before

    assert register(opened).again is True
    assert len(set(wire.sent)) == 1


def test_a_read_that_gets_no_answer_says_so(opened: Opened) -> None:
    client, wire, _ = opened

    def before(request: httpx2.Request) -> httpx2.Response | None:
        raise httpx2.ConnectError("down", request=request)

    wire.before = before

    with pytest.raises(NotReached, match="ConnectError"):
        client.item("cards/1")


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"null", b"\xff"])
def test_an_answer_of_another_kind_is_not_taken(opened: Opened, content: bytes) -> None:
    client, wire, _ = opened
    wire.before = lambda request: httpx2.Response(200, content=content)

    with pytest.raises(StrangeAnswer):
        client.item("cards/1")


def spoil(
    opened: Opened, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> pytest.ExceptionInfo[ReceiptRefused]:
    """Change every receipt on its way and register somebody."""
    _, wire, _ = opened

    def after(request: httpx2.Request, document: dict[str, Any]) -> dict[str, Any]:
        if request.method == "POST":
            return {"receipt": change(document["receipt"])}
        return document

    wire.after = after
    with pytest.raises(ReceiptRefused) as refused:
        register(opened)
    return refused


def resigned(world: World, receipt: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Change the statement and sign it again with the receipt key."""
    statement = {**receipt["statement"], **changes}
    sig = world.key("receipt").sign(RECEIPT_TAG + encode(statement))
    return {**receipt, "sig": b64encode(sig), "statement": statement}


def test_a_receipt_of_no_form_is_refused(opened: Opened) -> None:
    assert spoil(opened, lambda receipt: {**receipt, "extra": 1}).value.step == "parse"


def test_a_receipt_of_another_log_is_refused(opened: Opened) -> None:
    world = opened[2]

    refused = spoil(opened, lambda receipt: resigned(world, receipt, log="yinzheng.test/other"))

    assert refused.value.step == "log"


@pytest.mark.parametrize("off_us", [-1, 1])
def test_a_receipt_that_promises_another_delay_is_refused(opened: Opened, off_us: int) -> None:
    world = opened[2]

    def change(receipt: dict[str, Any]) -> dict[str, Any]:
        due = time_us(receipt["statement"]["due"], field="due") + off_us
        return resigned(world, receipt, due=format_time(due))

    assert spoil(opened, change).value.step == "due"


def test_a_receipt_signed_by_another_key_is_refused(opened: Opened) -> None:
    world = opened[2]

    def change(receipt: dict[str, Any]) -> dict[str, Any]:
        sig = world.key("system").sign(RECEIPT_TAG + encode(receipt["statement"]))
        return {**receipt, "sig": b64encode(sig)}

    assert spoil(opened, change).value.step == "signature"


def test_a_statement_changed_after_signing_is_refused(opened: Opened) -> None:
    def change(receipt: dict[str, Any]) -> dict[str, Any]:
        return {**receipt, "statement": {**receipt["statement"], "count": 2}}

    assert spoil(opened, change).value.step == "signature"


def test_a_receipt_for_another_leaf_is_refused(opened: Opened) -> None:
    assert spoil(opened, lambda receipt: {**receipt, "leaf": "0" * 64}).value.step == "leaf"


def test_a_receipt_for_somebody_elses_entry_is_refused(opened: Opened) -> None:
    other = register(opened, "dora")

    refused = spoil(opened, lambda receipt: dict(other.receipt))

    assert refused.value.step == "command"
    assert refused.value.receipt == other.receipt


def test_a_receipt_under_another_root_is_refused(opened: Opened) -> None:
    world = opened[2]

    refused = spoil(opened, lambda receipt: resigned(world, receipt, root="0" * 64))

    assert refused.value.step == "path"


def test_a_receipt_with_a_foreign_path_is_refused(opened: Opened) -> None:
    assert spoil(opened, lambda receipt: {**receipt, "path": ["0" * 64]}).value.step == "path"


def test_a_server_of_another_log_is_refused(served: Served) -> None:
    other = World.__new__(World)
    other.seed, other._ring = "other", {}
    other.origin = served.world.origin
    client, wire = client_of(served, vkey=other.vkey)

    with pytest.raises(OtherLog) as refused:
        register((client, wire, served.world))

    assert (refused.value.field, refused.value.found) == ("vkey", served.world.vkey)
    assert wire.sent == []


def test_without_a_pinned_key_the_servers_own_is_taken(served: Served) -> None:
    client, wire = client_of(served, vkey=None)

    assert register((client, wire, served.world)).again is False
    assert client.log.vkey == served.world.vkey


def test_an_entry_0_with_a_changed_byte_pins_nothing(opened: Opened) -> None:
    client, _, world = opened
    raw = client.entry(0)
    key = world.key("receipt").key()["public"]
    spoiled = raw.replace(key.encode(), world.key("ann").key()["public"].encode())

    with pytest.raises(OtherLog) as refused:
        pin_log(spoiled, vkey=world.vkey)

    assert refused.value.field == "entry 0"
    with pytest.raises(OtherLog, match="entry 0"):
        pin_log(client.entry(1), vkey=world.vkey)


def test_an_offer_told_with_another_price_is_not_believed(opened: Opened) -> None:
    client, wire, world = opened
    client.offer("cards/2", actor(world, "shop"), to="ann", price=PRICE)

    def after(request: httpx2.Request, document: dict[str, Any]) -> dict[str, Any]:
        if request.url.path == "/v1/items/cards/2":
            return {**document, "offer": {**document["offer"], "price": None}}
        return document

    wire.after = after

    with pytest.raises(StrangeAnswer, match="not the one that was signed"):
        client.offer_on("cards/2")


def test_where_no_offer_stands_there_is_none_to_accept(opened: Opened) -> None:
    with pytest.raises(StrangeAnswer, match="no offer stands"):
        opened[0].offer_on("cards/2")


def test_a_policy_with_another_digest_is_not_believed(opened: Opened) -> None:
    client, wire, _ = opened
    wire.after = lambda request, document: {**document, "digest": "0" * 64}

    with pytest.raises(StrangeAnswer, match="digest"):
        client.policy()

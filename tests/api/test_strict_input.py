"""Strict input: whatever arrives, a clear 4xx names the reason, and nothing is recorded.

The cases are those of the parser surface: JSON with two readings, numbers that change on the way,
text with two spellings, depth, size, and headers that lie.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from api.submitting import BODY_BYTES_MAX
from ledger.rules.canonical import encode
from ledger.rules.compose import Draft, Sealing
from ledger.rules.kinds import KINDS
from tests.api.serving import Served, body_of, document_of
from tests.api.test_commands import member
from tests.credit import credit_body
from tests.goods import card_body, placing_body
from tests.money import money_body
from tests.shops import listing_body
from tests.terms import terms
from tests.worlds import POLICY, World

EMPTY = b'{"command":{},"disclosures":[],"sigs":["%s"]}' % (b"A" * 86 + b"==")
NESTED = b"[" * 33 + b"]" * 33

# Body and what the detail must say.
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is not JSON"),
    "empty list": (b"[]", "is not an array of 1 to 1000"),
    "null": (b"null", "is not an object"),
    "a number": (b"1", "is not an object"),
    "a string": (b'"x"', "is not an object"),
    "not JSON": (b"{command}", "is not JSON"),
    "cut off": (EMPTY[:-1], "is not JSON"),
    "two documents": (EMPTY + EMPTY, "is not JSON"),
    "byte order mark": (b"\xef\xbb\xbf" + EMPTY, "byte order mark"),
    "UTF-16": (EMPTY.decode().encode("utf-16"), "is not UTF-8"),
    "UTF-16 without a mark": (EMPTY.decode().encode("utf-16-le"), "is not JSON"),
    "invalid UTF-8": (b'{"command":"\xff"}', "is not UTF-8"),
    "overlong UTF-8": (b'{"command":"\xc0\xaf"}', "is not UTF-8"),
    "surrogate in UTF-8": (b'{"command":"\xed\xa0\x80"}', "is not UTF-8"),
    "lone surrogate": (b'{"command":"\\ud800"}', "lone surrogate"),
    "lone low surrogate": (b'{"command":"\\udc00"}', "lone surrogate"),
    "surrogate pair escaped": (b'{"command":"\\ud83d\\ude00"}', "not canonical"),
    "a key twice": (b'{"command":{},"command":{},"disclosures":[],"sigs":[]}', "duplicate key"),
    "a key twice inside": (b'{"command":{"a":1,"a":1}}', "duplicate key"),
    "a key twice, once escaped": (b'{"command":1,"c\\u006fmmand":1}', "duplicate key"),
    "keys unsorted": (b'{"sigs":[],"command":{},"disclosures":[]}', "not canonical"),
    "a space": (b'{"command": {}}', "not canonical"),
    "a newline at the end": (EMPTY + b"\n", "not canonical"),
    "a slash escaped": (b'{"command":"\\/"}', "not canonical"),
    "a letter escaped": (b'{"command":"\\u0061"}', "not canonical"),
    "a control character escaped": (b'{"command":"\\u0000"}', "control character"),
    "a raw control character": (b'{"command":"\x01"}', "is not JSON"),
    "a key that is no field": (b'{"Command":{}}', "no field name"),
    "a prototype key": (b'{"__proto__":{}}', "no field name"),
    "a key with a dot": (b'{"a.b":{}}', "no field name"),
    "an empty key": (b'{"":{}}', "no field name"),
    "NaN": (b'{"command":NaN}', "not an integer"),
    "Infinity": (b'{"command":Infinity}', "not an integer"),
    "minus Infinity": (b'{"command":-Infinity}', "not an integer"),
    "a fraction": (b'{"command":1.0}', "not an integer"),
    "an exponent": (b'{"command":1e3}', "not an integer"),
    "a huge exponent": (b'{"command":1e400}', "not an integer"),
    "minus zero": (b'{"command":-0}', "not canonical"),
    "a leading zero": (b'{"command":01}', "is not JSON"),
    "a plus": (b'{"command":+1}', "is not JSON"),
    "2**53": (b'{"command":9007199254740992}', "2**53"),
    "-2**53": (b'{"command":-9007199254740992}', "2**53"),
    "10**30": (b'{"command":1000000000000000000000000000000}', "2**53"),
    "5000 digits": (b'{"command":' + b"9" * 5000 + b"}", "2**53"),
    "hexadecimal": (b'{"command":0x10}', "is not JSON"),
    "true with a capital": (b'{"command":True}', "is not JSON"),
    "single quotes": (b"{'command':{}}", "is not JSON"),
    "a trailing comma": (b'{"command":{},}', "is not JSON"),
    "a comment": (b"/**/" + EMPTY, "is not JSON"),
    "depth 33": (NESTED, "nested deeper"),
    "depth 100000": (b"[" * 100_000, "nested deeper"),
    "depth 100000 of objects": (b'{"a":' * 100_000, "nested deeper"),
    "an unknown field": (EMPTY.replace(b'"sigs"', b'"role":"admin","sigs"'), "is not a field"),
    "a missing field": (b'{"command":{},"sigs":[]}', "is missing"),
    "a list in a list": (b"[[]]", ""),
}


def refused(shared: Served, answer: Any, *, status: int, code: str, says: str = "") -> None:
    problem = answer.json()

    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert says in problem["detail"]


@pytest.fixture(autouse=True)
def nothing_is_recorded(shared: Served) -> Iterator[None]:
    size = shared.world.size()
    yield
    assert shared.world.size() == size


@pytest.mark.parametrize("name", [name for name in BODIES if name != "a list in a list"])
def test_a_body_with_two_readings_is_refused(shared: Served, name: str) -> None:
    body, says = BODIES[name]

    refused(shared, shared.post(body), status=400, code="malformed", says=says)


def test_a_list_in_a_list_is_refused_in_its_place(shared: Served) -> None:
    answer = shared.post(b"[[]]")

    assert answer.status_code == 200
    assert [one["problem"]["code"] for one in answer.json()] == ["malformed"]


def with_command(shared: Served, **changes: Any) -> bytes:
    """A valid submission whose command was changed, its signatures now wrong."""
    document = document_of(shared.world.submission(member(shared.world, "carl")))
    return encode({**document, "command": {**document["command"], **changes}})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"v": "1"}, "command.v"),
        ({"v": True}, "command.v"),
        ({"id": "not-a-uuid"}, "command.id"),
        ({"id": "018F0000-0000-7000-8000-000000000000"}, "command.id"),
        ({"id": 7}, "command.id"),
        ({"at": "2026-11-22T09:00:00Z"}, "command.at"),
        ({"at": "2026-02-30T09:00:00.000000Z"}, "command.at"),
        ({"at": "2026-11-22T09:00:60.000000Z"}, "command.at"),
        ({"at": "2026-11-22T09:00:00.000000+00:00"}, "command.at"),
        ({"at": "２０２６-11-22T09:00:00.000000Z"}, "command.at"),  # noqa: RUF001 - full width
        ({"by": "../../etc/passwd"}, "command.by"),
        ({"by": ".."}, "command.by"),
        ({"by": ""}, "command.by"),
        ({"by": "a" * 129}, "command.by"),
        ({"by": "a\nb"}, "command.by"),
        ({"by": "раураl"}, "command.by"),  # noqa: RUF001 - Cyrillic
        ({"by": "ann\u202e"}, "command.by"),
        ({"by": "ann\u200b"}, "command.by"),
        ({"by": "e\u0301"}, "command.by"),
        ({"log": "HTTP://x"}, "command.log"),
        ({"policy": "0" * 63}, "command.policy"),
        ({"policy": "A" * 64}, "command.policy"),
        ({"signers": []}, "command.signers"),
        ({"signers": {}}, "command.signers"),
        ({"signers": [{"party": "ann", "role": "party"}]}, "command.signers[0].key"),
        ({"sealed": None}, "command.sealed"),
        ({"expect": [{"stream": "log"}]}, "command.expect[0].leaf"),
        ({"expect": [{"leaf": None, "stream": "item/../x"}]}, "command.expect[0].stream"),
        ({"seen": {"root": "0" * 64, "size": 0}}, "command.seen.size"),
        ({"seen": {"root": "0" * 64, "size": -1}}, "command.seen.size"),
        ({"body": None}, "command.body"),
        ({"body": {"role": "admin"}}, "command.body.class"),
        ({"kind": None}, "command.kind"),
        ({"extra": 1}, "command.extra"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_a_command_with_a_strange_value_is_pointed_at(
    shared: Served, changes: dict[str, Any], field: str
) -> None:
    answer = shared.post(with_command(shared, **changes))

    refused(shared, answer, status=400, code="malformed")
    assert answer.json()["evidence"]["field"] == field
    assert answer.json()["errors"][0]["pointer"] == "/" + field.replace(".", "/").replace(
        "[0]", "/0"
    )


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"kind": "os.system/1"}, 422, "unknown-kind"),
        ({"kind": "register-party/2"}, 422, "unknown-kind"),
        ({"kind": "x" * 150}, 422, "unknown-kind"),
        ({"v": 2}, 400, "unknown-version"),
        ({"log": "yinzheng.test/other"}, 422, "wrong-log"),
        ({"policy": "0" * 64}, 409, "policy-not-in-force"),
        ({"policy": None}, 409, "policy-not-in-force"),
        ({"seen": {"root": "0" * 64, "size": 5}}, 409, "other-view"),
        ({"not_after": "2027-11-22T09:00:00.000000Z"}, 422, "expired"),
        ({"at": "2020-01-01T00:00:00.000000Z"}, 422, "expired"),
        ({"by": "ann"}, 422, "wrong-signers"),
    ],
)
def test_a_command_that_can_never_hold_is_refused(
    shared: Served, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = shared.post(with_command(shared, **changes))

    refused(shared, answer, status=status, code=code)


@pytest.mark.parametrize(
    "text",
    [
        "e\u0301",
        "a\u202eb",
        "a\u200bb",
        "\ufeffa",
        "a\u2028b",
        "\U000f0000",
        "\ufffe",
        "a\u0085b",
        "\u2065",
        "\u0378",
    ],
    ids=ascii,
)
def test_a_sealed_text_with_two_spellings_is_refused(shared: Served, text: str) -> None:
    world = shared.world
    seal = (Sealing("reason", "fay", world.dice(32), text),)
    body = {"ground": "in-dispute", "item": "cards/1"}
    draft = Draft("freeze-item/1", "fay", [world.signs("fay", "freezer")], body, seal=seal)

    answer = shared.post(body_of(world.submission(draft)))

    refused(shared, answer, status=400, code="malformed")
    assert answer.json()["evidence"]["field"] == "disclosures.reason"


def test_a_command_of_more_than_24_kib_is_refused(shared: Served) -> None:
    answer = shared.post(with_command(shared, body={"party": "x" * 24 * 1024}))

    refused(shared, answer, status=413, code="too-large")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/jsonp",
        "application/json, text/plain",
        "application/problem+json",
        "*/*",
    ],
)
def test_another_media_type_is_refused(shared: Served, content_type: str) -> None:
    answer = shared.post(EMPTY, **{"Content-Type": content_type})

    refused(shared, answer, status=415, code="wrong-media-type")


@pytest.mark.parametrize("content_type", ["Application/JSON", "application/json; charset=UTF-8"])
def test_the_media_type_has_more_than_one_spelling(shared: Served, content_type: str) -> None:
    answer = shared.post(b"null", **{"Content-Type": content_type})

    refused(shared, answer, status=400, code="malformed")


def test_a_compressed_body_is_refused(shared: Served) -> None:
    answer = shared.post(EMPTY, **{"Content-Encoding": "gzip"})

    refused(shared, answer, status=415, code="wrong-media-type")


@pytest.mark.parametrize("length", ["-1", "+5", "0x10", "1e3", "05", " ", "1_0", "9" * 30, "1,1"])
def test_a_strange_length_is_refused(shared: Served, length: str) -> None:
    answer = shared.post(EMPTY, **{"Content-Length": length})

    refused(shared, answer, status=400, code="malformed")


def test_a_body_of_8_mib_is_read_and_one_byte_more_is_not(shared: Served) -> None:
    most = b'"' + b"x" * (BODY_BYTES_MAX - 2) + b'"'

    refused(shared, shared.post(most), status=400, code="malformed", says="is not an object")
    refused(shared, shared.post(most + b" "), status=413, code="body-too-large")


def test_an_announced_length_is_enough_to_refuse(shared: Served) -> None:
    answer = shared.post(b"", **{"Content-Length": str(BODY_BYTES_MAX + 1)})

    refused(shared, answer, status=413, code="body-too-large")


def test_a_length_that_lies_does_not_let_more_in(shared: Served) -> None:
    answer = shared.post(b" " * (BODY_BYTES_MAX + 1), **{"Content-Length": "10"})

    refused(shared, answer, status=413, code="body-too-large")


def test_a_body_without_an_end_is_read_no_further_than_8_mib(shared: Served) -> None:
    read, sent = 0, []
    headers = [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/commands",
        "raw_path": b"/v1/commands",
        "query_string": b"",
        "headers": headers,
    }

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b" " * (1 << 20), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(shared.app(scope, receive, send))

    assert sent[0]["status"] == 413
    assert read == 9


def test_a_client_that_goes_away_leaves_no_fault(shared: Served) -> None:
    messages = [
        {"type": "http.request", "body": EMPTY[:5], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/commands",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(shared.app(scope, receive, send))

    assert sent[0]["status"] == 400
    assert json.loads(sent[1]["body"])["code"] == "body-incomplete"


@pytest.mark.parametrize("query", ["?dry_run=1", "?a=1&a=2", "?" + "&".join("abcdefghijklmnopqr")])
def test_a_query_that_no_route_knows_is_refused(shared: Served, query: str) -> None:
    answer = shared.client.post(
        f"/v1/commands{query}", content=EMPTY, headers={"Content-Type": "application/json"}
    )

    refused(shared, answer, status=400, code="malformed", says="query")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])
def test_another_method_is_refused(shared: Served, method: str) -> None:
    answer = shared.client.request(method, "/v1/commands")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


ODD_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["a", "stream", "leaf", "key", "party"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value inside a document."""
    yield path
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for name, child in children:
        yield from places(child, (*path, name))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


HEX, TIME = "0" * 64, "2026-11-22T10:00:00.000000Z"
PRICE = {"amount": "1", "currency": "CNY"}
CASE = "01930000-0000-7000-8000-000000000002"


def bodies(world: World) -> dict[str, dict[str, Any]]:
    """A body in the right form for every kind of command."""
    key = world.key("carl").key()
    item, offer = {"item": "cards/1"}, {"item": "cards/1", "offer": HEX}
    change, role = {"change": HEX, "party": "ann"}, {"party": "ann", "role": "officer"}
    claim = {"key": key, "party": "imported/cards/x"}
    sale = {"from": "x", "to": None, "price": PRICE, "time": TIME, "tx": None, "ordinal": 0}
    return {
        "open-ledger/1": dict(world.opening().body),
        "publish-policy/1": {"policy": dict(POLICY), "replaces": HEX},
        "register-party/1": {"class": "member", "key": key, "party": "carl"},
        "add-key/1": {"key": key, "party": "ann"},
        "revoke-key/1": {"key": HEX, "party": "ann"},
        "recover-party/1": {"key": key, "party": "ann"},
        "object-key-change/1": change,
        "complete-key-change/1": {**change, "due": TIME},
        "cancel-command/1": {"command": world.compose(member(world, "carl")).document},
        "grant-role/1": role,
        "withdraw-role/1": role,
        "open-namespace/1": {"namespace": "cards"},
        "register-item/1": {**item, "class": "other"},
        "transfer-item/1": {**item, "price": PRICE},
        "offer-transfer/1": {**item, "price": None, "to": "ann", "until": TIME},
        "accept-transfer/1": offer,
        "withdraw-offer/1": offer,
        "refuse-offer/1": offer,
        "freeze-item/1": {**item, "ground": "in-dispute"},
        "unfreeze-item/1": {**item, "ground": "dispute-ended"},
        "import-sale/1": {**item, **sale, "source": {"file": HEX, "row": 1}},
        "claim-imported-party/1": claim,
        **shop_bodies(),
        **order_bodies(),
        "publish-trade-policy/1": {"effective_at": None, "policy": terms(), "replaces": None},
    }


def shop_bodies() -> dict[str, dict[str, Any]]:
    """The bodies about merchants, listings and money."""
    merchant = {"class": "game-card", "merchant": "ann"}
    return {
        "qualify-merchant/1": {**merchant, "namespace": "cards", "origin": None, "until": TIME},
        "revoke-qualification/1": {**merchant, "ground": "rules-broken"},
        "publish-listing/1": listing_body("cards/sword", "ann"),
        "end-listing/1": {"listing": "cards/sword"},
        "top-up/1": money_body("ann", 100),
        "pay-out/1": money_body("ann", 100),
        "record-chargeback/1": {
            **{"case": CASE, "lines": [], "order": CASE, "provider": "alipay", "stage": "won"},
        },
        "recover-chargeback/1": {"currency": "CNY", "due": TIME, "merchant": "ann"},
        "agree-deposit/1": {"merchant": "ann", "terms": HEX},
        "fund-deposit/1": {"amount": PRICE, "merchant": "ann"},
        "request-deposit/1": {"amount": None, "merchant": "ann"},
        "withdraw-deposit/1": {"merchant": "ann"},
        "report-duplicate/1": {
            "alert": "01930000-0000-7000-8000-000000000002",
            "cards": [{"item": f"cards/{number}", "order": None} for number in (1, 2)],
        },
        "grant-credit/1": credit_body("ann", 1, source="campaign"),
        "claw-back-credit/1": credit_body("ann", 1, ground="fraud"),
        "redeem-credit/1": credit_body("ann", 1, service="coupon"),
        "earn-credit/1": credit_body("ann", 1, order=CASE) | {"line": 1},
        "update-level/1": {"level": "vip", "party": "ann"},
        "revoke-code/1": {"item": "cards/9"},
        "check-code/1": {},
        "answer-check/1": {
            "check": "01930000-0000-7000-8000-000000000002",
            "found": "this",
            "item": "cards/9",
            "party": "ann",
        },
        "register-card/1": card_body("cards/9"),
        "place-in-escrow/1": placing_body("cards/9"),
        "withdraw-from-escrow/1": {"item": "cards/9"},
    }


def order_bodies() -> dict[str, dict[str, Any]]:
    """The bodies about orders, payments, escrow and claims."""
    claim = {"claim": "01930000-0000-7000-8000-000000000001"}
    order = {"order": "01930000-0000-7000-8000-000000000000"}
    line = {"item": "cards/1", "listing": "cards/sword", "merchant": "ann", "price": "100"}
    return {
        "place-order/1": {
            **order,
            **{"agreement": HEX, "currency": "CNY", "key": None, "terms": HEX},
            "lines": [{**line, "snapshot": HEX}],
        },
        "expire-order/1": {**order, "due": TIME},
        "pay-order/1": {**order, "amount": PRICE},
        "confirm-payment/1": {**order, "amount": PRICE, "provider": "internal"},
        "deliver-lines/1": {**order, "parcels": [{"line": 1, "parcel": None}]},
        "accept-lines/1": {**order, "lines": [1]},
        "release-lines/1": {**order, "due": TIME},
        "refund-lines/1": {**order, "due": TIME},
        "give-refund/1": {**order, "amount": PRICE, "line": 1},
        "record-activation/1": {
            **{**order, "item": "cards/9"},
            **{"outcome": "success", "platform": "steam", "time": TIME},
        },
        "update-labels/1": {"labels": ["gold"], "merchant": "ann"},
        "reveal-card/1": {**order, "item": "cards/9", "line": 1},
        "open-claim/1": {**order, **claim, "kind": "key-invalid", "line": 1},
        "close-claim/1": {**claim, "outcome": "refund", "to_buyer": None},
    }


def any_document(world: World, kind: str) -> dict[str, Any]:
    """A submission of any kind, signed by keys of the right number."""
    hands = ("ann", "bob", "operator", "fay")
    roles = KINDS[kind].signers[0]
    places = [world.signs(party, role) for party, role in zip(hands, roles, strict=False)]
    seal = [Sealing(name, "ann", world.dice(32), "text") for name in KINDS[kind].sealed]
    expect = {"item/cards/1": world.head("item/cards/1")}
    draft = Draft(kind, "ann", places, bodies(world)[kind], expect, seal=seal)
    return document_of(world.submission(draft))


def test_every_kind_of_command_is_mutated(shared: Served) -> None:
    assert set(bodies(shared.world)) == set(KINDS)


FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(data=st.data())
def test_no_value_anywhere_makes_a_fault(shared: Served, data: st.DataObject) -> None:
    world, size = shared.world, shared.world.size()
    document = any_document(world, data.draw(st.sampled_from(sorted(KINDS))))
    path = data.draw(st.sampled_from(sorted(places(document), key=repr)))
    changed = replaced(document, path, data.draw(ODD_VALUES))

    # As bytes: in Python 1 is True.
    assume(encode(changed) != encode(document))

    answer = shared.post(encode(changed))

    assert 400 <= answer.status_code < 500 or isinstance(changed, list)
    assert world.size() == size


@FUZZ
@given(data=st.data())
def test_no_byte_anywhere_makes_a_fault(shared: Served, data: st.DataObject) -> None:
    world, size = shared.world, shared.world.size()
    valid = body_of(world.submission(member(world, "carl")))
    body = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        kind = data.draw(st.sampled_from(["set", "drop", "insert"]))
        byte = data.draw(st.integers(0, 255))
        if kind == "set":
            body[at] = byte
        elif kind == "drop" and len(body) > 1:
            del body[at]
        else:
            body.insert(at, byte)
    assume(bytes(body) != valid)

    answer = shared.post(bytes(body))

    assert 400 <= answer.status_code < 500
    assert world.size() == size

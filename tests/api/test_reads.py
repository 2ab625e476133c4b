"""Reading items, histories, parties, entries and proofs."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.merkle import check_consistency, check_inclusion
from ledger.proof.vkey import VerifierKey
from ledger.rules.text import b64encode, format_time
from tests.api.serving import Served, body_of, furnish, house_of, serve
from tests.api.test_commands import member
from tests.databases import sqlite_file_url
from tests.worlds import SECOND_US, START_US, World

NEVER = "does-not-exist"


def refusal(served: Served, path: str) -> tuple[int, str]:
    answer = served.client.get(path)

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == path.partition("?")[0]
    return answer.status_code, answer.json()["code"]


def registered(served: Served, item: str) -> int:
    """Index of the entry that registered an item."""
    return served.world.recorder.stream_entries(f"item/{item}")[0].index


def test_an_item_says_who_holds_it(shared: Served) -> None:
    item = shared.client.get("/v1/items/cards/1").json()

    assert (item["item"], item["owner"], item["frozen"]) == ("cards/1", "bob", False)
    assert item["offer"] is None
    assert item["head"]["leaf"] == shared.world.head("item/cards/1")
    assert item["head"]["seq"] == 2
    assert item["since"]["index"] == item["head"]["index"]
    assert item["as_of"]["index"] == shared.world.size() - 1


def test_a_provenance_tells_a_buyer_where_an_item_comes_from(shared: Served) -> None:
    found = shared.client.get("/v1/items/cards/1/provenance").json()
    history = shared.client.get("/v1/items/cards/1/history").json()["data"]

    moves = [each for each in history if each["to"] and each["type"] != "transfer-offered/1"]
    assert [each["owner"] for each in found["owners"]] == [each["to"] for each in moves]
    assert [each["price"] for each in found["owners"]] == [each["price"] for each in moves]
    assert (found["flag"], found["flags"], found["more"]) == ("clean", ["clean"], False)
    assert found["made"]["index"] == registered(shared, "cards/1")
    assert (found["owner"], found["as_of"]["index"]) == ("bob", shared.world.size() - 1)


def test_a_provenance_is_read_as_of_an_index_and_not_before_the_item(shared: Served) -> None:
    index = registered(shared, "cards/1")
    path = "/v1/items/cards/1/provenance"

    assert shared.client.get(f"{path}?at_index={index}").json()["owner"] == "shop"
    assert refusal(shared, f"{path}?at_index={index - 1}") == (404, "item-not-found")
    assert refusal(shared, f"{path}?limit=1") == (400, "malformed")


def test_every_read_says_how_fresh_it_is(shared: Served) -> None:
    note = shared.client.get("/log/checkpoint").content
    checkpoint, _ = open_checkpoint(note, log=VerifierKey.parse(shared.world.vkey))
    freshness = f"{checkpoint.size};root={b64encode(checkpoint.root)}"

    for path in ("items/cards/1", "items/cards/1/history", "parties/ann", "log", "policy"):
        answer = shared.client.get(f"/v1/{path}")
        assert answer.headers["yinzheng-checkpoint"] == freshness
        assert answer.headers["yinzheng-projection-index"] == str(shared.world.size() - 1)


def test_an_item_is_read_as_of_an_index(shared: Served) -> None:
    born = registered(shared, "cards/1")

    owners = {
        index: shared.client.get(f"/v1/items/cards/1?at_index={index}").json()["owner"]
        for index in range(born, shared.world.size())
    }

    moved = [entry.index for entry in shared.world.recorder.stream_entries("item/cards/1")]
    assert owners[born] == "shop"
    assert owners[moved[1] - 1] == "shop"
    assert owners[moved[1]] == "ann"
    assert owners[moved[2]] == "bob"
    assert refusal(shared, f"/v1/items/cards/1?at_index={born - 1}") == (404, "item-not-found")


def test_an_item_is_read_as_of_a_time(shared: Served) -> None:
    history = shared.client.get("/v1/items/cards/1/history").json()["data"]

    def owner_at(time: str) -> str:
        return str(shared.client.get(f"/v1/items/cards/1?at_time={time}").json()["owner"])

    assert owner_at(history[0]["at"]) == "shop"
    assert owner_at(history[1]["at"]) == "ann"
    assert owner_at("2099-01-01T00:00:00.000000Z") == "bob"
    early = "2001-01-01T00:00:00.000000Z"
    assert refusal(shared, f"/v1/items/cards/1?at_time={early}") == (404, "item-not-found")


def test_an_offer_stands_until_it_is_answered(served: Served) -> None:
    served.world.offer("cards/2", to="ann", price={"amount": "5", "currency": "CNY"})
    served.catch_up()
    offer = served.client.get("/v1/items/cards/2").json()["offer"]

    state = served.world.item("cards/2").offer
    assert state is not None
    assert offer == {
        "digest": state.digest,
        "price": {"amount": "5", "currency": "CNY"},
        "to": "ann",
        "until": format_time(state.until),
    }

    served.world.accept("cards/2")
    served.catch_up()
    item = served.client.get("/v1/items/cards/2").json()
    assert (item["owner"], item["offer"]) == ("ann", None)


@pytest.mark.parametrize("end", ["refuse", "withdraw", "freeze"])
def test_whatever_ends_an_offer_ends_it_here_too(served: Served, end: str) -> None:
    served.world.offer("cards/2", to="ann")
    if end == "freeze":
        served.world.freeze("cards/2", by="fay")
    else:
        getattr(served.world, end)("cards/2")
    served.catch_up()

    item = served.client.get("/v1/items/cards/2").json()

    assert served.world.item("cards/2").offer is None
    assert (item["offer"], item["frozen"]) == (None, end == "freeze")


def test_a_history_tells_what_happened_in_order(shared: Served) -> None:
    page = shared.client.get("/v1/items/cards/1/history").json()
    first, second, third = page["data"]

    assert [row["type"] for row in page["data"]] == [
        "item-registered/1",
        "item-transferred/1",
        "item-transferred/1",
    ]
    assert (first["from"], first["to"], first["item_class"]) == (None, "shop", "virtual-equipment")
    assert second["price"] == {"amount": "9900", "currency": "CNY"}
    assert second["signers"] == [
        {"party": "shop", "role": "owner"},
        {"party": "ann", "role": "recipient"},
    ]
    assert (third["from"], third["to"], third["price"], third["word"]) == (
        "ann",
        "bob",
        None,
        "signed",
    )
    assert (page["has_more"], page["next_cursor"]) == (False, None)


def test_pages_are_pinned_to_a_size(served: Served) -> None:
    served.world.transfer("cards/1", to="ann")
    served.catch_up()
    whole = served.client.get("/v1/items/cards/1/history").json()["data"]
    path, rows, pins = "/v1/items/cards/1/history?limit=1", [], set()

    while path:
        answer = served.client.get(path)
        rows += answer.json()["data"]
        pins.add(answer.json()["as_of"]["index"])
        # What is appended between two pages stays out of them.
        served.world.transfer("cards/1", to="bob" if len(rows) % 2 else "ann")
        served.catch_up()
        link = answer.headers.get("link", "")
        found = re.fullmatch(r'<(.+)>; rel="next"', link)
        assert (found is not None) == answer.json()["has_more"]
        path = found.group(1) if found else ""

    assert rows == whole
    assert len(pins) == 1


def test_a_history_is_read_as_of_an_index_and_a_time(shared: Served) -> None:
    whole = shared.client.get("/v1/items/cards/1/history").json()["data"]

    for position, row in enumerate(whole):
        for moment in (f"at_index={row['index']}", f"at_time={row['at']}"):
            page = shared.client.get(f"/v1/items/cards/1/history?{moment}").json()
            assert page["data"] == whole[: position + 1]
            assert page["as_of"]["index"] == row["index"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=01",
        "limit=",
        "limit=1&limit=2",
        "limit=%31%30%00",
        "at_index=1e3",
        "at_index=9223372036854775808",
        "at_index=1&at_time=2026-11-22T09:00:00.000000Z",
        "at_time=2026-11-22T09:00:00Z",
        "at_time=yesterday",
        "cursor=",
        "cursor=AAAA",
        "cursor=MTAuNQ==",
        "cursor=MTAuNQ&at_index=4",
        "cursor=NS4xMA",
        "cursor=MDEuMA",
        f"cursor={'A' * 5000}",
        "cursor=%ff",
        "wait_for_index=x",
        "order=asc",
        "LIMIT=1",
    ],
)
def test_a_strange_query_is_refused(shared: Served, query: str) -> None:
    assert refusal(shared, f"/v1/items/cards/1/history?{query}") == (400, "malformed")


def test_what_is_not_there_is_not_found(shared: Served) -> None:
    size = shared.world.size()

    assert refusal(shared, f"/v1/items/cards/{NEVER}") == (404, "item-not-found")
    assert refusal(shared, f"/v1/items/cards/{NEVER}/history") == (404, "item-not-found")
    assert refusal(shared, f"/v1/items/cards/{NEVER}/proof") == (404, "nothing-to-prove")
    assert refusal(shared, f"/v1/parties/{NEVER}") == (404, "party-not-found")
    assert refusal(shared, "/v1/parties/unknown") == (404, "party-not-found")
    assert refusal(shared, "/v1/parties/imported/cards/x") == (404, "party-not-found")
    assert refusal(shared, f"/v1/entries/{size}") == (404, "entry-not-found")
    assert refusal(shared, f"/v1/entries/{2**63 - 1}") == (404, "entry-not-found")
    assert refusal(shared, f"/v1/items/cards/1?at_index={size}") == (404, "entry-not-found")
    assert refusal(shared, "/v1/items/cards") == (404, "not-found")
    assert refusal(shared, "/v1/items/cards/1/") == (404, "not-found")
    assert refusal(shared, "/docs") == (404, "not-found")
    assert refusal(shared, "/redoc") == (404, "not-found")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/items/Cards/1",
        "/v1/items/-cards/1",
        "/v1/items/cards/a%20b",
        "/v1/items/cards/%00",
        "/v1/items/cards/%ff",
        "/v1/items/cards/%E2%80%AE",
        "/v1/items/cards/a%0Ab",
        f"/v1/items/cards/{'a' * 129}",
        f"/v1/items/{'a' * 64}/1",
        "/v1/parties/a%20b",
        "/v1/parties/imported/Cards/x",
        "/v1/entries/-1",
        "/v1/entries/01",
        "/v1/entries/1.0",
        "/v1/entries/0x1",
        f"/v1/entries/{2**63}",
        f"/v1/entries/{'9' * 5000}",
        "/v1/entries/%D9%A1",
        "/v1/proofs/inclusion/a/1",
        "/v1/proofs/consistency/1/1e3",
    ],
)
def test_a_path_with_a_strange_id_is_refused(shared: Served, path: str) -> None:
    answer = shared.client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer.json()["evidence"]["field"].startswith("path")


def test_a_party_shows_keys_and_roles_and_nobody_behind_it(shared: Served) -> None:
    fay = shared.client.get("/v1/parties/fay").json()
    operator = shared.client.get("/v1/parties/operator").json()

    (key,) = fay["keys"]
    assert (key["id"], key["alg"], key["revoked"]) == (
        shared.world.key("fay").key_id,
        "ed25519",
        False,
    )
    assert fay["roles"] == [{"name": "freezer", "single_handed": False}]
    assert (fay["party_class"], fay["founder"], fay["attested"]) == ("member", False, False)
    assert fay["change"] is None
    assert operator["founder"] is True
    assert {role["name"] for role in operator["roles"]} == {"registrar", "root"}


def test_a_waiting_key_change_shows_when_it_is_due(served: Served) -> None:
    served.world.add_key("ann", "ann-2")
    served.world.clock.advance(3601 * SECOND_US)
    served.world.revoke_key("ann", "ann", by="ann-2")
    served.catch_up()

    change = served.client.get("/v1/parties/ann").json()["change"]

    waiting = served.world.party("ann").change
    assert waiting is not None
    assert change == {"digest": waiting.digest, "due": format_time(waiting.due)}


def test_an_entry_is_its_exact_bytes_for_ever(shared: Served) -> None:
    for index in range(shared.world.size()):
        answer = shared.client.get(f"/v1/entries/{index}")
        stored = shared.world.recorder.entry_at(index)

        assert stored is not None
        assert answer.content == stored.entry
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert sha256(b"\x00" + answer.content).hexdigest() == answer.headers["yinzheng-leaf"]


def test_an_entry_is_kept_by_caches_only_once_it_is_published(served: Served) -> None:
    served.catch_up()
    index = served.world.register("zoe").index
    path = f"/v1/entries/{index}"
    before = served.client.get(path).headers["cache-control"]

    served.catch_up()

    after = served.client.get(path).headers["cache-control"]
    assert (before, after) == ("no-cache", "public, max-age=31536000, immutable")


def test_proofs_lead_to_the_published_root(shared: Served) -> None:
    note = shared.client.get("/log/checkpoint").content
    checkpoint, _ = open_checkpoint(note, log=VerifierKey.parse(shared.world.vkey))
    size = checkpoint.size

    for index in range(size):
        answer = shared.client.get(f"/v1/proofs/inclusion/{index}/{size}")
        proof = answer.json()
        check_inclusion(
            leaf=bytes.fromhex(proof["leaf"]),
            index=index,
            size=size,
            path=[bytes.fromhex(node) for node in proof["path"]],
            root=checkpoint.root,
        )
        assert "immutable" in answer.headers["cache-control"]


def test_a_tree_is_proven_to_extend_an_earlier_one(served: Served) -> None:
    key = VerifierKey.parse(served.world.vkey)
    old, _ = open_checkpoint(served.client.get("/log/checkpoint").content, log=key)
    served.world.register("carl")
    served.catch_up()
    new, _ = open_checkpoint(served.client.get("/log/checkpoint").content, log=key)

    proof = served.client.get(f"/v1/proofs/consistency/{old.size}/{new.size}").json()

    assert new.size == old.size + 1
    check_consistency(
        old_size=old.size,
        old_root=old.root,
        new_size=new.size,
        new_root=new.root,
        path=[bytes.fromhex(node) for node in proof["path"]],
    )


@pytest.mark.parametrize(
    "path", ["inclusion/5/5", "inclusion/0/0", "inclusion/0/9999", "consistency/0/5",
             "consistency/6/5", "consistency/1/9999"]
)  # fmt: skip
def test_a_proof_outside_the_published_tree_is_not_available(shared: Served, path: str) -> None:
    assert refusal(shared, f"/v1/proofs/{path}") == (404, "proof-not-available")


def test_a_proof_file_comes_with_its_digest(shared: Served) -> None:
    answer = shared.client.get("/v1/items/cards/1/proof")
    digest = b64encode(sha256(answer.content).digest())

    assert answer.content.startswith(b"c2sp.org/tlog-proof@v1\n")
    assert answer.headers["content-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["content-disposition"] == 'attachment; filename="cards_1.tlog-proof"'
    assert answer.content == shared.app.state.rooms.house.prover.prove("cards/1")


def test_a_proof_file_is_given_for_an_earlier_index(shared: Served) -> None:
    born = registered(shared, "cards/1")

    early = shared.client.get(f"/v1/items/cards/1/proof?index={born}").content

    assert early == shared.app.state.rooms.house.prover.prove("cards/1", born)
    assert len(early) < len(shared.client.get("/v1/items/cards/1/proof").content)
    assert refusal(shared, f"/v1/items/cards/1/proof?index={born - 1}") == (404, "nothing-to-prove")


def test_the_log_tells_a_client_what_it_needs(shared: Served) -> None:
    log = shared.client.get("/v1/log").json()

    assert (log["origin"], log["vkey"]) == (shared.world.origin, shared.world.vkey)
    assert (log["size"], log["receipt_delay_s"]) == (shared.world.size(), 60)
    assert log["published"]["size"] == shared.world.size()


def test_the_policy_in_force_is_the_one_that_commands_name(served: Served) -> None:
    before = served.client.get("/v1/policy").json()
    published = served.world.publish_policy(registration="open")
    after = served.client.get("/v1/policy").json()

    assert (before["since"], before["policy"]["registration"]) == (0, "approved")
    assert (after["since"], after["policy"]["registration"]) == (published.index, "open")
    assert after["digest"] == served.world.context().policy


def test_what_is_unchanged_is_not_sent_again(served: Served) -> None:
    first = served.client.get("/v1/items/cards/1")
    served.world.register("carl")
    served.catch_up()

    seen = {"If-None-Match": first.headers["etag"]}
    unchanged = served.client.get("/v1/items/cards/1", headers=seen)
    served.world.transfer("cards/1", to="ann")
    served.catch_up()
    changed = served.client.get("/v1/items/cards/1", headers=seen)

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (
        unchanged.headers["yinzheng-projection-index"]
        != (first.headers["yinzheng-projection-index"])
    )
    assert (changed.status_code, changed.json()["owner"]) == (200, "ann")


@pytest.mark.parametrize("match", ['"x", {}', "*", "{}"])
def test_an_entity_tag_is_compared_weakly(shared: Served, match: str) -> None:
    tag = shared.client.get("/v1/entries/0").headers["etag"]

    answer = shared.client.get("/v1/entries/0", headers={"If-None-Match": match.format(tag)})

    assert answer.status_code == 304


def test_one_reads_ones_own_write(served: Served) -> None:
    answer = served.post(body_of(served.world.submission(member(served.world, "carl"))))
    index = answer.json()["receipt"]["index"]

    party = served.client.get(f"/v1/parties/carl?wait_for_index={index}")

    assert party.status_code == 200
    assert int(party.headers["yinzheng-projection-index"]) >= index


def test_waiting_for_what_does_not_come_ends(shared: Served) -> None:
    answer = shared.client.get(
        f"/v1/items/cards/1?wait_for_index={shared.world.size()}", headers={"Prefer": "wait=0"}
    )

    assert (answer.status_code, answer.json()["code"]) == (503, "view-behind")
    assert answer.json()["retryable"] is True
    assert answer.headers["retry-after"] == "1"


def test_every_answer_carries_the_security_headers(shared: Served) -> None:
    for path in ("/v1/log", "/nothing", "/log/checkpoint", "/livez", "/openapi.json"):
        headers = shared.client.get(path, headers={"X-Request-Id": "abc-1"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-request-id"] == "abc-1"


def test_a_strange_request_id_is_not_echoed(shared: Served) -> None:
    headers = shared.client.get("/livez", headers={"X-Request-Id": "a b<script>"}).headers

    assert "x-request-id" not in headers


def test_head_is_get_without_a_body(shared: Served) -> None:
    whole = shared.client.get("/v1/entries/0")
    head = shared.client.head("/v1/entries/0")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert shared.client.head("/nothing").status_code == 404


def test_health_says_what_was_checked(shared: Served) -> None:
    live, ready = shared.client.get("/livez"), shared.client.get("/readyz")

    assert (live.status_code, live.json()["status"]) == (200, "ok")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ok",
        "checks": {
            "database": {"status": "ok"},
            "standing": {"status": "ok"},
            "disk": {"status": "ok"},
            "checkpoint": {"status": "ok"},
            "projections": {"status": "ok"},
            "timers": {"status": "ok"},
            "writer": {"status": "ok"},
        },
    }


def test_a_failing_publisher_makes_the_server_unready_and_not_dead(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise RuntimeError("no")

    house = served.app.state.rooms.house
    monkeypatch.setattr(house.publisher, "publish", refuse)
    answer = served.post(body_of(served.world.submission(member(served.world, "carl"))))
    index = answer.json()["receipt"]["index"]
    served.client.get(f"/v1/parties/carl?wait_for_index={index}")
    ready = served.client.get("/readyz")
    while ready.status_code == 200:
        ready = served.client.get("/readyz")

    assert answer.status_code == 201
    assert ready.json()["checks"]["checkpoint"] == {"status": "failing", "error": "RuntimeError"}
    assert served.client.get("/livez").status_code == 200


def test_what_was_written_last_is_published_before_the_server_ends(tmp_path: Path) -> None:
    with World.create(sqlite_file_url(tmp_path), "ending") as world:
        app = create_app(house_of(world, tmp_path), publish_every_s=3600)
        with TestClient(app) as client:
            body = body_of(world.submission(member(world, "carl")))
            headers = {"Content-Type": "application/json"}
            index = client.post("/v1/commands", content=body, headers=headers).json()["receipt"][
                "index"
            ]
            before = client.get("/v1/log").json()["published"]["size"]

        published = app.state.rooms.house.reader.published_size()

    assert (before, published) == (index, index + 1)


def test_a_timer_fires_when_it_is_due(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    world = served.world
    monkeypatch.setattr(served.app.state.rooms.house, "signer", world.key)
    world.add_key("ann", "ann-2")
    world.clock.advance(3601 * SECOND_US)
    requested = world.revoke_key("ann", "ann", by="ann-2").index
    world.clock.advance(3601 * SECOND_US)

    served.app.state.rooms.keeper.wake()
    party = served.client.get(f"/v1/parties/ann?wait_for_index={requested + 1}").json()

    assert party["change"] is None
    assert [key["revoked"] for key in party["keys"]] == [True, False]


def test_every_problem_type_has_a_page(shared: Served) -> None:
    page = shared.client.get("/errors/not-owner")

    assert page.headers["content-type"] == "text/plain; charset=utf-8"
    assert "The signer is not the item's owner." in page.text
    assert refusal(shared, f"/errors/{NEVER}") == (404, "not-found")


def test_the_catalog_leads_to_the_description(shared: Served) -> None:
    catalog = shared.client.get("/.well-known/api-catalog")

    assert catalog.headers["content-type"] == "application/linkset+json"
    href = catalog.json()["linkset"][0]["service-desc"][0]["href"]
    assert shared.client.get(href).json()["openapi"].startswith("3.1")


def test_times_of_two_entries_may_be_equal(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As of a time is after the last entry of that very time."""
    with serve(tmp_path_factory.mktemp("equal"), seed="equal") as opened:
        furnish(opened.world)
        drafts = [member(opened.world, name) for name in ("carl", "dora")]
        opened.post(body_of(*(opened.world.submission(draft) for draft in drafts)))
        size = opened.catch_up()

        now = format_time(opened.world.clock.now())
        as_of = opened.client.get(f"/v1/items/cards/1?at_time={now}").json()["as_of"]

        assert as_of["index"] == size - 1
        before = format_time(START_US - 1)
        assert refusal(opened, f"/v1/items/cards/1?at_time={before}") == (404, "item-not-found")

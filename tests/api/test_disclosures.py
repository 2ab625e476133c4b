"""Sealed fields over HTTP: opened for whom they are about, once a request, and for nobody else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.house import House
from api.schemas import Problem
from api.schemas_signed import DisclosureList
from api.settings import Settings
from ledger.quota import Quota
from ledger.record.database import open_engine, writing
from ledger.record.recorder import LedgerRecorder
from ledger.rules.compose import Draft
from ledger.rules.digests import sealed_digest
from ledger.rules.entries import read_entry
from ledger.rules.text import b64encode
from tests.api.serving import Served, house_of, serve
from tests.api.signing import HOST, ask, headers_for, path_of, seal_about

VALUE = "the name that only ann may read"
SECOND = 1_000_000


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[tuple[Served, int]]:
    """A ledger with ann, bob, an arbitrator and a freezer, and an entry with a field about ann."""
    with serve(tmp_path) as served:
        world = served.world
        for party in ("ann", "bob", "shop", "fay"):
            world.register(party)
        world.open_namespace("cards", "shop")
        index = seal_about(world, "cards/1", "ann", VALUE).index
        yield served, index


def problem(answer: Any) -> tuple[int, str, dict[str, Any]]:
    assert answer.status_code >= 400, answer.text
    Problem.model_validate_json(answer.content)
    assert answer.headers["cache-control"] == "no-store"
    assert VALUE not in answer.text
    return answer.status_code, answer.json()["code"], answer.json()["evidence"]


def test_the_subject_reads_salt_and_value(sealed: tuple[Served, int]) -> None:
    served, index = sealed

    answer = ask(served, path_of(index), "ann")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    DisclosureList.model_validate_json(answer.content)
    (found,) = answer.json()["disclosures"]
    command = read_entry(served.client.get(f"/v1/entries/{index}").content).command
    assert command is not None
    (public,) = command.document["sealed"]
    assert (found["value"], found["state"], found["subject"]) == (VALUE, "open", "ann")
    digest = sealed_digest(served.world.origin, command.id, "name", found["salt"], VALUE)
    assert found["digest"] == public["digest"] == digest


def test_a_party_with_a_p256_key_reads_too(sealed: tuple[Served, int]) -> None:
    served, _ = sealed
    served.world.register("pia", alg="p256")
    index = seal_about(served.world, "cards/2", "pia", VALUE).index

    assert ask(served, path_of(index), "pia").json()["disclosures"][0]["value"] == VALUE


def test_head_is_answered_like_get_without_the_body(sealed: tuple[Served, int]) -> None:
    served, index = sealed

    answer = ask(served, path_of(index), "ann", method="HEAD")

    assert (answer.status_code, answer.content) == (200, b"")


def test_a_signature_for_get_is_none_for_head(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    headers = headers_for(served.world, path_of(index), served.world.key("ann"))

    assert served.client.head(path_of(index), headers=headers).status_code == 401


def test_who_signs_nothing_is_told_how(sealed: tuple[Served, int]) -> None:
    served, index = sealed

    answer = served.client.get(path_of(index), headers={"Accept-Language": "zh"})

    assert problem(answer) == (401, "request-unsigned", {})
    assert answer.json()["title"] == "该请求必须签名"
    assert answer.headers["accept-signature"].endswith(f';created;tag="{served.world.origin}"')
    assert answer.headers["www-authenticate"] == f'Signature realm="{served.world.origin}"'


def test_no_other_answer_carries_the_challenge(sealed: tuple[Served, int]) -> None:
    served, index = sealed

    for answer in (ask(served, path_of(index), "bob"), served.client.get("/nothing")):
        assert "www-authenticate" not in answer.headers
        assert "accept-signature" not in answer.headers


@pytest.mark.parametrize("party", ["bob", "shop", "operator", "system"])
def test_nobody_else_reads_it(sealed: tuple[Served, int], party: str) -> None:
    served, index = sealed

    answer = ask(served, path_of(index), party)

    assert problem(answer) == (403, "not-authorised", {"index": index})


def test_who_may_not_read_cannot_tell_what_is_there(sealed: tuple[Served, int]) -> None:
    """Somebody else's field, one that is erased, and no field at all: one answer."""
    served, index = sealed
    without = served.world.transfer("cards/1", to="ann").index

    before = ask(served, path_of(index), "bob").json()
    served.world.vault.erase("ann")
    answers = [before, *(ask(served, path_of(each), "bob").json() for each in (index, without))]

    for answer in answers:
        del answer["instance"], answer["evidence"]
    assert answers[0] == answers[1] == answers[2]


def test_an_entry_that_is_not_there_is_no_secret(sealed: tuple[Served, int]) -> None:
    served, _ = sealed

    assert problem(ask(served, path_of(999), "bob")) == (404, "entry-not-found", {"index": 999})


def test_without_a_signature_nothing_is_looked_at(sealed: tuple[Served, int]) -> None:
    served, _ = sealed

    for place in ("999", "x", "0?a=b"):
        index, _, query = place.partition("?")
        answer = served.client.get(f"/v1/entries/{index}/disclosures?{query}")
        assert answer.json()["code"] == "request-unsigned"


def test_an_erased_value_says_so(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    served.world.vault.erase("ann")

    (found,) = ask(served, path_of(index), "ann").json()["disclosures"]

    assert (found["state"], found["salt"], found["value"]) == ("erased", None, None)


def change_box(served: Served, index: int, box: bytes) -> None:
    with writing(served.world.recorder.engine) as connection:
        literal = f"UPDATE disclosure SET box = x'{box.hex()}' WHERE \"index\" = {index}"
        connection.exec_driver_sql(literal)


def test_a_lost_value_says_so(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    change_box(served, index, b"")

    (found,) = ask(served, path_of(index), "ann").json()["disclosures"]

    assert (found["state"], found["salt"], found["value"]) == ("lost", None, None)


def test_a_box_that_holds_another_value_is_not_shown(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    salt = b64encode(bytes(32))
    other = served.world.vault.seal(
        "ann", index=index, name="name", value=f"{salt}\nanother".encode()
    )
    change_box(served, index, other)

    answer = ask(served, path_of(index), "ann")

    assert problem(answer) == (503, "box-refused", {})
    assert "another" not in answer.text


def test_a_box_that_is_gone_is_damage(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    with writing(served.world.recorder.engine) as connection:
        connection.exec_driver_sql("DELETE FROM disclosure")

    assert problem(ask(served, path_of(index), "ann")) == (503, "entry-damaged", {})


def test_an_arbitrator_reads_grounds_and_nothing_else_of_others(
    sealed: tuple[Served, int],
) -> None:
    served, index = sealed
    world = served.world
    world.grant("fay", "freezer")
    frozen = world.freeze("cards/1", by="fay").index
    world.grant("bob", "arbitrator", second="ann")

    reason = ask(served, path_of(frozen), "bob")

    assert [each["name"] for each in reason.json()["disclosures"]] == ["reason"]
    assert ask(served, path_of(frozen), "ann").status_code == 403
    assert problem(ask(served, path_of(index), "bob"))[:2] == (403, "not-authorised")


def test_a_role_that_was_withdrawn_reaches_nothing(sealed: tuple[Served, int]) -> None:
    served, _ = sealed
    world = served.world
    world.grant("fay", "freezer")
    frozen = world.freeze("cards/1", by="fay").index
    world.grant("bob", "arbitrator", second="ann")
    assert ask(served, path_of(frozen), "bob").status_code == 200

    body = {"party": "bob", "role": "arbitrator"}
    world.submit(Draft("withdraw-role/1", "operator", [world.signs("operator", "root")], body))

    assert ask(served, path_of(frozen), "bob").status_code == 403


def test_a_request_is_answered_once(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    headers = headers_for(served.world, path_of(index), served.world.key("ann"), nonce="n" * 32)

    assert served.client.get(path_of(index), headers=headers).status_code == 200
    again = served.client.get(path_of(index), headers=headers)

    assert problem(again) == (401, "request-replayed", {"nonce": "n" * 32})
    assert again.json()["retryable"] is False


def test_a_nonce_is_spent_by_its_owner_only(sealed: tuple[Served, int]) -> None:
    """Whoever sees a request on its way cannot make it fail by using its nonce first."""
    served, index = sealed
    world, path = served.world, path_of(index)
    mine = headers_for(world, path, world.key("ann"), nonce="n" * 32)
    theirs = headers_for(world, path, world.key("bob"), nonce="n" * 32)
    forged = {**mine, "Signature": theirs["Signature"]}

    assert served.client.get(path, headers=theirs).status_code == 403
    assert problem(served.client.get(path, headers=forged))[1] == "request-signature-invalid"
    assert served.client.get(path, headers=mine).status_code == 200


def test_two_servers_answer_a_request_once(sealed: tuple[Served, int], tmp_path: Path) -> None:
    served, index = sealed
    world, path = served.world, path_of(index)
    engine = open_engine(str(world.recorder.engine.url))
    second: House = house_of(world, tmp_path)
    second.recorder = LedgerRecorder(engine)
    with TestClient(create_app(second), client=("127.0.0.1", 50_001)) as other:
        for _ in range(10):
            headers = headers_for(world, path, world.key("ann"))
            with ThreadPoolExecutor(2) as pool:
                jobs = [
                    pool.submit(each.get, path, headers=headers) for each in (served.client, other)
                ]
            answers = sorted(job.result().status_code for job in jobs)
            assert answers == [200, 401]
    engine.dispose()


def test_a_request_of_another_minute_is_stale(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    now = served.world.clock.now()

    for off in (-61, 61):
        created = now + off * SECOND
        answer = ask(served, path_of(index), "ann", created=created)
        evidence = {"created": created // SECOND, "now": now // SECOND}
        assert problem(answer) == (401, "request-stale", evidence)


def test_a_revoked_key_reads_nothing_and_the_next_one_does(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    world, path = served.world, path_of(index)
    assert ask(served, path, "ann").status_code == 200
    world.add_key("ann", "ann-2")
    world.revoke_key("ann", "ann")

    answer = ask(served, path, "ann")

    assert problem(answer) == (401, "request-signature-invalid", {"field": "keyid"})
    headers = headers_for(world, path, world.key("ann-2"))
    assert served.client.get(path, headers=headers).status_code == 200


def test_a_revocation_by_another_process_is_seen_at_once(
    sealed: tuple[Served, int], tmp_path: Path
) -> None:
    served, index = sealed
    path = path_of(index)
    engine = open_engine(str(served.world.recorder.engine.url))
    second: House = house_of(served.world, tmp_path)
    second.recorder = LedgerRecorder(engine)
    with TestClient(create_app(second), client=("127.0.0.1", 50_001)) as other:
        sent = headers_for(served.world, path, served.world.key("ann"))
        assert other.get(path, headers=sent).status_code == 200
        served.world.add_key("ann", "ann-2")
        served.world.revoke_key("ann", "ann")

        refused = other.get(path, headers=headers_for(served.world, path, served.world.key("ann")))

        assert problem(refused)[1] == "request-signature-invalid"
    engine.dispose()


def test_a_key_that_nobody_registered_reads_nothing(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    stranger = served.world.key("nobody")
    headers = headers_for(served.world, path_of(index), stranger)

    answer = served.client.get(path_of(index), headers=headers)

    assert problem(answer) == (401, "request-signature-invalid", {"field": "keyid"})


def test_the_key_of_a_party_of_another_log_reads_nothing_here(
    sealed: tuple[Served, int], tmp_path: Path
) -> None:
    served, index = sealed
    (tmp_path / "other").mkdir()
    with serve(tmp_path / "other", seed="other") as other:
        other.world.register("ann")
        headers = headers_for(served.world, path_of(index), other.world.key("ann"))

    answer = served.client.get(path_of(index), headers=headers)

    assert problem(answer)[:2] == (401, "request-signature-invalid")


@pytest.mark.parametrize(
    "change",
    [
        {"host": "evil.example"},
        {"host": "testserver:8080"},
        {"scheme": "https"},
        {"method": "POST"},
        {"origin": "other.example/log"},
    ],
    ids=str,
)
def test_what_was_signed_for_elsewhere_reads_nothing(
    sealed: tuple[Served, int], change: dict[str, str]
) -> None:
    served, index = sealed
    headers = headers_for(served.world, path_of(index), served.world.key("ann"), **change)

    answer = served.client.get(path_of(index), headers=headers)

    assert problem(answer)[:2] == (401, "request-signature-invalid")


def test_a_server_does_not_take_a_request_at_its_word_for_its_own_name(
    sealed: tuple[Served, int],
) -> None:
    """Else a server of that name could have it signed, hand it on, and read the answer."""
    served, index = sealed
    host = "evil.example"
    headers = headers_for(served.world, path_of(index), served.world.key("ann"), host=host)

    answer = served.client.get(path_of(index), headers={**headers, "Host": host})

    assert problem(answer) == (401, "request-signature-invalid", {"field": "host"})


@pytest.mark.parametrize("server", [None, ("/run/ledger.sock", None)])
def test_a_server_without_an_address_needs_a_public_one(
    sealed: tuple[Served, int], server: tuple[str, int | None] | None
) -> None:
    served, index = sealed
    headers = headers_for(served.world, path_of(index), served.world.key("ann"))

    async def without(scope: Any, receive: Any, send: Any) -> None:
        await served.app({**scope, "server": server}, receive, send)

    answer = TestClient(without).get(path_of(index), headers=headers)

    assert problem(answer) == (401, "request-signature-invalid", {"field": "host"})


def test_behind_a_proxy_only_the_public_address_counts(tmp_path: Path) -> None:
    settings = Settings(public_url="https://shop.example/ledger")
    with serve(tmp_path, settings=settings) as served:
        world = served.world
        for party in ("ann", "shop"):
            world.register(party)
        world.open_namespace("cards", "shop")
        path = path_of(seal_about(world, "cards/1", "ann", VALUE).index)
        public = {"host": "shop.example", "scheme": "https"}

        def answer(signed_path: str, **place: str) -> int:
            headers = headers_for(world, signed_path, world.key("ann"), **place)
            return int(served.client.get(path, headers=headers).status_code)

        assert answer(f"/ledger{path}", **public) == 200
        assert answer(path, **public) == 401
        assert answer(f"/ledger{path}", host="shop.example") == 401
        assert answer(path, host=HOST) == 401


def test_who_reads_too_much_waits_and_only_what_holds_is_counted(tmp_path: Path) -> None:
    with serve(tmp_path, settings=Settings(read_quota=Quota(1, 2))) as served:
        world = served.world
        for party in ("ann", "bob", "shop"):
            world.register(party)
        world.open_namespace("cards", "shop")
        path = path_of(seal_about(world, "cards/1", "ann", VALUE).index)
        mine = headers_for(world, path, world.key("ann"))
        forged = {**mine, "Signature": headers_for(world, path, world.key("bob"))["Signature"]}
        codes = [served.client.get(path, headers=forged).status_code for _ in range(3)]

        codes += [ask(served, path, "ann").status_code for _ in range(2)]
        refused = ask(served, path, "ann", nonce="n" * 32)

        assert codes == [401, 401, 401, 200, 200]
        assert problem(refused)[:2] == (429, "quota-exceeded")
        assert int(refused.headers["retry-after"]) > 1
        assert ask(served, path, "bob").status_code == 403
        # A refused request has not spent its nonce.
        assert served.app.state.rooms.house.nonces.spend(
            "ann", "n" * 32, created=world.clock.now(), now=world.clock.now()
        )


def test_a_changed_query_reads_nothing_and_an_unknown_one_is_refused(
    sealed: tuple[Served, int],
) -> None:
    served, index = sealed
    path, key = path_of(index), served.world.key("ann")

    changed = served.client.get(f"{path}?a=b", headers=headers_for(served.world, path, key))
    meant = served.client.get(f"{path}?a=b", headers=headers_for(served.world, f"{path}?a=b", key))

    assert problem(changed)[1] == "request-signature-invalid"
    assert problem(meant)[1] == "malformed"


def test_a_body_must_be_the_signed_one_and_empty(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    path, key = path_of(index), served.world.key("ann")
    headers = headers_for(served.world, path, key)

    slipped_in = served.client.request("GET", path, headers=headers, content=b"{}")
    large = served.client.request("GET", path, headers=headers, content=bytes(70_000))

    assert problem(slipped_in) == (401, "request-signature-invalid", {"field": "content-digest"})
    assert problem(large)[:2] == (413, "body-too-large")


def test_repeated_header_fields_are_refused(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    headers = headers_for(served.world, path_of(index), served.world.key("ann"))

    for name, value in headers.items():
        twice = [*headers.items(), (name.lower(), value)]
        answer = served.client.get(path_of(index), headers=twice)
        assert problem(answer)[:2] == (401, "request-signature-invalid"), name


def test_the_case_of_field_names_does_not_matter(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    headers = headers_for(served.world, path_of(index), served.world.key("ann"))
    shouted = {name.upper(): value for name, value in headers.items()}

    assert served.client.get(path_of(index), headers=shouted).status_code == 200


def test_a_key_whose_row_was_moved_to_another_party_reads_as_neither(
    sealed: tuple[Served, int],
) -> None:
    """The entries decide whose key it is, not the table that finds them."""
    served, index = sealed
    key_id = served.world.key("bob").key_id
    with writing(served.world.recorder.engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER registered_key_no_update")
        connection.exec_driver_sql(
            f"UPDATE registered_key SET party = 'ann' WHERE id = x'{key_id}'"
        )

    answer = ask(served, path_of(index), "bob")

    assert problem(answer) == (401, "request-signature-invalid", {"field": "keyid"})


def test_nothing_secret_is_told_by_the_vaults_file_names(sealed: tuple[Served, int]) -> None:
    served, index = sealed
    served.world.vault.erase("ann")

    text = ask(served, path_of(index), "bob").text

    assert hashlib.sha256(b"ann").hexdigest() not in text

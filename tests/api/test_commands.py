"""Writing over HTTP: receipts, repeats, refusals and arrays."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from api.problems import MEDIA_TYPE
from ledger.proof.merkle import check_inclusion
from ledger.rules.canonical import encode
from ledger.rules.compose import Draft, Sealing
from ledger.rules.text import b64encode
from tests.api.serving import Served, body_of, document_of
from tests.worlds import World


def member(world: World, name: str) -> Draft:
    """Draft a member's registration, approved by the operator."""
    body = {"class": "member", "key": world.key(name).key(), "party": name}
    places = [world.signs(name, "party"), world.signs("operator", "registrar")]
    return Draft("register-party/1", name, places, body)


def check_receipt(served: Served, receipt: dict[str, Any]) -> None:
    """Check the path from the served entry to the signed root of the batch."""
    entry = served.client.get(f"/v1/entries/{receipt['index']}").content
    leaf = sha256(b"\x00" + entry).digest()
    statement = receipt["statement"]

    assert leaf.hex() == receipt["leaf"]
    check_inclusion(
        leaf=leaf,
        index=receipt["index"] - statement["from"],
        size=statement["count"],
        path=[bytes.fromhex(node) for node in receipt["path"]],
        root=bytes.fromhex(statement["root"]),
    )


def test_a_command_is_answered_with_its_receipt(served: Served) -> None:
    size = served.world.size()
    submission = served.world.submission(member(served.world, "carl"))

    answer = served.post(body_of(submission))

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/entries/{size}"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["receipt"]["index"] == size
    check_receipt(served, answer.json()["receipt"])


def test_the_same_bytes_again_are_the_same_entry_with_a_receipt(served: Served) -> None:
    body = body_of(served.world.submission(member(served.world, "carl")))
    first = served.post(body)
    size = served.world.size()

    again = served.post(body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["receipt"]["leaf"] == first.json()["receipt"]["leaf"]
    assert again.json()["receipt"]["index"] == first.json()["receipt"]["index"]
    assert served.world.size() == size
    check_receipt(served, again.json()["receipt"])


def test_the_same_id_with_other_bytes_names_both_digests(served: Served) -> None:
    world = served.world
    command = world.compose(member(world, "carl"))
    other = {**command.document, "body": {**command.body, "class": "merchant"}}
    served.post(body_of(world.sign(command)))

    answer = served.post(encode({**document_of(world.sign(command)), "command": other}))

    assert (answer.status_code, answer.json()["code"]) == (409, "command-conflict")
    assert answer.json()["evidence"]["recorded"] == command.digest
    assert answer.json()["evidence"]["sent"] != command.digest


def test_a_refusal_is_a_problem_and_records_nothing(served: Served) -> None:
    world, size = served.world, served.world.size()
    places = [world.signs("ann", "owner"), world.signs("shop", "recipient")]
    stream = "item/cards/1"
    draft = Draft(
        "transfer-item/1",
        "ann",
        places,
        {"item": "cards/1", "price": None},
        {stream: world.head(stream)},
    )

    answer = served.post(body_of(world.submission(draft)), **{"Accept-Language": "zh"})

    assert (answer.status_code, answer.json()["code"]) == (403, "not-owner")
    assert answer.json()["evidence"] == {"party": "ann", "owner": "bob"}
    assert answer.headers["content-language"] == "zh"
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert world.size() == size


def test_a_foreign_signature_is_refused_by_name(served: Served) -> None:
    world, size = served.world, served.world.size()
    command = world.compose(member(world, "carl"))
    submission = world.sign(command, world.key("carl"), world.key("ann"))

    answer = served.post(body_of(submission))

    assert (answer.status_code, answer.json()["code"]) == (403, "signature-invalid")
    assert answer.json()["evidence"] == {"command": command.digest}
    assert world.size() == size


def test_one_signature_too_few_is_refused_by_name(served: Served) -> None:
    world = served.world
    command = world.compose(member(world, "carl"))

    answer = served.post(body_of(world.sign(command, world.key("carl"))))

    assert (answer.status_code, answer.json()["code"]) == (422, "signature-count")
    assert answer.json()["evidence"] == {"signers": 2, "sigs": 1}


def test_an_array_is_answered_in_order_and_is_not_atomic(served: Served) -> None:
    world, size = served.world, served.world.size()
    drafts = [member(world, name) for name in ("carl", "ann", "dora")]
    documents: list[Any] = [document_of(world.submission(draft)) for draft in drafts]
    documents.insert(2, {"command": {}, "sigs": []})

    answer = served.post(encode(documents))

    assert answer.status_code == 200
    first, second, third, fourth = answer.json()
    assert first["receipt"]["index"] == size
    assert second["problem"]["code"] == "party-exists"
    assert second["problem"]["status"] == 409
    assert third["problem"]["code"] == "malformed"
    assert third["problem"]["evidence"]["field"] == "disclosures"
    assert fourth["receipt"]["index"] == size + 1
    assert world.size() == size + 2
    check_receipt(served, first["receipt"])
    check_receipt(served, fourth["receipt"])


def test_a_thousand_commands_fit_and_one_more_does_not(served: Served) -> None:
    nothing: list[Any] = [{}] * 1000

    enough, too_many = served.post(encode(nothing)), served.post(encode([*nothing, {}]))

    assert enough.status_code == 200
    assert {one["problem"]["code"] for one in enough.json()} == {"malformed"}
    assert (too_many.status_code, too_many.json()["code"]) == (400, "malformed")


def test_a_disclosure_that_opens_another_digest_is_refused(served: Served) -> None:
    world = served.world
    world.clock.advance(1)
    places = [world.signs("fay", "freezer")]
    seal = (Sealing("reason", "fay", world.dice(32), "lost"),)
    draft = Draft(
        "freeze-item/1", "fay", places, {"ground": "in-dispute", "item": "cards/1"}, seal=seal
    )
    document = document_of(world.submission(draft))
    document["disclosures"][0]["value"] = "found"

    answer = served.post(encode(document))

    assert (answer.status_code, answer.json()["code"]) == (422, "disclosure-invalid")
    assert answer.json()["evidence"] == {"name": "reason"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sigs", [b64encode(b"short"), b64encode(bytes(64))]),
        ("sigs", ["A" * 87 + "=", b64encode(bytes(64))]),
        ("sigs", [None, None]),
        ("sigs", []),
        ("disclosures", [{"name": "reason", "salt": b64encode(bytes(31)), "value": ""}]),
        ("disclosures", [{"name": "reason", "salt": b64encode(bytes(32)), "value": "x" * 16_385}]),
        ("disclosures", [{"name": "reason", "salt": b64encode(bytes(32)), "value": 1}]),
        ("disclosures", None),
        ("command", []),
        ("command", {}),
    ],
)
def test_a_part_of_the_wrong_form_is_pointed_at(shared: Served, field: str, value: Any) -> None:
    world, size = shared.world, shared.world.size()
    document = document_of(world.submission(member(world, "carl")))

    answer = shared.post(encode({**document, field: value}))

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{field}")
    assert world.size() == size

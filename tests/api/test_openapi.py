"""The description of the API is the one on record, and it describes what is served.

After an intended change: `python -m tests.api.test_openapi` writes the new snapshot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import BaseModel

from api import schemas
from api.problems import MEDIA_TYPE
from tests.api.serving import Served, body_of, serve
from tests.api.test_commands import member

SNAPSHOT = Path(__file__).with_name("openapi.json")
VERBS = {"get", "list", "submit"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_the_description_is_the_one_on_record(shared: Served) -> None:
    served = shared.client.get("/openapi.json")

    assert served.json() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert served.json()["openapi"].startswith("3.1.")


def test_every_operation_is_named_by_verb_and_noun(shared: Served) -> None:
    names = [operation["operationId"] for *_, operation in operations(shared.app.openapi())]

    assert len(names) == len(set(names))
    for name in names:
        verb, _, noun = name.partition("_")
        assert verb in VERBS
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", noun)


def test_every_operation_answers_errors_with_problem_documents(shared: Served) -> None:
    for path, method, operation in operations(shared.app.openapi()):
        assert MEDIA_TYPE in operation["responses"]["default"]["content"], (path, method)
        assert "422" not in operation["responses"]
        assert operation["summary"]
        assert operation["description"]


def test_every_reference_leads_somewhere(shared: Served) -> None:
    text = json.dumps(shared.app.openapi())
    known = set(shared.app.openapi()["components"]["schemas"])

    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= known
    assert "#/$defs" not in text


def test_the_description_names_no_third_party(shared: Served) -> None:
    assert "//" not in json.dumps(shared.app.openapi())


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/items/cards/1", schemas.Item),
        ("/v1/items/cards/1?at_index=9", schemas.Problem),
        ("/v1/items/cards/1/history", schemas.HistoryPage),
        ("/v1/items/cards/1/history?limit=1", schemas.HistoryPage),
        ("/v1/parties/ann", schemas.Party),
        ("/v1/parties/operator", schemas.Party),
        ("/v1/policy", schemas.Policy),
        ("/v1/log", schemas.Log),
        ("/v1/entries/0", schemas.Entry),
        ("/v1/proofs/inclusion/0/5", schemas.Inclusion),
        ("/v1/proofs/consistency/1/5", schemas.Consistency),
        ("/livez", schemas.Health),
        ("/readyz", schemas.Health),
        ("/nothing", schemas.Problem),
        ("/v1/entries/x", schemas.Problem),
    ],
)
def test_answers_have_the_described_shape(
    shared: Served, path: str, shape: type[BaseModel]
) -> None:
    shape.model_validate_json(shared.client.get(path).content)


def test_receipts_and_results_have_the_described_shape(served: Served) -> None:
    world = served.world
    one, again, other = (world.submission(member(world, name)) for name in ("carl", "ann", "dora"))

    single = served.post(body_of(one))
    several = served.post(body_of(one, again, other))

    schemas.ReceiptAnswer.model_validate_json(single.content)
    results = schemas.ResultList.model_validate_json(several.content)
    assert [type(result) for result in results.root] == [
        schemas.ReceiptAnswer,
        schemas.ProblemAnswer,
        schemas.ReceiptAnswer,
    ]


def write_snapshot() -> None:
    with TemporaryDirectory() as folder, serve(Path(folder)) as opened:
        text = json.dumps(opened.app.openapi(), indent=1, ensure_ascii=False, sort_keys=True)
    SNAPSHOT.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    write_snapshot()

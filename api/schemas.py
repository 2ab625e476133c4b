"""The shapes of requests and answers as the OpenAPI description tells them.

Requests are read by `api.submitting` and `api.reading`, which are stricter than any schema says.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

HEX32 = r"^[0-9a-f]{64}$"
TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"

Responses = dict[int | str, dict[str, Any]]


class Shape(BaseModel):
    """A JSON object with exactly these members."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PointedError(Shape):
    """Which value of a request is at fault."""

    pointer: str = Field(description="JSON Pointer (RFC 6901) into the submission or request")
    code: str
    detail: str


class Problem(Shape):
    """Why a request was not answered with what it asked for (RFC 9457)."""

    type: str = Field(description="Page that explains the problem type")
    title: str = Field(description="In English or Chinese, by `Accept-Language`")
    status: int
    detail: str
    instance: str
    code: str = Field(description="Stable name of the problem")
    evidence: dict[str, str | int | bool | None] = Field(description="The values that decided")
    retryable: bool = Field(description="The very same request may be accepted later")
    errors: list[PointedError] | None = None


class Statement(Shape):
    """What the receipt key signs over a batch."""

    at: str = Field(pattern=TIME)
    count: int
    due: str = Field(pattern=TIME)
    from_: int = Field(alias="from")
    log: str
    root: str = Field(pattern=HEX32)


class Receipt(Shape):
    """The log's promise: this leaf at this index, covered by a checkpoint until `due`."""

    index: int
    leaf: str = Field(pattern=HEX32)
    path: list[str]
    sig: str
    statement: Statement


class ReceiptAnswer(Shape):
    """The command is in the log."""

    receipt: Receipt


class ProblemAnswer(Shape):
    """The command was refused."""

    problem: Problem


class ResultList(RootModel[list[ReceiptAnswer | ProblemAnswer]]):
    """One result for each submission, in order."""


class Disclosure(Shape):
    """What opens a sealed field."""

    name: str
    salt: str = Field(description="Base64 of 32 random bytes")
    value: str


class Submission(Shape):
    """A signed command."""

    command: dict[str, Any] = Field(description="The command; docs/spec.md section 5")
    disclosures: list[Disclosure] = Field(description="One for each sealed field, in order")
    sigs: list[str] = Field(description="Base64, one for each signer, in order")


class SubmissionList(RootModel[list[Submission]]):
    """Up to 1,000 signed commands."""


class Entry(RootModel[dict[str, Any]]):
    """An entry of the log; docs/spec.md section 6."""


class CheckpointRef(Shape):
    """A published checkpoint."""

    root: str = Field(pattern=HEX32)
    size: int


class AsOf(Shape):
    """As of which entry an answer is, and the latest checkpoint when it was given."""

    checkpoint: CheckpointRef | None
    index: int


class Head(Shape):
    """The last entry of a stream."""

    index: int
    leaf: str = Field(pattern=HEX32)
    seq: int


class Money(Shape):
    """An amount in minor units."""

    amount: str = Field(pattern=r"^(0|[1-9][0-9]{0,37})$")
    currency: str


class Offer(Shape):
    """A transfer offered and not yet answered."""

    digest: str = Field(pattern=HEX32, description="Names the offer in an answer to it")
    price: Money | None
    to: str
    until: str = Field(pattern=TIME)


class Since(Shape):
    """From which entry on something is so."""

    at: str = Field(pattern=TIME)
    index: int


class Item(Shape):
    """An item as of an index."""

    item: str
    owner: str
    frozen: bool
    offer: Offer | None
    since: Since
    head: Head
    as_of: AsOf


class SignerRef(Shape):
    """Who signed, and in which role."""

    party: str
    role: str


class Source(Shape):
    """Where an imported fact comes from."""

    file: str = Field(pattern=HEX32, description="SHA-256 of the file")
    row: int


class HistoryEntry(Shape):
    """One thing that happened to an item."""

    index: int
    seq: int
    at: str = Field(pattern=TIME)
    type: str
    kind: str
    command: str = Field(pattern=HEX32)
    from_: str | None = Field(alias="from")
    to: str | None
    price: Money | None
    source_time: str | None
    source: Source | None
    word: Literal["signed", "attested", "role"] = Field(description="On whose word")
    signers: list[SignerRef]
    reason: str | None
    ground: str | None
    item_class: str | None


class HistoryPage(Shape):
    """A page of an item's history; its cursor is pinned to a size of the log."""

    data: list[HistoryEntry]
    next_cursor: str | None
    has_more: bool
    as_of: AsOf


class Key(Shape):
    """A registered public key."""

    alg: Literal["ed25519", "p256"]
    id: str = Field(pattern=HEX32)
    public: str
    ready: str = Field(pattern=TIME, description="From then on it may do risky acts")
    revoked: bool
    since: int


class Role(Shape):
    """A role in force."""

    name: str
    single_handed: bool = Field(description="No independent party signed its grant")


class KeyChange(Shape):
    """A key change that waits."""

    digest: str = Field(pattern=HEX32)
    due: str = Field(pattern=TIME)


class Party(Shape):
    """A party under its pseudonym."""

    party: str
    party_class: str | None
    attested: bool = Field(description="Claimed: officers said who holds its key")
    founder: bool = Field(description="Named in entry 0")
    keys: list[Key]
    roles: list[Role]
    change: KeyChange | None
    head_index: int = Field(description="Index of the last entry of its stream")
    as_of: AsOf


class Policy(Shape):
    """The ledger policy in force."""

    digest: str = Field(pattern=HEX32)
    policy: dict[str, Any]
    since: int = Field(description="Index of the entry that published it")


class TradePolicy(Shape):
    """A trade policy: its whole document, the digest that orders name, and since when it holds."""

    digest: str = Field(pattern=HEX32)
    effective_at: str = Field(pattern=TIME, description="When it takes effect, or took")
    policy: dict[str, Any]


class TradePolicies(Shape):
    """The trade policies that the log keeps."""

    in_force: TradePolicy | None
    pending: TradePolicy | None
    superseded: list[TradePolicy] = Field(description="The newest first")


class Log(Shape):
    """What a client needs to know of the log."""

    origin: str
    vkey: str
    size: int
    published: CheckpointRef | None
    receipt_delay_s: int


class Inclusion(Shape):
    """An RFC 6962 inclusion proof."""

    index: int
    size: int
    leaf: str = Field(pattern=HEX32)
    path: list[str]


class Consistency(Shape):
    """An RFC 6962 consistency proof."""

    old: int
    new: int
    path: list[str]


class Check(Shape):
    """One check of readiness."""

    status: Literal["ok", "failing"]
    error: str | None = None


class Health(Shape):
    """Whether all is well."""

    status: Literal["ok", "failing"]
    checks: dict[str, Check]


def _body(media_type: str, schema: dict[str, Any], description: str) -> Responses:
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


PROBLEMS: Responses = {
    "default": {
        "description": "A problem document",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
}
_SECONDS = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds to wait"}
TOO_MUCH: Responses = {
    429: {
        "description": "Too much waits already, or the party wrote more than it may",
        "headers": {"Retry-After": _SECONDS},
        "content": PROBLEMS["default"]["content"],
    }
}
TEXT = _body("text/plain", {"type": "string"}, "UTF-8 text")
BINARY = _body("application/octet-stream", {"type": "string", "format": "binary"}, "Exact bytes")
LINKSET = _body("application/linkset+json", {"type": "object"}, "A linkset (RFC 9264)")

SUBMISSION_BODY: dict[str, Any] = {
    "required": True,
    "description": "Canonical JSON: sorted keys, no spaces, each value in its one spelling",
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {"$ref": "#/components/schemas/Submission"},
                    {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/Submission"},
                        "minItems": 1,
                        "maxItems": 1000,
                    },
                ]
            }
        }
    },
}
# Shapes that no response model names; the description adds them.
NAMED: tuple[type[BaseModel], ...] = (Problem, Submission)


def parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe an optional query parameter, which the route reads strictly by itself."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


_INDEX = {"type": "integer", "minimum": 0}
AT_INDEX = parameter("at_index", "As of the state after this entry", _INDEX)
AT_TIME = parameter(
    "at_time", "As of this UTC time with microseconds", {"type": "string", "pattern": TIME}
)
WAIT_FOR_INDEX = parameter("wait_for_index", "Wait until the views show this entry", _INDEX)
CURSOR = parameter("cursor", "Where the page begins, as the last one said", {"type": "string"})
LIMIT = parameter("limit", "Rows on a page", {"type": "integer", "minimum": 1, "maximum": 500})
INDEX = parameter("index", "Prove the last entry at or below this one", _INDEX)

"""The authorisation matrix, cell by cell: every route, every role, own, other and anonymous.

The rows are read from the OpenAPI description, and what each promises is compared with what the
server does. A route that is not described, or for which nobody says here how to ask for something
of one's own and of somebody else's, fails.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastapi import APIRouter

from api.access import EXTENSION, LOCAL, PUBLIC, Caller, access, may_read
from api.callers import check_declared
from api.settings import Settings
from ledger.rules.model import GRANTABLE, MOVES_PROPERTY, OPERATOR_ROLES, ROLES_HELD
from tests.api.revealed import register_real_card
from tests.api.serving import Served, serve
from tests.api.signing import headers_for, seal_about
from tests.api.test_openapi import operations
from tests.escrow import deliver, reveal_card
from tests.goods import CARD_CLASS
from tests.money import top_up
from tests.orders import pay_order, place_order
from tests.shops import publish_listing, qualify
from tests.terms import publish_terms, terms
from tests.worlds import World

OWN, OTHER, ANONYMOUS = "own", "other", "anonymous"
# Of each operation: where anybody may ask, `{own}` and `{other}` where it matters whose it is.
PLACES: Mapping[str, str] = {
    "submit_commands": "/v1/commands",
    "get_item": "/v1/items/cards/party",
    "list_item_history": "/v1/items/cards/party/history",
    "get_item_provenance": "/v1/items/cards/party/provenance",
    "get_item_proof": "/v1/items/cards/party/proof",
    "get_party": "/v1/parties/ann",
    "get_imported_party": "/v1/parties/imported/cards/ann",
    "get_entry": "/v1/entries/0",
    "list_disclosures": "/v1/entries/{index}/disclosures",
    "get_card": "/v1/items/cards/sold-{party}/card",
    "get_code": "/v1/items/cards/sold-{party}/code",
    "submit_check": "/v1/checks",
    "get_parcel": "/v1/orders/{order}/parcels/1",
    "get_inclusion_proof": "/v1/proofs/inclusion/0/2",
    "get_consistency_proof": "/v1/proofs/consistency/1/2",
    "get_log": "/v1/log",
    "get_policy": "/v1/policy",
    "list_trade_policies": "/v1/policies/trade",
    "get_merchant": "/v1/merchants/shop",
    "get_deposit": "/v1/merchants/shop/deposit",
    "get_listing": "/v1/listings/cards/gift",
    "list_stock": "/v1/listings/cards/gift/stock",
    "list_orders": "/v1/orders?buyer=party",
    "get_order": "/v1/orders/0190a8c3-5a77-7d2e-8f6b-3a9f4f2d9c10",
    "get_credit": "/v1/credit/ann",
    "get_balance": "/v1/balances/ann",
    "submit_alipay_notice": "/v1/payments/alipay",
    "submit_till_notice": "/v1/payments/internal",
    "submit_wechat_notice": "/v1/payments/wechat",
    "get_vkey": "/log/vkey",
    "get_checkpoint": "/log/checkpoint",
    "list_checkpoints": "/log/checkpoints/sizes",
    "get_checkpoint_of_size": "/log/checkpoints/1",
    "get_tile": "/log/tile/0/000.p/1",
    "get_entry_bundle": "/log/tile/entries/000.p/1",
    "get_liveness": "/livez",
    "get_readiness": "/readyz",
    "get_metrics": "/metrics",
    "get_problem_type": "/errors/malformed",
    "get_api_catalog": "/.well-known/api-catalog",
}
METHODS = {
    "submit_check": "POST",
    "submit_commands": "POST",
    "submit_alipay_notice": "POST",
    "submit_wechat_notice": "POST",
}
# Who stands for each column; those of entry 0 hold their roles from the beginning.
HOLDERS = {
    "party": "ann",
    "root": "operator",
    **{role: role for role in ROLES_HELD if role != "root"},
}
REFUSED = {401, 403}
KEY = b64encode(
    X25519PrivateKey.from_private_bytes(bytes([9] * 32)).public_key().public_bytes_raw()
).decode()


def sell_to(world: World, *parties: str) -> None:
    """Sell a card to bob for each party, who gets it from him and asks to see it."""
    publish_terms(world, terms())
    qualify(world, "shop", "reviewer", **{"class": CARD_CLASS})
    publish_listing(world, "cards/listed", "shop", **{"class": CARD_CLASS})
    for party in parties:
        register_real_card(world, f"cards/sold-{party}", "shop", "KEY of " + party)
    for party in parties:
        item = f"cards/sold-{party}"
        top_up(world, "bob", "cashier", 9_900)
        order = place_order(world, "bob", "cards/listed", item)
        pay_order(world, order)
        deliver(world, order)
        if party != "bob":
            world.transfer(item, to=party)
        reveal_card(world, item)


def deliver_to(world: World, *parties: str) -> dict[str, str]:
    """Let each party buy a card that is delivered to a key of its own; name the orders."""
    orders = {}
    # No cashier tops up a balance of its own.
    world.register("till")
    world.grant("till", "cashier", second="ann")
    for party in parties:
        item = f"cards/parcel-{party}"
        register_real_card(world, item, "shop", "KEY for " + party)
        top_up(world, party, "till", 9_900)
        orders[party] = place_order(world, party, "cards/listed", item, key=KEY)
        pay_order(world, orders[party])
        deliver(world, orders[party])
    return orders


class Town:
    """A ledger with a holder of every role, and entries about each of them and about bob."""

    def __init__(self, served: Served) -> None:
        self.served = served
        world = served.world
        for party in ("ann", "bob", "shop", "fay"):
            world.register(party)
        world.open_namespace("cards", "shop")
        for role in sorted(set(GRANTABLE) - {"root"}):
            world.register(role)
            world.grant(role, role, second="ann" if role in MOVES_PROPERTY else None)
        world.grant("fay", "freezer")
        self.about = {
            party: seal_about(world, f"cards/{column}", party, "secret").index
            for column, party in {**HOLDERS, "bob": "bob"}.items()
        }
        # What a role may read of others by its name: sealed by fay, who holds no other role.
        self.named = {"reason": world.freeze("cards/party", by="fay").index}
        sell_to(world, *self.about)
        self.orders = deliver_to(world, *self.about)
        served.catch_up()

    def place(self, operation: str, party: str, what: str) -> str:
        kind, _, name = what.partition(":")
        whose = party if kind == OWN else "bob"
        index = self.named[name] if name else self.about[whose]
        return PLACES[operation].format(index=index, party=whose, order=self.orders[whose])

    def status(self, operation: str, column: str, what: str) -> int:
        method = METHODS.get(operation, "GET")
        if column == ANONYMOUS:
            path, headers = self.place(operation, "bob", OTHER), {}
        else:
            party = HOLDERS[column]
            path, key = self.place(operation, party, what), self.served.world.key(party)
            headers = headers_for(self.served.world, path, key, method=method)
        return int(self.served.client.request(method, path, headers=headers).status_code)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    settings = Settings(read_quota=None)
    with serve(tmp_path_factory.mktemp("town"), seed="town", settings=settings) as served:
        yield Town(served)


def rows(served: Served) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation[EXTENSION]
        for *_, operation in operations(served.app.openapi())
    }


def cells_of(row: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Every cell of a row: column and what is asked for."""
    named = {name for reach in row.values() if not isinstance(reach, str) for name in reach}
    whats = {OWN, OTHER, *(f"{OTHER}:{name}" for name in named)}
    return {(ANONYMOUS, OTHER)} | {(column, what) for column in HOLDERS for what in whats}


def promised(row: Mapping[str, Any], column: str, what: str) -> bool:
    """What the description says of a cell, in words of its own."""
    if row["anonymous"] in {"all", LOCAL}:
        return True
    if column == ANONYMOUS:
        return False
    reaches = [row.get("party", "none"), row.get(column, "none")]
    if "all" in reaches:
        return True
    kind, _, name = what.partition(":")
    if kind == OWN:
        return "own" in reaches
    return any(name in reach for reach in reaches if not isinstance(reach, str))


def test_every_cell_of_the_matrix_is_as_it_is_described(town: Town) -> None:
    described = rows(town.served)
    wanted = {(name, *cell) for name, row in described.items() for cell in cells_of(row)}
    walked = set()

    for name, column, what in sorted(wanted):
        allowed = town.status(name, column, what) not in REFUSED
        assert allowed == promised(described[name], column, what), (name, column, what)
        walked.add((name, column, what))

    assert walked == wanted
    assert len(walked) >= len(described) * (2 * len(HOLDERS) + 1)


def test_every_operation_has_a_place_and_every_column_a_holder(town: Town) -> None:
    assert set(PLACES) == set(rows(town.served))
    assert set(HOLDERS) == {"party", *ROLES_HELD}
    for role in {*GRANTABLE, *OPERATOR_ROLES}:
        assert town.served.world.party(HOLDERS[role]).holds(role)


def test_a_row_names_only_columns_and_reaches_that_there_are(town: Town) -> None:
    for name, row in rows(town.served).items():
        assert set(row) <= {ANONYMOUS, *HOLDERS}, name
        assert row[ANONYMOUS] in {"all", "none", LOCAL}, name
        for column, reach in row.items():
            if not isinstance(reach, str):
                assert reach == sorted(set(reach)) != [], (name, column)
            elif column != ANONYMOUS:
                assert reach in {"none", "own", "all"}, (name, column)


def test_what_is_restricted_is_never_open_to_whoever_signs_nothing(town: Town) -> None:
    restricted = {name for name, row in rows(town.served).items() if row[ANONYMOUS] == "none"}

    assert restricted == {"get_card", "get_code", "get_parcel", "list_disclosures"}


def test_a_route_without_a_row_is_not_served() -> None:
    router = APIRouter()

    @router.get("/v1/secrets")
    async def list_secrets() -> None: ...

    with pytest.raises(LookupError, match="/v1/secrets does not say x-yinzheng-access"):
        check_declared(router)


def test_a_route_with_a_row_is() -> None:
    router = APIRouter()

    @router.get("/v1/news", openapi_extra=PUBLIC)
    async def list_news() -> None: ...

    check_declared(router)


@pytest.mark.parametrize(
    ("row", "roles", "subject", "name", "allowed"),
    [
        (access(anonymous="none"), [], "ann", "x", False),
        (access(anonymous="none", party="own"), [], "ann", "x", True),
        (access(anonymous="none", party="own"), [], "bob", "x", False),
        (access(anonymous="none", party="all"), [], "bob", "x", True),
        (access(anonymous="none", officer="all"), [], "ann", "x", False),
        (access(anonymous="none", officer="all"), ["officer"], "bob", "x", True),
        (access(anonymous="none", officer="own"), ["officer"], "bob", "x", False),
        (access(anonymous="none", officer="own"), ["officer"], "ann", "x", True),
        (access(anonymous="none", officer=["x"]), ["officer"], "bob", "x", True),
        (access(anonymous="none", officer=["x"]), ["officer"], "ann", "y", False),
        (access(anonymous="none", officer=["x"]), ["root"], "bob", "x", False),
        # No list is taken apart into letters, and a role named like a column is none.
        (access(anonymous="none", officer="none"), ["officer"], "bob", "n", False),
        (access(anonymous="all"), ["anonymous"], "bob", "x", True),
    ],
)
def test_a_row_decides(
    row: Any, roles: list[str], subject: str, name: str, *, allowed: bool
) -> None:
    caller = Caller("ann", frozenset(roles))

    assert may_read(row[EXTENSION], caller, subject=subject, name=name) is allowed

"""`yinzheng keys` and `yinzheng item`: parties, roles and trades by hand."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Program


class Shop:
    """A ledger with a merchant, a member and an item."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder

    def __call__(self, *arguments: object) -> dict[str, Any]:
        return self.program.json(*arguments, "--dir", self.folder)

    def refusal(self, *arguments: object) -> str:
        ran = self.program(*arguments, "--dir", self.folder, "--json")
        assert ran.code == 2, ran
        return str(ran.error["code"])


def open_shop(program: Program, folder: Path) -> Shop:
    shop = Shop(program, folder)
    shop("init")
    shop("keys", "register", "seller", "--class", "merchant")
    shop("keys", "register", "buyer")
    shop("item", "namespace", "cards", "seller")
    how = ("--as", "seller", "--class", "point-card", "--name", "点卡 500")
    shop("item", "register", "cards/1", *how)
    return shop


@pytest.fixture
def shop(program: Program, tmp_path: Path) -> Shop:
    """A shop to trade in."""
    return open_shop(program, tmp_path / "shop")


@pytest.fixture(scope="module")
def quiet_shop(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop in which nothing is ever accepted."""
    return open_shop(program, tmp_path_factory.mktemp("quiet") / "shop")


def owner(shop: Shop) -> str:
    return str(shop("history", "cards/1")["owner"])


def test_an_item_is_transferred_by_owner_and_recipient(shop: Shop) -> None:
    shop("item", "transfer", "cards/1", "--as", "seller", "--to", "buyer", "--price", "9900:CNY")

    document = shop("history", "cards/1")
    assert document["owner"] == "buyer"
    assert document["history"][-1]["price"] == {"amount": "9900", "currency": "CNY"}
    assert document["history"][-1]["word"] == "signed"
    assert shop("audit")["verdict"] == "valid"


def test_an_offer_is_accepted_refused_or_withdrawn(shop: Shop) -> None:
    offer = ("item", "offer", "cards/1", "--as", "seller", "--to", "buyer")
    for answer, who in (("refuse", "buyer"), ("withdraw", "seller"), ("accept", "buyer")):
        shop(*offer)
        assert owner(shop) == "seller"
        shop("item", answer, "cards/1", "--as", who)

    assert owner(shop) == "buyer"
    assert shop.refusal("item", "accept", "cards/1", "--as", "buyer") == "no-such-offer"


def test_a_freezer_stops_and_frees_an_item(shop: Shop) -> None:
    shop("keys", "register", "warden", "--class", "service")
    shop("keys", "grant", "warden", "freezer")
    reason = ("--as", "warden", "--reason", "case 7")
    transfer = ("item", "transfer", "cards/1", "--as", "seller", "--to", "buyer")

    shop("item", "freeze", "cards/1", "--ground", "reported-stolen", *reason)
    assert shop.refusal(*transfer) == "item-frozen"
    assert shop("history", "cards/1")["frozen"] is True
    shop("item", "unfreeze", "cards/1", "--ground", "report-withdrawn", *reason)
    shop(*transfer)

    assert owner(shop) == "buyer"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("transfer cards/1 --as buyer --to seller", "not-owner"),
        ("transfer cards/2 --as seller --to buyer", "unknown-item"),
        ("transfer cards --as seller --to buyer", "malformed"),
        ("transfer cards/1 --as nobody --to buyer", "key-file-invalid"),
        ("transfer cards/1 --as ../config --to buyer", "malformed"),
        ("offer cards/1 --as seller --to seller", "same-party"),
        ("offer cards/1 --as seller --to nobody", "unknown-party"),
        ("offer cards/1 --as seller --to buyer --price 5", "usage"),
        ("offer cards/1 --as seller --to buyer --price -5:CNY", "malformed"),
        ("offer cards/1 --as seller --to buyer --price 1.5:CNY", "malformed"),
        ("offer cards/1 --as seller --to buyer --price 5:XYZ", "unknown-currency"),
        ("namespace cards buyer", "namespace-taken"),
        ("namespace ../x buyer", "malformed"),
        ("register cards/1 --as seller --class other --name x", "item-exists"),
        ("register cards/2 --as seller --class gold --name x", "malformed"),
        ("register cards/2 --as seller --class other --name \u202ex", "malformed"),
        ("register cards/2 --as buyer --class other --name x", "not-namespace-owner"),
    ],
)
def test_what_the_rules_refuse_is_exit_2_and_recorded_nowhere(
    quiet_shop: Shop, arguments: str, code: str
) -> None:
    before = quiet_shop("status")["size"]

    assert quiet_shop.refusal("item", *arguments.split(" ")) == code
    assert quiet_shop("status")["size"] == before


def test_a_key_is_made_shown_and_never_printed(shop: Shop) -> None:
    made = shop("keys", "new", "spare", "--alg", "p256")
    file = shop.folder / "keys" / "spare.pem"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made["alg"] == "p256"
    assert made == shop("keys", "show", "spare")
    assert shop.refusal("keys", "new", "spare") == "key-file-invalid"
    assert "PRIVATE" not in str(made)


def test_the_list_says_whose_the_keys_are(shop: Shop) -> None:
    shop("keys", "new", "spare")

    found = {each["name"]: each["party"] for each in shop("keys", "list")["keys"]}

    assert found["operator"] == "operator"
    assert (found["seller"], found["spare"]) == ("seller", None)


def test_a_later_key_cools_down_and_a_revocation_by_another_key_waits(shop: Shop) -> None:
    shop("keys", "new", "seller-2")
    added = shop("keys", "add", "seller", "seller-2")
    first = shop("keys", "show", "seller")["id"]
    shop("keys", "revoke", "seller", first, "--with", "seller-2")

    waiting = shop("keys", "party", "seller")
    assert waiting["change"] is not None
    assert [key["revoked"] for key in waiting["keys"]] == [False, False]
    assert shop("keys", "complete")["completed"] == 0
    shop("keys", "object", "seller", "--with", "seller")
    assert shop("keys", "party", "seller")["change"] is None
    assert shop.refusal("keys", "object", "seller") == "no-such-change"
    shop("keys", "revoke", "seller", added["key"], "--with", "seller-2")
    assert [key["revoked"] for key in shop("keys", "party", "seller")["keys"]] == [False, True]


def test_roles_are_granted_with_a_second_party_and_withdrawn(shop: Shop) -> None:
    assert shop.refusal("keys", "grant", "buyer", "officer", "--second", "buyer") in {
        "witness-not-independent",
        "wrong-signers",
    }
    # The seller's key is at hand and signs as the second party.
    assert shop("keys", "grant", "buyer", "officer")["roles"] == ["officer"]
    shop("keys", "withdraw", "buyer", "officer")

    assert shop("keys", "party", "buyer")["roles"] == []
    assert shop.refusal("keys", "withdraw", "buyer", "officer") == "role-not-held"
    assert shop.refusal("keys", "grant", "buyer", "king") == "malformed"
    assert shop.refusal("keys", "party", "nobody") == "unknown-party"


def test_a_party_registers_once(shop: Shop) -> None:
    assert shop.refusal("keys", "register", "buyer") == "party-exists"
    assert shop.refusal("keys", "register", "imported/x/y") == "malformed"
    assert shop.refusal("keys", "register", "unknown") == "party-exists"

"""Closed schemas: a field too many, one too few, a value that only looks right."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import schema
from ledger.rules.errors import Malformed, UnknownVersion
from tests.unit.rules.small import POLICY, key

PAIR: schema.Schema = {"left": schema.whole(0, 9), "right": schema.nullable(schema.flag)}


def test_exactly_the_fields_of_a_schema_are_accepted() -> None:
    value = {"left": 9, "right": None}

    assert schema.check_object(value, PAIR, "pair") is value


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ({"left": 1}, "pair.right", "is missing"),
        ({}, "pair.left", "is missing"),
        ({"left": 1, "right": True, "more": 1}, "pair.more", "is not a field of this object"),
        ({"left": True, "right": None}, "pair.left", "is not a whole number from 0 to 9"),
        ({"left": 10, "right": None}, "pair.left", "is not a whole number from 0 to 9"),
        ({"left": -1, "right": None}, "pair.left", "is not a whole number from 0 to 9"),
        ({"left": 1.0, "right": None}, "pair.left", "is not a whole number from 0 to 9"),
        ({"left": "1", "right": None}, "pair.left", "is not a whole number from 0 to 9"),
        ({"left": 1, "right": 1}, "pair.right", "is not true or false"),
        ([], "pair", "is not an object"),
        (None, "pair", "is not an object"),
    ],
)
def test_anything_else_is_malformed_and_named(value: Any, field: str, message: str) -> None:
    with pytest.raises(Malformed) as refusal:
        schema.check_object(value, PAIR, "pair")

    assert (refusal.value.field, refusal.value.message) == (field, message)


@pytest.mark.parametrize("value", [{}, None, "ab", [1], [1, 2, 3, 4], (1, 2)])
def test_an_array_has_its_number_of_values(value: Any) -> None:
    check = schema.items(schema.whole(0, 9), least=2, most=3)
    check([1, 2], "x")
    check([1, 2, 3], "x")

    with pytest.raises(Malformed, match="x: is not an array of 2 to 3 values"):
        check(value, "x")


def test_a_wrong_value_in_an_array_is_named_by_its_place() -> None:
    with pytest.raises(Malformed) as refusal:
        schema.items(schema.nested(PAIR), most=3)([{"left": 1, "right": None}, {"left": 1}], "x")

    assert refusal.value.field == "x[1].right"


@pytest.mark.parametrize("value", ["c", "", None, 1, [], ["a"], {"a": 1}])
def test_one_of_a_closed_set_is_one_of_it(value: Any) -> None:
    check = schema.one_of({"b", "a"})
    check("a", "x")

    with pytest.raises(Malformed, match="x: is not one of a, b"):
        check(value, "x")


@pytest.mark.parametrize("value", ["", "x" * 201, None, 1, []])
def test_a_text_has_one_to_two_hundred_characters(value: Any) -> None:
    schema.any_string("é" * 200, "x")

    with pytest.raises(Malformed, match="x: is not a string of 1 to 200 characters"):
        schema.any_string(value, "x")


@pytest.mark.parametrize("value", [2, 0, -1, 99])
def test_another_version_is_unknown_whatever_else_stands_there(value: int) -> None:
    with pytest.raises(UnknownVersion) as refusal:
        schema.version({"v": value, "strange": 1}, "command")

    assert refusal.value.field == "command.v"


@pytest.mark.parametrize("value", [{"v": 1}, {}, {"v": "2"}, {"v": True}, {"v": None}, [], None])
def test_what_names_no_other_version_is_left_to_the_schema(value: Any) -> None:
    schema.version(value, "command")


def test_a_key_of_another_algorithm_is_of_another_version() -> None:
    schema.key(key("ann"), "key")
    with pytest.raises(UnknownVersion) as refusal:
        schema.key({"alg": "ml-dsa-44", "public": "AAAA"}, "key")
    assert refusal.value.field == "key.alg"

    with pytest.raises(Malformed) as malformed:
        schema.key({"alg": ["ed25519"], "public": "AAAA"}, "key")
    assert (type(malformed.value), malformed.value.field) == (Malformed, "key.alg")


def policy(**changes: Any) -> dict[str, Any]:
    return dict(POLICY) | changes


def currency(code: str, exponent: Any = 2) -> dict[str, Any]:
    return {"currency": code, "exponent": exponent}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"currencies": []}, "policy.currencies"),
        ({"currencies": [currency("CNY"), currency("CNY")]}, "policy.currencies"),
        ({"currencies": [currency("ETH"), currency("CNY")]}, "policy.currencies"),
        ({"currencies": [currency("CNY", 31)]}, "policy.currencies[0].exponent"),
        ({"currencies": [currency(f"C{n:02}") for n in range(65)]}, "policy.currencies"),
        ({"key_cool_down_s": 366 * 86_400 + 1}, "policy.key_cool_down_s"),
        ({"key_change_delay_s": -1}, "policy.key_change_delay_s"),
        ({"registration": "closed"}, "policy.registration"),
        ({"v": 2}, "policy.v"),
        ({"extra": 1}, "policy.extra"),
    ],
)
def test_a_policy_is_whole_and_its_currencies_sorted(changes: dict[str, Any], field: str) -> None:
    schema.policy(policy(currencies=[currency(f"C{n:02}") for n in range(64)]), "policy")

    with pytest.raises(Malformed) as refusal:
        schema.policy(policy(**changes), "policy")

    assert refusal.value.field == field

"""Statements, and their comparison with the log: every difference, both ways."""

from __future__ import annotations

import pytest

from api.payments.movements import Movement
from api.payments.reconcile import reconcile
from api.payments.statements import PAID, PAID_OUT, REFUNDED, Row, read_statement
from ledger.rules.errors import Malformed

HEAD = "transaction,order,amount,currency,state\n"
ORDER = "0199a2b3-c4d5-7e6f-8a9b-0c1d2e3f4a5b"
WECHAT = (
    "\ufeff交易时间,公众账号ID,微信订单号,商户订单号,交易状态,货币种类,退款金额,商品名称,订单金额\r\n"
    "`2026-11-23 10:00:00,`wx8,`4200000001,`T-1,`SUCCESS,`CNY,`0.00,`卡,`88.80\r\n"
    "`2026-11-23 11:00:00,`wx8,`4200000001,`T-1,`REFUND,`CNY,`8.80,`卡,`88.80\r\n"
    "总交易单数,应结订单总金额\r\n`2,`88.80\r\n"
)
ALIPAY = (
    "#支付宝业务明细查询\r\n#账号 [2088]\r\n"
    "支付宝交易号,商户订单号,业务类型,商品名称,订单金额（元）,备注\r\n"  # noqa: RUF001
    "2026112300001\t,T-1\t,交易    ,卡,100.00,\r\n"
    "2026112300001\t,T-1\t,退款    ,卡,-0.50,\r\n"
    "#交易合计：1笔\r\n"  # noqa: RUF001
)


def moved(entry: int, number: str | None, amount: int = 100, **changes: object) -> Movement:
    told = {
        "entry": entry,
        "at": entry * 1_000_000,
        "by": "kay",
        "command_id": "x",
        "provider": "wechat",
        "out": False,
        "order": "balance/ann",
        "number": number,
        "unreadable": None if number else "erased",
        "amount": amount,
        "currency": "CNY",
        **changes,
    }
    return Movement(**told)  # type: ignore[arg-type]


def stated(line: int, number: str, amount: int = 100, state: str = PAID, **changes: str) -> Row:
    return Row(
        line, number, changes.get("order", ""), amount, changes.get("currency", "CNY"), state
    )


def kinds(rows: list[Row], movements: list[Movement]) -> list[tuple[str, int | None, int | None]]:
    found = reconcile(rows, movements).differences
    return [(each["difference"], each["line"], each["entry"]) for each in found]


def test_plain_statements_are_read() -> None:
    text = f"{HEAD}T-1,,8880,CNY,paid\nT-1,,80,CNY,refunded\n6222,,5,CNY,paid-out\n"

    assert read_statement(text.encode()) == [
        stated(2, "T-1", 8880),
        stated(3, "T-1", 80, REFUNDED),
        stated(4, "6222", 5, PAID_OUT),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_bills_of_providers_are_read_as_they_are_downloaded(encoding: str) -> None:
    assert read_statement(WECHAT.encode()) == [
        stated(2, "4200000001", 8880, order="T-1"),
        stated(3, "4200000001", 880, REFUNDED, order="T-1"),
    ]
    assert read_statement(ALIPAY.encode(encoding)) == [
        stated(4, "2026112300001", 10_000, order="T-1"),
        stated(5, "2026112300001", 50, REFUNDED, order="T-1"),
    ]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "statement"),
        (b"a,b\n1,2\n", "statement"),
        (b"transaction,transaction,order,amount,currency,state\n", "statement"),
        (b"\xff\xff\xff", "statement"),
        (f"{HEAD}T-1,,1\n".encode(), "line 2"),
        (f"{HEAD}T-1,,1,CNY,won\n".encode(), "line 2, state"),
        (f"{HEAD},,1,CNY,paid\n".encode(), "line 2, transaction"),
        (f"{HEAD}T-1,,1.5,CNY,paid\n".encode(), "line 2, amount"),
        (f"{HEAD}T-1,,1,yuan,paid\n".encode(), "line 2, currency"),
        (f'{HEAD}"T-1"x,,1,CNY,paid\n'.encode(), "line 2"),
        (WECHAT.replace("`CNY", "`USD").encode(), "line 2, currency"),
        (WECHAT.replace("`88.80", "`88.801").encode(), "line 2, 订单金额"),
    ],
)
def test_a_statement_in_another_form_is_refused_by_its_line(data: bytes, field: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_statement(data)

    assert refused.value.field == field


def test_what_is_alike_is_no_difference() -> None:
    rows = [stated(2, "1"), stated(3, "2", order=ORDER.replace("-", ""))]
    held = [moved(5, "1"), moved(6, "2", order=f"order/{ORDER}")]
    found = reconcile(
        [*rows, stated(4, "6222", 7, PAID_OUT)], [*held, moved(8, "6222", 7, out=True)]
    )

    assert (found.rows, found.entries, found.matched, found.differences) == (3, 3, 3, [])


@pytest.mark.parametrize(
    ("rows", "held", "found"),
    [
        ([stated(2, "1")], [], [("not-in-ledger", 2, None)]),
        ([], [moved(5, "1")], [("not-in-statement", None, 5)]),
        ([stated(2, "1", 99)], [moved(5, "1")], [("amount-differs", 2, 5)]),
        ([stated(2, "1", currency="USD")], [moved(5, "1")], [("currency-differs", 2, 5)]),
        (
            [stated(2, "1", order=ORDER.replace("-", ""))],
            [moved(5, "1")],
            [("order-differs", 2, 5)],
        ),
        ([stated(2, "1")], [moved(5, "1"), moved(6, "1")], [("recorded-twice", 2, 6)]),
        ([stated(2, "1"), stated(3, "1")], [moved(5, "1")], [("listed-twice", 3, None)]),
        (
            [stated(2, "1"), stated(3, "1", 40, REFUNDED)],
            [moved(5, "1")],
            [("refunded", 3, 5)],
        ),
        ([], [moved(5, None)], [("unreadable", None, 5)]),
        ([stated(2, "6", 7, PAID_OUT)], [moved(5, "6", 8, out=True)], [
            ("not-in-ledger", 2, None),
            ("not-in-statement", None, 5),
        ]),
    ],
)  # fmt: skip
def test_every_difference_is_listed(
    rows: list[Row], held: list[Movement], found: list[tuple[str, int | None, int | None]]
) -> None:
    assert kinds(rows, held) == found


def test_what_was_recorded_at_other_times_is_not_missed() -> None:
    held = [moved(entry, str(entry)) for entry in (4, 5, 6, 7)]
    found = reconcile([stated(2, "4")], held, since=5_000_000, until=7_000_000)

    assert [each["entry"] for each in found.differences] == [5, 6]
    assert found.matched == 1

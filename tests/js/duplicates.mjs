// Card keys found twice: docs/spec.md section 9.19.

import * as f from "./forms.mjs";
import { timerId } from "./proofs.mjs";
import { need, refuse } from "./state.mjs";

const stream = (card) => `item/${card.item}`;

function soldCard(ledger, card) {
  const { goods } = ledger.state(stream(card)) ?? refuse("unknown-item");
  need(goods !== null && goods.card !== null, "goods-differ");
  need(goods.sold === card.order, "item-not-sold");
  return goods;
}

function report({ body, command, ledger }) {
  const [first, second] = body.cards;
  need(first.item < second.item, "malformed");
  const own = `alert/${body.alert}`;
  need(!ledger.streams.has(own), "alert-exists");
  need(command.id === timerId(stream(first), "card-duplicate", stream(second)), "malformed");
  const goods = body.cards.map((card) => soldCard(ledger, card));
  need(goods[0].product === goods[1].product, "goods-differ");
  const alert = { alert: body.alert };
  const items = body.cards.map((card) => [stream(card), "item-flagged/1", alert]);
  const sold = new Set(body.cards.map((card) => card.order).filter((order) => order !== null));
  const orders = [...sold].map((order) => {
    const named = body.cards.filter((card) => card.order === order).map((card) => card.item);
    const lines = ledger
      .state(`order/${order}`)
      .lines.flatMap((line, place) => (named.includes(line.item) ? [place + 1] : []));
    return [`order/${order}`, "order-flagged/1", { ...alert, lines }];
  });
  return [[own, "duplicate-reported/1", {}], ...items, ...orders];
}

const card = f.object({ item: f.item, order: f.orNull(f.uuid7) });

/** The kinds of this section. */
export const DUPLICATE_KINDS = {
  "report-duplicate/1": {
    roles: [["system"]],
    body: { alert: f.uuid7, cards: f.list(card, 2, 2) },
    derive: report,
    exact: true,
  },
};

/** Their event types (10.2). */
export const DUPLICATE_EVENTS = {
  "duplicate-reported/1": ({ body }) => ({ cards: body.cards }),
  "item-flagged/1": ({ before, document }) => {
    const goods = { ...before.goods, flagged: document.data.alert };
    Object.assign(before, { offer: null, goods });
  },
  "order-flagged/1": ({ before, document: { data } }) => {
    for (const number of data.lines) before.lines[number - 1].flagged = data.alert;
  },
};

// Revealing a card: docs/spec.md section 9.15.

import * as f from "./forms.mjs";
import { lineNumber, lineOf } from "./escrow.mjs";
import { atHand } from "./goods.mjs";
import { theOrder } from "./orders.mjs";
import { need, refuse } from "./state.mjs";

const stream = (body) => `item/${body.item}`;

function reveal(given) {
  const { body, ledger, signers } = given;
  const item = ledger.state(stream(body)) ?? refuse("unknown-item");
  need(item.owner === signers[0].party, "not-owner");
  need(!item.frozen, "item-frozen");
  atHand(item);
  const { goods } = item;
  const isSold = goods !== null && goods.card !== null && goods.sold === body.order;
  need(isSold, "card-not-sold");
  need(goods.revealed === null, "card-revealed");
  const line = lineOf(theOrder(given), body.line);
  need(line.item === body.item, "malformed");
  need(line.state !== "refunded" && line.state !== "charged-back", "line-not-held");
  return [[stream(body), "card-revealed/1", { order: goods.sold }]];
}

/** The kinds of this section. */
export const REVEAL_KINDS = {
  "reveal-card/1": {
    roles: [["owner"]],
    body: { item: f.item, line: lineNumber, order: f.uuid7 },
    derive: reveal,
    expects: stream,
    exact: true,
  },
};

/** Their event types (10.2). */
export const REVEAL_EVENTS = {
  "card-revealed/1": ({ before, document }) => {
    const goods = { ...before.goods, revealed: document.data.order };
    Object.assign(before, { offer: null, goods });
  },
};

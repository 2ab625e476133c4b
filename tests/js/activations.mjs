// Recording activations: docs/spec.md section 9.16.

import * as f from "./forms.mjs";
import { classTerms, theOrder } from "./orders.mjs";
import { need, refuse } from "./state.mjs";
import { termsOf } from "./terms.mjs";

const SECOND = 1_000_000n;
const stream = (body) => `item/${body.item}`;

function record(given) {
  const { at, body, command, ledger, signers } = given;
  const item = ledger.state(stream(body)) ?? refuse("unknown-item");
  const { goods } = item;
  need(goods !== null && goods.sold === body.order, "item-not-sold");
  const order = theOrder(given);
  const [{ party, role }] = signers;
  need(role !== "buyer" || party === order.buyer, "not-buyer");
  need(body.time <= command.at, "malformed");
  const success = body.outcome === "success";
  need(!success || goods.activated === null, "activated-already");
  need(success || goods.failed < 32, "too-large");
  const terms = termsOf(ledger.state("policy/trade"), order.terms);
  const seconds = terms && classTerms(terms.document, goods.class).activation_s;
  const late = !terms || at > goods.soldAt + BigInt(seconds) * SECOND;
  return [[stream(body), "activation-recorded/1", { late }]];
}

/** The kinds of this section. */
export const ACTIVATION_KINDS = {
  "record-activation/1": {
    roles: [["buyer"], ["system"]],
    body: {
      item: f.item,
      order: f.uuid7,
      outcome: f.oneOf("failure", "success"),
      platform: f.name,
      time: f.time,
    },
    derive: record,
    expects: stream,
    exact: true,
    sealed: ["account", "error", "evidence"],
  },
};

/** Their event types (10.2). */
export const ACTIVATION_EVENTS = {
  "activation-recorded/1": ({ before, body }) => {
    const success = body.outcome === "success";
    const more = success ? { activated: body.order } : { failed: before.goods.failed + 1 };
    Object.assign(before, { offer: null, goods: { ...before.goods, ...more } });
  },
};

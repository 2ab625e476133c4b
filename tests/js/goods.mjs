// Cards and escrow: docs/spec.md section 9.11.

import * as f from "./forms.mjs";
import { need, refuse } from "./state.mjs";
import { termsOf } from "./terms.mjs";

const stream = (body) => `item/${body.item}`;

function ownsNamespace({ body, ledger, signers }) {
  const name = body.item.slice(0, body.item.indexOf("/"));
  const found = ledger.state(`namespace/${name}`) ?? refuse("unknown-namespace");
  need(found.owner === signers[0].party, "not-namespace-owner");
}

function mayPlace({ body, ledger }, sells) {
  ledger.party(body.agent);
  const terms = ledger.state("policy/trade");
  const named = termsOf(terms, body.terms) ?? refuse("policy-not-in-force");
  const found = named.document.classes.find((one) => one.class === body.class);
  need(found !== undefined, "class-without-terms");
  need(found.sells === sells, "goods-differ");
}

/** Goods that an order is made for, or that are with an agent, are not at their owner's hand. */
export function atHand({ goods }) {
  need(goods === null || goods.order === null, "item-reserved");
  need(goods === null || goods.agent === null, "item-escrowed");
}

function register(given) {
  const { body, ledger, signers } = given;
  ownsNamespace(given);
  need(!ledger.streams.has(stream(body)), "item-exists");
  need((body.agent === null) === (body.terms === null), "malformed");
  if (body.agent !== null) mayPlace(given, "card");
  return [[stream(body), "card-registered/1", { owner: signers[0].party }]];
}

function place(given) {
  const { body, ledger, signers } = given;
  const item = ledger.state(stream(body)) ?? refuse("unknown-item");
  need(item.owner === signers[0].party, "not-owner");
  need(!item.frozen, "item-frozen");
  atHand(item);
  const { goods } = item;
  const same = goods === null || (goods.class === body.class && goods.product === body.product);
  need(same, "goods-differ");
  const isCard = goods !== null && goods.card !== null;
  need(!isCard || goods.sold === null, "card-sold");
  mayPlace(given, isCard ? "card" : "item");
  return [[stream(body), "item-escrowed/1", {}]];
}

function withdraw({ body, ledger, signers }) {
  const item = ledger.state(stream(body)) ?? refuse("unknown-item");
  need(item.owner === signers[0].party, "not-owner");
  need(item.goods !== null && item.goods.agent !== null, "item-not-escrowed");
  need(item.goods.order === null, "item-reserved");
  return [[stream(body), "item-withdrawn/1", {}]];
}

const owner = { roles: [["owner"]], exact: true };

/** The kinds of this section. */
export const GOODS_KINDS = {
  "register-card/1": {
    ...owner,
    body: {
      agent: f.orNull(f.identifier),
      card: f.hex32,
      class: f.name,
      code: f.hex32,
      item: f.item,
      product: f.namespace,
      terms: f.orNull(f.hex32),
    },
    derive: register,
    sealed: ["card", "code"],
  },
  "place-in-escrow/1": {
    ...owner,
    body: {
      agent: f.identifier,
      class: f.name,
      item: f.item,
      product: f.namespace,
      terms: f.hex32,
    },
    derive: place,
    expects: stream,
    risky: true,
  },
  "withdraw-from-escrow/1": { ...owner, body: { item: f.item }, derive: withdraw, expects: stream },
};

const goodsOf = ({ agent, card = null, class: itemClass, code = null, product, terms }) => ({
  activated: null,
  agent,
  card,
  class: itemClass,
  code,
  codeRevoked: false,
  failed: 0,
  flagged: null,
  order: null,
  product,
  revealed: null,
  sold: null,
  soldAt: null,
  terms,
  verifiedAt: null,
});

/** Their event types (10.2); `newItem` makes the state of an item. */
export const goodsEvents = (newItem) => ({
  "card-registered/1": ({ body, document }) =>
    Object.assign(newItem(document.data.owner, false), { goods: goodsOf(body) }),
  "item-escrowed/1": ({ before, body }) => {
    const { agent, terms } = body;
    const goods = before.goods === null ? goodsOf(body) : { ...before.goods, agent, terms };
    Object.assign(before, { offer: null, importsOnly: false, goods });
  },
  "item-withdrawn/1": ({ before }) => {
    before.goods = { ...before.goods, agent: null, terms: null };
  },
});

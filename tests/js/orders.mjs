// Orders and their payments: docs/spec.md section 9.12.

import { recordedLevel } from "./credit.mjs";
import * as f from "./forms.mjs";
import { balancesChanged } from "./money.mjs";
import { timerId } from "./proofs.mjs";
import { need, refuse } from "./state.mjs";
import { termsAt, termsOf } from "./terms.mjs";

const TERMS = "policy/trade";
const P = 2n ** 255n - 19n;
const SMALL_ORDER = new Set([
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  P - 1n,
]);

export const orderStream = (body) => `order/${body.order}`;
const itemStream = (line) => `item/${line.item}`;
export const later = (at, seconds) => f.timeText(at + BigInt(seconds) * 1_000_000n);
const total = (order) => order.lines.reduce((sum, line) => sum + line.price, 0n);
export const theOrder = ({ ledger, body }) =>
  ledger.state(orderStream(body)) ?? refuse("unknown-order");
export const classTerms = (terms, name) => terms.classes.find((one) => one.class === name);

function knownCurrency({ policy }, currency) {
  const known = policy.document.currencies.map((one) => one.currency);
  need(known.includes(currency), "unknown-currency");
}

function fullOrder(key) {
  const raw = Buffer.from(key, "base64");
  need(raw.length === 32, "weak-key");
  const u = BigInt(`0x${Buffer.from(raw).reverse().toString("hex")}`);
  need(u < P && !SMALL_ORDER.has(u), "weak-key");
}

function pinned({ at, body, ledger }) {
  const terms = termsAt(ledger, at);
  need(terms !== null && terms.digest === body.terms, "policy-not-in-force");
  need(body.agreement === terms.document.agreement, "agreement-differs");
  return terms.document;
}

function askedLine({ at, body, ledger, signers }, line, terms) {
  const listing = ledger.state(`listing/${line.listing}`) ?? refuse("unknown-listing");
  need(!listing.ended, "listing-ended");
  const seen = listing.snapshot === line.snapshot && listing.body.merchant === line.merchant;
  need(seen, "snapshot-differs");
  need(listing.body.price.currency === body.currency, "currency-mixed");
  need(listing.body.price.amount === line.price, "price-differs");
  const merchant = ledger.state(`merchant/${line.merchant}`) ?? refuse("unknown-merchant");
  const name = listing.body.class;
  need(merchant.until.has(name) && merchant.until.get(name) > at, "supplier-not-qualified");
  const periods = classTerms(terms, name) ?? refuse("class-without-terms");
  need(signers[0].party !== line.merchant, "same-party");
  const item = ledger.state(itemStream(line)) ?? refuse("unknown-item");
  need(item.goods !== null, "item-not-for-sale");
  need(item.goods.order === null, "item-reserved");
  need(item.goods.agent !== null, "item-not-for-sale");
  need(!item.frozen, "item-frozen");
  need(item.goods.flagged === null, "item-flagged");
  need(item.owner === line.merchant, "not-owner");
  const { class: ofClass, product } = item.goods;
  need(ofClass === name && product === listing.body.product, "goods-differ");
  return periods;
}

function place(given) {
  const { at, body, ledger, signers } = given;
  need(!signers[0].party.startsWith("imported/"), "wrong-signers");
  need(!ledger.streams.has(orderStream(body)), "order-exists");
  const terms = pinned(given);
  if (body.key !== null) fullOrder(body.key);
  knownCurrency(given, body.currency);
  need(new Set(body.lines.map((line) => line.item)).size === body.lines.length, "malformed");
  const periods = body.lines.map((line) => askedLine(given, line, terms));
  const prices = body.lines.map((line) => BigInt(line.price));
  need(prices.reduce((sum, one) => sum + one, 0n) < 10n ** 38n, "too-large");
  const data = {
    classes: periods.map((one) => one.class),
    fees: prices.map((price) => String((price * BigInt(terms.merchant.fee_bp)) / 10_000n)),
    labels: body.lines.map((line) => ledger.state(`merchant/${line.merchant}`).labels),
    pay_by: later(at, Math.min(...periods.map((one) => one.unpaid_s))),
    tier: recordedLevel(terms, ledger.party(signers[0].party)),
  };
  const reserved = { order: body.order };
  const effects = body.lines.map((line) => [itemStream(line), "item-reserved/1", reserved]);
  return [[orderStream(body), "order-placed/1", data], ...effects];
}

/** Accept a timer of this rule; `dues` are when it falls due, as microseconds. */
export function dueTimer({ at, body, command }, rule, dues) {
  need(dues.some((due) => f.timeText(due) === body.due && at >= due), "timer-not-due");
  need(command.id === timerId(orderStream(body), rule, body.due), "malformed");
}

export const freed = (lines) => lines.map((line) => [itemStream(line), "item-freed/1", {}]);

function expire(given) {
  const order = theOrder(given);
  dueTimer(given, "order-unpaid", order.state === "unpaid" ? [order.payBy] : []);
  return [[orderStream(given.body), "order-expired/1", {}], ...freed(order.lines)];
}

function paid(given, order, source, outcome) {
  const { at, body, ledger } = given;
  const [amount, { currency }] = [BigInt(body.amount.amount), body.amount];
  const funded = outcome === "funded";
  const changes = new Map([[source, -amount]]);
  if (funded) {
    const accounts = order.lines.map((line, place) => `escrow/${body.order}/${place + 1}`);
    order.lines.forEach((line, place) => changes.set(accounts[place], line.price));
  }
  const rest = funded ? amount - total(order) : amount;
  if (rest !== 0n) changes.set(`balance/${order.buyer}`, rest);
  const postings = [...changes.keys()]
    .sort()
    .map((account) => ({ account, amount: String(changes.get(account)), currency }));
  const terms = termsOf(ledger.state(TERMS), order.terms).document;
  const due = (line) => later(at, classTerms(terms, line.class).deliver_s);
  const data = { deliver_by: funded ? order.lines.map(due) : null, outcome, postings };
  const own = [orderStream(body), "payment-confirmed/1", data];
  return [own, ...balancesChanged(ledger, postings)];
}

const open = ({ at }, order) => order.state === "unpaid" && at <= order.payBy;

function pay(given) {
  const { body, signers } = given;
  const order = theOrder(given);
  need(signers[0].party === order.buyer, "not-buyer");
  need(body.amount.amount !== "0", "malformed");
  need(open(given, order), "order-not-open");
  need(body.amount.currency === order.currency, "currency-mixed");
  need(BigInt(body.amount.amount) === total(order), "amount-differs");
  return paid(given, order, `balance/${order.buyer}`, "funded");
}

function outcomeOf(given, order) {
  if (order.state === "paid") return "surplus";
  if (!open(given, order)) return "late";
  const { amount, currency } = given.body.amount;
  return currency === order.currency && BigInt(amount) >= total(order) ? "funded" : "short";
}

function confirm(given) {
  const { body, signers } = given;
  const order = theOrder(given);
  need(signers[0].party !== order.buyer, "wrong-signers");
  need(body.amount.amount !== "0", "malformed");
  knownCurrency(given, body.amount.currency);
  return paid(given, order, `external/${body.provider}`, outcomeOf(given, order));
}

const line = f.object({
  item: f.item,
  listing: f.item,
  merchant: f.identifier,
  price: f.amount,
  snapshot: f.hex32,
});
const payment = { amount: f.money, order: f.uuid7 };
const expected = (body) => [
  ...new Set(
    body.lines.flatMap((one) => [
      itemStream(one),
      `listing/${one.listing}`,
      `merchant/${one.merchant}`,
    ]),
  ),
];

/** The kinds of this section. */
export const ORDER_KINDS = {
  "place-order/1": {
    roles: [["buyer"]],
    body: {
      agreement: f.orNull(f.hex32),
      currency: f.currency,
      key: f.orNull(f.base64),
      lines: f.list(line, 1, 20),
      order: f.uuid7,
      terms: f.hex32,
    },
    derive: place,
    expects: expected,
    exact: true,
    risky: true,
  },
  "expire-order/1": {
    roles: [["system"]],
    body: { due: f.time, order: f.uuid7 },
    derive: expire,
    exact: true,
  },
  "pay-order/1": {
    roles: [["buyer"]],
    body: payment,
    derive: pay,
    expects: orderStream,
    exact: true,
    risky: true,
  },
  "confirm-payment/1": {
    roles: [["cashier"]],
    body: { ...payment, provider: f.oneOf("alipay", "internal", "wechat") },
    derive: confirm,
    sealed: ["transaction"],
    exact: true,
    risky: true,
  },
};

/** Their event types (10.2). */
export const ORDER_EVENTS = {
  "order-placed/1": ({ body, document: { data }, full }) => ({
    buyer: full.signers[0].party,
    currency: body.currency,
    key: body.key,
    lines: body.lines.map((one, place) => ({
      ...one,
      class: data.classes[place],
      fee: BigInt(data.fees[place]),
      price: BigInt(one.price),
      state: "unfunded",
      inspectBy: null,
      claims: [],
      claimed: 0,
      flagged: null,
      released: 0n,
      chargedBack: 0n,
      refunded: 0n,
    })),
    cases: new Map(),
    payBy: f.micros(data.pay_by),
    state: "unpaid",
    terms: body.terms,
  }),
  "item-reserved/1": ({ before, document }) => {
    before.goods.order = document.data.order;
    before.offer = null;
  },
  "item-freed/1": ({ before }) => {
    before.goods.order = null;
    before.offer = null;
  },
  "order-expired/1": ({ before }) => void (before.state = "expired"),
  "payment-confirmed/1": ({ before, document: { data } }) => {
    if (data.deliver_by === null) return;
    before.state = "paid";
    before.lines.forEach((one, place) => {
      one.state = "held";
      one.deliverBy = f.micros(data.deliver_by[place]);
    });
  },
};

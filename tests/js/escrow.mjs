// Delivery and escrow: docs/spec.md section 9.13.

import * as f from "./forms.mjs";
import { balancesChanged } from "./money.mjs";
import { classTerms, dueTimer, freed, later, orderStream, theOrder } from "./orders.mjs";
import { need, refuse } from "./state.mjs";
import { termsOf } from "./terms.mjs";

const held = (line) =>
  line.state === "held" ? line.price - line.released - line.refunded - line.chargedBack : 0n;
export const feeOn = (line, released) => (line.fee * released) / line.price;
export const ascending = (numbers) => numbers.every((one, at) => at === 0 || numbers[at - 1] < one);
export const lineOf = (order, number) => order.lines[number - 1] ?? refuse("unknown-line");
export const holds = held;
export const theTerms = ({ ledger }, order) =>
  termsOf(ledger.state("policy/trade"), order.terms).document;

/** Write changes of accounts as postings, sorted, none of nothing. */
export function written(changes, currency) {
  return [...changes.keys()]
    .filter((account) => changes.get(account) !== 0n)
    .sort()
    .map((account) => ({ account, amount: String(changes.get(account)), currency }));
}

/** The postings of parts: what of each line is released, what refunded. */
export function settle(name, order, parts) {
  const changes = new Map();
  const add = (account, amount) => changes.set(account, (changes.get(account) ?? 0n) + amount);
  for (const { number, released = 0n, refunded = 0n } of parts) {
    const line = lineOf(order, number);
    const fee = feeOn(line, line.released + released) - feeOn(line, line.released);
    add(`escrow/${name}/${number}`, -(released + refunded));
    add(`balance/${line.merchant}`, released - fee);
    add("fees", fee);
    add(`balance/${order.buyer}`, refunded);
  }
  return written(changes, order.currency);
}

function deliver(given) {
  const { at, body, ledger, signers } = given;
  const order = theOrder(given);
  need(ascending(body.parcels.map((one) => one.line)), "malformed");
  const lines = body.parcels.map((one) => lineOf(order, one.line));
  const inspectBy = [];
  const sold = lines.map((line, place) => {
    need(line.state === "held", "line-not-held");
    need(line.inspectBy === null, "line-delivered");
    need(at <= line.deliverBy, "delivery-late");
    const item = ledger.state(`item/${line.item}`);
    const [{ party, role }] = signers;
    need(party === (role === "merchant" ? line.merchant : item.goods.agent), "not-agent");
    need(!item.frozen, "item-frozen");
    need(item.goods.flagged === null, "item-flagged");
    const periods = classTerms(theTerms(given, order), line.class);
    const wanted = order.key !== null && periods.sells === "card";
    need((body.parcels[place].parcel !== null) === wanted, "parcel-differs");
    inspectBy.push(later(at, periods.inspect_s));
    const data = { from: item.owner, order: body.order, to: order.buyer };
    return [`item/${line.item}`, "item-sold/1", data];
  });
  return [[orderStream(body), "lines-delivered/1", { inspect_by: inspectBy }], ...sold];
}

function released(given, order, numbers) {
  const { body, ledger } = given;
  const all = (number) => ({ number, released: held(lineOf(order, number)) });
  const postings = settle(body.order, order, numbers.map(all));
  const own = [orderStream(body), "escrow-released/1", { lines: numbers, postings }];
  return [own, ...balancesChanged(ledger, postings)];
}

function accept(given) {
  const { body, signers } = given;
  const order = theOrder(given);
  need(signers[0].party === order.buyer, "not-buyer");
  need(ascending(body.lines), "malformed");
  for (const line of body.lines.map((number) => lineOf(order, number))) {
    need(line.state === "held", "line-not-held");
    need(line.inspectBy !== null, "line-not-delivered");
    need(line.claims.length === 0, "claim-open");
  }
  return released(given, order, body.lines);
}

/** The numbers of the lines that are due by a timer of this rule. */
function dueLines(given, order, rule, dueOf) {
  const waiting = (line) => line.state === "held" && line.claims.length === 0;
  const dues = order.lines.map((line) => (waiting(line) ? dueOf(line) : null));
  dueTimer(given, rule, dues.filter((due) => due !== null));
  return dues.flatMap((due, place) =>
    due !== null && f.timeText(due) === given.body.due ? [place + 1] : [],
  );
}

function release(given) {
  const order = theOrder(given);
  return released(given, order, dueLines(given, order, "order-inspected", (one) => one.inspectBy));
}

function refund(given) {
  const { body, ledger } = given;
  const order = theOrder(given);
  const dueOf = (line) => (line.inspectBy === null ? line.deliverBy : null);
  const numbers = dueLines(given, order, "order-undelivered", dueOf);
  const all = (number) => ({ number, refunded: held(lineOf(order, number)) });
  const parts = numbers.map(all);
  const postings = settle(body.order, order, parts);
  const lines = parts.map(({ number, refunded }) => ({ amount: String(refunded), line: number }));
  const own = [orderStream(body), "escrow-refunded/1", { lines, postings }];
  const free = freed(numbers.map((number) => lineOf(order, number)));
  return [own, ...free, ...balancesChanged(ledger, postings)];
}

function give(given) {
  const { body, ledger, signers } = given;
  const order = theOrder(given);
  const line = lineOf(order, body.line);
  need(signers[0].party === line.merchant, "wrong-signers");
  const amount = BigInt(body.amount.amount);
  need(amount !== 0n, "malformed");
  need(body.amount.currency === order.currency, "currency-mixed");
  need(line.state !== "unfunded", "line-not-held");
  need(line.claims.length === 0, "claim-open");
  const inEscrow = line.state === "held";
  const left = inEscrow ? held(line) : line.released;
  need(amount <= left, "refund-too-large");
  const fee = feeOn(line, line.released) - feeOn(line, line.released - amount);
  const returned = new Map([
    [`balance/${order.buyer}`, amount],
    [`balance/${line.merchant}`, fee - amount],
    ["fees", -fee],
  ]);
  const postings = inEscrow
    ? settle(body.order, order, [{ number: body.line, refunded: amount }])
    : written(returned, order.currency);
  const lines = [{ amount: body.amount.amount, line: body.line }];
  const own = [orderStream(body), "escrow-refunded/1", { lines, postings }];
  const ended = inEscrow && amount === left && line.inspectBy === null;
  return [own, ...freed(ended ? [line] : []), ...balancesChanged(ledger, postings)];
}

export const lineNumber = f.whole(1, 20);
const parcel = f.object({ line: lineNumber, parcel: f.orNull(f.hex32) });
const timer = { roles: [["system"]], body: { due: f.time, order: f.uuid7 }, exact: true };

/** The kinds of this section. */
export const ESCROW_KINDS = {
  "deliver-lines/1": {
    roles: [["agent"], ["merchant"]],
    body: { order: f.uuid7, parcels: f.list(parcel, 1, 20) },
    derive: deliver,
    exact: true,
  },
  "accept-lines/1": {
    roles: [["buyer"]],
    body: { lines: f.list(lineNumber, 1, 20), order: f.uuid7 },
    derive: accept,
    expects: orderStream,
    exact: true,
  },
  "release-lines/1": { ...timer, derive: release },
  "refund-lines/1": { ...timer, derive: refund },
  "give-refund/1": {
    roles: [["merchant"]],
    body: { amount: f.money, line: lineNumber, order: f.uuid7 },
    derive: give,
    expects: orderStream,
    exact: true,
    risky: true,
  },
};

/** Take amounts out of what a line holds; where nothing is left, say how it ended. */
export function settled(line, { released = 0n, refunded = 0n }) {
  if (line.state === "held") line.released += released;
  else line.released -= refunded;
  line.refunded += refunded;
  if (line.released + line.refunded + line.chargedBack < line.price) return;
  if (line.released !== 0n && line.refunded !== 0n) line.state = "split";
  else line.state = line.released !== 0n ? "released" : "refunded";
}

/** Their event types (10.2). */
export const ESCROW_EVENTS = {
  "lines-delivered/1": ({ before, body, document }) =>
    body.parcels.forEach(({ line }, place) => {
      lineOf(before, line).inspectBy = f.micros(document.data.inspect_by[place]);
    }),
  "item-sold/1": ({ at, before, document }) => {
    Object.assign(before, { owner: document.data.to, offer: null, importsOnly: false });
    const sold = document.data.order;
    const sale = { sold, soldAt: at, failed: 0 };
    Object.assign(before.goods, { agent: null, terms: null, order: null, ...sale });
  },
  "escrow-released/1": ({ before, document }) =>
    document.data.lines.forEach((number) => {
      const line = lineOf(before, number);
      settled(line, { released: held(line) });
    }),
  "escrow-refunded/1": ({ before, document }) =>
    document.data.lines.forEach(({ amount, line }) => {
      settled(lineOf(before, line), { refunded: BigInt(amount) });
    }),
};

// Chargebacks: docs/spec.md section 9.22.

import { claimCounted } from "./deposits.mjs";
import * as f from "./forms.mjs";
import { ascending, feeOn, holds, lineNumber, lineOf, settled, written } from "./escrow.mjs";
import { freed, orderStream, theOrder } from "./orders.mjs";
import { need, refuse } from "./state.mjs";
import { termsOf } from "./terms.mjs";

function taken(body, order, add, { amount, inEscrow, line: number }, sign) {
  const line = lineOf(order, number);
  const change = sign * amount;
  add(`external/${body.provider}`, change);
  if (inEscrow) return add(`escrow/${body.order}/${number}`, -change);
  const fee = feeOn(line, line.released) - feeOn(line, line.released - change);
  add(`receivable/${line.merchant}`, fee - change);
  return add("fees", -fee);
}

function moving(body, order, parts, sign) {
  const changes = new Map();
  const add = (account, amount) => void changes.set(account, (changes.get(account) ?? 0n) + amount);
  for (const part of parts) taken(body, order, add, part, sign);
  return written(changes, order.currency);
}

const partsOf = (order, body) =>
  body.lines.map(({ amount, line }) => {
    const inEscrow = lineOf(order, line).state === "held";
    return { amount: BigInt(amount), inEscrow, line };
  });

const counted = (ledger, lines, change, debts = new Map()) =>
  [...new Set(lines.map((line) => line.merchant))]
    .sort()
    .map((merchant) => claimCounted(ledger, merchant, change, debts.get(merchant) ?? null));

const net = (line, released) => released - feeOn(line, released);

/** What the merchants of a case that is lost owe by it; what is open besides may be won. */
function debtsOf({ at, ledger }, order, lost) {
  const terms = termsOf(ledger.state("policy/trade"), order.terms);
  const period = terms?.document.merchant.recourse_s ?? 0;
  const due = BigInt(at) + BigInt(period) * 1_000_000n;
  const parts = [...order.cases.values()].filter((one) => one.open).flatMap((one) => one.parts);
  const taken = (number) =>
    parts
      .filter((one) => one.line === number && !one.inEscrow)
      .reduce((sum, one) => sum + one.amount, 0n);
  const debts = new Map();
  for (const { amount, inEscrow, line: number } of lost.parts) {
    if (inEscrow) continue;
    const line = lineOf(order, number);
    const top = line.released + taken(number);
    const more = net(line, top) - net(line, top - amount);
    const before = debts.get(line.merchant)?.amount ?? 0n;
    debts.set(line.merchant, { amount: before + more, currency: order.currency, due });
  }
  return new Map([...debts].filter(([, one]) => one.amount > 0n));
}

function received({ body, ledger }, order) {
  need(!order.cases.has(body.case), "chargeback-exists");
  need(!order.lines.some((line) => line.claims.includes(body.case)), "chargeback-exists");
  need(order.cases.size < 8, "too-large");
  need(ascending(body.lines.map((one) => one.line)), "malformed");
  body.lines.forEach((one) => lineOf(order, one.line));
  const parts = partsOf(order, body);
  for (const { amount, inEscrow, line: number } of parts) {
    const line = lineOf(order, number);
    need(amount !== 0n, "malformed");
    need(line.state !== "unfunded", "line-not-held");
    need(amount <= (inEscrow ? holds(line) : line.released), "chargeback-too-large");
  }
  const postings = moving(body, order, parts, 1n);
  const lines = parts.map((part) => lineOf(order, part.line));
  return [[orderStream(body), "chargeback-recorded/1", { postings }], ...counted(ledger, lines, 1)];
}

function record(given) {
  const { body, ledger, signers } = given;
  const order = theOrder(given);
  const sides = [order.buyer, ...order.lines.map((line) => line.merchant)];
  need(!sides.includes(signers[0].party), "wrong-signers");
  need((body.stage === "received") === body.lines.length > 0, "malformed");
  if (body.stage === "received") return received(given, order);
  const found = order.cases.get(body.case) ?? refuse("unknown-chargeback");
  need(found.open, "chargeback-ended");
  need(found.provider === body.provider, "malformed");
  const won = body.stage === "won";
  const postings = won ? moving(body, order, found.parts, -1n) : [];
  const lines = found.parts.map((part) => lineOf(order, part.line));
  const waits = (line) => line.claims.some((one) => one !== body.case && order.cases.has(one));
  const isGone = (line) =>
    line.state === "charged-back" && line.inspectBy === null && !waits(line);
  const gone = won ? [] : lines.filter(isGone);
  const own = [orderStream(body), "chargeback-ended/1", { postings }];
  const debts = won ? new Map() : debtsOf(given, order, found);
  return [own, ...freed(gone), ...counted(ledger, lines, -1, debts)];
}

/** The kinds of this section. */
export const CHARGEBACK_KINDS = {
  "record-chargeback/1": {
    roles: [["cashier"]],
    body: {
      case: f.uuid7,
      lines: f.list(f.object({ amount: f.amount, line: lineNumber }), 0, 20),
      order: f.uuid7,
      provider: f.oneOf("alipay", "internal", "wechat"),
      stage: f.oneOf("lost", "received", "won"),
    },
    derive: record,
    sealed: ["transaction"],
    exact: true,
    risky: true,
  },
};

function thaw(line, number, at) {
  line.claims = line.claims.filter((one) => one !== number);
  if (line.state !== "held") return;
  const name = line.inspectBy !== null ? "inspectBy" : "deliverBy";
  if (at > line[name]) line[name] = at;
}

/** Their event types (10.2). */
export const CHARGEBACK_EVENTS = {
  "chargeback-recorded/1": ({ before, body }) => {
    const parts = partsOf(before, body);
    before.cases.set(body.case, { open: true, parts, provider: body.provider });
    for (const { amount, inEscrow, line: number } of parts) {
      const line = lineOf(before, number);
      line.chargedBack += amount;
      line.claims.push(body.case);
      if (!inEscrow) line.released -= amount;
      if (holds(line) === 0n && line.released === 0n) line.state = "charged-back";
    }
  },
  "chargeback-ended/1": ({ at, before, body }) => {
    const found = before.cases.get(body.case);
    found.open = false;
    for (const { amount, inEscrow, line: number } of found.parts) {
      const line = lineOf(before, number);
      if (body.stage === "won") {
        line.chargedBack -= amount;
        if (inEscrow) line.state = "held";
        else {
          line.released += amount;
          settled(line, {});
        }
      }
      thaw(line, body.case, at);
    }
  },
};

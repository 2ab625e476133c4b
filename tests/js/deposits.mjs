// What merchants deposit: docs/spec.md section 9.18.

import * as f from "./forms.mjs";
import { balancesChanged, sums } from "./money.mjs";
import { timerId } from "./proofs.mjs";
import { need, refuse } from "./state.mjs";
import { termsAt } from "./terms.mjs";

const stream = (body) => `deposit/${body.merchant}`;
const NONE = {
  agreed: null,
  available: [],
  claims: 0,
  forfeited: [],
  owed: [],
  requested_at: null,
  reserved: [],
};

/** What a deposit is now, as its last entry says it. */
export const depositOf = (ledger, merchant) => ledger.state(`deposit/${merchant}`) ?? NONE;

const amountIn = (list, currency) =>
  BigInt(list.find((one) => one.currency === currency)?.amount ?? "0");

/** What is owed once another debt came to it: the due of an older one in the currency stays. */
function withDebt(owed, { amount, currency, due }) {
  const older = owed.find((one) => one.currency === currency);
  const rest = owed.filter((one) => one !== older);
  const sum = BigInt(older?.amount ?? "0") + amount;
  rest.push({ amount: String(sum), currency, due: older?.due ?? f.timeText(due) });
  return rest.sort((one, other) => (one.currency < other.currency ? -1 : 1));
}

/** What follows for a deposit when a claim opens (1) or closes (-1), and what is owed by it. */
export function claimCounted(ledger, merchant, change, debt = null) {
  const before = depositOf(ledger, merchant);
  const after = { ...before, claims: before.claims + change };
  if (debt !== null) after.owed = withDebt(before.owed, debt);
  return [`deposit/${merchant}`, "deposit-claimed/1", { after }];
}

function own({ body, ledger, signers }) {
  const merchant = ledger.state(`merchant/${body.merchant}`) ?? refuse("unknown-merchant");
  need(signers[0].party === body.merchant, "wrong-signers");
  return { merchant, before: depositOf(ledger, body.merchant) };
}

function agreed(given) {
  const found = own(given);
  need(found.before.agreed !== null, "deposit-not-agreed");
  return found;
}

function agree(given) {
  const { at, body, ledger } = given;
  const { before } = own(given);
  const terms = termsAt(ledger, at);
  need(terms !== null && terms.digest === body.terms, "policy-not-in-force");
  need(before.agreed?.terms !== body.terms, "deposit-agreed");
  const asks = terms.document.merchant.deposit;
  const waits = asks.blocked_if.includes("cool-down");
  const fresh = {
    cool_down_s: waits ? asks.cool_down_s : 0,
    minimum: asks.minimum.filter((one) => one.amount !== "0"),
    terms: body.terms,
  };
  return [[stream(body), "deposit-agreed/1", { after: { ...before, agreed: fresh } }]];
}

function moved({ body, ledger }, after, currency, change) {
  const postings = [
    { account: `balance/${body.merchant}`, amount: String(-change), currency },
    { account: stream(body), amount: String(change), currency },
  ];
  return [
    [stream(body), "deposit-changed/1", { after, postings }],
    ...balancesChanged(ledger, postings),
  ];
}

function fund(given) {
  const { before } = agreed(given);
  const { amount, currency } = given.body.amount;
  need(amount !== "0", "malformed");
  const available = sums(before.available, currency, BigInt(amount));
  return moved(given, { ...before, available }, currency, BigInt(amount));
}

function request(given) {
  const { at, body } = given;
  const { before } = agreed(given);
  const asked = before.requested_at !== null;
  let after = { ...before, reserved: [], requested_at: null };
  if (body.amount === null) {
    need(asked, "withdrawal-not-requested");
    const [{ amount, currency }] = before.reserved;
    after.available = sums(before.available, currency, BigInt(amount));
  } else {
    const { amount, currency } = body.amount;
    need(amount !== "0", "malformed");
    need(!asked, "withdrawal-requested");
    const held = before.available.find((one) => one.currency === currency)?.amount ?? "0";
    need(BigInt(held) >= BigInt(amount), "deposit-too-low");
    const available = sums(before.available, currency, -BigInt(amount));
    after = { ...before, available, reserved: [body.amount], requested_at: f.timeText(at) };
  }
  return [[stream(body), "deposit-reserved/1", { after }]];
}

function withdraw(given) {
  const { at } = given;
  const { before, merchant } = agreed(given);
  need(before.requested_at !== null, "withdrawal-not-requested");
  const wait = BigInt(before.agreed.cool_down_s) * 1_000_000n;
  need(BigInt(at) >= BigInt(f.micros(before.requested_at)) + wait, "withdrawal-blocked");
  need(before.claims === 0, "withdrawal-blocked");
  need(before.owed.length === 0, "withdrawal-blocked");
  const left = new Map(before.available.map((one) => [one.currency, BigInt(one.amount)]));
  const enough = (one) => (left.get(one.currency) ?? 0n) >= BigInt(one.amount);
  const sells = [...merchant.until.values()].some((until) => until > at);
  need(!sells || before.agreed.minimum.every(enough), "withdrawal-blocked");
  const [{ amount, currency }] = before.reserved;
  const after = { ...before, reserved: [], requested_at: null };
  return moved(given, after, currency, -BigInt(amount));
}

// What was lost by chargebacks is taken once it is due: section 9.24.
function recover({ at, body, command, ledger }) {
  const before = depositOf(ledger, body.merchant);
  const owed = before.owed.find((one) => one.currency === body.currency);
  need(owed !== undefined && owed.due === body.due, "timer-not-due");
  need(at >= f.micros(body.due), "timer-not-due");
  const rule = `chargeback-owed/${body.currency}`;
  need(command.id === timerId(stream(body), rule, body.due), "malformed");
  const least = (one, other) => (one < other ? one : other);
  const { currency } = body;
  const balance = ledger.state(`balance/${body.merchant}`) ?? new Map();
  const first = least(BigInt(owed.amount), balance.get(currency) ?? 0n);
  const wanted = BigInt(owed.amount) - first;
  const second = least(wanted, amountIn(before.available, currency));
  const third = least(wanted - second, amountIn(before.reserved, currency));
  const all = first + second + third;
  need(all > 0n, "nothing-to-recover");
  const left = { ...owed, amount: String(BigInt(owed.amount) - all) };
  left.due = f.timeText(BigInt(at) + 86_400_000_000n);
  const after = {
    ...before,
    available: sums(before.available, currency, -second),
    forfeited: sums(before.forfeited, currency, second + third),
    owed: before.owed.map((one) => (one === owed ? left : one)).filter((one) => one.amount !== "0"),
    reserved: sums(before.reserved, currency, -third),
  };
  if (after.reserved.length === 0) after.requested_at = null;
  const postings = [
    { account: `balance/${body.merchant}`, amount: String(-first), currency },
    { account: stream(body), amount: String(-second - third), currency },
    { account: `receivable/${body.merchant}`, amount: String(all), currency },
  ].filter((one) => one.amount !== "0");
  const own = [stream(body), "recourse-taken/1", { after, postings }];
  return [own, ...balancesChanged(ledger, postings)];
}

const whole = { roles: [["merchant"]], exact: true };
const merchant = f.identifier;

/** The kinds of this section. */
export const DEPOSIT_KINDS = {
  "agree-deposit/1": { ...whole, body: { merchant, terms: f.hex32 }, derive: agree },
  "fund-deposit/1": { ...whole, body: { amount: f.money, merchant }, derive: fund },
  "recover-chargeback/1": {
    roles: [["system"]],
    body: { currency: f.currency, due: f.time, merchant },
    derive: recover,
    exact: true,
  },
  "request-deposit/1": { ...whole, body: { amount: f.orNull(f.money), merchant }, derive: request },
  "withdraw-deposit/1": { ...whole, body: { merchant }, derive: withdraw },
};

const after = ({ document }) => document.data.after;

/** Their event types (10.2). */
export const DEPOSIT_EVENTS = {
  "deposit-agreed/1": after,
  "deposit-changed/1": after,
  "deposit-claimed/1": after,
  "deposit-reserved/1": after,
  "recourse-taken/1": after,
};

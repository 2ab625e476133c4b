// What merchants deposit: docs/spec.md section 9.18.

import * as f from "./forms.mjs";
import { balancesChanged, sums } from "./money.mjs";
import { need, refuse } from "./state.mjs";
import { termsAt } from "./terms.mjs";

const stream = (body) => `deposit/${body.merchant}`;
const NONE = { agreed: null, available: [], claims: 0, forfeited: [], requested_at: null, reserved: [] };

/** What a deposit is now, as its last entry says it. */
export const depositOf = (ledger, merchant) => ledger.state(`deposit/${merchant}`) ?? NONE;

/** What follows for a deposit when a claim opens (1) or closes (-1). */
export function claimCounted(ledger, merchant, change) {
  const before = depositOf(ledger, merchant);
  const after = { ...before, claims: before.claims + change };
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
  const left = new Map(before.available.map((one) => [one.currency, BigInt(one.amount)]));
  const enough = (one) => (left.get(one.currency) ?? 0n) >= BigInt(one.amount);
  const sells = [...merchant.until.values()].some((until) => until > at);
  need(!sells || before.agreed.minimum.every(enough), "withdrawal-blocked");
  const [{ amount, currency }] = before.reserved;
  const after = { ...before, reserved: [], requested_at: null };
  return moved(given, after, currency, -BigInt(amount));
}

const whole = { roles: [["merchant"]], exact: true };
const merchant = f.identifier;

/** The kinds of this section. */
export const DEPOSIT_KINDS = {
  "agree-deposit/1": { ...whole, body: { merchant, terms: f.hex32 }, derive: agree },
  "fund-deposit/1": { ...whole, body: { amount: f.money, merchant }, derive: fund },
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
};

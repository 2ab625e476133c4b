// Credit, points and levels of members: docs/spec.md sections 9.20 and 9.21.

import * as f from "./forms.mjs";
import { sums } from "./money.mjs";
import { need, partyStream } from "./state.mjs";
import { termsAt } from "./terms.mjs";

const stream = (party) => `credit/${party}`;
const creditOf = (ledger, party) => ledger.state(stream(party)) ?? { held: [], owed: [] };
const amountOf = (written, unit) =>
  BigInt(written.find((one) => one.currency === unit)?.amount ?? "0");
const least = (a, b) => (a < b ? a : b);

/** Write that a member has so much more of a unit, and owes so much more of it. */
function changed({ body, ledger }, type, more, owes) {
  const { party, unit } = body;
  const before = creditOf(ledger, party);
  const after = { held: sums(before.held, unit, more), owed: sums(before.owed, unit, owes) };
  const sides = [
    [stream(party), more],
    ["issued", owes - more],
    [`receivable/${party}`, -owes],
  ];
  const postings = sides
    .filter(([, change]) => change !== 0n)
    .map(([account, change]) => ({ account, amount: String(change), currency: unit }));
  return [[stream(party), type, { after, postings }]];
}

/** Check a command of a cashier, and say how much it is about. */
function byCashier({ body, ledger, signers }) {
  ledger.party(body.party);
  need(signers[0].party !== body.party, "wrong-signers");
  need(body.amount !== "0", "malformed");
  return { amount: BigInt(body.amount), ...creditOf(ledger, body.party) };
}

/** Give so much, off which comes first what the member owes. */
export function given(command, type, amount) {
  const { body, ledger } = command;
  const back = least(amount, amountOf(creditOf(ledger, body.party).owed, body.unit));
  return changed(command, type, amount - back, -back);
}

const grant = (command) => given(command, "credit-granted/1", byCashier(command).amount);

function clawBack(given) {
  const { amount, held } = byCashier(given);
  const taken = least(amount, amountOf(held, given.body.unit));
  return changed(given, "credit-clawed-back/1", -taken, amount - taken);
}

function redeem(given) {
  const { body, ledger, signers } = given;
  need(signers[0].party === body.party, "wrong-signers");
  need(body.amount !== "0", "malformed");
  const amount = BigInt(body.amount);
  need(amountOf(creditOf(ledger, body.party).held, body.unit) >= amount, "credit-too-low");
  return changed(given, "credit-redeemed/1", -amount, 0n);
}

const reached = (terms, credit) =>
  terms.tiers
    .filter((one) => BigInt(one.credit_min) <= credit)
    .sort((a, b) => a.credit_min - b.credit_min)
    .at(-1).tier;

/** The tier that a party is in under this trade policy, as it was recorded. */
export function recordedLevel(terms, { level }) {
  return terms.tiers.some((one) => one.tier === level) ? level : reached(terms, 0n);
}

function update({ at, body, ledger }) {
  const party = ledger.party(body.party);
  const terms = termsAt(ledger, at);
  need(terms !== null, "level-differs");
  need(body.level !== recordedLevel(terms.document, party), "level-unchanged");
  const credit = amountOf(creditOf(ledger, body.party).held, "CREDIT");
  need(body.level === reached(terms.document, credit), "level-differs");
  return [[partyStream(body.party), "level-changed/1", {}]];
}

export const creditBody = { amount: f.amount, party: f.identifier, unit: f.oneOf("CREDIT", "POINTS") };
const source = f.oneOf("campaign", "compensation", "correction");
const ground = f.oneOf("correction", "fraud", "reversal");
const byHand = { roles: [["cashier"]], sealed: ["reason"], risky: true, exact: true };

/** The kinds of these sections. */
export const CREDIT_KINDS = {
  "grant-credit/1": { ...byHand, body: { ...creditBody, source }, derive: grant },
  "claw-back-credit/1": { ...byHand, body: { ...creditBody, ground }, derive: clawBack },
  "redeem-credit/1": {
    roles: [["member"]],
    body: { ...creditBody, service: f.name },
    derive: redeem,
    risky: true,
    exact: true,
  },
  "update-level/1": {
    roles: [["system"]],
    body: { level: f.name, party: f.identifier },
    derive: update,
    exact: true,
  },
};

const after = ({ document }) => document.data.after;

/** Their event types (10.2). */
export const CREDIT_EVENTS = {
  "credit-granted/1": after,
  "credit-clawed-back/1": after,
  "credit-redeemed/1": after,
  "credit-earned/1": after,
  "level-changed/1": ({ before, body: { level } }) => void (before.level = level),
};

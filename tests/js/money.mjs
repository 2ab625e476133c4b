// Money that comes in and is paid out: docs/spec.md section 9.10.

import * as f from "./forms.mjs";
import { need } from "./state.mjs";

const stream = (body) => `balance/${body.party}`;
const heldBy = (ledger, body) => ledger.state(stream(body)) ?? new Map();

/** Say what an account holds after changes, each of an amount in a currency. */
function afterwards(before, changes) {
  const held = new Map(before);
  for (const [currency, change] of changes) {
    held.set(currency, (held.get(currency) ?? 0n) + change);
    need(held.get(currency) >= 0n, "balance-too-low");
    need(String(held.get(currency)).length <= 38, "too-large");
  }
  const after = [...held]
    .filter(([, amount]) => amount !== 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, amount]) => ({ amount: String(amount), currency: name }));
  need(after.length <= 64, "too-large");
  return after;
}

/** Change one currency of what is written of an account. */
export function sums(written, currency, change) {
  const held = written.map((one) => [one.currency, BigInt(one.amount)]);
  return afterwards(new Map(held), [[currency, change]]);
}

/** What follows from postings for each balance that they name, by name. */
export function balancesChanged(ledger, postings) {
  const names = postings.map((one) => one.account).filter((name) => name.startsWith("balance/"));
  return [...new Set(names)].sort().map((name) => {
    const own = postings.filter((one) => one.account === name);
    const changes = own.map((one) => [one.currency, BigInt(one.amount)]);
    const after = afterwards(ledger.state(name) ?? new Map(), changes);
    return [name, "balance-changed/1", { after }];
  });
}

function moved(given, type, change) {
  const { body, ledger } = given;
  const { currency } = body.amount;
  const after = afterwards(heldBy(ledger, body), [[currency, change]]);
  const postings = [
    { account: stream(body), amount: String(change), currency },
    { account: `external/${body.provider}`, amount: String(-change), currency },
  ];
  return [[stream(body), type, { after, postings }]];
}

function topUp(given) {
  const { body, ledger, policy, signers } = given;
  ledger.party(body.party);
  need(signers[0].party !== body.party, "wrong-signers");
  need(body.amount.amount !== "0", "malformed");
  const known = policy.document.currencies.map((one) => one.currency);
  need(known.includes(body.amount.currency), "unknown-currency");
  return moved(given, "balance-topped-up/1", BigInt(body.amount.amount));
}

function payOut(given) {
  const { body, ledger, signers } = given;
  need(signers[0].party === body.party && signers[1].party !== body.party, "wrong-signers");
  need(body.amount.amount !== "0", "malformed");
  const asked = BigInt(body.amount.amount);
  need((heldBy(ledger, body).get(body.amount.currency) ?? 0n) >= asked, "balance-too-low");
  return moved(given, "balance-paid-out/1", -asked);
}

const body = {
  amount: f.money,
  party: f.identifier,
  provider: f.oneOf("alipay", "internal", "wechat"),
};
const whole = { body, risky: true, exact: true };

/** The kinds of this section. */
export const MONEY_KINDS = {
  "top-up/1": { ...whole, roles: [["cashier"]], derive: topUp, sealed: ["transaction"] },
  "pay-out/1": { ...whole, roles: [["owner", "cashier"]], derive: payOut, sealed: ["account"] },
};

const accountAfter = ({ document }) =>
  new Map(document.data.after.map((one) => [one.currency, BigInt(one.amount)]));

/** Their event types (10.2). */
export const MONEY_EVENTS = {
  "balance-topped-up/1": accountAfter,
  "balance-paid-out/1": accountAfter,
  "balance-changed/1": accountAfter,
};

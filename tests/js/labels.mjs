// Labels of merchants: docs/spec.md section 9.17.

import { depositOf } from "./deposits.mjs";
import * as f from "./forms.mjs";
import { need, refuse } from "./state.mjs";
import { termsAt } from "./terms.mjs";

const stream = (body) => `merchant/${body.merchant}`;

/** The labels that a trade policy gives for these origins and for what is available. */
function labelsOf(policy, origins, available) {
  const has = ({ origin }) => origins.length > 0 && (origin === null || origins.includes(origin));
  const held = new Map(available.map((one) => [one.currency, BigInt(one.amount)]));
  const enough = (one) => (held.get(one.currency) ?? 0n) >= BigInt(one.amount);
  const covered = (one) => one.deposit_min.every(enough);
  return policy.merchant.labels.filter((one) => has(one) && covered(one)).map((one) => one.label);
}

function update({ at, body, ledger }) {
  const merchant = ledger.state(stream(body)) ?? refuse("unknown-merchant");
  const names = (list) => list.join(",");
  need(names(body.labels) !== names(merchant.labels), "labels-unchanged");
  const valid = [...merchant.until].filter(([, until]) => until > at);
  const origins = valid.map(([name]) => merchant.origins.get(name));
  const terms = termsAt(ledger, at);
  const { available } = depositOf(ledger, body.merchant);
  const right = terms === null ? [] : labelsOf(terms.document, origins, available);
  need(names(body.labels) === names(right.sort()), "labels-differ");
  return [[stream(body), "labels-changed/1", {}]];
}

function sortedNames(value, field) {
  f.list(f.name, 0, 32)(value, field);
  const ascends = value.every((one, place) => place === 0 || value[place - 1] < one);
  if (!ascends) throw new f.Malformed(field, "is not sorted, each once");
}

/** The kinds of this section. */
export const LABEL_KINDS = {
  "update-labels/1": {
    roles: [["system"]],
    body: { labels: sortedNames, merchant: f.identifier },
    derive: update,
    exact: true,
  },
};

/** Their event types (10.2). */
export const LABEL_EVENTS = {
  "labels-changed/1": ({ before, body }) => void (before.labels = body.labels),
};

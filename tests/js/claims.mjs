// Claims: docs/spec.md section 9.14.

import * as f from "./forms.mjs";
import { claimCounted } from "./deposits.mjs";
import { holds, lineNumber, lineOf, settle, settled, theTerms } from "./escrow.mjs";
import { balancesChanged } from "./money.mjs";
import { freed, later, orderStream, theOrder } from "./orders.mjs";
import { need, refuse } from "./state.mjs";

const KINDS = [
  "counterfeit", "delayed-credit", "delivered-twice", "key-invalid", "key-sold-twice",
  "not-as-described", "not-delivered", "stolen-item",
];
const ALLOWED = {
  arbitrator: ["none", "refund", "split"],
  buyer: ["none", "release"],
  merchant: ["refund"],
};

const claimStream = (body) => `claim/${body.claim}`;

function open(given) {
  const { body, ledger, signers } = given;
  const order = theOrder(given);
  need(signers[0].party === order.buyer, "not-buyer");
  const line = lineOf(order, body.line);
  need(!ledger.streams.has(claimStream(body)), "claim-exists");
  need(!line.claims.includes(body.claim), "claim-exists");
  need(line.state === "held", "line-not-held");
  need(theTerms(given, order).claims.kinds.includes(body.kind), "claim-not-accepted");
  need(line.claimed < 8, "too-large");
  const data = { claim: body.claim, line: body.line };
  return [
    [claimStream(body), "claim-opened/1", {}],
    [orderStream(body), "escrow-frozen/1", data],
    claimCounted(ledger, line.merchant, 1),
  ];
}

function checkCloser({ body, signers }, order, line) {
  const [{ party, role }] = signers;
  if (role === "buyer") need(party === order.buyer, "not-buyer");
  else if (role === "merchant") need(party === line.merchant, "wrong-signers");
  else need(party !== order.buyer && party !== line.merchant, "wrong-signers");
  need(ALLOWED[role].includes(body.outcome), "outcome-not-allowed");
}

function parts({ body }, line) {
  const { outcome, to_buyer: toBuyer } = body;
  need((toBuyer !== null) === (outcome === "split"), "malformed");
  const nothing = { refunded: 0n, released: 0n };
  if (outcome === "none") return nothing;
  need(line.claims.every((one) => one === body.claim), "claim-open");
  if (outcome === "refund") return { ...nothing, refunded: holds(line) };
  need(line.inspectBy !== null, "line-not-delivered");
  if (outcome === "release") return { ...nothing, released: holds(line) };
  const refunded = BigInt(toBuyer);
  need(refunded > 0n && refunded < holds(line), "refund-too-large");
  return { refunded, released: holds(line) - refunded };
}

function inspectBy(given, order, line) {
  const { at, body, signers } = given;
  if (body.outcome !== "none" || line.inspectBy === null) return null;
  const days = theTerms(given, order).appeal.window_days;
  const wait = signers[0].role === "arbitrator" ? days * 86_400 : 0;
  const until = f.micros(later(at, wait));
  return f.timeText(until > line.inspectBy ? until : line.inspectBy);
}

function deliverBy({ at, body }, line) {
  if (body.outcome !== "none" || line.inspectBy !== null || line.deliverBy === null) return null;
  return f.timeText(at > line.deliverBy ? at : line.deliverBy);
}

function close(given) {
  const { body, ledger } = given;
  const claim = ledger.state(claimStream(body)) ?? refuse("unknown-claim");
  need(claim.open, "claim-closed");
  const order = ledger.state(`order/${claim.order}`);
  const line = lineOf(order, claim.line);
  checkCloser(given, order, line);
  const part = parts(given, line);
  const postings = settle(claim.order, order, [{ number: claim.line, ...part }]);
  const data = {
    claim: body.claim,
    deliver_by: deliverBy(given, line),
    inspect_by: inspectBy(given, order, line),
    line: claim.line,
    outcome: body.outcome,
    refunded: String(part.refunded),
    released: String(part.released),
  };
  const all = part.refunded > 0n && part.refunded === holds(line);
  const ended = all && line.inspectBy === null;
  return [
    [claimStream(body), "claim-closed/1", { postings }],
    [`order/${claim.order}`, "escrow-settled/1", data],
    ...freed(ended ? [line] : []),
    ...balancesChanged(ledger, postings),
    claimCounted(ledger, line.merchant, -1),
  ];
}

/** The kinds of this section. */
export const CLAIM_KINDS = {
  "open-claim/1": {
    roles: [["buyer"]],
    body: { claim: f.uuid7, kind: f.oneOf(...KINDS), line: lineNumber, order: f.uuid7 },
    derive: open,
    sealed: ["description"],
    expects: orderStream,
    exact: true,
  },
  "close-claim/1": {
    roles: [["buyer"], ["merchant"], ["arbitrator"]],
    body: {
      claim: f.uuid7,
      outcome: f.oneOf("none", "refund", "release", "split"),
      to_buyer: f.orNull(f.amount),
    },
    derive: close,
    sealed: ["reason"],
    expects: claimStream,
    exact: true,
    risky: true,
  },
};

/** Their event types (10.2). */
export const CLAIM_EVENTS = {
  "claim-opened/1": ({ body }) => ({ order: body.order, line: body.line, open: true }),
  "escrow-frozen/1": ({ before, document: { data } }) => {
    const line = lineOf(before, data.line);
    line.claims.push(data.claim);
    line.claimed += 1;
  },
  "claim-closed/1": ({ before }) => void (before.open = false),
  "escrow-settled/1": ({ before, document: { data } }) => {
    const line = lineOf(before, data.line);
    line.claims = line.claims.filter((one) => one !== data.claim);
    if (data.deliver_by !== null) line.deliverBy = f.micros(data.deliver_by);
    if (data.inspect_by !== null) line.inspectBy = f.micros(data.inspect_by);
    const [refunded, released] = [BigInt(data.refunded), BigInt(data.released)];
    if (refunded + released !== 0n) settled(line, { refunded, released });
  },
};

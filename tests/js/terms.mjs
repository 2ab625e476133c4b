// The trade policy: its document, its rule and its state: docs/spec.md section 9.8.

import * as f from "./forms.mjs";
import { termsDigest } from "./proofs.mjs";
import { need } from "./state.mjs";

const DAY = 86_400_000_000n;
const STREAM = "policy/trade";

const bad = (field, why) => {
  throw new f.Malformed(field, why);
};
const form = (pattern) => (value, field) => {
  if (typeof value !== "string" || !pattern.test(value)) bad(field, "is not of its form");
};
const ascending = (keys) => keys.every((one, at) => at === 0 || keys[at - 1] < one);

/** A sorted list; `by` is the field that objects go by. */
const sorted = (inner, least, most, by) => (value, field) => {
  f.list(inner, least, most)(value, field);
  if (!ascending(by === undefined ? value : value.map((one) => one[by]))) bad(field, "not sorted");
};
const someOf = (least, ...values) => sorted(f.oneOf(...values), least, values.length);
const allOf = (...values) => (value, field) => {
  f.list(f.oneOf(...values), values.length, values.length)(value, field);
  if (new Set(value).size !== values.length) bad(field, "does not hold each once");
};
const named = (fields, by, least) => sorted(f.object(fields), least, 32, by);

const name = form(/^[a-z][a-z0-9-]{0,39}$/);
const zone = form(/^[A-Z][A-Za-z0-9_+-]{0,31}(\/[A-Z][A-Za-z0-9_+-]{0,31}){0,2}$/);
const yesNo = f.oneOf("no", "yes");
const bp = f.whole(0, 10_000);
const days = f.whole(1, 366);
const count = f.whole(1, 1_000_000);
const period = f.whole(1, 366 * 86_400);
const moneys = sorted(f.money, 0, 16, "currency");
const evidence = [
  "api-result", "authorisation-certificate", "chat", "official-certificate",
  "official-verification", "screenshot", "trade-record", "trade-record-screenshot", "video",
];

const tier = {
  arbitration: f.object({ n: f.whole(1, 1000), unit: f.oneOf("hours", "working-days") }),
  credit_min: f.whole(0, 1_000_000_000_000),
  first_response_s: period,
  tier: name,
};
const clocks = {
  calendar: f.identifier,
  count_filing_day: yesNo,
  hours: f.oneOf("wall-clock"),
  missing_year: f.oneOf("estimate-and-flag"),
  tier_pinned_at: f.oneOf("filing"),
  upgrade_improves: yesNo,
};
const itemClass = {
  activation_s: period,
  class: name,
  delay_remedy_s: f.orNull(period),
  deliver_s: period,
  evidence: someOf(0, ...evidence),
  evidence_due_s: period,
  high_value_min: moneys,
  inspect_s: period,
  provenance: f.oneOf("optional", "required"),
  reusable: yesNo,
  sells: f.oneOf("card", "item"),
  unpaid_s: period,
};
const claims = {
  channel: f.oneOf("platform"),
  evidence_types: someOf(1, ...evidence),
  kinds: someOf(
    1, "counterfeit", "delayed-credit", "delivered-twice", "key-invalid", "key-sold-twice",
    "not-as-described", "not-delivered", "stolen-item",
  ),
  late_activation: f.oneOf("excludes", "weight-only"),
  required: someOf(0, "attachment", "description"),
  window_days: days,
};
const exclusion = {
  burden: f.oneOf("opponent", "pleader"),
  code: name,
  disapplied_if: someOf(0, "device-bound", "mfa"),
};
const compensation = {
  delay: f.object({
    on_timeout: f.oneOf("refund", "reissue"),
    options: someOf(1, "refund", "reissue"),
  }),
  forms: someOf(1, "penalty", "points", "refund", "reissue"),
  insolvency: f.object({
    rank: allOf("incidental", "penalty", "points", "principal"),
    within_rank: f.oneOf("pro-rata-largest-remainder"),
  }),
  order: allOf("incidental", "penalty", "points", "refund-or-reissue"),
  penalty: f.object({
    apply_days: days,
    base: f.oneOf("line-paid"),
    below_min_unit: f.oneOf("one-unit"),
    clamp: yesNo,
    max_bp: bp,
    min_bp: bp,
    payout: someOf(1, "cash", "member-credit"),
    requires: f.oneOf("malicious-breach"),
    rounding: f.oneOf("half-up"),
  }),
  sources: allOf(
    "frozen-escrow", "guarantee-fund", "merchant-balance", "merchant-deposit", "receivable",
  ),
};
const seat = { n: f.whole(1, 9), seat: f.oneOf("legal-adviser", "member-rep", "operator") };
const appeal = {
  after_enforcement: f.oneOf("compensating-events"),
  committee: f.object({
    commit_s: period,
    majority: f.oneOf("simple"),
    quorum: f.oneOf("all-classes"),
    recusal_days: days,
    reveal_s: period,
    seats: sorted(f.object(seat), 3, 3, "seat"),
    size: f.oneOf("any", "odd"),
    tie: f.oneOf("first-instance-stands"),
    voting: f.oneOf("commit-reveal"),
  }),
  per_party: f.whole(1, 9),
  stays_enforcement: yesNo,
  window_days: days,
};
const merchant = {
  deposit: f.object({
    blocked_if: someOf(0, "below-minimum", "cool-down", "open-claims"),
    cool_down_s: period,
    minimum: moneys,
  }),
  fee_bp: bp,
  labels: named({ deposit_min: moneys, label: name, origin: f.orNull(name) }, "label", 0),
  recourse_s: period,
};
const risk = {
  description_edits: f.object({
    max_material: count,
    window_s: period,
    with_open_orders: f.oneOf("alert", "ignore"),
  }),
  refund_burst: f.object({
    cool_down_s: period,
    min_count: count,
    min_ratio_bp: bp,
    window_s: period,
  }),
};
const fields = f.object({
  agreement: f.orNull(f.hex32),
  appeal: f.object(appeal),
  checks: f.object({ lock_after: f.whole(1, 64), lock_s: period, per_hour: f.whole(1, 1000) }),
  claims: f.object(claims),
  classes: named(itemClass, "class", 1),
  clocks: f.object(clocks),
  compensation: f.object(compensation),
  credit: f.object({ points_bp: bp, points_expiry_days: f.whole(1, 3660), purchase_bp: bp }),
  exclusions: named(exclusion, "code", 0),
  id: f.identifier,
  limits: f.object({ rejected_uploads_per_day: count, unpaid_orders: count }),
  merchant: f.object(merchant),
  metrics: someOf(
    1, "appeal-reversal-rate", "mean-handling-time", "median-handling-time", "open-cases",
    "p95-handling-time", "sla-hit-rate", "warranty-success-rate",
  ),
  notice_days: f.whole(7, 365),
  retention: f.object({ legal_hold: yesNo, years: f.whole(3, 100) }),
  risk: f.object(risk),
  third_party: f.object({
    claw_back: f.oneOf("never-if-unflagged-at-purchase"),
    remedy: f.oneOf("money"),
  }),
  tiers: named(tier, "tier", 1),
  timezone: zone,
  v: f.whole(1, 1),
});

const hours = ({ n, unit }) => (unit === "hours" ? n : 24 * n);

/** What the schema cannot say of two fields together. */
function agrees({ appeal, claims, classes, compensation, merchant, tiers }) {
  const rising = [...tiers].sort((a, b) => a.credit_min - b.credit_min);
  const steps = rising.slice(1).map((tier, at) => [rising[at], tier]);
  const { committee } = appeal;
  const total = committee.seats.reduce((sum, one) => sum + one.n, 0);
  const { delay, penalty } = compensation;
  const asks = (label, least) => {
    const found = label.deposit_min.find((one) => one.currency === least.currency);
    return BigInt(found?.amount ?? "0") >= BigInt(least.amount);
  };
  return (
    rising[0].credit_min === 0 &&
    steps.every(([a, b]) => a.credit_min < b.credit_min) &&
    steps.every(([a, b]) => a.first_response_s >= b.first_response_s) &&
    steps.every(([a, b]) => hours(a.arbitration) >= hours(b.arbitration)) &&
    classes.every((one) => one.evidence.every((kind) => claims.evidence_types.includes(kind))) &&
    penalty.min_bp <= penalty.max_bp &&
    delay.options.includes(delay.on_timeout) &&
    (committee.size === "any" || total % 2 === 1) &&
    merchant.labels.every((label) => merchant.deposit.minimum.every((one) => asks(label, one)))
  );
}

const document = (value, field) => {
  fields(value, field);
  if (!agrees(value)) bad(field, "contradicts itself");
};

const current = (terms, at) =>
  terms.pending !== null && at >= terms.pending.since ? terms.pending : terms.inForce;

/** The trade policy in force at a time, or null. */
export function termsAt(ledger, at) {
  const terms = ledger.state(STREAM);
  return terms === undefined ? null : current(terms, at);
}

export function publishTerms({ at, body, ledger }) {
  need((body.replaces === null) === (body.effective_at === null), "malformed");
  const terms = ledger.state(STREAM);
  const inForce = terms === undefined ? null : current(terms, at);
  need(body.replaces === (inForce?.digest ?? null), "policy-not-in-force");
  if (inForce !== null) {
    need(termsDigest(body.policy) !== inForce.digest, "policy-unchanged");
    need(terms.pending === null || inForce === terms.pending, "policy-pending");
    const since = f.micros(body.effective_at);
    need(since >= at + BigInt(inForce.noticeDays) * DAY, "notice-too-short");
    need(since <= at + 730n * DAY, "notice-too-long");
  }
  return [[STREAM, "trade-policy-published/1", {}]];
}

export const termsBody = {
  effective_at: f.orNull(f.time),
  policy: document,
  replaces: f.orNull(f.hex32),
};
export const expectsTerms = { expects: () => STREAM, exact: true };

const OLD_KEPT = 160;

/** The trade policy of a digest: in force, pending, or superseded and kept. */
export function termsOf(terms, digest) {
  const kept = terms === undefined ? [] : [terms.inForce, terms.pending, ...terms.old];
  return kept.find((one) => one !== null && one.digest === digest);
}

/** Fold a published trade policy. */
export function termsPublished({ at, before, body }) {
  const made = {
    digest: termsDigest(body.policy),
    document: body.policy,
    noticeDays: body.policy.notice_days,
    since: body.effective_at === null ? at : f.micros(body.effective_at),
  };
  if (before === undefined) return { inForce: made, pending: null, old: [] };
  const old = before.pending === null ? before.old : [...before.old, before.inForce];
  return { inForce: current(before, at), pending: made, old: old.slice(-OLD_KEPT) };
}

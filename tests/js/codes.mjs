// Verification codes: docs/spec.md section 9.23.

import * as f from "./forms.mjs";
import { timerId } from "./proofs.mjs";
import { need, refuse } from "./state.mjs";
import { termsAt } from "./terms.mjs";

const SECOND = 1_000_000n;
const HOUR = 3_600n * SECOND;
const unsaid = { lock_after: 10, lock_s: 86_400, per_hour: 100 };
const stream = (name) => `item/${name}`;
const ofParty = (party) => `checks/${party}`;
const nothing = { pending: [], asked: [], wrong: [] };

function withCode(ledger, name) {
  const item = ledger.state(stream(name)) ?? refuse("unknown-item");
  return { ...item, hasCode: item.goods !== null && item.goods.code !== null };
}

function revoke({ body, ledger, signers }) {
  const { goods, hasCode, owner } = withCode(ledger, body.item);
  need(owner === signers[0].party, "not-owner");
  need(hasCode, "goods-differ");
  need(!goods.codeRevoked, "code-revoked");
  need(goods.order === null, "item-reserved");
  return [[stream(body.item), "code-revoked/1", {}]];
}

function ask({ at, command, ledger, signers }) {
  const [{ party }] = signers;
  need(!party.startsWith("imported/"), "wrong-signers");
  f.uuid7(command.id, "command.id");
  const { asked, pending, wrong } = ledger.state(ofParty(party)) ?? nothing;
  need(pending.length < 64, "checks-pending");
  const limits = termsAt(ledger, at)?.document.checks ?? unsaid;
  const lock = BigInt(limits.lock_s) * SECOND;
  const last = wrong.at(-1) ?? 0n;
  const close = wrong.filter((one) => last - one < lock).length;
  need(close < limits.lock_after || at - last >= lock, "checks-locked");
  const recent = asked.filter((one) => at - one < HOUR).length;
  need(recent < limits.per_hour, "checks-capped");
  return [[ofParty(party), "code-asked/1", {}]];
}

/** What is answered, and when the code was first verified, where the asker may know. */
function resultOf({ found, party }, { goods, owner }) {
  const tell = (mine) => [owner === party ? mine : "invalid", null];
  if (found === "other") return tell("wrong_item");
  if (goods.codeRevoked) return tell("revoked");
  const first = goods.verifiedAt;
  return first !== null && owner === party ? ["already_verified", f.timeText(first)] : ["valid", null];
}

function answer({ body, command, ledger }) {
  const { check, found, party } = body;
  need((body.item === null) === (found === "none"), "malformed");
  need(command.id === timerId(ofParty(party), "code-check", check), "malformed");
  need((ledger.state(ofParty(party)) ?? nothing).pending.includes(check), "check-unknown");
  const answered = (result, first) => [
    ofParty(party),
    "check-answered/1",
    { check, first_at: first, result },
  ];
  if (found === "none") return [answered("invalid", null)];
  const item = withCode(ledger, body.item);
  need(item.hasCode, "goods-differ");
  const told = answered(...resultOf(body, item));
  const isFirst = told[2].result === "valid" && item.goods.verifiedAt === null;
  return isFirst ? [[stream(body.item), "code-verified/1", {}], told] : [told];
}

/** The kinds of this section. */
export const CODE_KINDS = {
  "revoke-code/1": {
    roles: [["owner"]],
    body: { item: f.item },
    derive: revoke,
    expects: (body) => stream(body.item),
    exact: true,
  },
  "check-code/1": {
    roles: [["party"]],
    body: {},
    derive: ask,
    sealed: ["code", "item"],
    exact: true,
  },
  "answer-check/1": {
    roles: [["system"]],
    body: {
      check: f.uuid7,
      found: f.oneOf("none", "other", "this"),
      item: f.orNull(f.item),
      party: f.identifier,
    },
    derive: answer,
    exact: true,
  },
};

function afterAnswer({ at, before, document: { data } }) {
  const pending = before.pending.filter((one) => one !== data.check);
  if (data.result !== "invalid" && data.result !== "wrong_item") return { ...before, pending };
  return { ...before, pending, wrong: [...before.wrong, at].slice(-64) };
}

/** Their event types (10.2). */
export const CODE_EVENTS = {
  "code-revoked/1": ({ before }) => {
    before.goods = { ...before.goods, codeRevoked: true };
  },
  "code-asked/1": ({ at, before = nothing, full }) => ({
    ...before,
    asked: [...before.asked.filter((one) => at - one < HOUR), at],
    pending: [...before.pending, full.id],
  }),
  "code-verified/1": ({ at, before }) => {
    before.goods = { ...before.goods, verifiedAt: at };
  },
  "check-answered/1": afterAnswer,
};

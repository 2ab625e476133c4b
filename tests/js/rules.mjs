// What a command does to the state before it: docs/spec.md section 9.0.

import * as f from "./forms.mjs";
import { HELD, KINDS, SECOND, sameList } from "./kinds.mjs";
import { commandDigest } from "./proofs.mjs";
import { need, partyStream } from "./state.mjs";

// ---- the checks of every command (9.0)

/** Derive the facts of a command: [stream, type, data], or throw Refused or Malformed. */
export function derive(command, { raw, at, index, ledger }) {
  const kind = KINDS[command.kind];
  f.object(kind.body)(command.body, "command.body");
  need(command.log === ledger.origin, "wrong-log");
  const [from, until] = [f.micros(command.at), f.micros(command.not_after)];
  need(from <= until && until <= from + 24n * 3600n * SECOND && at <= until, "expired");
  need(from - 300n * SECOND <= at, "not-yet-valid");
  const opening = command.kind === "open-ledger/1";
  checkSeen(command.seen, { opening, ledger });
  const policy = checkPolicy(command, { opening, ledger });
  const digest = commandDigest(raw);
  const { body, signers } = command;
  const given = { command, body, signers, at, index, ledger, policy };
  checkSigners(given, { kind, opening, digest });
  need(sameList(command.sealed.map((one) => one.name), kind.sealed ?? []), "malformed");
  kind.first?.(given);
  checkExpect(given, kind);
  const facts = kind.derive(given);
  const size = facts.reduce((sum, [, , data]) => sum + Buffer.byteLength(f.canonical(data)), 0);
  need(size <= 24_576, "too-large");
  return facts;
}

function checkSeen(seen, { opening, ledger }) {
  if (seen === null) return;
  need(!opening, "malformed");
  need(seen.size <= ledger.tree.size, "other-view");
  need(ledger.tree.root(seen.size).toString("hex") === seen.root, "other-view");
}

function checkPolicy(command, { opening, ledger }) {
  const policy = ledger.policy();
  if (policy === null) {
    need(opening, "policy-not-in-force");
    need(command.policy === null, "malformed");
  } else if (!opening) need(command.policy === policy.digest, "policy-not-in-force");
  return policy;
}

function checkSigners({ command, signers, at, ledger }, { kind, opening, digest }) {
  const roles = signers.map((one) => one.role);
  need(kind.roles.some((tuple) => sameList(tuple, roles)), "wrong-signers");
  need(signers.some((one) => one.party === command.by), "wrong-signers");
  need(new Set(signers.map((one) => one.key)).size === signers.length, "wrong-signers");
  for (const signer of opening ? [] : signers) {
    if (signer.role !== kind.newcomer) {
      const party = ledger.party(signer.party);
      const key = party.keys.find((one) => one.id === signer.key);
      need(key !== undefined && !key.revoked, "key-not-valid");
      need(!kind.risky || at >= key.ready, "key-cooling-down");
      need(!HELD.has(signer.role) || party.roles.has(signer.role), "role-missing");
    }
    const cancelled = ledger.state(partyStream(signer.party))?.cancelled ?? [];
    need(!cancelled.some((one) => one.digest === digest), "command-cancelled");
  }
}

function checkExpect({ command, body, ledger }, kind) {
  const named = command.expect.map((one) => one.stream);
  const wanted = kind.expects ? [kind.expects(body)].flat() : [];
  need(wanted.every((one) => named.includes(one)), "missing-expectation");
  for (const { stream, leaf, after } of command.expect) {
    const head = ledger.streams.get(stream);
    const found = after === undefined ? (head?.leaf ?? null) : head?.command;
    need(found === (after === undefined ? leaf : after), "stale-expectation");
  }
  need(!kind.exact || named.length === wanted.length, "malformed");
}

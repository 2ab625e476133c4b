// The state of a log, and how each event changes it: docs/spec.md section 10.

import * as f from "./forms.mjs";
import { commandDigest, idOf, policyDigest } from "./proofs.mjs";
import { ACTIVATION_EVENTS } from "./activations.mjs";
import { CHARGEBACK_EVENTS } from "./chargebacks.mjs";
import { CLAIM_EVENTS } from "./claims.mjs";
import { CODE_EVENTS } from "./codes.mjs";
import { CREDIT_EVENTS } from "./credit.mjs";
import { DEPOSIT_EVENTS } from "./deposits.mjs";
import { DUPLICATE_EVENTS } from "./duplicates.mjs";
import { ESCROW_EVENTS } from "./escrow.mjs";
import { goodsEvents } from "./goods.mjs";
import { LABEL_EVENTS } from "./labels.mjs";
import { MONEY_EVENTS } from "./money.mjs";
import { ORDER_EVENTS } from "./orders.mjs";
import { REVEAL_EVENTS } from "./reveals.mjs";
import { SHOP_EVENTS } from "./shops.mjs";
import { termsPublished } from "./terms.mjs";

/** A rule says no. */
export class Refused extends Error {
  constructor(code) {
    super(`refused: ${code}`);
    this.code = code;
  }
}

export const refuse = (code) => {
  throw new Refused(code);
};
export const need = (condition, code) => condition || refuse(code);

export const partyStream = (party) => (party.startsWith("imported/") ? party : `party/${party}`);

const BRING_A_KEY = new Set([
  "add-key/1",
  "claim-imported-party/1",
  "recover-party/1",
  "register-party/1",
]);

/** The state of a whole log so far. */
export class Ledger {
  streams = new Map(); // name -> {index, seq, leaf, command, state}
  keys = new Map(); // key id -> party

  constructor(origin, tree) {
    Object.assign(this, { origin, tree });
  }

  state(name) {
    return this.streams.get(name)?.state;
  }

  policy() {
    return this.state("policy/ledger") ?? this.state("log")?.policy ?? null;
  }

  party(name) {
    return this.state(partyStream(name)) ?? refuse("unknown-party");
  }

  /** Fold an entry into its stream (section 10). */
  fold(entry, cause, leaf) {
    const { document } = entry;
    const state = this.state(document.stream);
    const command = commandDigest(cause.command);
    const context = {
      document,
      before: state,
      command,
      full: cause.document.command,
      body: cause.document.command.body,
      at: f.micros(document.at),
    };
    const after = EVENTS[document.type](context) ?? state;
    const { index, seq } = document;
    this.streams.set(document.stream, { index, seq, leaf, command, state: after });
    const key = registeredKey(entry, cause);
    if (key !== null) this.keys.set(idOf(key.key), key.party);
  }
}

function registeredKey(entry, cause) {
  if (entry.document.type === "party-opened/1") return entry.document.data;
  const { kind, body } = cause.document.command;
  return entry.isOwn && BRING_A_KEY.has(kind) ? body : null;
}

// ---- evolve (10.2): each returns the new state, or changes the one before

const newKey = (key, since, ready) => ({ id: idOf(key), ...key, since, ready, revoked: false });
const newParty = (party, key, more = {}) => ({
  party,
  keys: [key],
  roles: new Map(),
  founder: false,
  attested: false,
  change: null,
  cancelled: [],
  level: null,
  ...more,
});
const newItem = (owner, importsOnly) => ({
  owner,
  importsOnly,
  frozen: false,
  offer: null,
  lastSale: null,
  sales: new Set(),
  goods: null,
});
const set = (changes) => (context) =>
  void Object.assign(context.before, typeof changes === "function" ? changes(context) : changes);
const policyOf = (document) => ({ document, digest: policyDigest(document) });
const revoke = (party, ids) => {
  for (const key of party.keys) key.revoked ||= ids.includes(key.id);
};

/** The closed registry of event types (10.2). */
export const EVENTS = Object.assign(Object.create(null), {
  "ledger-opened/1": ({ body }) => ({
    founders: body.parties.map((one) => one.party),
    vkey: body.vkey,
    policy: policyOf(body.policy),
  }),
  "party-opened/1": ({ document: { data, index }, at }) =>
    newParty(data.party, newKey(data.key, index, at), {
      founder: true,
      roles: new Map(data.roles.map((name) => [name, false])),
    }),
  "policy-published/1": ({ body }) => policyOf(body.policy),
  "party-registered/1": ({ body, document, at }) =>
    newParty(body.party, newKey(body.key, document.index, at)),
  "key-added/1": ({ before, body, document }) =>
    void before.keys.push(newKey(body.key, document.index, f.micros(document.data.ready))),
  "key-revoked/1": ({ before, body }) => revoke(before, [body.key]),
  "key-change-requested/1": set(({ body, command, document, full }) => {
    const due = f.micros(document.data.due);
    const recovery = full.kind === "recover-party/1";
    const adds = recovery ? newKey(body.key, document.index, due) : null;
    const revokes = recovery ? null : body.key;
    return { change: { digest: command, askedWith: full.signers[0].key, due, adds, revokes } };
  }),
  "key-change-stopped/1": set({ change: null }),
  "key-change-completed/1": ({ before, document }) => {
    revoke(before, document.data.revoked);
    if (before.change.adds) before.keys.push({ ...before.change.adds, since: document.index });
    before.change = null;
  },
  "command-cancelled/1": set(({ at, before, body, document }) => {
    const kept = before.cancelled.filter((one) => one.until >= at);
    const until = f.micros(body.command.not_after);
    return { cancelled: [...kept, { digest: document.data.command, until }] };
  }),
  "role-granted/1": ({ before, body, document }) =>
    void before.roles.set(body.role, document.data.single_handed),
  "role-withdrawn/1": ({ before, body }) => void before.roles.delete(body.role),
  "namespace-opened/1": ({ document }) => ({ owner: document.data.owner }),
  "item-registered/1": ({ document }) => newItem(document.data.owner, false),
  "item-transferred/1": set(({ document }) => ({
    owner: document.data.to,
    offer: null,
    importsOnly: false,
  })),
  "transfer-offered/1": set(({ body, command }) => ({
    offer: { digest: command, to: body.to, until: f.micros(body.until) },
    importsOnly: false,
  })),
  "offer-ended/1": set({ offer: null }),
  "item-frozen/1": set({ frozen: true, offer: null }),
  "item-unfrozen/1": set({ frozen: false }),
  "sale-presented/1": ({ before, body, document }) => {
    const item = before ?? newItem("unknown", true);
    item.lastSale = f.micros(body.time);
    item.sales.add(document.data.identity);
    return item;
  },
  "item-first-seen/1": set(({ document }) => ({ owner: document.data.owner })),
  "provenance-gap-recorded/1": set(({ document }) => ({ owner: document.data.to })),
  "sale-imported/1": set(({ document }) => ({ owner: document.data.to })),
  "imported-party-claimed/1": ({ body, document }) =>
    newParty(body.party, newKey(body.key, document.index, f.micros(document.data.ready)), {
      attested: true,
    }),
  "trade-policy-published/1": termsPublished,
  ...SHOP_EVENTS,
  ...MONEY_EVENTS,
  ...goodsEvents(newItem),
  ...ORDER_EVENTS,
  ...ESCROW_EVENTS,
  ...CLAIM_EVENTS,
  ...REVEAL_EVENTS,
  ...ACTIVATION_EVENTS,
  ...LABEL_EVENTS,
  ...DUPLICATE_EVENTS,
  ...DEPOSIT_EVENTS,
  ...CREDIT_EVENTS,
  ...CHARGEBACK_EVENTS,
  ...CODE_EVENTS,
});

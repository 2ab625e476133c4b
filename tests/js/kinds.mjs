// The kinds: who signs, what the body holds, what follows: docs/spec.md sections 8 and 9.1 to 9.6.

import * as f from "./forms.mjs";
import {
  checkedKeyId,
  commandDigest,
  policyDigest,
  saleIdentity,
  sha256,
  timerId,
} from "./proofs.mjs";
import { need, partyStream, refuse } from "./state.mjs";
import { CHARGEBACK_KINDS } from "./chargebacks.mjs";
import { CLAIM_KINDS } from "./claims.mjs";
import { CODE_KINDS } from "./codes.mjs";
import { CREDIT_KINDS } from "./credit.mjs";
import { EARNING_KINDS } from "./earning.mjs";
import { DEPOSIT_KINDS } from "./deposits.mjs";
import { ACTIVATION_KINDS } from "./activations.mjs";
import { DUPLICATE_KINDS } from "./duplicates.mjs";
import { ESCROW_KINDS } from "./escrow.mjs";
import { GOODS_KINDS, atHand } from "./goods.mjs";
import { LABEL_KINDS } from "./labels.mjs";
import { MONEY_KINDS } from "./money.mjs";
import { ORDER_KINDS } from "./orders.mjs";
import { REVEAL_KINDS } from "./reveals.mjs";
import { SHOP_KINDS } from "./shops.mjs";
import { expectsTerms, publishTerms, termsBody } from "./terms.mjs";

const FOUNDING = ["root", "system", "receipt", "checkpoint"];
const GRANTABLE = ["arbitrator", "cashier", "freezer", "importer", "officer", "registrar", "reviewer", "root"];
const MOVES_PROPERTY = ["arbitrator", "cashier", "importer", "officer", "root"];
export const HELD = new Set([...FOUNDING, ...GRANTABLE]);
export const SECOND = 1_000_000n;

/** Whether two lists hold the same, in order. */
export const sameList = (a, b) => a.length === b.length && a.every((one, at) => one === b[at]);

// ---- checks that several kinds share

const itemStream = (body) => `item/${body.item}`;
const namespaceOf = (body) => body.item.slice(0, body.item.indexOf("/"));
const ownStream = (body) => partyStream(body.party);
const theItem = ({ ledger, body }) => ledger.state(itemStream(body)) ?? refuse("unknown-item");
const later = (at, seconds) => f.timeText(at + BigInt(seconds) * SECOND);

const ownSigner = ({ signers, body }) => need(signers[0].party === body.party, "wrong-signers");

function freshKey({ ledger, body }, signer) {
  const id = checkedKeyId(body.key) ?? refuse("weak-key");
  need(!ledger.keys.has(id), "key-used");
  need(signer.party === body.party && signer.key === id, "wrong-signers");
}

function officers({ signers, body }) {
  const parties = [body.party, signers[1].party, signers[2].party];
  need(new Set(parties).size === 3, "wrong-signers");
}

function knownPrice({ body, policy }) {
  const known = policy.document.currencies.map((one) => one.currency);
  need(body.price === null || known.includes(body.price.currency), "unknown-currency");
}

function ownsNamespace({ ledger, body, signers }) {
  const found = ledger.state(`namespace/${namespaceOf(body)}`) ?? refuse("unknown-namespace");
  need(found.owner === signers[0].party, "not-namespace-owner");
}

function mayMove(given) {
  const item = theItem(given);
  need(item.owner === given.signers[0].party, "not-owner");
  need(!item.frozen, "item-frozen");
  atHand(item);
  return item;
}

function standing(given) {
  const item = theItem(given);
  need(item.offer !== null && item.offer.digest === given.body.offer, "no-such-offer");
  return item;
}

const noChange = (party) => need(party.change === null, "change-pending");

function waitingChange({ ledger, body }) {
  const party = ledger.party(body.party);
  need(party.change !== null && party.change.digest === body.change, "no-such-change");
  return party;
}

// ---- the kinds (9.1 to 9.6)

function openLedger({ body, command, index, ledger, signers }) {
  need(index === 0 && !ledger.streams.has("log"), "already-open");
  need(command.expect.length === 0, "malformed");
  need(sameList(body.parties.map((one) => one.role), FOUNDING), "malformed");
  const names = new Set(body.parties.map((one) => one.party));
  need(names.size === 4 && !names.has("unknown"), "malformed");
  body.parties.forEach(({ key, party, role }, at) => {
    const named = [party, role, checkedKeyId(key) ?? refuse("weak-key")];
    need(sameList(named, [signers[at].party, signers[at].role, signers[at].key]), "malformed");
  });
  const { alg, public: encoded } = body.parties[3].key;
  need(alg === "ed25519", "malformed");
  const typed = Buffer.concat([Buffer.of(1), Buffer.from(encoded, "base64")]);
  const short = sha256(`${command.log}\n`, typed).toString("hex").slice(0, 8);
  need(body.vkey === `${command.log}+${short}+${typed.toString("base64")}`, "malformed");
  const opened = body.parties.map(({ key, party, role }) => {
    const roles = role === "root" ? ["registrar", "root"] : [role];
    return [`party/${party}`, "party-opened/1", { key, party, roles }];
  });
  return [["log", "ledger-opened/1", {}], ...opened];
}

function publishPolicy({ body, policy }) {
  need(body.replaces === policy.digest, "policy-not-in-force");
  need(policyDigest(body.policy) !== policy.digest, "policy-unchanged");
  return [["policy/ledger", "policy-published/1", {}]];
}

function registerParty(given) {
  const { body, ledger, policy, signers } = given;
  need(body.party !== "unknown" && !ledger.streams.has(ownStream(body)), "party-exists");
  need(policy.document.registration === "open" || signers.length === 2, "wrong-signers");
  freshKey(given, signers[0]);
  return [[ownStream(body), "party-registered/1", {}]];
}

function addKey(given) {
  ownSigner(given);
  freshKey(given, given.signers[1]);
  const { keys } = given.ledger.party(given.body.party);
  need(keys.filter((one) => !one.revoked).length < 100 && keys.length < 1000, "too-large");
  const ready = later(given.at, given.policy.document.key_cool_down_s);
  return [[ownStream(given.body), "key-added/1", { ready }]];
}

function changeRequested({ at, body, policy }, party) {
  noChange(party);
  const due = later(at, policy.document.key_change_delay_s);
  return [[ownStream(body), "key-change-requested/1", { due }]];
}

function revokeKey(given) {
  ownSigner(given);
  const party = given.ledger.party(given.body.party);
  const valid = party.keys.filter((one) => !one.revoked).map((one) => one.id);
  need(valid.includes(given.body.key), "key-not-valid");
  const leaving = [given.body.key, party.change?.revokes];
  need(!party.founder || valid.some((id) => !leaving.includes(id)), "last-key");
  if (given.signers[0].key !== given.body.key) return changeRequested(given, party);
  return [[ownStream(given.body), "key-revoked/1", {}]];
}

function recoverParty(given) {
  const party = given.ledger.party(given.body.party);
  officers(given);
  freshKey(given, given.signers[0]);
  return changeRequested(given, party);
}

function objectKeyChange(given) {
  ownSigner(given);
  const party = waitingChange(given);
  need(given.signers[0].key !== party.change.askedWith, "wrong-signers");
  return [[ownStream(given.body), "key-change-stopped/1", {}]];
}

function completeKeyChange(given) {
  const { keys, change } = waitingChange(given);
  const stream = ownStream(given.body);
  const due = f.timeText(change.due);
  need(given.body.due === due && given.at >= change.due, "change-not-due");
  need(given.command.id === timerId(stream, "key-change", due), "malformed");
  const valid = keys.filter((one) => !one.revoked).map((one) => one.id).sort();
  const data = change.adds
    ? { added: change.adds.id, revoked: valid }
    : { added: null, revoked: [change.revokes] };
  return [[stream, "key-change-completed/1", data]];
}

function cancelCommand({ body, command, signers }) {
  const raw = f.checkCommand(body.command, "command.body.command");
  need(body.command.log === command.log, "wrong-log");
  const parties = body.command.signers.map((one) => one.party);
  need(parties.includes(signers[0].party), "wrong-signers");
  const stream = partyStream(signers[0].party);
  return [[stream, "command-cancelled/1", { command: commandDigest(raw) }]];
}

function independentParty(ledger, ...besides) {
  const known = [...ledger.state("log").founders, ...besides];
  return [...ledger.keys.values()].some((one) => !known.includes(one));
}

function grantRole({ body, ledger, signers }) {
  need(signers[1].party === body.party, "wrong-signers");
  need(!ledger.party(body.party).roles.has(body.role), "role-held");
  const second = signers[2]?.party;
  if (second !== undefined) {
    const others = [signers[0].party, body.party];
    const independent = !others.includes(second) && !ledger.party(second).founder;
    need(independent, "witness-not-independent");
  }
  const alone = MOVES_PROPERTY.includes(body.role) && second === undefined;
  need(!alone || !independentParty(ledger, body.party, signers[0].party), "second-party-needed");
  return [[ownStream(body), "role-granted/1", { single_handed: alone }]];
}

function withdrawRole({ body, ledger, signers }) {
  need(ledger.party(body.party).roles.has(body.role), "role-not-held");
  need(body.role !== "root" || body.party !== signers[0].party, "last-key");
  return [[ownStream(body), "role-withdrawn/1", {}]];
}

function openNamespace({ body, ledger, signers }) {
  const stream = `namespace/${body.namespace}`;
  need(!ledger.streams.has(stream), "namespace-taken");
  return [[stream, "namespace-opened/1", { owner: signers[1].party }]];
}

function registerItem(given) {
  ownsNamespace(given);
  const stream = itemStream(given.body);
  need(!given.ledger.streams.has(stream), "item-exists");
  return [[stream, "item-registered/1", { owner: given.signers[0].party }]];
}

const moved = (body, from, to) => [[itemStream(body), "item-transferred/1", { from, to }]];

function transferItem(given) {
  const item = mayMove(given);
  const to = given.signers[1].party;
  need(to !== item.owner, "same-party");
  knownPrice(given);
  return moved(given.body, item.owner, to);
}

function offerTransfer(given) {
  const { at, body, ledger } = given;
  const item = mayMove(given);
  need(body.to !== item.owner, "same-party");
  ledger.party(body.to);
  knownPrice(given);
  need(f.micros(body.until) > at, "offer-ended");
  need(item.offer === null || item.offer.until <= at, "offer-pending");
  return [[itemStream(body), "transfer-offered/1", { from: item.owner }]];
}

function acceptTransfer(given) {
  const item = standing(given);
  need(item.offer.to === given.signers[0].party, "not-recipient");
  need(!item.frozen, "item-frozen");
  need(given.at <= item.offer.until, "offer-ended");
  return moved(given.body, item.owner, given.signers[0].party);
}

const endOffer = (isTheirs, code) => (given) => {
  need(isTheirs(standing(given), given.signers[0].party), code);
  return [[itemStream(given.body), "offer-ended/1", {}]];
};

const withdrawOffer = endOffer((one, by) => one.owner === by, "not-owner");
const refuseOffer = endOffer((one, by) => one.offer.to === by, "not-recipient");

const setFrozen = (frozen, type, code) => (given) => {
  need(theItem(given).frozen !== frozen, code);
  return [[itemStream(given.body), type, {}]];
};

const freeze = setFrozen(true, "item-frozen/1", "item-frozen");
const unfreeze = setFrozen(false, "item-unfrozen/1", "item-not-frozen");

const identity = ({ body }) => {
  const { item, tx, from, to, price, time, ordinal } = body;
  const id = item.slice(item.indexOf("/") + 1);
  return saleIdentity([namespaceOf(body), tx, id, from, to, price, time, ordinal]);
};

function checkRow(given) {
  ownsNamespace(given);
  const { body, ledger } = given;
  const item = ledger.state(itemStream(body));
  if (item === undefined) return;
  need(!item.sales.has(identity(given)), "sale-present");
  const claimed = item.owner !== "unknown" && ledger.streams.has(partyStream(item.owner));
  need(item.importsOnly && !claimed, "item-under-signature");
  need(item.lastSale === null || f.micros(body.time) >= item.lastSale, "out-of-order");
  need(!item.frozen, "item-frozen");
}

function importSale(given) {
  knownPrice(given);
  const { body, ledger } = given;
  const stream = itemStream(body);
  const named = (id) => (id === null ? "unknown" : `imported/${namespaceOf(body)}/${id}`);
  const [from, to] = [named(body.from), named(body.to)];
  const facts = [[stream, "sale-presented/1", { identity: identity(given) }]];
  const owner = ledger.state(stream)?.owner;
  if (owner === undefined) facts.push([stream, "item-first-seen/1", { owner: from }]);
  else if (owner !== from) {
    const reason = owner === "unknown" ? "buyer-not-recorded" : "moved-elsewhere";
    facts.push([stream, "provenance-gap-recorded/1", { from: owner, reason, to: from }]);
  }
  return [...facts, [stream, "sale-imported/1", { from, to }]];
}

function claimParty(given) {
  const { at, body, ledger, policy } = given;
  need(body.party.startsWith("imported/"), "malformed");
  need(!ledger.streams.has(body.party), "imported-party-claimed");
  officers(given);
  freshKey(given, given.signers[0]);
  const ready = later(at, policy.document.claim_cool_down_s);
  return [[body.party, "imported-party-claimed/1", { ready }]];
}

const { hex32, identifier, item, key, list, money, object, oneOf, orNull, party } = f;
const founder = object({ key, party: identifier, role: oneOf(...FOUNDING) });
const price = orNull(money);
const withKey = { key, party };
const change = { change: hex32, party };
const role = { party, role: oneOf(...GRANTABLE) };
const offer = { item, offer: hex32 };
const frozenOn = oneOf("in-dispute", "official-order", "reported-stolen", "under-review");
const unfrozenOn = oneOf("dispute-ended", "order-lifted", "report-withdrawn", "review-ended");
const source = object({ file: hex32, row: f.rowNumber });
const itemClass = oneOf("other", "point-card", "software-licence", "virtual-equipment");

const opening = {
  parties: list(founder, 4, 4),
  policy: f.policy,
  receipt_delay_s: f.seconds,
  vkey: f.text,
};
const registering = { class: oneOf("member", "merchant", "service"), key, party: identifier };
const offering = { item, price, to: party, until: f.time };
const sale = {
  from: orNull(identifier),
  item,
  ordinal: f.position,
  price,
  source,
  time: f.time,
  to: orNull(identifier),
  tx: orNull(f.text),
};

const kind = (roles, body, derive, more = {}) => ({
  roles: roles.split(" | ").map((tuple) => tuple.split(" ")),
  body,
  derive,
  ...more,
});
const risky = { risky: true };
const onItem = { expects: itemStream };
const onParty = { expects: ownStream };
const withReason = { sealed: ["reason"] };

/** The closed registry of kinds (9.5). */
export const KINDS = Object.assign(Object.create(null), {
  "open-ledger/1": kind("root system receipt checkpoint", opening, openLedger),
  "publish-policy/1": kind("root", { policy: f.policy, replaces: hex32 }, publishPolicy, risky),
  "register-party/1": kind("party registrar | party", registering, registerParty, {
    newcomer: "party",
  }),
  "add-key/1": kind("party new", withKey, addKey, { newcomer: "new", ...risky, ...onParty }),
  "revoke-key/1": kind("party", { key: hex32, party }, revokeKey, onParty),
  "recover-party/1": kind("new officer officer", withKey, recoverParty, {
    newcomer: "new",
    ...risky,
  }),
  "object-key-change/1": kind("party", change, objectKeyChange),
  "complete-key-change/1": kind("system", { ...change, due: f.time }, completeKeyChange),
  "cancel-command/1": kind("signer", { command: f.anyObject }, cancelCommand),
  "grant-role/1": kind("root grantee | root grantee second", role, grantRole, risky),
  "withdraw-role/1": kind("root", role, withdrawRole, risky),
  "open-namespace/1": kind("root owner", { namespace: f.namespace }, openNamespace, {
    expects: (body) => `namespace/${body.namespace}`,
  }),
  "register-item/1": kind("owner", { class: itemClass, item }, registerItem, { sealed: ["name"] }),
  "transfer-item/1": kind("owner recipient", { item, price }, transferItem, {
    ...risky,
    ...onItem,
  }),
  "offer-transfer/1": kind("owner", offering, offerTransfer, { ...risky, ...onItem }),
  "accept-transfer/1": kind("recipient", offer, acceptTransfer, { ...risky, ...onItem }),
  "withdraw-offer/1": kind("owner", offer, withdrawOffer, onItem),
  "refuse-offer/1": kind("recipient", offer, refuseOffer, onItem),
  "freeze-item/1": kind("freezer", { ground: frozenOn, item }, freeze, withReason),
  "unfreeze-item/1": kind("freezer", { ground: unfrozenOn, item }, unfreeze, withReason),
  "import-sale/1": kind("importer", sale, importSale, { ...risky, ...onItem, first: checkRow }),
  "claim-imported-party/1": kind("claimant officer officer", withKey, claimParty, {
    newcomer: "claimant",
    ...risky,
  }),
  "publish-trade-policy/1": kind("root", termsBody, publishTerms, { ...risky, ...expectsTerms }),
  ...SHOP_KINDS,
  ...MONEY_KINDS,
  ...GOODS_KINDS,
  ...ORDER_KINDS,
  ...ESCROW_KINDS,
  ...CLAIM_KINDS,
  ...REVEAL_KINDS,
  ...ACTIVATION_KINDS,
  ...LABEL_KINDS,
  ...DUPLICATE_KINDS,
  ...DEPOSIT_KINDS,
  ...CREDIT_KINDS,
  ...EARNING_KINDS,
  ...CHARGEBACK_KINDS,
  ...CODE_KINDS,
});

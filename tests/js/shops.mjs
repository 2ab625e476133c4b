// Merchants and listings: docs/spec.md section 9.9.

import * as f from "./forms.mjs";
import { listingDigest } from "./proofs.mjs";
import { need, refuse } from "./state.mjs";

const MATERIAL = ["class", "price", "product", "promises", "region", "validity_days"];

const merchantStream = (body) => `merchant/${body.merchant}`;
const listingStream = (body) => `listing/${body.listing}`;
const same = (a, b) => f.canonical(a) === f.canonical(b);

function qualify({ at, body, ledger, signers }) {
  const { merchant: name } = body;
  need(signers[0].party === name && signers[1].party !== name, "wrong-signers");
  need(!ledger.party(name).founder, "wrong-signers");
  const owned = ledger.state(`namespace/${body.namespace}`) ?? refuse("unknown-namespace");
  need(owned.owner === name, "not-namespace-owner");
  need(f.micros(body.until) > at, "qualification-ended");
  const before = ledger.state(merchantStream(body));
  if (before !== undefined) {
    need(before.namespace === body.namespace, "namespace-differs");
    need(before.until.has(body.class) || before.until.size < 64, "too-large");
  }
  return [[merchantStream(body), "merchant-qualified/1", {}]];
}

function revoke({ body, ledger, signers }) {
  const merchant = ledger.state(merchantStream(body)) ?? refuse("unknown-merchant");
  need(signers[0].party !== body.merchant, "wrong-signers");
  need(merchant.until.has(body.class), "supplier-not-qualified");
  return [[merchantStream(body), "qualification-revoked/1", {}]];
}

function publish({ at, body, ledger, policy, signers }) {
  const merchant = ledger.state(merchantStream(body)) ?? refuse("unknown-merchant");
  need(signers[0].party === body.merchant, "wrong-signers");
  need(body.listing.startsWith(`${merchant.namespace}/`), "namespace-differs");
  const until = merchant.until.get(body.class);
  need(until !== undefined && until > at, "supplier-not-qualified");
  need(body.price.amount !== "0", "malformed");
  const known = policy.document.currencies.map((one) => one.currency);
  need(known.includes(body.price.currency), "unknown-currency");
  const snapshot = listingDigest(body);
  const before = ledger.state(listingStream(body));
  need(!before?.ended, "listing-ended");
  need(before?.snapshot !== snapshot, "listing-unchanged");
  const changed = (name) => before !== undefined && !same(before.body[name], body[name]);
  const data = { material: MATERIAL.filter(changed), snapshot };
  return [[listingStream(body), "listing-published/1", data]];
}

function end({ body, ledger, signers }) {
  const listing = ledger.state(listingStream(body)) ?? refuse("unknown-listing");
  need(signers[0].party === listing.body.merchant, "wrong-signers");
  need(!listing.ended, "listing-ended");
  return [[listingStream(body), "listing-ended/1", {}]];
}

const grounds = ["documents-expired", "documents-false", "merchant-asked", "rules-broken"];

/** The kinds of this section, each with what it expects: exactly that. */
export const SHOP_KINDS = {
  "qualify-merchant/1": {
    roles: [["merchant", "reviewer"]],
    body: {
      class: f.name,
      merchant: f.identifier,
      namespace: f.namespace,
      origin: f.orNull(f.name),
      until: f.time,
    },
    derive: qualify,
    sealed: ["documents", "issuer"],
    expects: (body) => [merchantStream(body), `namespace/${body.namespace}`],
    exact: true,
  },
  "revoke-qualification/1": {
    roles: [["reviewer"]],
    body: { class: f.name, ground: f.oneOf(...grounds), merchant: f.identifier },
    derive: revoke,
    sealed: ["reason"],
    exact: true,
  },
  "publish-listing/1": {
    roles: [["merchant"]],
    body: {
      class: f.name,
      listing: f.item,
      merchant: f.identifier,
      price: f.money,
      product: f.namespace,
      promises: f.hex32,
      region: f.name,
      text: f.hex32,
      validity_days: f.orNull(f.whole(1, 36_600)),
    },
    derive: publish,
    expects: (body) => [listingStream(body), merchantStream(body)],
    exact: true,
  },
  "end-listing/1": {
    roles: [["merchant"]],
    body: { listing: f.item },
    derive: end,
    expects: listingStream,
    exact: true,
  },
};

/** Their event types (10.2). */
export const SHOP_EVENTS = {
  "merchant-qualified/1": ({ before, body }) => {
    const { namespace } = body;
    const merchant = before ?? { namespace, until: new Map(), origins: new Map(), labels: [] };
    merchant.until.set(body.class, f.micros(body.until));
    merchant.origins.set(body.class, body.origin);
    return merchant;
  },
  "qualification-revoked/1": ({ before, body }) => void before.until.delete(body.class),
  "listing-published/1": ({ body, document }) => ({
    body,
    snapshot: document.data.snapshot,
    ended: false,
  }),
  "listing-ended/1": ({ before }) => void (before.ended = true),
};

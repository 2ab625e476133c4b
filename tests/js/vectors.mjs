// Compares the golden vectors with what the second verifier computes: node vectors.mjs FILE

import { readFileSync } from "node:fs";
import { Malformed, canonical, readCanonical } from "./forms.mjs";
import * as p from "./proofs.mjs";

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const failed = [];
const same = (name, found, expected) => found === expected || failed.push(name);
const hex = (text) => Buffer.from(text, "hex");

const { leaf, listing, node, command, policy, terms, timer, sealed } = vectors;
same("leaf", p.leafHash(Buffer.from(leaf.entry)).toString("hex"), leaf.leaf);
same("node", p.nodeHash(hex(node.left), hex(node.right)).toString("hex"), node.node);
same("empty", p.sha256().toString("hex"), node.empty);
same("command", p.commandDigest(Buffer.from(command.command)), command.digest);
same("policy", p.policyDigest(policy.document), policy.digest);
same("terms", p.termsDigest(terms.document), terms.digest);
same("listing", p.listingDigest(listing.document), listing.digest);
same("timer", p.timerId(timer.stream, timer.rule, timer.due), timer.id);
const opened = [sealed.log, sealed.command, sealed.name, sealed.salt, sealed.value];
same("sealed", p.sealedDigest(opened), sealed.digest);
for (const key of vectors.key) same(key.alg, p.checkedKeyId(key), key.id);
for (const { namespace, tx, item, from, to, price, time, ordinal, identity } of vectors.sale) {
  same("sale", p.saleIdentity([namespace, tx, item, from, to, price, time, ordinal]), identity);
}
for (const text of vectors.canonical.accepted) {
  same(`accepted ${text}`, canonical(readCanonical(Buffer.from(text), 200)), text);
}
for (const text of vectors.canonical.refused) {
  try {
    readCanonical(Buffer.from(text), 200);
    failed.push(`refused ${text}`);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
}
process.stdout.write(`${JSON.stringify(failed)}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

// Hashes, keys, signatures, the tree and signed notes: docs/spec.md sections 3 and 13.

import { createHash, createPublicKey, verify as nodeVerify } from "node:crypto";
import { Malformed, bytesOf, canonical, tampered, unverifiable } from "./forms.mjs";

export const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const tagged = (tag, ...parts) => sha256(`yinzheng/${tag}/v1\n`, ...parts).toString("hex");

export const leafHash = (raw) => sha256(Buffer.of(0), raw);
export const keyId = (alg, raw) => tagged("key", alg, Buffer.of(0), raw);
export const commandDigest = (raw) => tagged("command", raw);
export const policyDigest = (document) => tagged("policy", canonical(document));
export const termsDigest = (document) => tagged("trade-policy", canonical(document));
export const listingDigest = (body) => tagged("listing", canonical(body));
export const timerId = (stream, rule, due) => tagged("timer", canonical([stream, rule, due]));
export const saleIdentity = (parts) => tagged("sale", canonical(parts));
export const sealedDigest = (parts) => tagged("sealed", canonical(parts));

// ---- keys (3.1)

const power = (base, exponent, modulus) => {
  let result = 1n;
  for (let b = base % modulus, e = exponent; e > 0n; e >>= 1n, b = (b * b) % modulus) {
    if (e & 1n) result = (result * b) % modulus;
  }
  return result;
};
const big = (bytes) => BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (value) => ((value % P) + P) % P;
const D = mod(-121665n * power(121666n, P - 2n, P));

/** Affine edwards25519 addition in projective coordinates (X, Y, Z); complete for this curve. */
function add([x1, y1, z1], [x2, y2, z2]) {
  const a = mod(z1 * z2);
  const b = mod(a * a);
  const c = mod(x1 * x2);
  const d = mod(y1 * y2);
  const e = mod(D * c * d);
  const f = mod(b - e);
  const g = mod(b + e);
  const x = mod(a * f * ((x1 + y1) * (x2 + y2) - c - d));
  return [x, mod(a * g * (d + c)), mod(f * g)];
}

function times(scalar, point) {
  let result = [0n, 1n, 1n];
  for (let n = scalar, p = point; n > 0n; n >>= 1n, p = add(p, p)) {
    if (n & 1n) result = add(result, p);
  }
  return result;
}
const isNeutral = ([x, y, z]) => x === 0n && y === z;

function soundEd25519(raw) {
  const number = big(Buffer.from(raw).reverse());
  const y = number & (2n ** 255n - 1n);
  const sign = number >> 255n;
  if (y >= P) return false;
  const square = mod((y * y - 1n) * power(mod(D * y * y + 1n), P - 2n, P));
  let x = power(square, (P + 3n) / 8n, P);
  if (mod(x * x) !== square) x = mod(x * power(2n, (P - 1n) / 4n, P));
  if (mod(x * x) !== square || (x === 0n && sign === 1n)) return false;
  if ((x & 1n) !== sign) x = P - x;
  const point = [x, y, 1n];
  return !isNeutral(times(8n, point)) && isNeutral(times(L, point));
}

const Q = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function soundP256(raw) {
  const [x, y] = [big(raw.subarray(1, 33)), big(raw.subarray(33))];
  return raw[0] === 4 && x < Q && y < Q && (((y * y - x * x * x + 3n * x - B) % Q) + Q) % Q === 0n;
}

const sound = new Map();

/** Check a key object that is being registered; returns its id, or null where the key is weak. */
export function checkedKeyId({ alg, public: encoded }) {
  const raw = bytesOf(encoded, "key.public", alg === "ed25519" ? 32 : 65);
  const id = keyId(alg, raw);
  if (!sound.has(id)) sound.set(id, alg === "ed25519" ? soundEd25519(raw) : soundP256(raw));
  return sound.get(id) ? id : null;
}

export const idOf = ({ alg, public: encoded }) => keyId(alg, Buffer.from(encoded, "base64"));

const imported = new Map();

function publicKey(alg, raw) {
  const name = `${alg}${raw.toString("hex")}`;
  if (!imported.has(name)) {
    const url = (bytes) => Buffer.from(bytes).toString("base64url");
    const jwk =
      alg === "ed25519"
        ? { kty: "OKP", crv: "Ed25519", x: url(raw) }
        : { kty: "EC", crv: "P-256", x: url(raw.subarray(1, 33)), y: url(raw.subarray(33)) };
    imported.set(name, createPublicKey({ key: jwk, format: "jwk" }));
  }
  return imported.get(name);
}

/** Whether a 64-byte signature holds. */
export function holds(alg, raw, signature, message) {
  if (signature.length !== 64) return false;
  const key = publicKey(alg, raw);
  if (alg === "ed25519") return nodeVerify(null, message, key, signature);
  const [r, s] = [big(signature.subarray(0, 32)), big(signature.subarray(32))];
  if (r === 0n || r >= N || s === 0n || s > (N - 1n) / 2n) return false;
  return nodeVerify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
}

// ---- the tree (13.1)

export const nodeHash = (left, right) => sha256(Buffer.of(1), left, right);

/** An append-only tree that keeps every complete node, level by level. */
export class Tree {
  levels = [[]];

  get size() {
    return this.levels[0].length;
  }

  append(leaf) {
    let node = leaf;
    for (let level = 0; ; level += 1) {
      const row = (this.levels[level] ??= []);
      row.push(node);
      if (row.length % 2 === 1) return;
      node = nodeHash(row.at(-2), row.at(-1));
    }
  }

  /** Root of the first `size` leaves. */
  root(size = this.size) {
    let root = null;
    for (let level = 0, rest = size; rest > 0; level += 1, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 0) continue;
      const peak = this.levels[level][rest - 1];
      root = root === null ? peak : nodeHash(peak, root);
    }
    return root ?? sha256();
  }
}

// ---- verifier keys and signed notes (13.2), checkpoints (13.3)

const NAME = /^[^\p{White_Space}+\u0000-\u001f]+$/u;

/** Read the verifier key that the caller trusts. */
export function readVkey(line) {
  const refuse = () => unverifiable("key", "the verifier key cannot be used", { field: "vkey" });
  const [name, id] = line.split("+", 2);
  const encoded = line.slice(`${name}+${id}+`.length);
  let typed;
  try {
    typed = bytesOf(encoded, "vkey", 33);
  } catch {
    throw refuse();
  }
  const expected = sha256(`${name}\n`, typed).toString("hex").slice(0, 8);
  const known = typed[0] === 1 && NAME.test(name) && line.length <= 4096;
  if (!known || id !== expected || !soundEd25519(typed.subarray(1))) throw refuse();
  return { name, id, raw: typed.subarray(1), line };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Open a checkpoint signed by the log's key: {size, root}. */
export function openCheckpoint(bytes, vkey) {
  const refuse = (message, step = "note") => tampered(step, message);
  let whole;
  try {
    whole = utf8.decode(bytes);
  } catch {
    throw refuse("the note is not UTF-8");
  }
  const cut = whole.lastIndexOf("\n\n");
  const orderly = bytes.length <= 1 << 20 && !/[\u0000-\u0009\u000b-\u001f]/.test(whole);
  if (!orderly || cut < 0 || !whole.endsWith("\n")) throw refuse("this is no note");
  const lines = whole.slice(cut + 2, -1).split("\n");
  if (lines.length > 100) throw refuse("too many signatures");
  const text = whole.slice(0, cut + 1);
  const signatures = lines.map(readSignature);
  const ours = signatures.filter((one) => one.name === vkey.name && one.id === vkey.id);
  if (ours.length === 0) throw unverifiable("checkpoint", "the log's signature is missing");
  if (!holds("ed25519", vkey.raw, ours[0].signature, Buffer.from(text))) {
    throw refuse("the log's signature does not hold");
  }
  return readCheckpoint(text, vkey.name);
}

function readSignature(line) {
  const parts = /^— ([^ ]+) ([^ ]+)$/u.exec(line);
  let raw = Buffer.alloc(0);
  try {
    raw = parts === null ? raw : bytesOf(parts[2], "signature");
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
  if (raw.length <= 4 || !NAME.test(parts[1])) throw tampered("note", "a line is no signature");
  return { name: parts[1], id: raw.subarray(0, 4).toString("hex"), signature: raw.subarray(4) };
}

/** Read a decimal of the log's own files; below 2^53 here, which no log of ours exceeds. */
export function decimal(text) {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : null;
}

function readCheckpoint(text, name) {
  const refuse = () => tampered("checkpoint", "this is no checkpoint of the log");
  const [origin, size, root, ...rest] = text.slice(0, -1).split("\n");
  if (rest.length > 0 || root === undefined || decimal(size) === null) throw refuse();
  let hash;
  try {
    hash = bytesOf(root, "root", 32);
  } catch {
    throw refuse();
  }
  if (origin !== name || (size === "0" && !hash.equals(sha256()))) throw refuse();
  return { size: decimal(size), root: hash };
}

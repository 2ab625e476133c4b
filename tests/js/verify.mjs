#!/usr/bin/env node
// A second verifier, written from docs/spec.md alone: node verify.mjs FOLDER VKEY
// Prints one JSON line and exits with the code of the verdict (section 16).

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Fault,
  Malformed,
  UnknownVersion,
  canonical,
  incomplete,
  micros,
  readEntry,
  tampered,
  unverifiable,
} from "./forms.mjs";
import { KINDS } from "./kinds.mjs";
import { Tree, decimal, holds, idOf, leafHash, openCheckpoint, readVkey } from "./proofs.mjs";
import { derive } from "./rules.mjs";
import { EVENTS, Ledger, Refused, partyStream } from "./state.mjs";

const EXIT = { valid: 0, tampered: 1, incomplete: 3, unverifiable: 4 };
const WIDTH = 256;

/** Path of a tile; `level` is a number or "entries" (13.4). */
function tilePath(level, number, width) {
  const groups = [];
  for (let rest = number; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(String(rest % 1000).padStart(3, "0"));
  }
  const last = groups.pop();
  const name = [...groups.map((group) => `x${group}`), last].join("/");
  return `tile/${level}/${name}${width === WIDTH ? "" : `.p/${width}`}`;
}

/** The tiles that hold `count` hashes or entries: [number, width]. */
function* row(count) {
  for (let at = 0; at < count; at += WIDTH) yield [at / WIDTH, Math.min(WIDTH, count - at)];
}

class Audit {
  constructor(folder, line) {
    this.folder = folder;
    this.vkey = readVkey(line);
    this.tree = new Tree();
    this.ledger = new Ledger(this.vkey.name, this.tree);
    this.commands = new Set();
    this.cause = null; // own entry whose effects are outstanding or done
    this.facts = []; // still to come
    this.lastAt = null;
    this.unknown = null;
  }

  read(path) {
    const file = join(this.folder, path);
    return existsSync(file) ? readFileSync(file) : null;
  }

  /** Run the audit in the order of section 15.1; throws Fault. */
  run(report) {
    const note = this.read("checkpoint");
    if (note === null) throw unverifiable("fetch", "there is no checkpoint");
    const latest = openCheckpoint(note, this.vkey);
    Object.assign(report, { size: latest.size, root: latest.root.toString("hex") });
    const reference = this.reference(latest);
    let lack = this.entries(latest.size, reference);
    lack = this.compareRoot(latest) ?? lack;
    lack = this.compareOffered() ?? lack;
    if (lack !== null) throw lack;
    if (this.unknown !== null) throw this.unknown;
    if (this.ledger.state("log")?.vkey !== this.vkey.line) {
      throw tampered("checkpoint", "entry 0 names another key", { index: 0, stream: "log" });
    }
    this.compareTiles(latest.size);
  }

  /** The level-0 hashes, if they rebuild the signed root. */
  reference({ size, root }) {
    const tree = new Tree();
    const leaves = [];
    for (const [number, width] of row(size)) {
      const data = this.read(tilePath(0, number, width));
      if (data === null || data.length !== 32 * width) return [];
      for (let at = 0; at < data.length; at += 32) leaves.push(data.subarray(at, at + 32));
    }
    for (const leaf of leaves) tree.append(leaf);
    return tree.root().equals(root) ? leaves : [];
  }

  /** Replay all entries; returns what lacks, or null. */
  entries(size, reference) {
    for (const [number, width] of row(size)) {
      const first = number * WIDTH;
      const data = this.read(tilePath("entries", number, width));
      if (data === null) return incomplete("fetch", "a bundle is missing", { index: first });
      let at = 0;
      for (let index = first; index < first + width; index += 1) {
        const start = at + 2;
        at = start <= data.length ? start + data.readUInt16BE(start - 2) : start;
        if (at > data.length) throw tampered("bundle", "the bundle ends early", { index });
        this.take(data.subarray(start, at), index, reference[index]);
      }
      if (at !== data.length) {
        throw tampered("bundle", "bytes follow", { index: first + width - 1 });
      }
    }
    if (this.unknown === null && this.facts.length > 0) {
      throw tampered("effect", "effects are missing at the end", { index: size });
    }
    return null;
  }

  take(raw, index, reference) {
    const leaf = leafHash(raw);
    if (reference !== undefined && !leaf.equals(reference)) {
      throw tampered("leaf", "the entry is not the one that was signed", { index });
    }
    if (this.unknown === null) {
      try {
        this.replay(raw, index, leaf.toString("hex"));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        error.index ??= index;
        if (error.verdict !== "unverifiable") throw error;
        this.unknown = error;
      }
    }
    this.tree.append(leaf);
  }

  /** Section 15.2. */
  replay(raw, index, leaf) {
    const entry = parsed(raw);
    const { document } = entry;
    const { stream } = document;
    const require = (condition, step, field) => {
      if (!condition) throw tampered(step, `${field} does not fit`, { stream, field });
    };
    require(document.log === this.vkey.name, "place", "log");
    require(document.index === index, "place", "index");
    const at = micros(document.at);
    require(this.lastAt === null || at >= this.lastAt, "place", "at");
    const head = this.ledger.streams.get(stream);
    require(document.seq === (head ? head.seq + 1 : 0), "link", "seq");
    require(document.prev === (head ? head.leaf : null), "link", "prev");
    if (entry.isOwn) this.decide(entry, { at, index, leaf, require });
    else {
      const own = this.cause;
      const next = this.facts.length > 0 && document.cause === own.leaf;
      require(next && document.effect === index - own.document.index, "effect", "effect");
      require(document.at === own.document.at, "effect", "at");
    }
    const step = entry.isOwn ? "derive" : "effect";
    const [where, type, data] = this.facts.shift();
    require(stream === where, step, "stream");
    require(document.type === type, step, "type");
    require(canonical(document.data) === canonical(data), step, "data");
    this.ledger.fold(entry, this.cause, leaf);
    this.lastAt = at;
  }

  decide(entry, { at, index, leaf, require }) {
    const { document } = entry;
    const { command } = document;
    require(this.facts.length === 0, "effect", "effects");
    const name = canonical([command.by, command.id]);
    require(!this.commands.has(name), "command", "id");
    this.commands.add(name);
    const keys = [];
    try {
      this.facts = derive(command, { raw: entry.command, at, index, ledger: this.ledger });
      keys.push(...this.signingKeys(command));
    } catch (error) {
      if (error instanceof Refused) require(false, "rule", error.code);
      if (error instanceof UnknownVersion) throw tooNew(error, document.stream);
      if (error instanceof Malformed) require(false, "rule", error.field);
      throw error;
    }
    require(document.effects === this.facts.length - 1, "derive", "effects");
    require(document.sigs.length === command.signers.length, "signature", "sigs");
    const message = Buffer.concat([Buffer.from("yinzheng/command/v1\n"), entry.command]);
    document.sigs.forEach((sig, place) => {
      const { alg, public: encoded } = keys[place];
      const good = holds(alg, Buffer.from(encoded, "base64"), Buffer.from(sig, "base64"), message);
      require(good, "signature", `sigs[${place}]`);
    });
    this.cause = { ...entry, leaf };
  }

  /** The public key of each signer (5.2); derive accepted the command, so each is there. */
  signingKeys({ kind, body, signers }) {
    return signers.map((signer) => {
      let offered = [body.key];
      if (kind === "open-ledger/1") offered = body.parties.map((one) => one.key);
      else if (signer.role !== KINDS[kind].newcomer) {
        offered = this.ledger.state(partyStream(signer.party)).keys;
      }
      return offered.find((key) => idOf(key) === signer.key);
    });
  }

  compareRoot({ size, root }) {
    if (size > this.tree.size) {
      return incomplete("checkpoint", "entries are missing", { index: this.tree.size });
    }
    if (!this.tree.root(size).equals(root)) throw tampered("root", "another root");
    return null;
  }

  compareOffered() {
    let lack = null;
    const lines = (this.read("checkpoints/sizes") ?? "").toString("latin1").split("\n");
    const rest = lines.pop();
    let last = -1;
    for (const line of lines) {
      const size = decimal(line);
      if (size === null || size <= last) throw tampered("fetch", "a size is no larger number");
      last = size;
      const note = this.read(`checkpoints/${size}`);
      if (note === null) return incomplete("fetch", "a listed checkpoint is missing");
      const checkpoint = openCheckpoint(note, this.vkey);
      if (checkpoint.size !== size) throw tampered("checkpoint", "kept under another size");
      lack = this.compareRoot(checkpoint) ?? lack;
    }
    if (rest !== "") throw tampered("fetch", "a size does not end in a newline");
    return lack;
  }

  compareTiles(size) {
    for (let level = 0, count = size; count > 0; level += 1, count = Math.floor(count / WIDTH)) {
      for (const [number, width] of row(count)) {
        const data = this.read(tilePath(level, number, width));
        if (data === null) throw incomplete("tile", "a tile is missing");
        if (data.length !== 32 * width) throw tampered("tile", "a tile of another length");
        for (let place = 0; place < width; place += 1) {
          const position = number * WIDTH + place;
          const found = data.subarray(32 * place, 32 * place + 32);
          if (!this.tree.levels[8 * level][position].equals(found)) {
            throw tampered("tile", "another hash", { index: position * WIDTH ** level });
          }
        }
      }
    }
  }
}

const tooNew = (error, stream) =>
  unverifiable("type", error.message, { stream, field: error.field });

function parsed(raw) {
  let entry;
  try {
    entry = readEntry(raw);
  } catch (error) {
    if (error instanceof UnknownVersion) throw tooNew(error, null);
    if (error instanceof Malformed) throw tampered("parse", error.message, { field: error.field });
    throw error;
  }
  const { stream, type, command } = entry.document;
  const known = type in EVENTS && (!entry.isOwn || command.kind in KINDS);
  if (!known) throw unverifiable("type", "an unknown type or kind", { stream, field: "type" });
  return entry;
}

/** Audit an exported folder; returns the report of section 16, as far as this verifier goes. */
export function audit(folder, line) {
  const report = { verdict: "valid", size: 0, root: null, fault: null };
  try {
    new Audit(folder, line).run(report);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { verdict, index, stream, step, field, message } = error;
    Object.assign(report, { verdict, fault: { index, stream, step, field, message } });
  }
  return report;
}

function main([folder, line, ...rest]) {
  if (line === undefined || rest.length > 0) {
    process.stderr.write("usage: node verify.mjs FOLDER VKEY\n");
    return 2;
  }
  const report = audit(folder, line.trim());
  process.stdout.write(`${JSON.stringify(report)}\n`);
  return EXIT[report.verdict];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2));
}

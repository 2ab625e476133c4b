// Canonical JSON, text forms and schemas: docs/spec.md sections 2, 4, 5.1 and 6.1.

/** Something that contradicts, lacks or cannot be checked; `verdict` says which. */
export class Fault extends Error {
  constructor(verdict, step, message, { index = null, stream = null, field = null } = {}) {
    super(message);
    Object.assign(this, { verdict, step, index, stream, field });
  }
}

export const tampered = (step, message, more) => new Fault("tampered", step, message, more);
export const unverifiable = (step, message, more) => new Fault("unverifiable", step, message, more);
export const incomplete = (step, message, more) => new Fault("incomplete", step, message, more);

/** Not in the one accepted form. */
export class Malformed extends Error {
  constructor(field, why) {
    super(`${field}: ${why}`);
    this.field = field;
  }
}

/** Of a version, or with an algorithm, that is not known here. */
export class UnknownVersion extends Malformed {}

/** Refuse another version before any other field is looked at. */
function checkVersion(document, field) {
  const v = document !== null && typeof document === "object" ? document.v : undefined;
  if (Number.isSafeInteger(v) && v !== 1) throw new UnknownVersion(`${field}.v`, "is not 1");
}

const bad = (field, why) => {
  throw new Malformed(field, why);
};

// ---- canonical JSON (2.1)

const DEPTH = 32;
const KEY = /^[a-z][a-z0-9_]*$/;
const CONTROL = /[\u0000-\u0008\u000b-\u001f]/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Write a value in canonical JSON; refuses what the restricted form does not hold. */
export function canonical(value) {
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) bad("json", "a number out of form");
    return String(value);
  }
  if (typeof value === "string") {
    if (CONTROL.test(value) || !value.isWellFormed()) bad("json", "a character out of form");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const members = Object.keys(value).sort().map((key) => {
    if (!KEY.test(key)) bad("json", "a key out of form");
    return `${JSON.stringify(key)}:${canonical(value[key])}`;
  });
  return `{${members.join(",")}}`;
}

/** Read canonical JSON bytes of at most `limit` bytes. */
export function readCanonical(bytes, limit) {
  if (bytes.length > limit) bad("json", "too long");
  let text;
  try {
    text = utf8.decode(bytes);
  } catch {
    bad("json", "not UTF-8");
  }
  checkDepth(text, DEPTH);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    bad("json", "not JSON");
  }
  if (canonical(value) !== text) bad("json", "a second spelling");
  return value;
}

function checkDepth(text, most) {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (quoted) {
      if (char === "\\") at += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "[" || char === "{") {
      depth += 1;
      if (depth > most) bad("json", "too deep");
    } else if (char === "]" || char === "}") depth -= 1;
  }
}

// ---- text forms (2.2)

const form = (pattern, name) => (value, field) => {
  if (typeof value !== "string" || !pattern.test(value)) bad(field, `is not ${name}`);
};

export const hex32 = form(/^[0-9a-f]{64}$/, "hex32");
export const identifier = form(/^(?!\.{1,2}$)[A-Za-z0-9._:~-]{1,128}$/, "an identifier");
export const namespace = form(/^[a-z0-9][a-z0-9._-]{0,62}$/, "a namespace");
export const origin = form(/^[a-z0-9][a-z0-9.-]{0,99}(\/[A-Za-z0-9._~-]{1,63}){0,6}$/, "an origin");
export const name = form(/^[a-z][a-z0-9-]{0,39}$/, "a name");
export const currency = form(/^[A-Z][A-Z0-9]{1,9}$/, "a currency");
export const amount = form(/^(0|[1-9][0-9]{0,37})$/, "an amount");
export const uuid7 = form(
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  "a UUIDv7",
);

export const text = (value, field) => {
  const length = typeof value === "string" ? [...value].length : 0;
  if (length < 1 || length > 200) bad(field, "is not 1 to 200 characters");
};

export const base64 = (value, field) => {
  if (typeof value !== "string" || value.length > 1 << 22) bad(field, "is not base64");
  if (Buffer.from(value, "base64").toString("base64") !== value) bad(field, "is not base64");
};

export function bytesOf(value, field, size) {
  base64(value, field);
  const raw = Buffer.from(value, "base64");
  if (size !== undefined && raw.length !== size) bad(field, `is not ${size} bytes`);
  return raw;
}

export const item = (value, field) => {
  const cut = typeof value === "string" ? value.indexOf("/") : -1;
  if (cut < 0) bad(field, "is not an item");
  namespace(value.slice(0, cut), field);
  identifier(value.slice(cut + 1), field);
};

export const party = (value, field) => {
  if (typeof value === "string" && value.startsWith("imported/")) item(value.slice(9), field);
  else identifier(value, field);
};

export const stream = (value, field) => {
  if (value === "log") return;
  const cut = typeof value === "string" ? value.indexOf("/") : -1;
  const inner = { item, imported: item, listing: item, namespace };
  const named = ["balance", "checks", "credit", "deposit", "merchant", "party", "policy"];
  for (const one of named) inner[one] = identifier;
  for (const one of ["alert", "claim", "order"]) inner[one] = uuid7;
  const room = cut < 0 ? "" : value.slice(0, cut);
  if (!Object.hasOwn(inner, room)) bad(field, "is not a stream");
  inner[room](value.slice(cut + 1), field);
};

const TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})Z$/;

/** Microseconds since 1970 of a protocol time, as a BigInt. */
export function micros(value, field = "time") {
  const parts = typeof value === "string" ? TIME.exec(value) : null;
  if (parts === null) bad(field, "is not a time");
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const us = BigInt(date.getTime()) * 1000n + BigInt(parts[7]);
  if (year < 1 || timeText(us) !== value) bad(field, "is no moment");
  return us;
}

/** Write microseconds since 1970 as a protocol time. */
export function timeText(us) {
  const within = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const iso = new Date(Number((us - within) / 1000n)).toISOString();
  if (!/^\d{4}-/.test(iso)) bad("time", "is past the year 9999");
  return `${iso.slice(0, 19)}.${String(within).padStart(6, "0")}Z`;
}

export const time = (value, field) => void micros(value, field);

// ---- schemas (4)

export const whole = (low, high) => (value, field) => {
  if (!Number.isInteger(value) || value < low || value > high) bad(field, "is not in its range");
};
export const flag = (value, field) => {
  if (typeof value !== "boolean") bad(field, "is not true or false");
};
export const oneOf = (...values) => (value, field) => {
  if (!values.includes(value)) bad(field, "is not one of its values");
};
export const orNull = (inner) => (value, field) => {
  if (value !== null) inner(value, field);
};
export const list = (inner, least, most) => (value, field) => {
  if (!Array.isArray(value) || value.length < least || value.length > most) {
    bad(field, "is not an array of its length");
  }
  value.forEach((one, place) => inner(one, `${field}[${place}]`));
};
export const anyObject = (value, field) => {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    bad(field, "is not an object");
  }
};
export const object = (fields) => (value, field) => {
  anyObject(value, field);
  const names = Object.keys(fields);
  for (const name of names) {
    if (!Object.hasOwn(value, name)) bad(`${field}.${name}`, "is missing");
  }
  if (Object.keys(value).length !== names.length) bad(field, "has a strange field");
  for (const name of names) fields[name](value[name], `${field}.${name}`);
};

const MOST = Number.MAX_SAFE_INTEGER;
export const seconds = whole(0, 366 * 24 * 3600);
const algorithm = (value, field) => {
  const known = ["ed25519", "p256"];
  if (typeof value === "string" && !known.includes(value)) throw new UnknownVersion(field, "alg");
  oneOf(...known)(value, field);
};
export const key = object({ alg: algorithm, public: base64 });
export const money = object({ amount, currency });
export const position = whole(0, MOST);
export const rowNumber = whole(1, MOST);

const ascending = (values) => values.every((one, at) => at === 0 || values[at - 1] < one);

const policyFields = object({
  claim_cool_down_s: seconds,
  currencies: list(object({ currency, exponent: whole(0, 30) }), 1, 64),
  key_change_delay_s: seconds,
  key_cool_down_s: seconds,
  registration: oneOf("approved", "open"),
  v: whole(1, 1),
});
export const policy = (value, field) => {
  policyFields(value, field);
  const codes = value.currencies.map((one) => one.currency);
  if (!ascending(codes)) bad(field, "is not sorted");
  if (codes.includes("CREDIT") || codes.includes("POINTS")) bad(field, "names what is no money");
};

// ---- commands (5.1) and entries (6.1)

const expectation = (value, field) => {
  const after = value !== null && typeof value === "object" && Object.hasOwn(value, "after");
  object(after ? { after: hex32, stream } : { leaf: orNull(hex32), stream })(value, field);
};

const commandFields = object({
  at: time,
  body: anyObject,
  by: party,
  expect: list(expectation, 0, 64),
  id: (value, field) =>
    (typeof value === "string" && value.length === 64 ? hex32 : uuid7)(value, field),
  kind: text,
  log: origin,
  not_after: time,
  policy: orNull(hex32),
  sealed: list(object({ digest: hex32, name: identifier, subject: party }), 0, 16),
  seen: orNull(object({ root: hex32, size: rowNumber })),
  signers: list(object({ key: hex32, party, role: identifier }), 1, 8),
  v: whole(1, 1),
});

/** Check a command's document; returns its canonical bytes. */
export function checkCommand(document, field = "command") {
  checkVersion(document, field);
  commandFields(document, field);
  const sorted = [document.expect.map((one) => one.stream), document.sealed.map((one) => one.name)];
  if (!sorted.every(ascending)) bad(field, "expect or sealed is not sorted");
  const raw = Buffer.from(canonical(document));
  if (raw.length > 24_576) bad(field, "is too large");
  checkDepth(raw.toString(), 24);
  return raw;
}

const common = {
  at: time,
  data: anyObject,
  index: position,
  log: origin,
  prev: orNull(hex32),
  seq: position,
  stream,
  type: text,
  v: whole(1, 1),
};
const own = { ...common, command: anyObject, effects: whole(0, 1000), sigs: list(base64, 1, 8) };
const effect = { ...common, cause: hex32, effect: whole(1, 1000) };

/** Read an entry's bytes; returns its document. An own entry's command bytes come beside it. */
export function readEntry(raw) {
  const document = readCanonical(raw, 65_535);
  anyObject(document, "entry");
  checkVersion(document, "entry");
  const isOwn = Object.hasOwn(document, "command");
  object(isOwn ? own : effect)(document, "entry");
  return { document, isOwn, command: isOwn ? checkCommand(document.command) : null };
}

#!/usr/bin/env node
// Verifies what a Weir hub proves of its log, without the hub: receipts, heads, tiles and exports. Written from
// docs/receipt-format.md and docs/export-format.md; needs Node 20 and nothing else.

import { createHash, createPublicKey, verify as verifySignature } from "node:crypto";
import { closeSync, createReadStream, existsSync, openSync, readFileSync, readSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const USAGE = `weir-verify verifies what a Weir hub proves of its log, without the hub.

  node weir-verify.mjs receipt FILE --key KEY [--show]
  node weir-verify.mjs heads OLD NEW (--proof FILE | --tiles FOLDER) --key KEY
  node weir-verify.mjs tiles FOLDER --key KEY
  node weir-verify.mjs export FOLDER --key KEY [--receipt FILE]…

KEY is the log's verifier key that you have kept (audit.vkey), or the file that holds it. --show prints what
opened slots say, which is personal. Exit code 0: verifies; 1: does not, and what; 2: asked in a wrong way.`;

const FILE_LEN_MAX = 2 * 1024 * 1024;
const LEAF_LEN_MAX = 16384;
const LINE_LEN_MAX = 4 * 1024 * 1024;
const PROOF_LEN_MAX = 64;
const SIGNATURES_MAX = 16;
const FINDINGS_MAX = 100;
const SIZE_MAX = 2 ** 52;
const WIDTH = 256;

const KINDS = ["GENESIS", "DISCLOSE", "REFUSE", "QUERY", "CHOICE", "HOLD", "FACT", "POLICY", "AUDIT_READ", "TURNED_AWAY",
  "GAP", "OPERATION", "REVIEW", "REPORT", "ERASE", "RIGHTS", "NOTICE"];
const FACETS = ["role", "purpose", "holder", "outcome", "codes", "released", "withheld", "rules", "gateways", "agreements",
  "duties", "override", "alarm", "bases", "subjects", "what", "count", "previous", "review"];
const WHAT = 16;
const EXPORTS = ["weir audit export", "weir.hub.v1.AuditService/ExportEntries"];
const SLOTS = ["subject", "asker", "request", "decision"];

/** It does not verify; each sentence names what. */
class Finding extends Error {
  constructor(...findings) {
    super(findings.join("\n"));
    this.findings = findings;
  }
}
/** It was asked in a wrong way. */
class Usage extends Error {}

/** Throws a finding unless something holds. */
function must(holds, finding) {
  if (!holds) throw new Finding(finding);
}
/** What `read` finds, with a name in front. */
function named(name, read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof Finding) throw new Finding(...error.findings.map((finding) => `${name}: ${finding}`));
    throw error;
  }
}

// --- Spellings: each value has exactly one. ---

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const word = (words, number) => words[number - 1] ?? `number ${number}`;
const plain = (text) => text.replace(/\p{Cc}/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

function base64(text) {
  if (typeof text !== "string") return null;
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : null;
}
function hash(text) {
  const bytes = base64(text);
  return bytes?.length === 32 ? bytes : null;
}
function number(text) {
  return /^(0|[1-9][0-9]{0,15})$/.test(text ?? "") && Number(text) <= SIZE_MAX ? Number(text) : null;
}
const isCount = (value) => Number.isInteger(value) && value >= 0 && value <= SIZE_MAX;
function utf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
const uuid = (bytes) => bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
/** Microseconds since 1970, a BigInt, as RFC 3339 writes them. */
function time(micros) {
  const second = 1_000_000n;
  const fraction = ((micros % second) + second) % second;
  const date = new Date(Number((micros - fraction) / 1000n));
  if (Number.isNaN(date.getTime())) return `${micros} microseconds`;
  const clock = date.toISOString().replace(/\.000Z$/, "");
  return fraction === 0n ? `${clock}Z` : `${clock}.${String(fraction).padStart(6, "0").replace(/0+$/, "")}Z`;
}

// --- Files, none longer than is allowed. ---

/** The bytes of a file; null: it is not there. */
function bytesOf(path, max) {
  let file;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw new Usage(`${path}: ${error.message}`);
  }
  try {
    const bytes = Buffer.alloc(Math.min(statSync(path).size, max) + 1);
    let length = 0;
    for (let read; (read = readSync(file, bytes, length, bytes.length - length, null)) > 0; ) length += read;
    must(length <= max && length < bytes.length, `${path}: longer than ${max} bytes`);
    return bytes.subarray(0, length);
  } catch (error) {
    if (error instanceof Finding) throw error;
    throw new Usage(`${path}: ${error.message}`);
  } finally {
    closeSync(file);
  }
}
function textOf(path) {
  const bytes = bytesOf(path, FILE_LEN_MAX);
  if (bytes === null) throw new Usage(`${path}: there is no such file`);
  const text = utf8(bytes);
  must(text !== null, `${path}: is no text`);
  return text;
}

// --- Keys and heads: C2SP signed notes that hold checkpoints. ---

/** Reads `name+id+base64(01 ‖ public key)`. */
export function keyOf(text) {
  const [, name, id, rest] = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(text.trim()) ?? [];
  const bytes = base64(rest);
  if (bytes?.length !== 33 || bytes[0] !== 1) throw new Usage("--key: is no verifier key of Ed25519");
  const own = sha256(name, "\n", bytes).subarray(0, 4);
  if (own.toString("hex") !== id) throw new Usage("--key: its id is not that of its name and bytes");
  const jwk = { kty: "OKP", crv: "Ed25519", x: bytes.subarray(1).toString("base64url") };
  return { name, id: own, object: createPublicKey({ key: jwk, format: "jwk" }) };
}
/** The head that the key has signed. */
function headOf(note, key) {
  const end = note.indexOf("\n\n");
  must(end >= 0 && note.endsWith("\n") && note.length > end + 2, "head: no empty line, or no newline at its end");
  const lines = note.slice(0, end).split("\n");
  must(lines.length === 3, "head: it is not three lines");
  const size = number(lines[1]);
  must(size !== null, "head: the size is no number");
  const root = hash(lines[2]);
  must(root, `head ${size}: the root is no hash`);
  must(lines[0] === key.name, `head ${size}: it is of another log, not ${key.name}`);
  const signatures = note.slice(end + 2, -1).split("\n");
  must(signatures.length <= SIGNATURES_MAX, `head ${size}: more than ${SIGNATURES_MAX} signatures`);
  let signed = false;
  signatures.forEach((line, at) => {
    const match = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line);
    const bytes = match && base64(match[2]);
    must(bytes && bytes.length >= 5, `head ${size}: signature ${at + 1} is malformed`);
    const byKey = match[1] === key.name && bytes.subarray(0, 4).equals(key.id) && bytes.length === 68;
    signed ||= byKey && verifySignature(null, Buffer.from(note.slice(0, end + 1)), key.object, bytes.subarray(4));
  });
  must(signed, `head ${size}: not signed by the key`);
  return { origin: lines[0], size, root };
}
const shown = (head) => `${head.size} entries of ${head.origin}, root ${head.root.toString("base64")}`;

// --- The tree of RFC 6962. ---

const leafHash = (leaf) => sha256(Buffer.from([0]), leaf);
const nodeHash = (left, right) => sha256(Buffer.from([1]), left, right);
/** The largest power of two below `n`. */
function split(n) {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}
/** The root that an inclusion proof leads to: RFC 6962 section 2.1.1, from the top down. */
function rootOfPath(leaf, index, size, path) {
  if (size === 1) return path.length === 0 ? leaf : null;
  if (path.length === 0) return null;
  const [middle, last, rest] = [split(size), path.at(-1), path.slice(0, -1)];
  const below = index < middle ? rootOfPath(leaf, index, middle, rest) : rootOfPath(leaf, index - middle, size - middle, rest);
  if (below === null) return null;
  return index < middle ? nodeHash(below, last) : nodeHash(last, below);
}
/** Both roots that a consistency proof leads to: section 2.1.2; `own`: the old tree is this whole subtree. */
function rootsOfGrowth(from, size, proof, old) {
  if (from === size) {
    if (old) return proof.length === 0 ? [old, old] : null;
    return proof.length === 1 ? [proof[0], proof[0]] : null;
  }
  if (proof.length === 0) return null;
  const [middle, last, rest] = [split(size), proof.at(-1), proof.slice(0, -1)];
  if (from <= middle) {
    const below = rootsOfGrowth(from, middle, rest, old);
    return below && [below[0], nodeHash(below[1], last)];
  }
  const below = rootsOfGrowth(from - middle, size - middle, rest, null);
  return below && [nodeHash(last, below[0]), nodeHash(last, below[1])];
}
/** Whether no hash is needed to see that `later` grew out of `earlier`. */
function isPlain(earlier, later) {
  must(earlier.size <= later.size, `head ${later.size}: covers fewer entries than head ${earlier.size} before it`);
  const same = earlier.size === later.size;
  must(!same || earlier.root.equals(later.root), `head ${later.size}: another root than the other head of ${later.size} entries`);
  for (const head of [earlier, later]) must(head.size > 0 || head.root.equals(sha256("")), "head 0: its root is not that of no entry");
  return same || earlier.size === 0;
}
/** The tree over perfect subtrees that are taken in order. */
class Fold {
  peaks = [];
  size = 0;
  /** false: no subtree of so many stands there. */
  take(count, hash) {
    if (!isCount(count) || count < 1 || 2 ** Math.round(Math.log2(count)) !== count) return false;
    if (this.size % count !== 0 || this.size + count > SIZE_MAX) return false;
    let top = { from: this.size, count, hash };
    this.size += count;
    while (this.peaks.at(-1)?.count === top.count && this.peaks.at(-1).from % (2 * top.count) === 0) {
      const left = this.peaks.pop();
      top = { from: left.from, count: 2 * top.count, hash: nodeHash(left.hash, top.hash) };
    }
    this.peaks.push(top);
    return true;
  }
  root() {
    return this.peaks.length === 0 ? sha256("") : this.peaks.map((peak) => peak.hash).reduceRight((right, left) => nodeHash(left, right));
  }
}
function rootOf(hashes) {
  const fold = new Fold();
  hashes.forEach((hash) => fold.take(1, hash));
  return fold.root();
}

// --- Leaves and slots: docs/receipt-format.md, sections 1 and 2. ---

/** Reads a leaf; findings say what is wrong with "the leaf". */
export function leafOf(bytes) {
  must(bytes.length <= LEAF_LEN_MAX, `is longer than ${LEAF_LEN_MAX} bytes`);
  let at = 0;
  const take = (length, what) => {
    must(at + length <= bytes.length, `is cut short at its ${what}`);
    return bytes.subarray(at, (at += length));
  };
  const byte = (what) => take(1, what)[0];
  const text = (what) => {
    const value = utf8(take(take(2, what).readUInt16BE(), what));
    must(value !== null, `its ${what} is no text`);
    return value;
  };
  must(take(4, "magic").equals(Buffer.from("WEIR")), "does not begin with WEIR");
  const version = byte("version");
  must(version === 2, `is of version ${version}, not 2`);
  const leaf = { time: take(8, "time").readBigInt64BE(), event: take(16, "event"), kind: byte("kind"), call: text("call") };
  take(24, "call id");
  leaf.agency = text("agency");
  must(/^[A-Za-z0-9_/.-]{0,120}$/.test(leaf.agency), "its agency is malformed");
  take(48, "principal");
  const list = (what, count, read) => {
    const rows = new Map();
    let last = -1;
    for (let n = 0; n < count; n += 1) {
      const number = byte(what);
      must(number > last, `its ${what} are not in order`);
      rows.set((last = number), read());
    }
    return rows;
  };
  const facets = byte("facets");
  must(facets <= 24, "has more than 24 facets");
  leaf.facets = list("facets", facets, () => text("facets"));
  leaf.slots = list("slots", byte("slots"), () => take(32, "slots"));
  must(at === bytes.length, "goes on after its end");
  return leaf;
}
function leafLines(leaf) {
  const first = [time(leaf.time), word(KINDS, leaf.kind), leaf.agency || "the hub", plain(leaf.call), uuid(leaf.event)].join("  ");
  return [first, ...[...leaf.facets].map(([facet, text]) => `  ${word(FACETS, facet)}: ${plain(text)}`)];
}
/** A slot from its members in a receipt (`id`) or an export (`slot`); null: malformed. */
function slotOf(value, name) {
  if (value === null || typeof value !== "object" || Object.keys(value).length !== 4) return null;
  const slot = { number: value[name], salt: hash(value.salt), content: base64(value.content), sealed: hash(value.sealed) };
  const isByte = Number.isInteger(slot.number) && slot.number >= 0 && slot.number <= 255;
  return isByte && slot.salt && slot.content && slot.sealed ? slot : null;
}
function slotsOf(values, name) {
  must(Array.isArray(values), "its slots are no list");
  const slots = values.map((value) => slotOf(value, name));
  must(slots.every(Boolean), "a slot is malformed");
  must(slots.every((slot, at) => at === 0 || slots[at - 1].number < slot.number), "its slots are not in order");
  return slots;
}
function checkSlot(slot, leaf, index) {
  const name = `entry ${index}: slot ${slot.number} (${word(SLOTS, slot.number)})`;
  must(leaf.slots.has(slot.number), `${name} is not one of the entry`);
  const number = Buffer.from([slot.number]);
  const content = sha256("weir/audit/slot/1", number, slot.salt, slot.content);
  const own = sha256("weir/audit/slot/2", number, content, slot.sealed);
  must(own.equals(leaf.slots.get(slot.number)), `${name} is not what the entry committed to`);
}
/** What must hold from entry to entry. */
class Order {
  last = null;
  seen = new Set();
  next(index, bytes) {
    const leaf = named(`entry ${index}: its leaf`, () => leafOf(bytes));
    const [before, event] = [this.last, uuid(leaf.event)];
    this.last = leaf.time;
    must(before === null || leaf.time >= before, `entry ${index}: its time ${time(leaf.time)} is before ${before !== null && time(before)}, the one before`);
    must(!this.seen.has(event), `entry ${index}: its event id was used by an entry before it`);
    this.seen.add(event);
    return leaf;
  }
}

// --- The commands. ---

function hashesOf(lines, first) {
  return lines.map((line, at) => {
    must(at < PROOF_LEN_MAX, `line ${first + at}: more than ${PROOF_LEN_MAX} hashes`);
    const value = hash(line);
    must(value, `line ${first + at}: is no hash`);
    return value;
  });
}
function jsonOf(bytes) {
  const text = utf8(bytes);
  must(text !== null, "is no text");
  try {
    return JSON.parse(text);
  } catch {
    throw new Finding("is no JSON");
  }
}
/** Verifies the text of a receipt. */
export function receiptOf(text, key) {
  const end = text.indexOf("\n\n");
  must(end >= 0, "no empty line before the head");
  const lines = text.slice(0, end).split("\n");
  must(lines[0] === "c2sp.org/tlog-proof@v1", "line 1: is not c2sp.org/tlog-proof@v1");
  const { bytes, slots } = named("line 2 (extra)", () => {
    const json = lines[1]?.startsWith("extra ") ? base64(lines[1].slice(6)) : null;
    must(json, "is no base64");
    const value = jsonOf(json);
    must(value?.weir === 1, "is not of version 1");
    const bytes = base64(value.leaf);
    must(bytes, "its leaf is no base64");
    const slots = slotsOf(value.slots, "id");
    const own = { weir: 1, leaf: value.leaf, slots: value.slots.map(({ id, salt, content, sealed }) => ({ id, salt, content, sealed })) };
    must(json.equals(Buffer.from(JSON.stringify(own))), "is spelled otherwise");
    return { bytes, slots };
  });
  const index = lines[2]?.startsWith("index ") ? number(lines[2].slice(6)) : null;
  must(index !== null, "line 3 (index): is no index");
  const path = hashesOf(lines.slice(3), 4);
  const head = headOf(text.slice(end + 2), key);
  must(index < head.size, `entry ${index}: is not among the ${head.size} of the head`);
  must(rootOfPath(leafHash(bytes), index, head.size, path)?.equals(head.root), `entry ${index}: the proof does not lead to the root`);
  const leaf = named(`entry ${index}: its leaf`, () => leafOf(bytes));
  slots.forEach((slot) => checkSlot(slot, leaf, index));
  return { index, head, bytes, leaf, slots };
}
function receipt(file, key, show) {
  const { index, head, leaf, slots } = named(file, () => receiptOf(textOf(file), key));
  const words = (slot) => {
    if (slot.number === 1 && slot.content.length === 16) return `residents/${uuid(slot.content)}`;
    return plain(slot.content.toString());
  };
  const opened = slots.map((slot) => {
    const said = show ? words(slot) : "laid open, --show tells what it says";
    return `  slot ${slot.number} (${word(SLOTS, slot.number)}): ${said}`;
  });
  return [`Entry ${index} of ${shown(head)}`, ...leafLines(leaf), ...opened];
}
/** Verifies that one head grew out of another by what `weir audit proof --from` wrote. */
export function growthOf(text, earlier, later, key) {
  const end = text.indexOf("\n\n");
  must(end >= 0, "no empty line before the head");
  const lines = text.slice(0, end).split("\n");
  must(lines[0] === `old ${earlier.size}`, `line 1: does not begin at head ${earlier.size}`);
  const proof = hashesOf(lines.slice(1), 2);
  const own = headOf(text.slice(end + 2), key);
  must(own.size === later.size && own.root.equals(later.root), `head ${own.size}: is not the head of ${later.size} entries given`);
  if (isPlain(earlier, later)) return must(proof.length === 0, `head ${later.size}: the proof from ${earlier.size} should be empty`);
  const roots = rootsOfGrowth(earlier.size, later.size, proof, earlier.root);
  must(roots?.[0].equals(earlier.root) && roots[1].equals(later.root), `head ${later.size}: the proof from head ${earlier.size} shows no growth`);
}
function heads(oldFile, newFile, { proof, tiles: folder }, key) {
  const [earlier, later] = [oldFile, newFile].map((file) => named(file, () => headOf(textOf(file), key)));
  const needless = named(newFile, () => isPlain(earlier, later));
  if (proof) named(proof, () => growthOf(textOf(proof), earlier, later, key));
  else if (!needless) {
    const fold = new Fold();
    for (let n = 0; fold.size < later.size; n += 1) {
      for (const hash of tileOf(folder, 0, n, later.size)) {
        fold.take(1, hash);
        const head = [earlier, later].find((head) => head.size === fold.size);
        must(!head || head.root.equals(fold.root()), `head ${head?.size}: the hashes in the tiles do not lead to its root`);
      }
    }
  }
  return [`From ${earlier.size} to ${later.size} entries the log only grew`];
}
function pathOf(level, n) {
  const groups = [String(n % 1000).padStart(3, "0")];
  for (let rest = Math.floor(n / 1000); rest > 0; rest = Math.floor(rest / 1000)) groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  return `tile/${level}/${groups.join("/")}`;
}
const nodes = (level, size) => Math.floor(size / WIDTH ** level);
/** The file of a tile of which `needed` places are needed, with its own width: a partial one may be gone when a wider one is there. */
function tileBytes(folder, level, n, needed, max) {
  const full = pathOf(level, n);
  for (let width = needed; width <= WIDTH; width += 1) {
    const name = width < WIDTH ? `${full}.p/${width}` : full;
    const bytes = bytesOf(join(folder, name), max);
    if (bytes) return { name, width, bytes };
  }
  throw new Finding(`${needed < WIDTH ? `${full}.p/${needed}` : full}: is missing`);
}
function tileOf(folder, level, n, size) {
  const needed = Math.min(nodes(level, size) - n * WIDTH, WIDTH);
  const { name, width, bytes } = tileBytes(folder, level, n, needed, WIDTH * 32);
  must(bytes.length === width * 32, `${name}: is not ${width} hashes of 32 bytes`);
  return Array.from({ length: needed }, (_, at) => bytes.subarray(at * 32, at * 32 + 32));
}
function bundleOf(folder, n, size) {
  const first = n * WIDTH;
  const needed = Math.min(size - first, WIDTH);
  const { name, width, bytes } = tileBytes(folder, "entries", n, needed, WIDTH * (LEAF_LEN_MAX + 2));
  let at = 0;
  const leaves = Array.from({ length: width }, (_, offset) => {
    const short = `${name}: entry ${first + offset}: is cut short`;
    must(at + 2 <= bytes.length, short);
    const length = bytes.readUInt16BE(at);
    must(at + 2 + length <= bytes.length, short);
    return bytes.subarray(at + 2, (at += 2 + length));
  });
  must(at === bytes.length, `${name}: goes on after entry ${first + width - 1}`);
  return { name, leaves: leaves.slice(0, needed) };
}
function tiles(folder, key) {
  const findings = [];
  const add = (finding) => findings.length < FINDINGS_MAX && findings.push(finding);
  const keep = (read) => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Finding)) throw error;
      error.findings.forEach(add);
      return null;
    }
  };
  const note = textOf(join(folder, "checkpoint"));
  const head = named("checkpoint", () => headOf(note, key));
  const hasEntries = existsSync(join(folder, "tile/entries"));
  const [order, byLeaf, byTile, differ] = [new Order(), new Fold(), new Fold(), []];
  let below = [];
  for (let n = 0; n * WIDTH < head.size; n += 1) {
    const tile = keep(() => tileOf(folder, 0, n, head.size));
    if (head.size - n * WIDTH >= WIDTH) below.push(tile && rootOf(tile));
    tile?.forEach((hash) => byTile.take(1, hash));
    const bundle = hasEntries ? keep(() => bundleOf(folder, n, head.size)) : null;
    bundle?.leaves.forEach((leaf, at) => {
      const [index, hash] = [n * WIDTH + at, leafHash(leaf)];
      byLeaf.take(1, hash);
      keep(() => order.next(index, leaf));
      if (tile && !tile[at].equals(hash) && differ.length < FINDINGS_MAX) differ.push([index, bundle.name, pathOf(0, n)]);
    });
  }
  const leads = (fold) => fold.size === head.size && fold.root().equals(head.root);
  for (const [index, bundle, tile] of differ) {
    if (leads(byLeaf)) add(`${tile}: hash ${index % WIDTH} is not that of entry ${index}, which the head covers`);
    else if (leads(byTile)) add(`entry ${index}: was changed: its leaf in ${bundle} is not the one under ${tile}, which the head covers`);
    else add(`entry ${index}: its leaf in ${bundle} is not the one under ${tile}`);
  }
  if (findings.length === 0 && !leads(byTile)) add(`checkpoint: head ${head.size}: its root is not that of ${hasEntries ? "the entries" : "the tiles"}`);
  for (let level = 1; level < 8; level += 1) {
    const roots = [];
    for (let n = 0; n * WIDTH < below.length; n += 1) {
      const tile = keep(() => tileOf(folder, level, n, head.size));
      tile?.forEach((hash, at) => {
        const root = below[n * WIDTH + at];
        if (root && !root.equals(hash)) add(`${pathOf(level, n)}: hash ${at} is not the root of ${pathOf(level - 1, n * WIDTH + at)}`);
      });
      if (below.length - n * WIDTH >= WIDTH) roots.push(tile && rootOf(tile));
    }
    below = roots;
  }
  if (findings.length > 0) throw new Finding(...findings);
  return [`${hasEntries ? "entries, tiles" : "tiles (no entries are there)"} and checkpoint agree: ${shown(head)}`];
}
function manifestOf(bytes, key) {
  const manifest = jsonOf(bytes);
  must(manifest?.weir_export === 1, "weir_export: is not version 1");
  for (const name of ["from", "to", "entries", "covered"]) must(isCount(manifest[name]), `${name}: is no number`);
  must(typeof manifest.head === "string", "head: is missing");
  const head = headOf(manifest.head, key);
  must(manifest.origin === head.origin, "origin: is not that of the head");
  const { from, to, entries, covered } = manifest;
  must(from <= to && to <= head.size, `from, to: ${from} to ${to} is no range of the ${head.size} entries`);
  must(manifest.files !== null && typeof manifest.files === "object", "files: are missing");
  const files = Object.entries(manifest.files);
  must(files.length <= 16, "files: more than 16");
  for (const [name, file] of files) {
    const isName = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(name) && name !== "manifest.json";
    must(isName && isCount(file?.bytes) && typeof file.sha256 === "string", "files: one is malformed");
  }
  must(Object.hasOwn(manifest.files, "entries.jsonl"), "files: entries.jsonl is not listed");
  const everything = manifest.filter === null && manifest.scope === "hub";
  return { head, from, to, entries, covered, everything, files, digest: sha256(bytes).toString("hex") };
}
/** The lines of a file, each no longer than is allowed. */
async function* linesOf(path) {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path)) {
    rest = Buffer.concat([rest, chunk]);
    for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.subarray(end + 1)) yield rest.subarray(0, end);
    if (rest.length > LINE_LEN_MAX) break;
  }
  if (rest.length > 0) yield null;
}
function checkView(view, index, leaf) {
  must(view !== null && typeof view === "object", `entry ${index}: its view is no object`);
  const text = (name) => (typeof view[name] === "string" ? view[name] : "");
  const own = view.index ?? number(/^entries\/(.*)$/.exec(text("name"))?.[1]);
  const same = {
    index: own === index,
    event: text("event").split("/").at(-1) === uuid(leaf.event),
    kind: text("kind").replaceAll("_", "").toUpperCase() === word(KINDS, leaf.kind).replaceAll("_", "").toUpperCase(),
    time: text("time").replace(/(\.\d*?)0*Z$/, "$1Z").replace(/\.Z$/, "Z") === time(leaf.time),
  };
  for (const [what, is] of Object.entries(same)) must(is, `entry ${index}: ${what} of its view is not that of its leaf`);
}
async function exported(folder, key, receiptFiles) {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new Usage(`${folder}: there is no such folder`);
  const bytes = bytesOf(join(folder, "manifest.json"), FILE_LEN_MAX);
  must(bytes, "manifest.json: is missing");
  const manifest = named("manifest.json", () => manifestOf(bytes, key));
  const receipts = receiptFiles.map((file) => ({ file, met: false, ...named(file, () => receiptOf(textOf(file), key)) }));
  const [findings, fold, order] = [[], new Fold(), new Order()];
  const tally = { entries: 0, covered: 0, slots: 0 };
  let lastCover = null;
  const take = (text) => {
    must(text !== null && text.length <= LINE_LEN_MAX, `is cut short, or longer than ${LINE_LEN_MAX} bytes`);
    const line = jsonOf(text);
    const names = Object.keys(line ?? {}).sort().join();
    if (names === "count,from,hash") {
      const [value, { from, count }] = [hash(line.hash), line];
      must(value && isCount(from) && isCount(count), "its from, count or hash is malformed");
      must(from === fold.size, `begins at entry ${from}; entry ${fold.size} is the next`);
      must(fold.take(count, value), `entries ${from} and on, ${count} of them: no subtree of the tree stands there`);
      must(lastCover !== count || from % (2 * count) === 0, `entry ${from}: is one covered stretch with the line before`);
      lastCover = count;
      const within = from < manifest.to && from + count > manifest.from;
      must(!manifest.everything || !within, `entry ${from}: is covered up, and the export says that it holds everything there`);
      tally.covered += count;
      return;
    }
    must(names === "entry,index,leaf,slots", "is neither an entry nor a covered stretch");
    const { index } = line;
    must(isCount(index), "its index is no number");
    must(index === fold.size, `begins at entry ${index}; entry ${fold.size} is the next`);
    const bytes = base64(line.leaf);
    must(bytes, `entry ${index}: its leaf is no base64`);
    const slots = named(`entry ${index}`, () => slotsOf(line.slots, "slot"));
    must(manifest.from <= index && index < manifest.to, `entry ${index}: is not in the range ${manifest.from} to ${manifest.to}`);
    const leaf = order.next(index, bytes);
    slots.forEach((slot) => checkSlot(slot, leaf, index));
    checkView(line.entry, index, leaf);
    for (const receipt of receipts.filter((receipt) => receipt.index === index)) {
      must(receipt.bytes.equals(bytes), `entry ${index}: its leaf is not that of the receipt`);
      receipt.met = true;
    }
    lastCover = null;
    fold.take(1, leafHash(bytes));
    tally.entries += 1;
    tally.slots += slots.length;
  };
  try {
    must(existsSync(join(folder, "entries.jsonl")), "entries.jsonl: is missing");
    let at = 0;
    for await (const line of linesOf(join(folder, "entries.jsonl"))) named(`entries.jsonl: line ${(at += 1)}`, () => take(line));
    const { size, root } = manifest.head;
    if (fold.size !== size) findings.push(`entries.jsonl: covers ${fold.size} entries; the head ${size} of them`);
    else if (!fold.root().equals(root)) findings.push(`entries.jsonl: head ${size}: its root is not that of the lines: an entry or a covered stretch was changed`);
    for (const what of ["entries", "covered"]) {
      if (manifest[what] !== tally[what]) findings.push(`manifest.json: ${what} is ${manifest[what]}; counted are ${tally[what]}`);
    }
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    findings.push(...error.findings);
  }
  for (const [name, listed] of manifest.files) {
    const path = join(folder, name);
    if (!existsSync(path)) findings.push(`${name}: is listed and cannot be read`);
    else if (statSync(path).size !== listed.bytes) findings.push(`${name}: has ${statSync(path).size} bytes, not the ${listed.bytes} listed`);
    else {
      const own = createHash("sha256");
      for await (const chunk of createReadStream(path)) own.update(chunk);
      if (own.digest("hex") !== listed.sha256) findings.push(`${name}: its SHA-256 is not the one listed`);
    }
  }
  const known = new Set(["manifest.json", ...manifest.files.map(([name]) => name)]);
  findings.push(...readdirSync(folder).filter((name) => !known.has(name)).map((name) => `${plain(name)}: is not listed`));
  let entered = false;
  for (const { file, index, leaf, met } of receipts) {
    // By its first two words: those behind them may be what somebody searched for.
    const [what, digest] = (leaf.facets.get(WHAT) ?? "").split("|");
    if (EXPORTS.includes(leaf.call) && what === "export" && digest === manifest.digest) entered = true;
    else if (!met && findings.length === 0) findings.push(`${file}: entry ${index}: has nothing to do with this export`);
  }
  if (findings.length > 0) throw new Finding(...findings.slice(0, FINDINGS_MAX));
  return [
    `${tally.entries} entries, ${tally.covered} covered up, under ${shown(manifest.head)}`,
    `${tally.slots} opened slots are what the entries committed to`,
    entered
      ? "manifest.json is the one whose hash the log holds"
      : "what manifest.json says of range, filter, scope and time is its own word: the receipt of the entry of this export (--receipt) would cover it",
  ];
}

/** Runs a command: exit code and lines. */
export async function run(args) {
  const options = { key: null, proof: null, tiles: null, receipt: [], show: false };
  const words = [];
  try {
    for (let at = 0; at < args.length; at += 1) {
      const name = args[at].startsWith("--") ? args[at].slice(2) : null;
      if (name === null) words.push(args[at]);
      else if (!Object.hasOwn(options, name)) throw new Usage(`--${name} is no option`);
      else if (name === "show") options.show = true;
      else if (at + 1 === args.length) throw new Usage(`--${name} wants a value`);
      else if (name === "receipt") options.receipt.push(args[(at += 1)]);
      else options[name] = args[(at += 1)];
    }
    const [command, ...files] = words;
    const allowed = { receipt: [1, "show"], heads: [2, "proof", "tiles"], tiles: [1], export: [1, "receipt"] }[command];
    if (!allowed || files.length !== allowed[0]) throw new Usage(USAGE);
    const given = Object.keys(options).filter((name) => name !== "key" && options[name] && options[name].length !== 0);
    const foreign = given.find((name) => !allowed.includes(name));
    if (foreign) throw new Usage(`--${foreign} does not belong to this command`);
    if (command === "heads" && given.length !== 1) throw new Usage("heads wants --proof or --tiles");
    if (options.key === null) throw new Usage("--key is required");
    const isFile = existsSync(options.key) && statSync(options.key).size <= 4096;
    const key = keyOf(isFile ? textOf(options.key) : options.key);
    const done = {
      receipt: () => receipt(files[0], key, options.show),
      heads: () => heads(files[0], files[1], options, key),
      tiles: () => tiles(files[0], key),
      export: () => exported(files[0], key, options.receipt),
    };
    return { code: 0, lines: [...(await done[command]()), "Verifies"] };
  } catch (error) {
    if (error instanceof Finding) return { code: 1, lines: [...error.findings, "Does NOT verify"] };
    if (error instanceof Usage) return { code: 2, lines: [error.message] };
    throw error;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { code, lines } = await run(process.argv.slice(2));
  console.log(lines.join("\n"));
  process.exitCode = code;
}

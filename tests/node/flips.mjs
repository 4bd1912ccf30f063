// Flips each byte of a file of a good thing in turn, and says which flips the verifier lets through.
// node flips.mjs VERIFIER FILE -- COMMAND…: the command verifies FILE, or the folder that it is in.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [verifier, file, , ...command] = process.argv.slice(2);
const { run } = await import(pathToFileURL(verifier).href);
const good = readFileSync(file);
const first = await run(command);
if (first.code !== 0) throw new Error(`the good one is refused: ${first.lines.join("\n")}`);
const wrong = [];
for (let at = 0; at < good.length; at += 1) {
  const bytes = Buffer.from(good);
  bytes[at] ^= 1 << at % 8;
  writeFileSync(file, bytes);
  const { code } = await run(command);
  if (code !== 1) wrong.push(`${at}: ${code}`);
}
console.log(`${good.length} flips, ${wrong.length} let through`, ...wrong);

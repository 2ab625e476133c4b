// Audits many folders in one process: JSON lines {folder, vkey} in, one report a line out.

import { createInterface } from "node:readline";
import { audit } from "./verify.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  const { folder, vkey } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(audit(folder, vkey))}\n`);
}

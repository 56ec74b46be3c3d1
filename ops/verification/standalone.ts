/** The verifier as one script for plain Node, version 20 or later, that needs nothing else: `npm run generate` makes it of this. */
import * as crypto from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { useSha256 } from "../../domain/log/hash.ts";
import { verifyEd25519 } from "../../domain/log/signed/ed25519.ts";
import type { Piece } from "../../read-api/explorer/verifier/pieces.ts";
import { cosignersOf, verifyPieces } from "../../read-api/explorer/verifier/verify-pieces.ts";
import { inWords } from "../../read-api/explorer/verifier/words.ts";
import { piecesAt } from "./pieces-on-disk.ts";

const usage = `Usage: node minutebook-verify.mjs DIR|FILE [--vkey KEY] [--keys FILE] [--recovery KEY] [--policy FILE] [--complete] [--states]
Checks an evidence bundle (its directory or its tar), a receipt (.tlog-proof), a stream proof (.minutebook-stream), a
promise (.tlog-promise; a second DIR or FILE is what the promise is held against) or a fork in writing. --keys is
what /log/keys serves: how the log's key changed; --recovery its recovery key. --policy names whose cosignatures are
asked for (C2SP tlog-policy). --states makes the heads of the log's committed states again, which
is done without it up to 50,000 entries. Exit status: 0 all good, 3 something does not verify, 2 usage.
`;

async function main(args: readonly string[]): Promise<0 | 2 | 3> {
  let asked;
  try {
    asked = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        vkey: { type: "string" },
        keys: { type: "string" },
        recovery: { type: "string" },
        policy: { type: "string" },
        complete: { type: "boolean" },
        states: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (fault) {
    return refuse(`${(fault as Error).message}\n${usage}`);
  }
  const { positionals, values } = asked;
  if (values.help || positionals.length === 0 || positionals.length > 2) return refuse(usage);
  const pieces: Piece[] = [];
  let isBundle = false;
  for (const path of [...positionals, ...(values.keys === undefined ? [] : [values.keys])]) {
    const found = await piecesAt(path);
    if (!found)
      return refuse(`There is no file or directory ${path}.
`);
    isBundle ||= found.isDirectory;
    pieces.push(...found.pieces);
  }
  const { vkey, recovery, complete, states, policy } = values;
  if (policy !== undefined && !existsSync(policy)) return refuse(`There is no file ${policy}.\n`);
  const cosigners = policy === undefined ? undefined : cosignersOf(readFileSync(policy, "utf8"), verifyEd25519);
  if (cosigners && "say" in cosigners) return refuse(`${cosigners.say}\n`);
  const found = await verifyPieces(pieces, { verify: verifyEd25519, vkey, recovery, complete, cosigners, states, isBundle });
  if (found.exit === 2) return refuse(`${found.say}\n`);
  process.stdout.write(inWords(found));
  return found.exit;
}

function refuse(say: string): 2 {
  process.stderr.write(say);
  return 2;
}

/** Trap: `crypto.hash` came with Node 20.12, and is twice as fast as what was there before. */
const { createHash, hash } = crypto as typeof crypto & { hash?: typeof crypto.hash };
useSha256(
  hash ? (input) => hash("sha256", input, "buffer") : (input) => createHash("sha256").update(input).digest(),
  hash ? (input) => hash("sha256", input, "base64url") : (input) => createHash("sha256").update(input).digest("base64url"),
);

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (fault) {
  // What cannot be read to its end does not verify.
  process.stderr.write(`The files cannot be read: ${(fault as Error).message}\n`);
  process.exitCode = 3;
}

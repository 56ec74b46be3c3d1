/** The secret of a recovery key, as a file that is kept offline. */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { recoveryName } from "../../domain/log/verify/keys/recovery.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { signEd25519 } from "../crypto.ts";
import { Usage } from "../terminal.ts";

/** Draws one. Written nowhere but where `write` puts it. */
export function drawRecoveryKey(origin: string, write: (secret: string) => void): { readonly vkey: string } {
  const seed = randomBytes(32);
  write(`${seed.toString("base64url")}\n`);
  return { vkey: formatVkey(recoveryName(origin), signEd25519(seed).publicKey) };
}

/** A new file that only its owner reads; durable when it returns. */
export function writeSecret(path: string, text: string): void {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (fault) {
    throw new Usage(`${path} cannot be written: ${(fault as Error).message}`);
  }
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
}

export function readSecret(path: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (fault) {
    throw new Usage(`${path} cannot be read: ${(fault as Error).message}`);
  }
  const seed = Buffer.from(text, "base64url");
  if (seed.length !== 32 || seed.toString("base64url") !== text) throw new Usage(`${path} does not hold the secret of a recovery key`);
  return seed;
}

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { BadConfiguration } from "../terminal.ts";

/**
 * A secret of 32 bytes: configured, or drawn once and kept under the home in a file that only its owner reads. Durable before it is used,
 * and never drawn twice: the first writer's file stays, whoever else draws at the same moment.
 */
export function secretOf(
  home: string,
  name: string,
  configured: string | undefined,
): { readonly bytes: Uint8Array; readonly drawn: boolean } {
  if (configured !== undefined) return { bytes: Buffer.from(configured, "base64url"), drawn: false };
  const path = join(home, "keys", name);
  if (!existsSync(path)) drawInto(path, randomBytes(32));
  if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0)
    throw new BadConfiguration(`${path} can be read by others than its owner: chmod 600 it`);
  const bytes = Buffer.from(readFileSync(path, "utf8").trim(), "base64url");
  if (bytes.length !== 32) throw new BadConfiguration(`${path} does not hold a key of 32 bytes in base64url`);
  return { bytes, drawn: true };
}

/** Durable when it returns; a file that is there already stays as it is. */
export function drawInto(path: string, secret: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = openSync(draft, "wx", 0o600);
  writeSync(file, `${Buffer.from(secret).toString("base64url")}\n`);
  fsyncSync(file);
  closeSync(file);
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}

/** Wraps a key of 32 bytes for the database: nonce(12) ‖ ciphertext ‖ tag(16), bound to what it is for. */
export function wrap(master: Uint8Array, purpose: string, key: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", master, nonce).setAAD(Buffer.from(purpose));
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

/** Throws when the master key is another than the one it was wrapped with. */
export function unwrap(master: Uint8Array, purpose: string, wrapped: Uint8Array): Uint8Array {
  try {
    const decipher = createDecipheriv("aes-256-gcm", master, wrapped.subarray(0, 12))
      .setAAD(Buffer.from(purpose))
      .setAuthTag(wrapped.subarray(-16));
    return Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
  } catch {
    throw new BadConfiguration(`the master key does not open the ${purpose} of this database: it is the master key of another instance`);
  }
}

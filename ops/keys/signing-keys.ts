/** The signing keys that lie here: the first in `keys/signing.key`, those drawn later each in a file named by its key id; or those configured. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { hex } from "../../domain/log/hash.ts";
import { formatVkey, noteKeyId } from "../../domain/log/note.ts";
import { signEd25519 } from "../crypto.ts";
import { drawInto, secretOf } from "./secrets.ts";

/** `lies` is a path, or the setting that holds it. */
export type SigningKey = { readonly vkey: string; readonly seed: Uint8Array; readonly lies: string };

export type Keyring = {
  /** Whether the key lies here now: another process may have drawn one a moment ago. */
  readonly has: (vkey: string) => boolean;
  /** Throws for a key that does not lie here. */
  readonly seedOf: (vkey: string) => Uint8Array;
};

type Where = { readonly home: string; readonly signingKey: string | undefined };

const setting = "MINUTEBOOK_SIGNING_KEY";
const first = "signing.key";
const laterForm = /^signing-[0-9a-f]{8}\.key$/;

export const isSigningKey = (file: string): boolean => file === first || laterForm.test(file);

/** Nothing is drawn. In the order in which they are configured; of files, the first key's first. */
export function signingKeysIn({ home, signingKey }: Where, origin: string): readonly SigningKey[] {
  const keyOf = (seed: Uint8Array, lies: string): SigningKey => ({ vkey: formatVkey(origin, signEd25519(seed).publicKey), seed, lies });
  if (signingKey !== undefined) return signingKey.split(",").map((text) => keyOf(Buffer.from(text, "base64url"), setting));
  const folder = join(home, "keys");
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const files = [...names.filter((name) => name === first), ...names.filter((name) => laterForm.test(name)).sort()];
  return files.map((name) => keyOf(secretOf(home, name, undefined).bytes, join(folder, name)));
}

/** The first key is drawn where none lies here and none is configured. */
export function ownSigningKeys(where: Where, origin: string): readonly SigningKey[] {
  const keys = signingKeysIn(where, origin);
  if (keys.length > 0) return keys;
  secretOf(where.home, first, undefined);
  return signingKeysIn(where, origin);
}

/** Durable before it is answered. */
export function drawSigningKey(home: string, origin: string): SigningKey {
  const seed = randomBytes(32);
  const { publicKey } = signEd25519(seed);
  const lies = join(home, "keys", `signing-${hex(noteKeyId(origin, publicKey))}.key`);
  drawInto(lies, seed);
  return { vkey: formatVkey(origin, publicKey), seed, lies };
}

export function keyringOf(where: Where, origin: string): Keyring {
  const find = (vkey: string) => signingKeysIn(where, origin).find((key) => key.vkey === vkey);
  return {
    has: (vkey) => find(vkey) !== undefined,
    seedOf(vkey) {
      const key = find(vkey);
      if (!key) throw new Error(`the key ${vkey} does not lie here`);
      return key.seed;
    },
  };
}

/**
 * How a request shows who sent it. `gr`: HMAC-SHA256 of the body under the secret's text (Gotong Royong's contract). `v1`, `v1a`: HMAC-SHA256
 * and Ed25519 over `<id>.<timestamp>.<body>` (Standard Webhooks 1.0.0). Made for each attempt: a secret that was revoked signs nothing more.
 */
import { b64, concat, fromB64, hex, hmacSha256, utf8 } from "../domain/log/hash.ts";
import type { Outgoing, SigningSecret } from "./profile.ts";

/** Signs with the key pair of a 32-byte seed (RFC 8032). */
export type SignWithSeed = (seed: Uint8Array, message: Uint8Array) => Uint8Array;

/** `sha256=` and 64 lower-case hex digits. Trap: the key is the UTF-8 of the secret as it is written, never the bytes that its hex stands for. */
export function grSignature(secret: string, body: Uint8Array): string {
  return `sha256=${hex(hmacSha256(utf8(secret), body))}`;
}

/** What `v1` and `v1a` sign: neither URL nor method nor any other header. The timestamp is that of the attempt, in whole seconds. */
export function signedContent({ id, timestamp, body }: Pick<Outgoing, "id" | "timestamp" | "body">): Uint8Array {
  return concat(utf8(`${id}.${timestamp}.`), body);
}

/** Of a `whsec_…` secret. */
export function v1Signature(secret: string, content: Uint8Array): string {
  return `v1,${b64(hmacSha256(keyIn(secret, "whsec_"), content))}`;
}

/** Of a `whsk_…` secret: the seed, and the public key behind it. */
export function v1aSignature(secret: string, content: Uint8Array, sign: SignWithSeed): string {
  return `v1a,${b64(sign(keyIn(secret, "whsk_").subarray(0, 32), content))}`;
}

function keyIn(secret: string, prefix: string): Uint8Array {
  const key = secret.startsWith(prefix) ? fromB64(secret.slice(prefix.length)) : undefined;
  // Why no part of it: what is thrown is logged.
  if (key === undefined) throw new RangeError(`a secret is not ${prefix} and base64`);
  return key;
}

/** `X-GR-Signature` holds one signature, so the secret that retires is never used beside the new one. */
export function grHeader({ body, secrets }: Outgoing): string | undefined {
  const secret = secrets.find(({ scheme, state }) => scheme === "gr" && state === "active");
  return secret && grSignature(secret.text, body);
}

/** `webhook-signature` holds one signature for each secret in force, the newest first: whichever the receiver knows, it finds. */
export function standardHeader(outgoing: Outgoing, sign: SignWithSeed): string | undefined {
  const secrets = outgoing.secrets.filter(({ scheme }) => scheme !== "gr").sort(byAge);
  if (secrets.length === 0) return undefined;
  const content = signedContent(outgoing);
  return secrets.map(({ scheme, text }) => (scheme === "v1" ? v1Signature(text, content) : v1aSignature(text, content, sign))).join(" ");
}

const rank = ({ scheme, state }: SigningSecret) => (scheme === "v1" ? 0 : 2) + (state === "active" ? 0 : 1);
const byAge = (a: SigningSecret, b: SigningSecret) => rank(a) - rank(b);

/** What goes with every request, whatever signs it. A replay is told as such, under the ids of the first telling. */
export function tellingHeaders({ id, timestamp, seq, generation, batch }: Outgoing): Readonly<Record<string, string>> {
  return {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-seq": String(seq),
    ...(generation > 0 && { "webhook-replay": String(generation) }),
    ...(batch !== undefined && { "webhook-batch": String(batch) }),
  };
}

import type { SignatureScheme, WebhookProfile } from "../../event-schemas/administration.ts";
import type { Call } from "../decider.ts";
import { b64, concat, equalBytes, fromB64, hex, sha256 } from "../log/hash.ts";

/** The schemes that a profile signs with; the first is that of the secret which a registration makes. */
export const schemesOf: { readonly [P in WebhookProfile]: readonly [SignatureScheme, ...SignatureScheme[]] } = {
  markov: ["gr", "v1"],
  standard: ["v1", "v1a"],
};

/** What signs deliveries, in the text that the receiver is given: 64 hex digits (`gr`), `whsec_…` (`v1`) or `whsk_…` (`v1a`). */
export type SecretText = { readonly kid: string; readonly scheme: SignatureScheme; readonly text: string; readonly fingerprint: string };

/**
 * The secret that a command stages: the one it was given, or one of its own. That is drawn by nobody: it is an HMAC of the command's id under the
 * instance key, so that the command, repeated, decides the same.
 */
export function secretOf(call: Call<{ readonly secret?: string }>, scheme: SignatureScheme): SecretText {
  const text =
    call.input.secret ??
    spelled(call, scheme, sha256(call.part("webhook-secret", `${call.cmd}/0`) + call.part("webhook-secret", `${call.cmd}/1`)));
  const fingerprint = call.part("webhook-secret-fingerprint", text);
  return { kid: hex(sha256(fingerprint)).slice(0, 12), scheme, text, fingerprint };
}

function spelled({ publicKeyOf }: Pick<Call, "publicKeyOf">, scheme: SignatureScheme, seed: Uint8Array): string {
  if (scheme === "gr") return hex(seed);
  return scheme === "v1" ? `whsec_${b64(seed)}` : `whsk_${b64(concat(seed, publicKeyOf(seed)))}`;
}

/** Whether a secret that was given has the form of its scheme. */
export function fitsScheme({ publicKeyOf }: Pick<Call, "publicKeyOf">, scheme: SignatureScheme, text: string): boolean {
  if (scheme === "gr") return /^[\x21-\x7e]{32,300}$/.test(text);
  const key = text.startsWith(prefixes[scheme]) ? fromB64(text.slice(prefixes[scheme].length)) : undefined;
  if (!key) return false;
  if (scheme === "v1") return key.length >= 24 && key.length <= 64;
  return key.length === 64 && equalBytes(publicKeyOf(key.subarray(0, 32)), key.subarray(32));
}

const prefixes = { v1: "whsec_", v1a: "whsk_" } as const;

/** What a receiver checks `v1a` signatures with. */
export const publicKeyIn = ({ scheme, text }: Pick<SecretText, "scheme" | "text">): string | undefined =>
  scheme === "v1a" ? `whpk_${b64(fromB64(text.slice(prefixes.v1a.length))!.subarray(32))}` : undefined;

/** How every id of the format is derived (§2, §3 and §6 of the log format). */
import { b64u, digest, hex, hmacSha256, sha256, uuidText, uuidV5 } from "./hash.ts";

const urlNamespace = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

/** The namespace of a log's command ids. */
export function commandNamespace(log: string): string {
  return uuidV5(urlNamespace, `minutebook/command/v1\n${log}`);
}

/** The caller is a member id or `system:<name>`; the key is the caller's idempotency key. */
export function commandId(namespace: string, caller: string, key: string): string {
  return uuidV5(namespace, `${caller}\n${key}`);
}

/** In confidential contexts: whoever guesses caller and key cannot tell the command's id without the instance key. */
export function confidentialCommandId(namespace: string, instanceKey: Uint8Array, caller: string, key: string): string {
  return uuidV5(namespace, b64u(hmacSha256(instanceKey, `${caller}\n${key}`)));
}

/** `index` counts the entries directly before this one in its stream that have the same command. */
export function eventId(command: string, stream: string, index: number): string {
  return uuidV5(command, `${stream}\n${index}`);
}

/** The nth id that the server makes for a command. */
export function madeId(command: string, n: number): string {
  return uuidV5(command, `made ${n}`);
}

/** The part of a stream's name that stands for something guessable: 22 characters that tell nothing without the instance key. */
export function streamPart(instanceKey: Uint8Array, context: string, part: string): string {
  return b64u(hmacSha256(instanceKey, `minutebook/part/v1\n${context}\n${part}`)).slice(0, 22);
}

/** The key of the nth command of this name that a policy issues because of one event. */
export function policyKey(causingEventId: string, command: string, n: number): string {
  return `${causingEventId}/${command}/${n}`;
}

/** The key of an effect that must not be linked to its cause. */
export function unlinkedKey(instanceKey: Uint8Array, key: string): string {
  return b64u(hmacSha256(instanceKey, key));
}

/** The event id given to EventStoreDB: the same bytes have the same id, other bytes another one. */
export function storeId(entryHash: Uint8Array): string {
  return uuidText(hex(entryHash.subarray(0, 16)), "8");
}

/** What `prev` names in the first entry of a stream. */
export function genesisHash(log: string, stream: string): Uint8Array {
  return sha256(genesisText(log, stream));
}

/** The same as `prev` spells it. */
export function genesisLink(log: string, stream: string): string {
  return digest(genesisText(log, stream));
}

const genesisText = (log: string, stream: string) => `minutebook/stream/v1\n${log}\n${stream}\n`;

/** The RFC 6962 leaf hash of an entry's text: one stored hash serves chain and tree. */
export function entryHash(text: string): Uint8Array {
  return sha256(`\0${text}`);
}

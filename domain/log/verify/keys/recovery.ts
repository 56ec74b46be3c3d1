/**
 * The recovery key: kept offline, it signs two things and nothing else, each under a first line of its own and with the log's origin in it,
 * so that neither can be taken for anything that another key signs.
 */
import { Malformed } from "../../canonical-json.ts";
import { b64, utf8 } from "../../hash.ts";
import { parseVkey, type Checkpoint, type VerificationKey } from "../note.ts";

/** What a recovery key is called: it serves one log. */
export const recoveryName = (origin: string): string => `${origin}/recovery`;

/** Throws `Malformed`, also for the recovery key of another log. */
export function parseRecoveryKey(vkey: string, origin: string): VerificationKey {
  const key = parseVkey(vkey);
  if (key.name !== recoveryName(origin)) throw new Malformed(`a recovery key of this log is called ${recoveryName(origin)}`);
  return key;
}

/** Another key signs the log from now on, and this tree was good last. */
export type Recovery = Checkpoint & { readonly from: string; readonly to: string };

export const recoveryMessage = ({ origin, size, root, from, to }: Recovery): Uint8Array =>
  utf8(`minutebook/recovery/v1\n${origin}\n${size}\n${b64(root)}\n${from}\n${to}\n`);

/** Another recovery key stands from now on. */
export type Renaming = { readonly origin: string; readonly from: string; readonly to: string };

export const renamingMessage = ({ origin, from, to }: Renaming): Uint8Array =>
  utf8(`minutebook/recovery-key/v1\n${origin}\n${from}\n${to}\n`);

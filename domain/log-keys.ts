/** The keys that speak for the log, as its first stream records them: the machine alone changes them, at an operator's word. */
import { Type } from "typebox";
import { logEvents } from "../event-schemas/log.ts";
import { decider, reject, type Stream } from "./decider.ts";
import { Malformed } from "./log/canonical-json.ts";
import { equalBytes, fromB64 } from "./log/hash.ts";
import { parseRecoveryKey, recoveryMessage, renamingMessage } from "./log/verify/keys/recovery.ts";
import { isCanonicalPoint, isSmallOrder, parseVkey } from "./log/note.ts";
import { verifyEd25519 } from "./log/signed/ed25519.ts";

/** `keys` are those that sign, or did, in their order: the last one signs now. */
export type LogKeysState = { readonly origin: string; readonly keys: readonly string[]; readonly recovery?: string };

export const logKeys: Stream<LogKeysState, typeof logEvents> = {
  name: "log",
  events: logEvents,
  initial: { origin: "", keys: [] },
  evolve: {
    LogOpened: (_, { origin, vkey }) => ({ origin, keys: [vkey] }),
    RecoveryKeyNamed: (state, { vkey }) => ({ ...state, recovery: vkey }),
    LogKeyRotated: (state, { to }) => ({ ...state, keys: [...state.keys, to] }),
  },
};

const strict = { additionalProperties: false };
const Vkey = Type.String({ minLength: 1, maxLength: 400 });
const Signature = Type.String({ pattern: "^[A-Za-z0-9+/]{86}==$" });
const Recovery = Type.Object(
  {
    size: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    root: Type.String({ pattern: "^[A-Za-z0-9+/]{43}=$" }),
    signature: Signature,
  },
  strict,
);

export const changingKeys = decider({
  stream: logKeys,
  reads: {},
  key: { NameRecoveryKey: () => "", RotateLogKey: () => "" },
  commands: {
    NameRecoveryKey: Type.Object({ vkey: Vkey, signature: Type.Optional(Signature) }, strict),
    RotateLogKey: Type.Object({ from: Vkey, to: Vkey, recovery: Type.Optional(Recovery) }, strict),
  },
  rules: {
    KEY_NOT_IN_FORCE: "The key that is given up is not the one that signs the log now.",
    KEY_USED_BEFORE: "A key that signed the log once, or stands as its recovery key, is not taken again.",
    NOT_A_KEY: "It is not the verification key of this log: an Ed25519 key under its origin, or under `<origin>/recovery`.",
    RECOVERY_KEY_STANDS: "A recovery key stands already: only what it signs puts another in its place.",
    NO_RECOVERY_KEY: "No recovery key was named for this log.",
    NOT_SIGNED: "The recovery key that stands did not sign this.",
  },
  decide: {
    NameRecoveryKey: (input, { origin, keys, recovery }) => {
      const key = tried(() => parseRecoveryKey(input.vkey, origin));
      if (!key) return reject("NOT_A_KEY");
      if (input.vkey === recovery || keys.some((vkey) => equalBytes(parseVkey(vkey).publicKey, key.publicKey)))
        return reject("KEY_USED_BEFORE");
      if (recovery === undefined && input.signature !== undefined) return reject("NO_RECOVERY_KEY");
      if (recovery !== undefined && input.signature === undefined) return reject("RECOVERY_KEY_STANDS");
      const message = recovery !== undefined && renamingMessage({ origin, from: recovery, to: input.vkey });
      if (message && !isSignedBy(recovery, origin, message, input.signature!)) return reject("NOT_SIGNED");
      return [logEvents.RecoveryKeyNamed(input)];
    },
    RotateLogKey: (input, { origin, keys, recovery }) => {
      const { from, to } = input;
      if (from !== keys.at(-1)) return reject("KEY_NOT_IN_FORCE");
      const key = tried(() => parseVkey(to));
      if (key?.name !== origin) return reject("NOT_A_KEY");
      const isStanding = recovery !== undefined && equalBytes(parseRecoveryKey(recovery, origin).publicKey, key.publicKey);
      if (isStanding || keys.includes(to)) return reject("KEY_USED_BEFORE");
      if (input.recovery) {
        if (recovery === undefined) return reject("NO_RECOVERY_KEY");
        const { size, root, signature } = input.recovery;
        const message = recoveryMessage({ origin, size, root: fromB64(root) ?? new Uint8Array(), from, to });
        if (!isSignedBy(recovery, origin, message, signature)) return reject("NOT_SIGNED");
      }
      return [logEvents.LogKeyRotated(input)];
    },
  },
});

/** Undefined for what is no key. */
function tried<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (fault) {
    if (fault instanceof Malformed) return undefined;
    throw fault;
  }
}

/** As every verifier will judge it. */
function isSignedBy(vkey: string, origin: string, message: Uint8Array, base64: string): boolean {
  const signature = fromB64(base64);
  if (!signature || isSmallOrder(signature) || !isCanonicalPoint(signature)) return false;
  return verifyEd25519(parseRecoveryKey(vkey, origin).publicKey, message, signature);
}

/** This instance as a cosigner of its peers' logs (C2SP tlog-witness). */
import type { VerificationKey } from "../../domain/log/note.ts";
import { cosign, formatCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { judge, type Refused } from "../../domain/log/signed/judge.ts";
import type { Ambient } from "../ambient.ts";
import { signEd25519, verifyEd25519 } from "../crypto.ts";
import type { Cosigned } from "./files.ts";
import type { CosignerRecord } from "./record.ts";

export type CosignerAnswer = Refused | { readonly status: 200; readonly lines: string };

export type OwnCosigner = {
  /** The name and the key that others list us by. */
  readonly vkey: string;
  /** What is asked, as bytes, and the answer. Throws `Unavailable` when the record cannot be read or written, `BadRecord` where a person has to decide. */
  readonly addCheckpoint: (body: Uint8Array) => Promise<CosignerAnswer>;
  /** The last checkpoint that was cosigned of a log, with its own line and ours. */
  readonly lastOf: (origin: string) => Promise<string | undefined>;
  readonly origins: readonly string[];
};

export const cosignerName = (origin: string) => `${origin}/cosigner`;

type Options = {
  /** Never the log's own key, and of one cosigner only: the message does not name who signs it. */
  readonly seed: Uint8Array;
  readonly name: string;
  readonly logs: ReadonlyMap<string, readonly VerificationKey[]>;
  readonly record: CosignerRecord;
  readonly now: Ambient["now"];
};

/** The same tree asked for again within this time gets the same line again: whoever repeats a checkpoint fills no table. */
const freshSeconds = 60;

export const cosignerVkey = (name: string, seed: Uint8Array) => formatCosignerKey(name, signEd25519(seed).publicKey);

export function openCosigner({ seed, name, logs, record, now }: Options): OwnCosigner {
  const { publicKey, sign } = signEd25519(seed);
  const vkey = formatCosignerKey(name, publicKey);
  return {
    vkey,
    origins: [...logs.keys()],
    async addCheckpoint(body) {
      const judged = await judge<Cosigned>(body, { logs, verify: verifyEd25519, lastOf: record.last });
      if (judged.status !== 200) return judged;
      const { checkpoint, note, last } = judged;
      const { origin, size, root } = checkpoint;
      const seconds = Math.floor(Date.parse(now()) / 1000);
      if (last && last.size === size && seconds < last.time + freshSeconds) return { status: 200, lines: lastLineOf(last.note) };
      // A clock that was put back does not make an older word of a newer one.
      const time = Math.max(seconds, last?.time ?? 1);
      const text = note.slice(0, note.lastIndexOf("\n\n") + 1);
      const lines = await cosign({ name, publicKey, sign, time, text });
      // Order: recorded before it leaves. After a crash here the asker learns the size from 409, and of the same tree gets the line again.
      const next: Cosigned = { nth: (last?.nth ?? -1) + 1, size, root, time, note: note + lines };
      if (await record.set(origin, next)) return { status: 200, lines };
      return { status: 409, size: (await record.last(origin))!.size };
    },
    lastOf: async (origin) => (await record.last(origin))?.note,
  };
}

const lastLineOf = (note: string) => note.slice(note.lastIndexOf("\n", note.length - 2) + 1);

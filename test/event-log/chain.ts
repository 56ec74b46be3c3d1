/** Well-formed entries of one stream, each chained to the one before, with fresh salts: built twice they differ in bytes, never in id. */
import { randomBytes } from "node:crypto";
import type { JsonObject } from "../../domain/log/canonical-json.ts";
import { writeEntry, type Entry } from "../../domain/log/entry.ts";
import type { Sealed } from "../../domain/log/event-log.ts";
import { b64u } from "../../domain/log/hash.ts";
import { commandId, commandNamespace, eventId, genesisHash } from "../../domain/log/ids.ts";
import { commit } from "../../domain/log/payload.ts";

export const origin = "contract.example.org/log";
const namespace = commandNamespace(origin);

export type Wish = {
  readonly stream: string;
  /** The caller's idempotency key: the same key makes the same command and event ids. */
  readonly key: string;
  /** The stream's last entry; undefined starts the stream. */
  readonly after?: Pick<Sealed, "entry" | "hash"> | undefined;
  readonly count?: number;
  readonly data?: JsonObject;
};

/** The entries of one command, ready to be appended on condition of `revisionOf(after)`. */
export function chain({ stream, key, after, count = 1, data = {} }: Wish): Sealed[] {
  const cmd = commandId(namespace, "member-of-the-contract", key);
  const made: Sealed[] = [];
  let last = after;
  for (let index = 0; index < count; index++) {
    const fields: JsonObject = {
      proposal: "a proposal",
      member: `member ${key}`,
      choice: index % 2 === 0 ? "agree" : "pass",
      weight: index + 1,
      ...data,
      ...(index === 0 ? { ".command": { input: b64u(new Uint8Array(32)), name: "cast-ballot" } } : {}),
    };
    const salts = Object.fromEntries(Object.keys(fields).map((name) => [name, b64u(randomBytes(16))]));
    const entry: Entry = {
      v: 1,
      log: origin,
      id: eventId(cmd, stream, index),
      stream,
      rev: revisionOf(last) + 1,
      prev: b64u(last === undefined ? genesisHash(origin, stream) : last.hash),
      type: "BallotCast",
      sv: 1,
      at: "2026-11-20T08:00:00.000Z",
      by: "member-of-the-contract",
      cmd,
      payload: commit(fields, salts).payload,
    };
    const sealed: Sealed = { entry, ...writeEntry(entry), data: fields, salts };
    made.push(sealed);
    last = sealed;
  }
  return made;
}

export function revisionOf(last: Pick<Sealed, "entry"> | undefined): number {
  return last === undefined ? -1 : last.entry.rev;
}

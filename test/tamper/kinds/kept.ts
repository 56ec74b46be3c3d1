/** Ways to tamper with what is kept beside the log: keys, checkpoints, the signer's record, promises, served files, the ledger of webhooks. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { signCheckpoint } from "../../../domain/log/checkpoint.ts";
import { rootOf } from "../../../domain/log/merkle.ts";
import type { SealedField } from "../../../domain/log/sealed.ts";
import { signEd25519 } from "../../../ops/crypto.ts";
import { logTree } from "../../../projections/log-tree.ts";
import type { Query } from "../../../projections/database.ts";
import type { TamperRig } from "../rig.ts";
import type { Kind, Place } from "./kind.ts";

const otherwise = { projections: [logTree] };

/** The ids of the keys of some members' `.command`s, in the order of the log. */
const keysOf = ({ log }: TamperRig): readonly string[] => [
  ...new Set(log.flatMap(({ data }) => (data[".auth"] ? [(data[".auth"] as SealedField).key] : []))),
];

const keyKind = (kind: string, fault: "tampered" | "withheld", sql: (key: string, other: string) => readonly string[]): Kind => ({
  kind,
  places: (rig) => {
    const keys = keysOf(rig);
    return [0, 1, keys.length - 1].map((n) => {
      const [key, other] = [keys[n]!, keys[(n + 2) % keys.length]!];
      return {
        where: `key ${n}`,
        work: async (query) => {
          for (const step of sql(`'${key}'`, `'${other}'`)) await query(step);
        },
        otherwise,
        found: { part: "keys", kind: fault, key },
      };
    });
  },
});

const swap = (column: string, key: string, other: string) => [
  "drop index if exists keys.subject_keys_subject_idx",
  `update keys.subject_keys a set ${column} = b.${column} from keys.subject_keys b
   where (a.key_id = ${key} and b.key_id = ${other}) or (a.key_id = ${other} and b.key_id = ${key})`,
];

const keys: readonly Kind[] = [
  keyKind("a key destroyed, and no entry", "withheld", (key) => [
    `update keys.subject_keys set wrapped = null, destroyed_at = now() where key_id = ${key}`,
  ]),
  keyKind("a key's row gone", "withheld", (key) => [`delete from keys.subject_keys where key_id = ${key}`]),
  keyKind("a key changed", "tampered", (key) => [
    `update keys.subject_keys set wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) where key_id = ${key}`,
  ]),
  keyKind("two subjects' keys swapped", "tampered", (key, other) => swap("wrapped", key, other)),
  keyKind("the subjects of two keys swapped", "tampered", (key, other) => swap("subject", key, other)),
  keyKind("a key kept under another id", "withheld", (key) => [
    `update keys.subject_keys set key_id = reverse(key_id) where key_id = ${key}`,
  ]),
  {
    kind: "the instance key changed",
    places: () =>
      ["wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)", "origin = origin || 'x'"].map((set) => ({
        where: set,
        work: (query) => query(`update keys.instance set ${set}`),
        otherwise,
        found: { part: "keys", kind: "tampered", table: "instance" },
      })),
  },
];

const sizesOf = async (query: Query) =>
  (await query<{ size: number }>("select size from log.checkpoint order by size")).map(({ size }) => size);

/** One checkpoint after another is changed; `note` makes its text of what it was. */
const checkpointKind = (
  kind: string,
  note: (rig: TamperRig, size: number, was: string) => string | Promise<string>,
  reason: string,
): Kind => ({
  kind,
  places: (rig) =>
    [0, -1].map((nth) => ({
      where: nth === 0 ? "the first" : "the newest",
      work: async (query) => {
        const size = (await sizesOf(query)).at(nth)!;
        const [row] = await query<{ note: string }>("select note from log.checkpoint where size = $1", [size]);
        await query("update log.checkpoint set note = $2 where size = $1", [size, await note(rig, size, row!.note)]);
      },
      otherwise,
      found: { part: "checkpoint", kind: "tampered", reason },
    })),
});

const flippedAt = (text: string, place: number, other: string) => `${text.slice(0, place)}${other}${text.slice(place + 1)}`;
const hashesOf = ({ log }: TamperRig, size: number) => log.slice(0, size).map(({ hash }) => hash);
const signedBy = (seed: Uint8Array, origin: string, size: number, root: Uint8Array) => {
  const { publicKey, sign } = signEd25519(seed);
  return signCheckpoint({ origin, size, root }, publicKey, sign);
};

const checkpoints: readonly Kind[] = [
  checkpointKind("a checkpoint's root changed", (_, __, note) => flippedAt(note, note.indexOf("=\n") - 5, "!"), "the checkpoint of"),
  checkpointKind("a checkpoint's size changed", (_, size, note) => note.replace(`\n${size}\n`, `\n${size + 1}\n`), "the checkpoint of"),
  checkpointKind(
    "a checkpoint's signature changed",
    (_, __, note) => flippedAt(note, note.length - 20, note.at(-20) === "A" ? "B" : "A"),
    "the checkpoint of",
  ),
  checkpointKind("a checkpoint without its signature", (_, __, note) => note.slice(0, note.indexOf("\n\n") + 2), "the checkpoint of"),
  checkpointKind(
    "a checkpoint by another key",
    (rig, size) => signedBy(new Uint8Array(32).fill(9), rig.instance.origin, size, rootOf(hashesOf(rig, size))),
    "not signed by the key",
  ),
  checkpointKind(
    "a checkpoint of another log",
    (rig, size) => signedBy(rig.instance.signingSeed, "elsewhere.example/log", size, rootOf(hashesOf(rig, size))),
    "the checkpoint of",
  ),
  checkpointKind(
    "a fork signed by the log's own key",
    (rig, size) => signedBy(rig.instance.signingSeed, rig.instance.origin, size, rootOf(hashesOf(rig, size).toReversed())),
    "signs other entries than these",
  ),
  checkpointKind(
    "a stale checkpoint in a newer one's place",
    (rig, size) => signedBy(rig.instance.signingSeed, rig.instance.origin, size - 1, rootOf(hashesOf(rig, size - 1))),
    "but signs",
  ),
  {
    kind: "a checkpoint of more than there is",
    places: (rig) => [
      {
        where: "behind the newest",
        work: async (query) =>
          query("insert into log.checkpoint values ($1, $2)", [
            rig.size + 4,
            await signedBy(rig.instance.signingSeed, rig.instance.origin, rig.size + 4, rootOf(hashesOf(rig, rig.size))),
          ]),
        otherwise,
        found: { part: "log", kind: "withheld", leaf: rig.size },
      },
    ],
  },
];

type Lines = readonly string[];
const recordKind = (kind: string, change: (lines: Lines) => Lines, reason: string): Kind => ({
  kind: `the signer's record: ${kind}`,
  places: ({ instance }) => {
    const home = mkdtempSync(join(instance.home, "record-"));
    const lines = readFileSync(join(instance.home, "signer", "record"), "utf8")
      .split("\n")
      .slice(0, -1);
    mkdirSync(join(home, "signer"));
    writeFileSync(
      join(home, "signer", "record"),
      change(lines)
        .map((line) => `${line}\n`)
        .join(""),
    );
    return [{ where: "one line", otherwise: { ...otherwise, home }, found: { part: "checkpoint", reason } }];
  },
});

const records: readonly Kind[] = [
  recordKind("a root changed", ([first, ...rest]) => [first!.replace(/"root":"./, '"root":"!'), ...rest], "line 1 of the signer's record"),
  recordKind("a size changed", ([first, ...rest]) => [first!.replace(/"size":\d+/, '"size":3'), ...rest], "signer's record"),
  recordKind(
    "of another log",
    ([first, ...rest]) => [first!.replace(/"origin":"./, '"origin":"!'), ...rest],
    "line 1 of the signer's record",
  ),
  recordKind(
    "a position changed",
    ([first, ...rest]) => [first!.replace(/"position":"\d/, '"position":"9'), ...rest],
    "line 1 of the signer's record",
  ),
  recordKind("lines out of order", (lines) => lines.toReversed(), "does not grow"),
  recordKind("a line that is none", (lines) => [...lines, "{}"], "signer's record"),
];

const promises: readonly Kind[] = [
  ["a promise's text changed", "note = replace(note, 'seconds 60', 'seconds 61')"],
  ["a promise kept under another event", "event = gen_random_uuid()"],
].map(([kind, set]) => ({
  kind: kind!,
  places: () => [
    {
      where: "the promise",
      work: (query) => query(`update log.promise set ${set}`),
      otherwise,
      found: { part: "promise", kind: "tampered" },
    },
  ],
}));

type Serving = (path: string, bytes: Uint8Array, rig: TamperRig) => Uint8Array | undefined;
const servedKind = (kind: string, fault: "tampered" | "withheld", serve: Serving, only = (_: string) => true): Kind => ({
  kind: `served: ${kind}`,
  places: (rig) =>
    [...rig.files.keys()].filter(only).map((file) => ({
      where: file,
      otherwise: { ...otherwise, served: (path, bytes) => (path === file ? serve(path, bytes, rig) : bytes) },
      found: { part: "tiles", kind: fault, file },
    })),
});

const isTile = (path: string) => path.startsWith("tile/");
const served: readonly Kind[] = [
  servedKind("a byte changed", "tampered", (_, bytes) => bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte))),
  servedKind("a byte short", "tampered", (_, bytes) => bytes.slice(0, -1)),
  servedKind("a partial tile for a full one, or a shorter one", "tampered", (_, bytes) => bytes.slice(0, -32), isTile),
  servedKind(
    "a full tile for a partial one",
    "tampered",
    (path, _, { files }) => files.get(path.replace(/\d+\.p\/\d+$/, "000")),
    (path) => /\.p\/\d+$/.test(path) && !path.startsWith("tile/1"),
  ),
  servedKind("another file's bytes", "tampered", (path, _, { files }) => [...files].find(([other]) => other !== path && isTile(other))![1]),
  servedKind("nothing", "withheld", () => undefined),
];

const ledgerKind = (kind: string, sql: string, found: Place["found"]): Kind => ({
  kind: `webhooks: ${kind}`,
  places: () => [{ where: "the ledger", work: (query) => query(sql), otherwise, found: { part: "webhooks", ...found } }],
});

const deliveries = { table: "webhook.delivery" };
const attempts = { table: "webhook.attempt" };
const anchors = { table: "webhook.anchor" };
const ledger: readonly Kind[] = [
  ledgerKind("a delivery gone", "delete from webhook.delivery where seq = 3", deliveries),
  ledgerKind("a number skipped", "update webhook.delivery set seq = 9 where seq = 6", deliveries),
  ledgerKind("the next number", "update webhook.subscription set next_seq = 8", deliveries),
  ledgerKind("a delivery of another event", "update webhook.delivery set event_id = told_id where seq = 2", {
    ...deliveries,
    key: "seq=2",
  }),
  ledgerKind("a delivery of another type", "update webhook.delivery set event_type = 'x' where seq = 2", { ...deliveries, key: "seq=2" }),
  ledgerKind("a delivery of another leaf", "update webhook.delivery set leaf_index = 11 where seq = 2", { ...deliveries, key: "seq=2" }),
  ledgerKind("a body changed", "update webhook.delivery set body_hash = sha256('x') where seq = 2", attempts),
  ledgerKind("an attempt changed", "update webhook.attempt set status = 500 where id = (select min(id) from webhook.attempt)", attempts),
  ledgerKind("an attempt gone", "delete from webhook.attempt where id = (select max(id) from webhook.attempt)", attempts),
  ledgerKind("an anchor changed", "update webhook.anchor set root = sha256(root) where from_id = 0", { ...anchors, key: "from_id=0" }),
  ledgerKind("an anchor gone", "delete from webhook.anchor where from_id = 0", { ...anchors, key: "from_id=0" }),
  ledgerKind("an anchor of another event", "update webhook.anchor set event_id = 'x' where from_id = 0", { ...anchors, key: "from_id=0" }),
];

export const keptKinds: readonly Kind[] = [...keys, ...checkpoints, ...records, ...promises, ...served, ...ledger];

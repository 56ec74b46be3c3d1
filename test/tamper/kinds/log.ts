/** Ways to tamper with the log itself. */
import { canonical, type Json, type JsonObject } from "../../../domain/log/canonical-json.ts";
import { digest } from "../../../domain/log/hash.ts";
import { entryHash } from "../../../domain/log/ids.ts";
import { commit } from "../../../domain/log/payload.ts";
import type { SealedField } from "../../../domain/log/sealed.ts";
import type { Query } from "../../../projections/database.ts";
import { logTree } from "../../../projections/log-tree.ts";
import { vectors } from "../../log/vectors.ts";
import { otherSalt, type TamperRig } from "../rig.ts";
import type { Kind, Place } from "./kind.ts";

/** Rows of other projections say nothing here. */
const otherwise = { projections: [logTree] };
const otherUuid = "00000000-0000-5000-8000-000000000000";
const otherDigest = digest("something else");

/** Leaf 0, one after the first checkpoint, one in the middle, the last. */
const leavesOf = ({ size }: TamperRig) => [0, 20, size >> 1, size - 1];
const setText = (query: Query, leaf: number, text: string) => query("update log.entry set text = $2 where position = $1", [leaf, text]);

const members: Readonly<Record<string, (value: Json) => Json>> = {
  v: () => 2,
  log: (log) => `${log as string}x`,
  id: () => otherUuid,
  stream: (stream) => `${stream as string}x`,
  rev: (rev) => (rev as number) + 1,
  prev: () => otherDigest,
  type: (type) => (type === "BallotCast" ? "BallotRevised" : "BallotCast"),
  sv: (sv) => (sv as number) + 1,
  at: (at) => new Date(Date.parse(at as string) + 1).toISOString(),
  by: () => "somebody-else",
  cmd: () => otherUuid,
  cause: () => otherUuid,
  payload: () => otherDigest,
};

const entryMembers: readonly Kind[] = Object.entries(members).map(([member, other]) => ({
  kind: `the entry's ${member} changed`,
  apart: true,
  places: (rig) =>
    leavesOf(rig).map((leaf) => ({
      where: `leaf ${leaf}`,
      work: (query) => {
        const entry = JSON.parse(rig.log[leaf]!.text) as JsonObject;
        return setText(query, leaf, canonical({ ...entry, [member]: other(entry[member]!) }));
      },
      otherwise,
      found: { part: "log", kind: "tampered", leaf },
    })),
}));

const entryTexts: readonly Kind[] = [
  ["an entry that is no JSON", () => "nothing"],
  ["an entry with white space", (text: string) => `${text} `],
  ["an entry with another member", (text: string) => text.replace('{"at"', '{"aa":1,"at"')],
  ["an entry without its cmd", (text: string) => text.replace(/"cmd":"[^"]+",/, "")],
  ["an entry in other spelling", (text: string) => text.replace('"at"', '"\\u0061t"')],
  ["an entry of another log", () => vectors.events[1]!.entry],
].map(([kind, change]): Kind => ({
  kind: kind as string,
  apart: true,
  places: (rig) =>
    leavesOf(rig).map((leaf) => ({
      where: `leaf ${leaf}`,
      work: (query) => setText(query, leaf, (change as (text: string) => string)(rig.log[leaf]!.text)),
      otherwise,
      found: { part: "log", kind: "tampered", leaf },
    })),
}));

const columns: readonly Kind[] = Object.entries({
  position: "position = position + 100000",
  stream: "stream = stream || 'x'",
  revision: "revision = revision + 1000",
  cmd: "cmd = gen_random_uuid()",
  first: "first = not first",
}).map(([column, set]) => ({
  kind: `the column ${column} changed`,
  apart: true,
  places: (rig) =>
    leavesOf(rig).map((leaf) => ({
      where: `leaf ${leaf}`,
      work: async (query) => {
        if (column === "first") await query("drop index if exists log.entry_command");
        await query(`update log.entry set ${set} where position = ${leaf}`);
      },
      otherwise,
      found: { part: "log", leaf },
    })),
}));

type Payload = { readonly data: JsonObject; readonly salts: Readonly<Record<string, string>> };
type Change = (payload: Payload, rig: TamperRig, leaf: number) => { readonly data: JsonObject; readonly salts: JsonObject };

const without = (object: JsonObject, name: string): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
const isSealedField = (value: Json | undefined): value is SealedField =>
  typeof value === "object" && value !== null && Object.hasOwn(value, "sealed");
const sealedName = ({ data }: Payload) => Object.keys(data).find((name) => isSealedField(data[name]))!;

const payloads: Readonly<Record<string, Change>> = {
  "a field's value changed": ({ data, salts }) => ({ data: { ...data, memberId: otherUuid }, salts: { ...salts, memberId: otherSalt } }),
  "a salt changed": ({ data, salts }) => ({ data, salts: { ...salts, ".command": otherSalt } }),
  "a salt that is none": ({ data, salts }) => ({ data, salts: { ...salts, ".command": "short" } }),
  "a field added": ({ data, salts }) => ({ data: { ...data, more: 1 }, salts: { ...salts, more: otherSalt } }),
  "a field removed": ({ data, salts }) => ({ data: without(data, ".command"), salts: without(salts, ".command") }),
  "a field renamed": ({ data, salts }) => ({
    data: { ...without(data, ".command"), renamed: data[".command"]! },
    salts: { ...without(salts, ".command"), renamed: salts[".command"]! },
  }),
  "a field of the format that there is not": ({ data, salts }) => ({
    data: { ...data, ".other": 1 },
    salts: { ...salts, ".other": otherSalt },
  }),
  "a salt without its field": ({ data, salts }) => ({ data, salts: { ...salts, more: otherSalt } }),
  "a sealed value's bytes changed": (payload) => {
    const name = sealedName(payload);
    const { key, sealed } = payload.data[name] as SealedField;
    const other = sealed[20] === "A" ? "B" : "A";
    return { ...payload, data: { ...payload.data, [name]: { key, sealed: `${sealed.slice(0, 20)}${other}${sealed.slice(21)}` } } };
  },
  "a sealed value under another key": (payload) => {
    const name = sealedName(payload);
    return { ...payload, data: { ...payload.data, [name]: { ...(payload.data[name] as SealedField), key: otherDigest } } };
  },
  "a sealed value with a block more": (payload) => {
    const name = sealedName(payload);
    const { key, sealed } = payload.data[name] as SealedField;
    const longer = Buffer.concat([Buffer.from(sealed, "base64url"), Buffer.alloc(64, 32)]).toString("base64url");
    return { ...payload, data: { ...payload.data, [name]: { key, sealed: longer } } };
  },
  "`.command` of another entry": ({ data, salts }, { log }, leaf) => {
    const other = log[leaf - 1]!;
    return { data: { ...data, ".command": other.data[".command"]! }, salts: { ...salts, ".command": other.salts[".command"]! } };
  },
  "`.auth` gone": ({ data, salts }) => ({ data: without(data, ".auth"), salts: without(salts, ".auth") }),
  "the payload of another entry": (_, { log }, leaf) => log[leaf + 1]!,
};

/** First events of members' commands, far apart. */
const commandLeaves = (rig: TamperRig) => {
  const all = rig.log.filter(({ data }) => Object.hasOwn(data, ".auth")).map(({ leafIndex }) => leafIndex);
  return [all[2]!, all[all.length >> 1]!, all.at(-2)!];
};

const setPayload = (query: Query, leaf: number, { data, salts }: { data: JsonObject; salts: JsonObject }) =>
  query("update log.entry set data = $2, salts = $3 where position = $1", [leaf, JSON.stringify(data), JSON.stringify(salts)]);

const payloadKinds: readonly Kind[] = Object.entries(payloads).map(([kind, change]) => ({
  kind,
  apart: true,
  places: (rig) =>
    commandLeaves(rig).map((leaf) => ({
      where: `leaf ${leaf}`,
      work: (query) => setPayload(query, leaf, change(rig.log[leaf]!, rig, leaf)),
      otherwise,
      found: { part: "payload", kind: "tampered", leaf },
    })),
}));

const at = (leaf: number, found: Place["found"], work: NonNullable<Place["work"]>, where = `leaf ${leaf}`): Place => ({
  where,
  work,
  otherwise,
  found,
});

const restOfPayload: readonly Kind[] = [
  {
    kind: "the payload gone, and nothing said of it",
    places: (rig) =>
      commandLeaves(rig).map((leaf) =>
        at(leaf, { part: "payload", kind: "withheld", leaf }, (query) => setPayload(query, leaf, { data: {}, salts: {} })),
      ),
  },
  {
    kind: "a column that is no JSON",
    places: () =>
      ["data", "salts"].map((column) =>
        at(40, { part: "log", leaf: 40 }, (query) => query(`update log.entry set ${column} = 'x' where position = 40`), column),
      ),
  },
  {
    kind: "a column written otherwise",
    places: () =>
      ["data", "salts"].map((column) =>
        at(
          40,
          { part: "log", leaf: 40 },
          (query) => query(`update log.entry set ${column} = ${column} || ' ' where position = 40`),
          column,
        ),
      ),
  },
  {
    kind: "a payload changed, and committed to again in its entry",
    places: (rig) =>
      commandLeaves(rig).map((leaf) => {
        const { text, data, salts } = rig.log[leaf]!;
        const changed = { data: { ...data, more: 1 }, salts: { ...salts, more: otherSalt } };
        return at(leaf, { part: "log", kind: "tampered", leaf }, async (query) => {
          await setPayload(query, leaf, changed);
          const { payload } = commit(changed.data, changed.salts);
          await setText(query, leaf, canonical({ ...(JSON.parse(text) as JsonObject), payload }));
        });
      }),
  },
];

const copied = (position: number) =>
  `insert into log.entry select ${position}, stream, revision + 100000, text, data, salts, cmd, false from log.entry where position = 3`;

const rows: readonly Kind[] = [
  {
    kind: "a row dropped",
    places: (rig) =>
      leavesOf(rig).map((leaf) =>
        at(leaf, { part: "log", kind: "withheld", leaf }, (query) => query("delete from log.entry where position = $1", [leaf])),
      ),
  },
  {
    kind: "a row dropped, and the gap closed",
    places: () =>
      [1, 50, 200].map((leaf) =>
        at(leaf, { part: "log", leaf }, async (query) => {
          await query("delete from log.entry where position = $1", [leaf]);
          await query("update log.entry set position = position + 1000000 where position > $1", [leaf]);
          await query("update log.entry set position = position - 1000001 where position > 1000000");
          await query("update log.head set size = size - 1");
        }),
      ),
  },
  {
    kind: "a row inserted",
    places: () =>
      [4, 50, 200].map((leaf) =>
        at(leaf, { part: "log", leaf }, async (query) => {
          await query("update log.entry set position = position + 1000000 where position >= $1", [leaf]);
          await query("update log.entry set position = position - 999999 where position >= 1000000");
          await query(copied(leaf));
          await query("update log.head set size = size + 1");
        }),
      ),
  },
  {
    kind: "two rows swapped",
    places: ({ size }) =>
      [
        [60, 61],
        [60, size - 3],
      ].map(([one, other]) =>
        at(
          one!,
          { part: "log", kind: "tampered", leaf: one! },
          async (query) => {
            await query("update log.entry set position = 1000000 where position = $1", [one!]);
            await query("update log.entry set position = $1 where position = $2", [one!, other!]);
            await query("update log.entry set position = $1 where position = 1000000", [other!]);
          },
          `leaves ${one} and ${other}`,
        ),
      ),
  },
  {
    kind: "a row repeated behind the head",
    places: ({ size }) => [at(size, { part: "log", kind: "tampered", leaf: size }, (query) => query(copied(size)))],
  },
  {
    kind: "a row repeated, and the head moved",
    places: ({ size }) => [
      at(size, { part: "log", leaf: size }, async (query) => {
        await query(copied(size));
        await query("update log.head set size = size + 1");
      }),
    ],
  },
  {
    kind: "the tail cut off",
    places: ({ size }) =>
      [1, size - 10, size - 1].map((leaf) =>
        at(leaf, { part: "log", kind: "withheld", leaf }, async (query) => {
          await query("delete from log.entry where position >= $1", [leaf]);
          await query("update log.head set size = $1", [leaf]);
        }),
      ),
  },
  {
    kind: "the tail cut off, with checkpoints and rows",
    places: ({ size }) => [
      at(size - 10, { part: "log", kind: "withheld", leaf: size - 10, reason: "signer's record" }, async (query) => {
        await query("delete from log.entry where position >= $1", [size - 10]);
        await query("update log.head set size = $1", [size - 10]);
        await query("delete from log.checkpoint where size > $1", [size - 10]);
        await query("delete from rows.checkpoint");
      }),
    ],
  },
  {
    kind: "a head that counts too many",
    places: ({ size }) => [at(size, { part: "log", leaf: size }, (query) => query("update log.head set size = size + 5"))],
  },
  {
    kind: "a head that counts too few",
    places: ({ size }) => [at(size - 5, { part: "log", leaf: size - 5 }, (query) => query("update log.head set size = size - 5"))],
  },
  { kind: "no head", places: () => [at(0, { part: "log", leaf: 0 }, (query) => query("delete from log.head"))] },
  {
    kind: "history rewritten with its rows: a fork",
    places: (rig) =>
      [20, rig.size - 1].map((leaf) => {
        const entry = JSON.parse(rig.log[leaf]!.text) as JsonObject;
        const text = canonical({ ...entry, at: "2099-01-01T00:00:00.000Z" });
        return at(leaf, { part: "checkpoint", kind: "tampered", reason: "signs other entries than these" }, async (query) => {
          await setText(query, leaf, text);
          const table = await rig.tableOf(query, "log-tree", "log_entry");
          await query(`update ${table} set hash = $2, at = '2099-01-01T00:00:00.000Z' where leaf_index = $1`, [leaf, entryHash(text)]);
        });
      }),
  },
];

export const logKinds: readonly Kind[] = [...entryMembers, ...entryTexts, ...columns, ...payloadKinds, ...restOfPayload, ...rows];

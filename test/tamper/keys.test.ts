/** Erased, withheld and tampered, told apart by what the log says of a key and what became of it. */
import { expect, it } from "vitest";
import type { JsonObject } from "../../domain/log/canonical-json.ts";
import type { Entry } from "../../domain/log/entry.ts";
import type { Placed } from "../../domain/log/event-log.ts";
import { keyId, seal } from "../../domain/log/sealed.ts";
import { cipher } from "../../ops/crypto.ts";
import { wrap } from "../../ops/keys/secrets.ts";
import { Faults } from "../../ops/verification/deep/faults.ts";
import { SealedFields } from "../../ops/verification/deep/sealed-fields.ts";
import type { Query } from "../../projections/database.ts";

const origin = "keys.example/log";
const master = new Uint8Array(32).fill(1);
const key = new Uint8Array(32).fill(2);
const id = keyId(key);
const eventId = "00000000-0000-5000-8000-000000000001";

type Kept = "here" | "destroyed" | "unknown" | "another";

/** The keys of a database. */
const keysOf =
  (kept: Kept): Query =>
  async <R extends object>(text: string) => {
    const wrapped = kept === "destroyed" ? null : wrap(master, `subject key ${id}`, kept === "another" ? master : key);
    const rows = kept === "unknown" ? [] : [{ key_id: id, subject: "ana", wrapped }];
    if (text.includes("keys.instance")) return [{ origin, wrapped: wrap(master, `instance key of ${origin}`, key) }] as unknown as R[];
    return rows as unknown as R[];
  };

const placed = (leafIndex: number, type: string, data: JsonObject) =>
  ({ leafIndex, data, entry: { id: eventId, stream: "s", type, sv: 1, by: "ana" } as unknown as Entry }) as Placed;
const sealed = (leaf: number, field = ".auth", value: JsonObject = { kind: "jwt", sub: "ana" }) =>
  placed(leaf, "BallotCast", { [field]: seal(cipher, { key, nonce: new Uint8Array(12), value, log: origin, eventId, field }) });
const destroyed = (leaf: number) => placed(leaf, "SubjectKeyDestroyed", { keys: [id] });

async function judged(kept: Kept, log: readonly Placed[], withMaster = true) {
  const faults = new Faults();
  const fields = new SealedFields(keysOf(kept), { origin, master: withMaster ? master : undefined, faults });
  await fields.take(log);
  await fields.end();
  const { opened, unopened, erased } = fields;
  return { opened, unopened, erased, faults: faults.kept.map(({ kind, leaf, reason }) => [kind, leaf, reason]) };
}

it.each([
  ["a key that is here opens its fields", "here", [sealed(4)], { opened: 1, faults: [] }],
  ["destroyed and declared so after its last field: erased", "destroyed", [sealed(4), sealed(6), destroyed(9)], { erased: 2, faults: [] }],
  ["gone altogether, and declared: erased", "unknown", [sealed(4), destroyed(9)], { erased: 1, faults: [] }],
  [
    "destroyed, and nothing says so: withheld",
    "destroyed",
    [sealed(4)],
    { erased: 0, faults: [["withheld", 4, expect.stringContaining("no entry says so")]] },
  ],
  [
    "not known, and nothing says so: withheld",
    "unknown",
    [sealed(4)],
    { faults: [["withheld", 4, expect.stringContaining("not known here")]] },
  ],
  [
    "declared before its last field was sealed: withheld",
    "destroyed",
    [sealed(4), destroyed(5), sealed(6)],
    { faults: [["withheld", 4, expect.any(String)]] },
  ],
  [
    "declared destroyed, but still here: tampered",
    "here",
    [sealed(4), destroyed(5)],
    { faults: [["tampered", 5, expect.stringContaining("still here")]] },
  ],
  [
    "another key under its id: tampered",
    "another",
    [sealed(4)],
    {
      opened: 0,
      faults: [
        ["tampered", 4, expect.stringContaining("another key")],
        ["tampered", undefined, expect.any(String)],
      ],
    },
  ],
  ["destroyed although it sealed nothing: withheld", "destroyed", [], { faults: [["withheld", undefined, expect.any(String)]] }],
  [
    "a `.command` that is none within its seal",
    "here",
    [sealed(4, ".command", { name: "x" })],
    { faults: [["tampered", 4, expect.stringContaining("not of its form")]] },
  ],
  [
    "a `.auth` that is none within its seal",
    "here",
    [sealed(4, ".auth", { sub: "ana" })],
    { faults: [["tampered", 4, expect.stringContaining("not of its form")]] },
  ],
] as const)("%s", async (_, kept, log, expected) => {
  expect(await judged(kept, log)).toMatchObject(expected);
});

it("without the master key says how many it could not open", async () => {
  expect(await judged("here", [sealed(4), sealed(5)], false)).toEqual({ opened: 0, unopened: 2, erased: 0, faults: [] });
});

import { describe, expect, it } from "vitest";
import { checks, diagnose, type Probes } from "../../ops/diagnosis/checks.ts";

const gib = 1024 ** 3;
const database = { skewMs: 3, missingMigrations: [], unknownMigrations: [] };

const told = { webhooks: 1, behind: 0, dead: 0, open: 0, stopped: 0, secretDays: 3 };

const cosigned = {
  words: "cosigned by 2 of 2",
  isQuorum: true,
  each: [
    { name: "river", ageSeconds: 10 },
    { name: "hill", ageSeconds: 290 },
  ],
};
const hillSays = (hill: object) => async () => ({ ...cosigned, each: [cosigned.each[0]!, { name: "hill", ...hill }] });

const sound: Probes = {
  node: () => "24.21.0",
  npm: async () => "11.0.0",
  freeBytes: async () => 50 * gib,
  memoryBytes: () => ({ total: 8 * gib, available: 4 * gib }),
  openFilesMax: async () => 4_096,
  port: async () => ({ port: 4_100, holder: "nobody" }),
  locale: () => "C.UTF-8",
  timeZone: () => "Europe/Vienna",
  user: () => ({ uid: 1_000, owner: 1_000 }),
  postgres: async () => "18.4.0",
  fsyncMs: async () => 1,
  keys: () => [
    { name: "signing.key", from: "drawn", mode: 0o600 },
    { name: "master.key", from: "configured" },
  ],
  isTampered: () => false,
  database: async () => database,
  eventStore: async () => ({ entries: 12 }),
  projections: async () => [{ name: "voting", behind: 0 }],
  signer: () => ({ status: "signing" }),
  checkpoint: async () => ({ size: 12, entries: 12 }),
  evidence: async () => "in a folder",
  webhooks: async () => told,
  cosigners: async () => cosigned,
  cosigning: async () => ({ logs: 2, refused: [] }),
};

const broken = () => Promise.reject(new Error("the world said no"));

type Case = readonly [check: string, status: "warn" | "fail", findings: Partial<Probes>, says: string];
const cases: readonly Case[] = [
  ["node", "fail", { node: () => "20.11.0" }, "20.11.0"],
  ["npm", "warn", { npm: async () => undefined }, "not found"],
  ["npm", "warn", { npm: async () => "9.9.0" }, "9.9.0"],
  ["npm", "fail", { npm: broken }, "the world said no"],
  ["disk", "fail", { freeBytes: async () => gib / 10 }, "0.1 GiB"],
  ["disk", "warn", { freeBytes: async () => gib }, "1.0 GiB"],
  ["memory", "fail", { memoryBytes: () => ({ total: gib, available: gib / 20 }) }, "0.1 GiB of 1.0 GiB"],
  ["memory", "warn", { memoryBytes: () => ({ total: gib, available: gib / 4 }) }, "GiB available"],
  ["open files", "fail", { openFilesMax: async () => 64 }, "64"],
  ["open files", "warn", { openFilesMax: async () => 512 }, "512"],
  ["port", "warn", { port: async () => ({ port: 4_100, holder: "another program" }) }, "taken"],
  ["port", "fail", { port: broken }, "the world said no"],
  ["locale", "warn", { locale: () => "de_AT.ISO-8859-1" }, "not UTF-8"],
  [
    "locale",
    "fail",
    {
      locale: () => {
        throw new Error("the world said no");
      },
    },
    "the world said no",
  ],
  ["time zone", "warn", { timeZone: () => "Mars/Olympus" }, "Mars/Olympus"],
  [
    "time zone",
    "fail",
    {
      timeZone: () => {
        throw new Error("the world said no");
      },
    },
    "the world said no",
  ],
  ["user", "fail", { user: () => ({ uid: 1_000, owner: 1_001 }) }, "uid 1001"],
  ["user", "warn", { user: () => ({ uid: 0, owner: 0 }) }, "root"],
  ["postgres", "fail", { postgres: broken }, "the world said no"],
  ["fsync", "warn", { fsyncMs: async () => 250 }, "250.0 ms"],
  ["fsync", "warn", { fsyncMs: async () => 0.001 }, "hardly waits"],
  ["fsync", "fail", { fsyncMs: broken }, "the world said no"],
  ["keys", "fail", { keys: () => [{ name: "master.key", from: "drawn", mode: 0o644 }] }, "others may read master.key"],
  [
    "keys",
    "fail",
    {
      keys: () => [
        { name: "signing.key", from: "drawn", mode: 0o600 },
        { name: "master.key", from: "missing" },
      ],
    },
    "master.key is missing",
  ],
  ["development tampering", "fail", { isTampered: () => true }, "changed"],
  ["database", "fail", { database: broken }, "the world said no"],
  ["durability", "fail", { database: async () => ({ ...database, unsafe: "This Postgres has fsync off" }) }, "fsync off"],
  ["clock", "fail", { database: async () => ({ ...database, skewMs: 2_001 }) }, "2001 ms ahead"],
  ["clock", "warn", { database: async () => ({ ...database, skewMs: -600 }) }, "600 ms behind"],
  ["migrations", "fail", { database: async () => ({ ...database, unknownMigrations: ["099-later"] }) }, "099-later"],
  ["migrations", "warn", { database: async () => ({ ...database, missingMigrations: ["004-rows"] }) }, "004-rows"],
  ["migrations", "fail", { database: broken }, "the world said no"],
  ["event store", "fail", { eventStore: broken }, "the world said no"],
  [
    "projections",
    "fail",
    { projections: async () => [{ name: "voting", behind: 4, stopped: "leaf 7 is broken" }] },
    "voting stopped: leaf 7 is broken",
  ],
  ["projections", "warn", { projections: async () => [{ name: "voting", behind: 5_000 }] }, "5000 entries behind"],
  ["signer", "fail", { signer: () => ({ status: "refused", reason: "history was changed" }) }, "history was changed"],
  ["signer", "warn", { signer: () => ({ status: "waiting", reason: "no database" }) }, "no database"],
  ["evidence", "fail", { evidence: broken }, "the world said no"],
  ["webhooks", "fail", { webhooks: async () => ({ ...told, stopped: 1 }) }, "1 lanes stopped"],
  ["webhooks", "fail", { webhooks: async () => ({ ...told, behind: 5_000 }) }, "5000 entries"],
  ["webhooks", "fail", { webhooks: async () => ({ ...told, secretDays: 97 }) }, "97 days"],
  ["webhooks", "warn", { webhooks: async () => ({ ...told, secretDays: 90 }) }, "90 days"],
  ["webhooks", "warn", { webhooks: async () => ({ ...told, open: 1 }) }, "circuits"],
  ["webhooks", "warn", { webhooks: async () => ({ ...told, dead: 2 }) }, "given up"],
  ["cosigners", "fail", { cosigners: async () => ({ ...cosigned, words: "below the quorum", isQuorum: false }) }, "below the quorum"],
  ["cosigners", "fail", { cosigners: broken }, "the world said no"],
  ["cosigners", "warn", { cosigners: hillSays({ ageSeconds: 10, away: "refused: nobody there" }) }, "hill: refused: nobody there"],
  ["cosigners", "warn", { cosigners: hillSays({ ageSeconds: 901 }) }, "over 15 minutes from hill"],
  ["cosigners", "warn", { cosigners: hillSays({}) }, "no word"],
  ["cosigning", "fail", { cosigning: async () => ({ logs: 2, refused: ["valley.example/log"] }) }, "valley.example/log"],
  ["checkpoint", "fail", { checkpoint: async () => ({ size: 3, entries: 12 }) }, "3 of 12"],
];

describe("doctor", () => {
  it("finds nothing wrong in a sound world", async () => {
    const diagnosed = await diagnose(sound);
    expect(diagnosed.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(diagnosed.length).toBeGreaterThanOrEqual(15);
  });

  it("asks nothing of an instance that does not run", async () => {
    const nothing = async () => undefined;
    const stopped = {
      ...sound,
      database: nothing,
      eventStore: nothing,
      projections: nothing,
      checkpoint: nothing,
      webhooks: nothing,
      cosigners: nothing,
      cosigning: nothing,
      signer: () => undefined,
    };
    expect((await diagnose(stopped)).filter(({ status }) => status !== "ok")).toEqual([]);
  });

  it.each(cases)("%s: %s", async (check, status, findings, says) => {
    const found = (await diagnose({ ...sound, ...findings })).find((each) => each.check === check)!;
    expect(found).toMatchObject({ status, what: expect.stringContaining(says) });
    expect(found.todo).toBeTruthy();
  });

  it("can be made to fail in every check", () => {
    const failing = new Set(cases.filter(([, status]) => status === "fail").map(([check]) => check));
    expect(Object.keys(checks).filter((check) => !failing.has(check))).toEqual([]);
  });
});

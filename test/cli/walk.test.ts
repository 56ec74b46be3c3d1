import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { digestTables } from "../../projections/digest.ts";
import { readConfig } from "../../ops/config.ts";
import { openInstance } from "../../ops/instance.ts";
import { projections } from "../../ops/projections.ts";
import { guardedHome } from "../support/postgres.ts";

const main = join(import.meta.dirname, "../../ops/main.ts");
const voters = 24;
const statements = 8;

let home: string;
let discard: () => Promise<void>;
let directory: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  ({ home, discard } = await guardedHome());
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("MINUTEBOOK_"));
  env = { ...Object.fromEntries(others), MINUTEBOOK_HOME: home };
  directory = join(home, "many-wells");
  await mkdir(directory);
  const bodies = Array.from({ length: statements }, (_, n) => `${n},Dig well number ${n}`);
  await writeFile(join(directory, "comments.csv"), `comment-id,comment-body\n${bodies.join("\n")}\n`);
  const rows = Array.from({ length: voters * statements }, (_, n) => [
    1_000 + (n % 50),
    n % statements,
    Math.floor(n / statements),
    (n % 3) - 1,
  ]);
  // Every fifth votes again, later, and agrees.
  const again = rows.filter((_, n) => n % 5 === 0).map(([, statement, voter]) => [2_000, statement, voter, 1]);
  await writeFile(
    join(directory, "votes.csv"),
    `timestamp,comment-id,voter-id,vote\n${[...rows, ...again].map((row) => row.join(",")).join("\n")}\n`,
  );
});
afterAll(() => discard());

type Ended = { readonly status: number; readonly out: string; readonly said: string };

const minutebook = (...args: readonly string[]): Promise<Ended> =>
  new Promise((resolve) =>
    execFile(process.execPath, [main, ...args], { env }, (error, out, said) => resolve({ status: Number(error?.code ?? 0), out, said })),
  );

const done = async (...args: readonly string[]): Promise<any> => {
  const { status, out, said } = await minutebook(...args, "--json");
  expect({ status, said: status === 0 ? "" : said }).toEqual({ status: 0, said: "" });
  return JSON.parse(out);
};

async function withRows<T>(use: (instance: Awaited<ReturnType<typeof openInstance>>) => Promise<T>): Promise<T> {
  const { config } = readConfig({ MINUTEBOOK_HOME: home });
  const instance = await openInstance(config, { roles: ["projector"], logger: pino({ level: "silent" }), broke: () => {} });
  try {
    await instance.rows.waitFor(
      projections.map(({ name }) => name),
      (await instance.log.head())!.size!,
    );
    return await use(instance);
  } finally {
    await instance.close();
  }
}

it("finishes an import that was killed half-way, and then finds nothing to do", async () => {
  await done("found", "The Well", "--admin", "ana");
  const child = spawn(process.execPath, [main, "import", "consultation", directory], { env, stdio: ["ignore", "ignore", "pipe"] });
  for await (const line of createInterface(child.stderr)) if (/^many-wells: \d+ of/.test(line)) break;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  expect((await ended)[1]).toBe("SIGKILL");

  const counts = { members: voters, proposals: statements, cast: voters * statements, revised: Math.ceil((voters * statements) / 5) };
  const second = await done("import", "consultation", directory);
  expect(second).toMatchObject(counts);
  expect(second.newEvents).toBeGreaterThan(0);
  expect(second.newEvents).toBeLessThan(2 * voters + 3 * statements + counts.cast + counts.revised);
  expect(await done("import", "consultation", directory)).toMatchObject({ ...counts, newEvents: 0 });
  await withRows(async ({ database }) => {
    const counted = await database.query(
      "select type, count(*) as n from read.log_entry where type ~ '^Ballot' group by type order by type",
    );
    expect(counted).toEqual([
      { type: "BallotCast", n: counts.cast },
      { type: "BallotRevised", n: counts.revised },
    ]);
    const [{ agree }] = (await database.query("select count(*) as agree from read.ballot where until is null and choice = 'agree'")) as [
      any,
    ];
    const agrees = Array.from({ length: counts.cast }, (_, n) => n % 5 === 0 || n % 3 === 2).filter(Boolean).length;
    expect(agree).toBe(agrees);
  });
});

it("prints digests that are equal on every run, and that one changed cell changes", async () => {
  const rebuilt = (await done("rebuild")) as { projection: string; tables: object[] }[];
  const tables = rebuilt.flatMap((each) => each.tables);
  expect(tables.length).toBeGreaterThan(10);
  expect((await done("replay")).tables).toEqual(tables);
  expect(await done("rebuild", "voting")).toEqual(rebuilt.filter(({ projection }) => projection === "voting"));
  const earlier = await done("replay", "--to", "100");
  expect(earlier).toEqual(await done("replay", "--to", "0000000000000100"));
  expect(earlier.tables).not.toEqual(tables);
  await withRows(async ({ database }) => {
    const voting = projections.find(({ name }) => name === "voting")!;
    const digests = () => digestTables(database.query, "read", voting);
    const before = await digests();
    const [row] = await database.query<{ proposal_id: string }>("select proposal_id from read.proposal where until is null limit 1");
    const retitle = (title: string) =>
      database.query("update read.proposal set title = $2 where proposal_id = $1", [row!.proposal_id, title]);
    await retitle("Another title");
    const changed = await digests();
    expect(changed.filter(({ digest }, n) => digest !== before[n]!.digest).map(({ table }) => table)).toEqual(["proposal"]);
  });
});

it("commits to the state of the log, once, and says of replays and rebuilds whether they agree with it", async () => {
  expect((await minutebook("replay", "--state")).status).toBe(4);
  // The title that was changed above still stands in the rows, and they are committed to as they are.
  await done("commit-state");
  for (const command of [["replay", "--state"], ["rebuild"]]) {
    const { status, out } = await minutebook(...command);
    expect([status, out.match(/^.*DIFFERS.*$/gm)]).toEqual([3, [expect.stringMatching(/^voting: DIFFERS/)]]);
  }
  expect((await minutebook("verify", "--deep")).out).toContain("projection=voting");
  await done("demo", "vote");
  const state = await done("commit-state");
  expect(state).toMatchObject({ size: expect.any(Number), event: expect.any(String) });
  expect(await done("commit-state")).toEqual({ kind: "nothing new", size: state.size });
  const agreed = (state.projections as { name: string; size: number }[]).map(({ name: projection, size }) => ({
    projection,
    size,
    agrees: true,
  }));
  const byName = (all: readonly { projection: string }[]) => [...all].sort((a, b) => (a.projection < b.projection ? -1 : 1));
  expect(byName((await done("replay", "--state")).states)).toEqual(agreed);
  expect(byName((await done("replay", "--to", String(state.size - 1))).states)).toEqual(agreed);
  const rebuilt = (await done("rebuild")) as { states: { projection: string }[] }[];
  expect(byName(rebuilt.flatMap(({ states }) => states))).toEqual(agreed);
  const { status, out } = await minutebook("verify", "--deep");
  expect([status, out]).toEqual([0, expect.stringContaining(`the newest one's rows of ${projections.length} projections`)]);
});

it("refuses a projection or a position that there is not, and an import of something else", async () => {
  for (const args of [
    ["rebuild", "nothing"],
    ["replay", "--to", "99999"],
    ["replay", "--to", "soon"],
    ["import", "spreadsheet", directory],
    ["demo", "nothing"],
  ])
    expect((await minutebook(...args)).status).toBe(2);
  const nowhere = await minutebook("import", "consultation", join(home, "nowhere"));
  expect(nowhere.status).toBe(1);
  expect(nowhere.said).toContain("comments.csv line 1: there is no such file");
});

it("shows a vote on its way, any number of times", async () => {
  for (let round = 0; round < 2; round++) {
    const steps = (await done("demo", "vote")) as { step: string; isGood: boolean }[];
    expect(steps.map(({ step, isGood }) => [step, isGood])).toEqual(
      ["proposal", "command", "event", "row", "query", "proof"].map((step) => [step, true]),
    );
  }
});

it("finds this instance sound", async () => {
  const diagnosed = (await done("doctor")) as { check: string; status: string; what: string }[];
  expect(diagnosed.filter(({ status }) => status === "fail")).toEqual([]);
  await writeFile(join(home, "tampered.json"), "{}");
  const { status, out } = await minutebook("doctor");
  expect(status).toBe(5);
  expect(out).toContain("npx minutebook dev untamper");
});

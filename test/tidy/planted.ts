/** One violation of each kind, as text: no formatter, compiler or reader takes it for code of ours. */
interface Plant {
  readonly what: string;
  readonly path: string;
  readonly text: string;
  readonly fault: string;
}

const manifest = JSON.stringify({ dependencies: { pg: "1.0.0", zod: "1.0.0" }, devDependencies: { vitest: "1.0.0" } });

/** What is allowed, and looks at first sight as if it were not. */
export const soundTree: ReadonlyMap<string, string> = new Map([
  ["package.json", manifest],
  ["ops/cli/minutebook.mjs", `import { spawn } from "node:child_process";\nspawn("node");\n`],
  ["event-schemas/voting.ts", `import { z } from "zod";\nimport { Type } from "typebox/value";\nexport const at = new Date(0);\n`],
  ["domain/log/hash.ts", `import { sha256 } from "@noble/hashes/sha2.js";\nexport * from "../../event-schemas/voting.ts";\n`],
  ["domain/emmett.ts", `import type { Event } from "@event-driven-io/emmett";\nexport type Send = typeof fetch;\n`],
  [
    "commands/voting.ts",
    `import type { FastifyInstance } from "fastify";\nexport const at = Date.parse("2026-01-01"), n = Math.max(1, 2);\n`,
  ],
  ["projections/voting.ts", `import "../domain/voting.ts";\nexport const done = 1;\n`],
  ["read-api/voting.ts", `import DataLoader from "dataloader";\nimport { a } from "../projections/voting.ts";\n`],
  [
    "read-api/explorer/browser/page.ts",
    `import { show } from "./elements.ts";\nsetTimeout(() => void fetch("/webhooks").then(show), Date.now() % 5);\n`,
  ],
  [
    "webhooks/deliver.ts",
    `export const run = (job) => job.process({ process: 1, fetch() {} }, "process.env and fetch()"); // setTimeout()\n`,
  ],
  [
    "ops/main.ts",
    `import pg from "pg";\nimport { cpus } from "os";\nconst data = await import(process.argv[2]);\nsetTimeout(fetch, Date.now());\n`,
  ],
  [
    "test/limit.test.ts",
    `import "vitest";\nexport const late = new Promise((done, fail) => { const t = setTimeout(() => fail(new Error("late")), 9); once(() => { clearTimeout(t); done(); }); });\n` +
      `describe("many", () => {${"\n".repeat(80)}});\ndescribe.each([1])("more", () => {${"\n".repeat(80)}});\n`,
  ],
]);

const at = (path: string, what: string, text: string, message: string): Plant => ({
  what,
  path,
  text: `\n${text}\n`,
  fault: `${path}:2 ${message}`,
});

const pg = "domain imports the package pg";

const imports: Plant[] = [
  at("event-schemas/a.ts", "event-schemas reaching up", `import "../domain/voting.ts";`, "event-schemas imports from domain"),
  at("domain/a.ts", "domain reaching up", `export * from "../commands/voting.ts";`, "domain imports from commands"),
  at("commands/a.ts", "commands seeing projections", `import { a } from "../projections/voting.ts";`, "commands imports from projections"),
  at(
    "projections/a.ts",
    "projections seeing commands",
    `import type { A } from "../commands/voting.ts";`,
    "projections imports from commands",
  ),
  at("read-api/a.ts", "read-api seeing webhooks", `import "../webhooks/deliver.ts";`, "read-api imports from webhooks"),
  at("read-api/c.ts", "read-api seeing commands", `import "../commands/voting.ts";`, "read-api imports from commands"),
  at("webhooks/a.ts", "webhooks seeing read-api", `import "../read-api/voting.ts";`, "webhooks imports from read-api"),
  at("domain/log/a.ts", "somebody importing ops", `import "../../ops/main.ts";`, "domain imports from ops"),
  at("ops/a.ts", "ops importing a test", `import "../test/limit.test.ts";`, "ops imports from test"),
  at("ops/keys/a.ts", "an import from outside the tree", `import "../../../elsewhere/a.ts";`, "ops imports from .."),
  at("domain/b.ts", "a package: static import", `import pg from "pg";`, pg),
  at("domain/c.ts", "a package: import for its side effect, single quotes", `import 'pg';`, pg),
  at("domain/d.ts", "a package: import type", `import type { Pool } from "pg";`, pg),
  at("domain/e.ts", "a package: re-export of names", `export { Pool } from "pg";`, pg),
  at("domain/f.ts", "a package: re-export of all", `export * as pg from "pg";`, pg),
  at("domain/g.ts", "a package: export type", `export type { Pool } from "pg";`, pg),
  at("domain/h.ts", "a package: dynamic import", `const pg = await import("pg");`, pg),
  at("domain/i.ts", "a package: dynamic import, template", "const pg = await import(`pg`);", pg),
  at("domain/j.ts", "a package: dynamic import over lines", `const pg = await import(/* why */ 'pg');`, pg),
  at("domain/k.ts", "a package: a type's import()", `export type Pool = import("pg").Pool;`, pg),
  at("domain/l.ts", "a package: import = require()", `import pg = require("pg");`, pg),
  at("domain/m.ts", "a package: import.meta.resolve", `const place = import.meta.resolve("pg");`, pg),
  at("domain/n.ts", "a package by a path below it", `import "pg/lib/client.js";`, pg),
  at("domain/o.ts", "an import that only a run would tell", `const a = await import("p" + "g");`, "imports what only a run would tell"),
  at("domain/p.ts", "a template with a hole", "const a = await import(`${name}`);", "imports what only a run would tell"),
  at("domain/q.ts", "a builtin with node:", `import { readFileSync } from "node:fs";`, "domain imports node:fs, a part of Node"),
  at("domain/r.ts", "a builtin without", `import { readFileSync } from "fs";`, "domain imports fs, a part of Node"),
  at("domain/s.ts", "a builtin's inner path", `import { readFile } from "fs/promises";`, "domain imports fs/promises, a part of Node"),
  at("read-api/b.ts", "a builtin, dynamically", `const c = await import("node:crypto");`, "read-api imports node:crypto, a part of Node"),
  at("event-schemas/b.ts", "event-schemas' packages", `import "fastify";`, "event-schemas imports the package fastify"),
  at("commands/b.ts", "commands' packages", `import "zod";`, "commands imports the package zod"),
  at("projections/b.ts", "projections' packages", `import "typebox";`, "projections imports the package typebox"),
  at("webhooks/b.ts", "webhooks' packages", `import "graphql";`, "webhooks imports the package graphql"),
  at("read-api/d.ts", "read-api's packages", `import "@pothos/plugin-prisma";`, "read-api imports the package @pothos/plugin-prisma"),
  at("commands/c.ts", "more than a type", `import fastify from "fastify";`, "commands imports the package fastify as more than a type"),
  at(
    "domain/t.ts",
    "a type among values",
    `import { type Event } from "@event-driven-io/emmett";`,
    "domain imports the package @event-driven-io/emmett as more than a type",
  ),
  at("domain/u.ts", "an address", `import "https://example.org/a.js";`, "domain imports the package https:"),
  at("ops/b.ts", "a package that nobody declared", `import "left-pad";`, "imports left-pad, which package.json does not name"),
  at("test/a.ts", "a package that nobody declared, in a test", `import "left-pad";`, "imports left-pad, which package.json does not name"),
];

const browser = "read-api/explorer/browser";
const outside = `${browser} imports from outside: only its own files and domain/log reach the browser`;
const browsers: Plant[] = [
  at(`${browser}/a.ts`, "a browser's file reaching out", `import type { A } from "../../../domain/voting.ts";`, outside),
  at(`${browser}/b.ts`, "a browser's file with a package", `import "graphql";`, `${browser} imports the package graphql`),
  at(`${browser}/c.ts`, "a browser's file with a part of Node", `import "node:fs";`, "read-api imports node:fs, a part of Node"),
  at(`${browser}/d.ts`, "a browser's file with Node's globals", `const home = process.env.HOME;`, "process is nothing that a browser has"),
  at(
    "read-api/g.ts",
    "somebody importing what runs in a browser",
    `import "./explorer/browser/page.ts";`,
    "imports what runs in a browser",
  ),
];

const world: Plant[] = [
  at("domain/v.ts", "fetch", `const a = await fetch("http://a");`, "fetch opens a socket"),
  at("domain/w.ts", "fetch handed on", `const send = { fetch };`, "fetch opens a socket"),
  at("domain/x.ts", "fetch by way of the global object", `const a = globalThis.fetch;`, "fetch opens a socket"),
  at("domain/y.ts", "fetch by way of its name", `const a = globalThis["fetch"];`, "fetch opens a socket"),
  at("domain/z.ts", "a global that only a run would tell", `const a = globalThis[name];`, "a global whose name only a run would tell"),
  at("commands/d.ts", "WebSocket", `const a = new WebSocket("ws://a");`, "WebSocket opens a socket"),
  at("commands/e.ts", "setTimeout", `setTimeout(f, 1);`, "setTimeout sets a timer"),
  at("commands/f.ts", "setInterval", `const t = setInterval(f, 1);`, "setInterval sets a timer"),
  at("commands/g.ts", "setImmediate", `setImmediate(f);`, "setImmediate sets a timer"),
  at("commands/h.ts", "AbortSignal.timeout", `const a = AbortSignal.timeout(5);`, "AbortSignal.timeout sets a timer"),
  at("projections/c.ts", "performance", `const t = performance.now();`, "performance reads the clock"),
  at("projections/d.ts", "crypto", `const id = crypto.randomUUID();`, "crypto reaches for the platform's randomness and keys"),
  at("read-api/e.ts", "process", `const home = process.env.HOME;`, "process reads the environment"),
  at("read-api/f.ts", "import.meta", `const here = import.meta.url;`, "import.meta tells where files lie"),
  at("webhooks/c.ts", "new Date()", `const a = new Date();`, "new Date() reads the clock"),
  at("webhooks/d.ts", "new Date, no brackets", `const a = new Date;`, "new Date() reads the clock"),
  at("webhooks/e.ts", "Date()", `const a = Date();`, "Date() reads the clock"),
  at("webhooks/f.ts", "Date.now()", `const a = Date.now();`, "Date.now reads the clock"),
  at("webhooks/g.ts", "Date.now, to be called later", `const now = globalThis.Date?.["now"];`, "Date.now reads the clock"),
  at("webhooks/h.ts", "Date under another name", `const { now } = Date;`, "another name for Date hides what is asked of it"),
  at("event-schemas/c.ts", "Math.random()", `const a = Math.random();`, "Math.random draws at random"),
  at("event-schemas/d.ts", "Temporal.Now", `const a = Temporal.Now.instant();`, "Temporal.Now reads the clock"),
];

const lines = (count: number) => "// a line\n".repeat(count);
const long = (path: string, name: string, text: string): Plant => at(path, `a long ${name}`, text, "a function of 72 lines, more than 70");

const shape: Plant[] = [
  { what: "a long file", path: "domain/long.ts", text: lines(401), fault: "domain/long.ts:401 has 401 lines, more than 400" },
  { what: "a long test", path: "test/long.test.ts", text: lines(601), fault: "test/long.test.ts:601 has 601 lines, more than 600" },
  long("domain/ab.ts", "function", `function f() {\n${lines(70)}}`),
  long("domain/ac.ts", "arrow", `export const f = () => {\n${lines(70)}};`),
  long("domain/ad.ts", "method", `export const o = { f() {\n${lines(70)}} };`),
  long("test/b.test.ts", "test", `describe("a", () => { it("b", () => {\n${lines(70)}});\n});`),
  at("domain/ae.ts", "a name: Manager", `export class VoteManager {}`, `the name VoteManager ends in "manager"`),
  at("domain/af.ts", "a name: Service", `export const voteService = 1;`, `the name voteService ends in "service"`),
  at("domain/ag.ts", "a name: Helper", `function voteHelper() {}`, `the name voteHelper ends in "helper"`),
  at("domain/ah.ts", "a name: Util", `const VOTE_UTIL = 1;`, `the name VOTE_UTIL ends in "util"`),
  at("domain/ai.ts", "a name: Impl", `export class LogImpl {}`, `the name LogImpl ends in "impl"`),
  at("domain/aj.ts", "a name: Base", `export abstract class StreamBase {}`, `the name StreamBase ends in "base"`),
  at("domain/ak.ts", "a name: Data", `export type VoteData = 1;`, `the name VoteData ends in "data"`),
  at("domain/al.ts", "a name: Info", `export interface Info {}`, `the name Info ends in "info"`),
  at("domain/am.ts", "a name: Processor", `export interface VoteProcessor {}`, `the name VoteProcessor ends in "processor"`),
  at("domain/an.ts", "a name: I in front", `export interface IVote {}`, "the name IVote has an I in front"),
  at("domain/ao.ts", "what is no code", `export const = ;`, "does not parse: Unexpected token"),
  at("test/c.test.ts", "a machine's path", `const a = "${homeOf("home")}";`, `names a path of one machine: ${homeOf("home").slice(0, 7)}…`),
  at("docs/a.md", "a machine's path in a page", `See ${homeOf("Users")}.`, `names a path of one machine: ${homeOf("Users").slice(0, 8)}…`),
  at("test/d.test.ts", "a sleep", `await new Promise((resolve) => setTimeout(resolve, 50));`, sleep()),
  at("test/e.test.ts", "a sleep, wrapped", `await new Promise((r) => { setTimeout(() => { r(); }, 50); });`, sleep()),
  at("test/f.test.ts", "a sleep, imported", `import { setTimeout as wait } from "node:timers/promises";`, sleep()),
  at("test/g.test.ts", "a test left out", `it.skip("a", () => {});`, "leaves tests out with .skip"),
  at("test/h.test.ts", "others left out", `describe.only("a", () => {});`, "leaves tests out with .only"),
];

/** Put together here, so that this file does not name such a path itself. */
function homeOf(folder: string): string {
  return ["", folder, "ana", "minutebook"].join("/");
}

function sleep(): string {
  return "sleeps: wait for what must happen, not for time to pass";
}

const path = (path: string, complaint: string): Plant => ({ what: `the path ${path}`, path, text: "", fault: `${path}:1 ${complaint}` });

const paths: Plant[] = [
  path("src/voting.ts", "does not belong at the top level"),
  path("Makefile", "does not belong at the top level"),
  ...["utils", "common", "shared", "helpers", "services", "managers"].map((folder) =>
    path(`ops/${folder}/voting.ts`, "lies in a folder whose name says nothing"),
  ),
  ...["index", "types", "utils", "common", "helpers"].map((file) => path(`domain/${file}.ts`, "has a name that says nothing")),
  ...["vote-manager", "service", "vote-helper", "vote-util", "voteImpl", "stream-base", "vote-data", "vote-info", "processor"].map((file) =>
    path(
      `domain/${file}.ts`,
      `ends its name in "${file
        .split(/-|(?=I)/)
        .at(-1)!
        .toLowerCase()}"`,
    ),
  ),
  ...["ops/cli/second.mjs", "ops/a.js", "ops/a.cjs", "ops/a.mts", "ops/a.tsx", "domain/a.d.ts"].map((file) =>
    path(file, "is not TypeScript: only ops/cli/minutebook.mjs may be"),
  ),
];

export const planted: readonly Plant[] = [...imports, ...browsers, ...world, ...shape, ...paths];

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

/** The price of a new command is three files. They are changed here in a copy of the program, and the compiler and the API are asked what they make of it. */
const root = resolve(import.meta.dirname, "..");
const copied = ["event-schemas", "domain", "commands", "projections", "read-api", "webhooks", "ops", "tsconfig.json", "package.json"];
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "minutebook-copy-"));
  for (const name of copied) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function insert(file: string, before: string, text: string): void {
  const path = join(copy, file);
  const source = readFileSync(path, "utf8");
  expect(source.split(before), `${file} has one place before ${before}`).toHaveLength(2);
  writeFileSync(
    path,
    source.replace(before, () => `${text}\n${before}`),
  );
}

const compilerFaults = () => {
  const { stdout } = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--noEmit", "-p", copy], {
    encoding: "utf8",
  });
  return stdout.split("\n").filter((line) => line.includes("error"));
};

const describeRoute = `
import { randomBytes } from "node:crypto";
import pino from "pino";
import { commandRoutes } from "./commands/http.ts";
import { commands } from "./ops/commands.ts";
import { httpServer } from "./ops/http/server.ts";
const handler = { handle: () => Promise.reject(new Error("nobody asks here")) };
const app = await httpServer(pino({ level: "silent" }), () => {}, (scope) => commandRoutes(scope, { commands, handler, identify: async () => ({ kind: "guest" }), random: randomBytes }));
const api = app.swagger();
const told = await app.inject({ method: "POST", url: "/commands/confirm-delegation", payload: { scope: 7, more: 1 } });
process.stdout.write(JSON.stringify({ path: api.paths["/commands/confirm-delegation"], told: told.json() }));
`;

it("takes three files, and the compiler names each next place", { timeout: 120_000 }, () => {
  insert(
    "event-schemas/voting.ts",
    "  DelegationRevoked: {",
    `  DelegationConfirmed: { version: 1, summary: "A member stood by a delegation.", fields: { memberId: Uuid, scope: Scope } },`,
  );
  expect(compilerFaults().join("\n")).toMatch(/domain\/voting\/delegation\.ts.*DelegationConfirmed/);

  const decisions = "domain/voting/delegation.ts";
  insert(decisions, "    DelegationRevoked: () => ({ to: undefined }),", "    DelegationConfirmed: (state) => state,");
  insert(decisions, "  reads: { delegate:", "");
  const path = join(copy, decisions);
  writeFileSync(
    path,
    readFileSync(path, "utf8").replace(
      "RevokeDelegation: ofTheCaller }",
      "RevokeDelegation: ofTheCaller, ConfirmDelegation: ofTheCaller }",
    ),
  );
  insert(
    decisions,
    "    RevokeDelegation: Type.Object(",
    "    ConfirmDelegation: Type.Object({ scope: Type.Optional(asked.Slug) }, strict),",
  );
  insert(
    decisions,
    "    RevokeDelegation: ({ scope = defaultScope }, { to }, { by }) => {",
    `    ConfirmDelegation: ({ scope = defaultScope }, { to }, { by }) =>
      to === undefined ? reject("NO_DELEGATION") : [delegationEvents.DelegationConfirmed({ memberId: by, scope })],`,
  );
  expect(compilerFaults().join("\n")).toMatch(/commands\/voting\.ts.*ConfirmDelegation/);

  insert(
    "commands/voting.ts",
    `    RevokeDelegation: { by: "member"`,
    `    ConfirmDelegation: { by: "member", summary: "Stand by a delegation." },`,
  );
  expect(compilerFaults()).toEqual([]);

  writeFileSync(join(copy, "describe-route.ts"), describeRoute);
  const { path: route, told } = JSON.parse(execFileSync(process.execPath, [join(copy, "describe-route.ts")], { encoding: "utf8" })) as {
    path: { post: { operationId: string; summary: string; requestBody: object } };
    told: { code: string; errors: { pointer: string }[] };
  };
  expect(route.post).toMatchObject({ operationId: "ConfirmDelegation", summary: "Stand by a delegation." });
  expect(JSON.stringify(route.post.requestBody)).toContain(`"scope"`);
  expect(told.code).toBe("INVALID_INPUT");
  expect(told.errors.map(({ pointer }) => pointer).sort()).toEqual(["/more", "/scope"]);
});

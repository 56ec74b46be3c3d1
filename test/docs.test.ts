import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parse, validate } from "graphql";
import { describe, expect, it } from "vitest";
import { problems } from "../domain/problem.ts";
import { commands } from "../ops/commands.ts";
import { settings } from "../ops/config.ts";
import { schema } from "../read-api/schema.ts";

/** What the documents name is there. The walk through the first five minutes is a test of its own. */
const root = resolve(import.meta.dirname, "..");
const filesUnder = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => `${folder}/${file}`);

type Document = { readonly path: string; readonly text: string };
const documents: readonly Document[] = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  ...filesUnder("docs").filter((file) => file.endsWith(".md")),
].map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
const architecture = documents.find(({ path }) => path === "ARCHITECTURE.md")!.text;

/** Everything that a pattern's first group matches, by document; nothing of it may be faulty. */
const named = (pattern: RegExp) =>
  documents.flatMap(({ path, text }) => [...text.matchAll(pattern)].map((match) => ({ path, name: match[1]! })));
const faulty = (pattern: RegExp, isGood: (name: string, path: string) => boolean) => {
  const found = named(pattern);
  expect(found, `nothing is found by ${pattern}`).not.toEqual([]);
  return found.filter(({ name, path }) => !isGood(name, path)).map(({ path, name }) => `${path}: ${name}`);
};

const blocks = (language: string) => named(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"));
const spans = /(?<!`)`([^`\n]+)`(?!`)/g;

describe("a command that a document names", () => {
  const help = execFileSync(process.execPath, [join(root, "ops/main.ts"), "help"], { encoding: "utf8" });
  const known = new Set([...help.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name!));
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };

  it("is one of minutebook's", () => {
    expect(known.size).toBeGreaterThan(10);
    expect(faulty(/(?:npx |`)minutebook ([a-z-]+)/g, (name) => known.has(name))).toEqual([]);
  });

  it("takes the options that are named with it", () => {
    const lines = named(/((?:npx |`)minutebook [a-z]+[^`\n|]*)/g).filter(({ name }) => name.includes(" --"));
    expect(lines).not.toEqual([]);
    const unknown = lines.flatMap(({ path, name }) => {
      const command = /minutebook ([a-z]+)/.exec(name)![1]!;
      const source =
        readFileSync(join(root, `ops/cli/${command}.ts`), "utf8") + help.split("\n").find((line) => line.startsWith(`  ${command} `));
      const options = [...name.matchAll(/ \[?--([a-z]+)/g)].map(([, option]) => option!);
      return options
        .filter((option) => !new RegExp(`(\\b${option}: \\{|--${option}\\b)`).test(source))
        .map((option) => `${path}: ${command} --${option}`);
    });
    expect(unknown).toEqual([]);
  });

  it("is one of npm's scripts", () => {
    expect(faulty(/\bnpm run ([a-z-]+)/g, (name) => name in scripts)).toEqual([]);
    expect(faulty(/\bnpm (start|test|ci|[a-z]+(?= --))/g, (name) => name === "ci" || name in scripts)).toEqual([]);
    expect(faulty(/\bnpm test -- ([^\n`]+)/g, (names) => names.split(" ").every((name) => existsSync(join(root, name))))).toEqual([]);
  });

  it("is sent with an input that it takes", () => {
    const faults = (name: string, input: unknown) =>
      commands.find(({ path, by }) => path === name && by !== "system")?.faults(input) ?? "there is none";
    const sent = blocks("sh").flatMap(({ path, name: block }) =>
      [...block.matchAll(/\/commands\/([a-z-]+)(?:[^'\n]|\\\n|'[^{'\n]*')*-d '(\{.*?\})'/g)].map(([, command, body]) => ({
        path,
        command: command!,
        body: body!,
      })),
    );
    expect(sent.length).toBeGreaterThan(2);
    for (const { path, command, body } of sent) expect(faults(command, JSON.parse(body)), `${path}: ${command}`).toEqual([]);
  });
});

describe("what a document names", () => {
  const isPath = /^(event-schemas|domain|commands|projections|read-api|webhooks|ops|test|docs)\/[\w./*-]+$/;

  it("as a file is there", () => {
    const exists = (name: string) => name.includes("*") || existsSync(join(root, name));
    expect(faulty(spans, (name) => !isPath.test(name) || exists(name))).toEqual([]);
  });

  it("as a link is there, with its heading", () => {
    const slug = (heading: string) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-");
    const leadsSomewhere = (link: string, path: string) => {
      if (/^https?:/.test(link)) return true;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? join(root, path) : resolve(root, dirname(path), file);
      if (!existsSync(target)) return false;
      return (
        anchor === undefined || [...readFileSync(target, "utf8").matchAll(/^#+ (.*)$/gm)].some(([, heading]) => slug(heading!) === anchor)
      );
    };
    expect(faulty(/\]\(([^)\s]+)\)/g, leadsSomewhere)).toEqual([]);
  });

  it("as a setting is one", () => {
    const ofTests = filesUnder("test").filter((file) => file.endsWith(".ts") && file !== "test/docs.test.ts");
    const tests = ofTests.map((file) => readFileSync(join(root, file), "utf8")).join("\n");
    const isSetting = (name: string) => Object.hasOwn(settings, name) || (name.startsWith("MINUTEBOOK_TEST_") && tests.includes(name));
    expect(faulty(/\b(MINUTEBOOK_[A-Z_]*[A-Z])\b/g, isSetting)).toEqual([]);
  });

  it("as a code is one that an answer may carry", () => {
    const codes = new Set([...Object.keys(problems), ...commands.flatMap(({ decider }) => Object.keys(decider.rules as object))]);
    const isCode = (span: string) => !/^[A-Z]+(_[A-Z]+)+$/.test(span) || span.startsWith("MINUTEBOOK_") || codes.has(span);
    expect(faulty(spans, isCode)).toEqual([]);
  });

  it("as a query is one that the schema answers", () => {
    const queries = blocks("graphql");
    expect(queries.length).toBeGreaterThan(3);
    for (const { path, name: query } of queries)
      expect(validate(schema, parse(query)).map(({ message }) => `${path}: ${message}`)).toEqual([]);
  });

  it("as a place in the web API is a command's path", () => {
    const paths = new Set([...commands.filter(({ by }) => by !== "system").map(({ path }) => path), "sync"]);
    expect(faulty(/(?<!test)\/commands\/([a-z][a-z-]*)/g, (name) => paths.has(name))).toEqual([]);
    const api = documents.find(({ path }) => path === "docs/api.md")!.text;
    for (const path of paths)
      expect(api.includes(`\`${path}\``) || api.includes(`/commands/${path}`), `the API page leaves out ${path}`).toBe(true);
  });
});

describe("the architecture", () => {
  it("is a page that one reads in one go", () => {
    expect(architecture.trimEnd().split("\n").length).toBeLessThanOrEqual(200);
  });

  it("numbers its invariants, and each names a test", () => {
    const section = /^## Invariants\n(.*?)^## /ms.exec(architecture)![1]!;
    const items = section.split(/^(?=\d+\. )/m).slice(1);
    expect(items.map((item) => Number.parseInt(item, 10))).toEqual(items.map((_, n) => n + 1));
    expect(items.length).toBeGreaterThan(20);
    for (const item of items) {
      const tests = [...item.matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(([, path]) => path!);
      expect(tests, item).not.toEqual([]);
      expect(
        tests.some((path) => path.endsWith(".test.ts")),
        item,
      ).toBe(true);
      for (const path of tests) expect(existsSync(join(root, path)), item).toBe(true);
    }
  });

  it("names every folder of the top floor", () => {
    const floors = ["event-schemas", "domain", "commands", "projections", "read-api", "webhooks", "ops", "test"];
    for (const floor of floors) expect(architecture, floor).toContain(`**${floor}**`);
  });
});

describe("a decision", () => {
  const decisions = documents.filter(({ path }) => path.startsWith("docs/decisions/"));

  it("is numbered in order, and says context, decision and consequences on a page", () => {
    const numbers = decisions.map(({ path }) => Number(/\/(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1])).sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, n) => n + 1));
    for (const { path, text } of decisions) {
      const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
      expect(headings, path).toEqual(["Context", "Decision", "Consequences"]);
      expect(text, path).toMatch(new RegExp(`^# ${/\d{4}/.exec(path)![0]}: `));
      expect(text.split("\n").length, path).toBeLessThan(60);
    }
  });
});

it("no document names a place on somebody's own machine", () => {
  const places = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/(?<![\w.:/-])\/(?:root|tmp|home|Users|mnt|work|opt)\/[\w.-]*/g)].map(([place]) => `${path}: ${place}`),
  );
  expect(places).toEqual([]);
});

/** `npm run generate`: writes every file that follows from the code and is reviewed as a contract. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import pino from "pino";
import { build } from "rolldown";
import { commandRoutes } from "../commands/http.ts";
import { declarationOf } from "../event-schemas/catalogue.ts";
import { isPersonal } from "../event-schemas/declare.ts";
import { eventTypes, storedSchema, versionsOf } from "../event-schemas/json-schema.ts";
import { schemaText } from "../read-api/schema.ts";
import { commands } from "./commands.ts";
import { httpServer } from "./http/server.ts";
import { verifiers } from "./verifiers.ts";

const catalogueFolder = "event-schemas/catalogue";
export const publishedPath = `${catalogueFolder}/published.json`;

export type Published = { readonly name: string; readonly version: number; readonly sha256: string };

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

/** A published version never changes what it takes; how it is described may get clearer. */
const withoutWords = (key: string, value: unknown) => (key === "description" && typeof value === "string" ? undefined : value);

/** Each version of each event as a file of its own. */
const schemaFiles = () =>
  eventTypes.flatMap((name) =>
    versionsOf(name).map((version) => {
      const schema = storedSchema(name, version);
      const sha256 = hashOf(JSON.stringify(schema, withoutWords));
      return { path: `${catalogueFolder}/${name}.v${version}.json`, text: json(schema), published: { name, version, sha256 } };
    }),
  );

/** What was published before, and what is new. Throws where a published version is no longer what it was, or is gone. */
export function grown(before: readonly Published[], now: readonly Published[]): readonly Published[] {
  const named = ({ name, version }: Published) => `${name} version ${version}`;
  const current = new Map(now.map((each) => [named(each), each]));
  for (const each of before) {
    const known = current.get(named(each));
    if (known?.sha256 !== each.sha256)
      throw new Error(`${named(each)} was published and ${known ? "has changed" : "is gone"}: what is stored would be read differently`);
  }
  const old = new Set(before.map(named));
  return [...before, ...now.filter((each) => !old.has(named(each)))];
}

function eventsPage(): string {
  const sections = eventTypes.map((name) => {
    const { version, summary, fields } = declarationOf(name)!;
    const rows = Object.entries(fields).map(([field, declared]) => {
      const personal = isPersonal(declared);
      const optional = (personal ? declared.personal : declared).safeParse(undefined).success;
      return `| \`${field}\`${optional ? "?" : ""} | ${personal ? `personal, under the key of \`${declared.subject}\`` : "public"} |`;
    });
    const schemas = versionsOf(name).map((each) => `[version ${each}](../${catalogueFolder}/${name}.v${each}.json)`);
    return [
      `## ${name}`,
      "",
      `${summary} Today's version is ${version}: ${schemas.join(", ")}.`,
      "",
      "| field | seen |",
      "|---|---|",
      ...rows,
    ].join("\n");
  });
  const about =
    "Written by `npm run generate` from the declarations in `event-schemas/`. A field with `?` may be absent; a personal field is stored sealed.";
  return ["# The events", "", about, "", sections.join("\n\n"), ""].join("\n");
}

async function openApi(): Promise<object> {
  const never = () => Promise.reject(new Error("nothing is asked while files are written"));
  const app = await httpServer(
    pino({ level: "silent" }),
    () => {},
    (scope) => commandRoutes(scope, { commands, handler: { handle: never }, identify: never, random: (length) => new Uint8Array(length) }),
  );
  const document = (app as unknown as { swagger(): object }).swagger();
  await app.close();
  return document;
}

const browserFolder = "read-api/explorer/browser";
/** The scripts that pages ask for, by the names of their files; `everywhere` is on every page. */
const scripts = ["checkpoints", "deliveries", "event", "events", "everywhere", "history", "proposal", "start"];

/** What browsers run, as the text of a module: whoever serves it opens no file. What several scripts share is one more, which a browser keeps. */
async function explorerScripts(): Promise<string> {
  const { output } = await build({
    input: Object.fromEntries(scripts.map((name) => [name, join(import.meta.dirname, "..", browserFolder, `${name}.ts`)])),
    platform: "browser",
    write: false,
    logLevel: "silent",
    tsconfig: false,
    output: {
      format: "esm",
      minify: true,
      entryFileNames: "[name].js",
      chunkFileNames: "[name].js",
      // What every page needs, with all that it rests on; and what those need that check receipts or walk the log's keys.
      codeSplitting: {
        groups: [
          { name: "core", minShareCount: 2, priority: 1, test: /browser.(asking|shown|watch.(?!evidence))/ },
          { name: "proof", minShareCount: 2 },
        ],
      },
    },
  });
  const texts = output.map((each) => [each.fileName.replace(/\.js$/, ""), "code" in each ? each.code : ""] as const);
  const about = `/** GENERATED by \`npm run generate\` from ${browserFolder}. */`;
  const lines = texts.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => `  ${JSON.stringify(name)}: ${JSON.stringify(text)},`);
  return `${about}\nexport const scripts: Readonly<Record<string, string>> = {\n${lines.join("\n")}\n};\n`;
}

/** Path → text of every generated file, given the texts that are there. */
export async function generated(read: (path: string) => string | undefined): Promise<ReadonlyMap<string, string>> {
  const files = schemaFiles();
  const before = JSON.parse(read(publishedPath) ?? "[]") as Published[];
  return new Map([
    ["read-api/schema.graphql", schemaText],
    ...files.map(({ path, text }) => [path, text] as const),
    [
      publishedPath,
      json(
        grown(
          before,
          files.map(({ published }) => published),
        ),
      ),
    ],
    ["docs/events.md", eventsPage()],
    ["docs/openapi.json", json(await openApi())],
    ...(await verifiers()),
    ["read-api/explorer/generated/scripts.ts", await explorerScripts()],
  ]);
}

/** Reads a file of this checkout; undefined where there is none. */
export function readHere(path: string): string | undefined {
  try {
    return readFileSync(join(import.meta.dirname, "..", path), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

if (import.meta.main)
  for (const [path, text] of await generated(readHere)) {
    if (readHere(path) === text) continue;
    const file = join(import.meta.dirname, "..", path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`wrote ${path}`);
  }

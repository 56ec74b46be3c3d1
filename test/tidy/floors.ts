/** What stands where: the tables of the house. The checks that read them are in the files beside this one. */

/** Who may be imported by whom, and which packages each may import. A name behind `type` may be imported as type only. */
export const floors: Readonly<Record<string, { readonly below: readonly string[]; readonly packages: readonly string[] | "declared" }>> = {
  "event-schemas": { below: [], packages: ["zod", "typebox"] },
  domain: { below: ["event-schemas"], packages: ["zod", "typebox", "@noble/hashes", "type @event-driven-io/emmett"] },
  commands: { below: ["domain", "event-schemas"], packages: ["typebox", "type fastify"] },
  projections: { below: ["domain", "event-schemas"], packages: [] },
  "read-api": {
    below: ["projections", "domain", "event-schemas"],
    packages: [
      "graphql",
      "graphql-yoga",
      "@graphql-yoga/render-graphiql",
      "@pothos/core",
      "@pothos/plugin-directives",
      "@pothos/plugin-federation",
      "dataloader",
      "@apollo/subgraph",
      "@scalar/fastify-api-reference",
      "type fastify",
    ],
  },
  webhooks: { below: ["projections", "domain", "event-schemas"], packages: ["typebox", "type fastify", "type undici", "type pg-boss"] },
  ops: {
    below: ["webhooks", "read-api", "commands", "projections", "domain", "event-schemas", "package.json"],
    packages: "declared",
  },
  test: {
    below: ["ops", "webhooks", "read-api", "commands", "projections", "domain", "event-schemas", "docs", "package.json"],
    packages: "declared",
  },
};

/** The floors that may touch the world: every other is handed what it needs. What `docs` has to be copied runs in somebody else's. */
export const worldly: readonly string[] = ["ops", "test", "docs"];

export const worldlyGlobals: Readonly<Record<string, string>> = {
  fetch: "opens a socket",
  WebSocket: "opens a socket",
  EventSource: "opens a socket",
  setTimeout: "sets a timer",
  setInterval: "sets a timer",
  setImmediate: "sets a timer",
  performance: "reads the clock",
  crypto: "reaches for the platform's randomness and keys",
  process: "reads the environment",
  require: "imports in a way that hides from the compiler",
};

/** What runs in a browser: the browser's globals are its world. It imports what lies beside it, the code of the log and that of the verifiers, which are pure; nobody imports it. */
export const browserFolders: readonly string[] = ["read-api/explorer/browser"];
/** The last one holds types alone, of what pages are told as JSON. */
const browserSources = ["domain/log/", "read-api/explorer/verifier/", "domain/administration/delivery.ts"];
export const reachesBrowsers = (path: string): boolean => browserSources.some((source) => path.startsWith(source));
export const inBrowser = (path: string): string | undefined => browserFolders.find((folder) => path.startsWith(`${folder}/`));

/** What a browser does not have. */
export const foreignToBrowsers: readonly string[] = ["process", "require", "setImmediate"];

/** Members of pure globals that are not pure themselves. */
export const worldlyMembers: readonly { readonly object: string; readonly property: string; readonly why: string }[] = [
  { object: "Date", property: "now", why: "reads the clock" },
  { object: "Temporal", property: "Now", why: "reads the clock" },
  { object: "Math", property: "random", why: "draws at random" },
  { object: "AbortSignal", property: "timeout", why: "sets a timer" },
];

export const topLevel: readonly string[] = [
  ...Object.keys(floors),
  "docs",
  ".ci",
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "LICENSE",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "vitest.config.ts",
  ".prettierrc.json",
  ".prettierignore",
  ".gitignore",
  ".gitattributes",
];

export const onlyJavaScript = "ops/cli/minutebook.mjs";

/** JavaScript that `npm run generate` makes and nobody writes: a test makes it again and compares, no other rule of code holds for it. */
export const generatedJavaScript: readonly string[] = ["read-api/explorer/verifier/minutebook-verify.mjs"];

export const limits = { fileLines: 400, testFileLines: 600, functionLines: 70, folderFiles: 14 };

/** Floors of equal things: one word a context, one file a command, however many there are. */
export const flatFolders: readonly string[] = [
  "event-schemas",
  "event-schemas/catalogue",
  "domain",
  "commands",
  "projections",
  "read-api",
  "ops/cli",
  "test",
];

export const bannedFolders: readonly string[] = ["utils", "common", "shared", "helpers", "services", "managers"];
export const bannedFiles: readonly string[] = [...bannedFolders, "types", "index"];
/** Names that a standard gives: Relay calls it so. */
export const standardNames: ReadonlySet<string> = new Set(["PageInfo"]);
export const bannedLastWords: readonly string[] = ["manager", "service", "helper", "util", "impl", "base", "data", "info", "processor"];

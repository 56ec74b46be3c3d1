import { BadConfiguration, exits, NotThere, say, Usage } from "./terminal.ts";
import { useNodeHashes } from "./crypto.ts";

type Command = {
  readonly usage: string;
  readonly about: string;
  readonly load: () => Promise<{ run(args: readonly string[]): Promise<number> }>;
};

const commands: Readonly<Record<string, Command>> = {
  start: { usage: "start [--empty]", about: "start everything on an embedded, durable Postgres", load: () => import("./cli/start.ts") },
  found: { usage: "found NAME --admin HANDLE", about: "found the community, with its first admin", load: () => import("./cli/found.ts") },
  token: { usage: "token MEMBER", about: "a development token for a member, by handle or id", load: () => import("./cli/token.ts") },
  demo: { usage: "demo vote|markov", about: "watch a vote become a fact, or work be told to Markov", load: () => import("./cli/demo.ts") },
  import: {
    usage: "import consultation DIR [--as HANDLE] [--close]",
    about: "bring a consultation in, through the same commands as the API",
    load: () => import("./cli/import.ts"),
  },
  verify: {
    usage:
      "verify [DIR|FILE|URL] [AGAINST] [--vkey KEY] [--keys FILE] [--recovery KEY] [--policy FILE] [--complete] [--structure] [--states] [--deep] [--state FILE] [--json]",
    about: "check this instance, another one, a bundle, a receipt, or a promise against one of them",
    load: () => import("./cli/verify.ts"),
  },
  export: {
    usage: "export DIR [--from F --to N] [--full]",
    about: "write a bundle that verifies without us",
    load: () => import("./cli/export.ts"),
  },
  rebuild: {
    usage: "rebuild [PROJECTION] [--json]",
    about: "build rows again beside the live ones, and print their digests",
    load: () => import("./cli/rebuild.ts"),
  },
  replay: {
    usage: "replay --to POSITION | --state [--json]",
    about: "fold history up to a position or the last committed state, print digests, compare",
    load: () => import("./cli/replay.ts"),
  },
  "commit-state": {
    usage: "commit-state [--json]",
    about: "commit to the heads of all streams and the rows of all projections, now",
    load: () => import("./cli/commit-state.ts"),
  },
  doctor: {
    usage: "doctor [--json]",
    about: "check the machine, the configuration and the instance",
    load: () => import("./cli/doctor.ts"),
  },
  config: { usage: "config [--json]", about: "every setting, where it comes from, and its value", load: () => import("./cli/config.ts") },
  keys: {
    usage:
      "keys [--json] | next | rotate | recovery --out FILE | name-recovery VKEY [--recovery FILE] | recover --recovery FILE [--size N]",
    about: "the log's keys, where they lie, and how to change them",
    load: () => import("./cli/keys.ts"),
  },
  dev: {
    usage: "dev tamper POSITION | untamper | markov [--port N]",
    about: "change a stored entry behind the log's back, and put it back; a stand-in for Markov (development only)",
    load: () => import("./cli/dev.ts"),
  },
};

const help = () =>
  [
    "usage: minutebook <command>",
    "",
    ...Object.values(commands).map(({ usage, about }) => `  ${usage.padEnd(56)} ${about}`),
    "",
    "Exit status: 0 done, 1 failed, 2 usage, 3 verification failed, 4 unavailable, 5 bad configuration.",
  ].join("\n");

/** Runs one command and answers its exit status. */
export async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === "help" || name === "--help") {
    process.stdout.write(`${help()}\n`);
    return name === undefined ? exits.usage : exits.done;
  }
  const command = Object.hasOwn(commands, name) ? commands[name]! : undefined;
  if (!command) {
    say(`minutebook: there is no command "${name}"`);
    say(help());
    return exits.usage;
  }
  useNodeHashes();
  try {
    return await (await command.load()).run(args);
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined) throw error;
    say(`minutebook ${name}: ${(error as Error).message}`);
    if (status === exits.usage) say(`usage: minutebook ${command.usage}`);
    return status;
  }
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof Usage || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS")) return exits.usage;
  if (error instanceof BadConfiguration) return exits.badConfiguration;
  if (error instanceof NotThere) return exits.unavailable;
  return undefined;
}

if (import.meta.main) {
  // A reader that has seen enough (`| head`) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  process.exitCode = await main(process.argv.slice(2));
}

import { once } from "node:events";
import { parseArgs } from "node:util";
import { type Config, readConfig } from "../config.ts";
import { demoCommunity, type DemoMember } from "../demo-community.ts";
import { listenNear } from "../http/server.ts";
import { openApi } from "../http/api.ts";
import { type Instance, openInstance } from "../instance.ts";
import { openLogger } from "../logger.ts";
import { bold, dim, exits, green, say } from "../terminal.ts";

/** Starts everything, says where to look, and runs until it is told to stop. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { empty: { type: "boolean" } } });
  const { config } = readConfig(process.env);
  const isTerminal = process.stderr.isTTY === true;
  const logger = openLogger(isTerminal && config.logLevel === "info" ? "warn" : config.logLevel);
  const broken = Promise.withResolvers<Error>();
  const instance = await openInstance(config, { roles: config.roles, logger, broke: broken.resolve });
  const { running } = instance.attached;
  if (running) {
    await instance.close();
    say(
      running.url
        ? `Minutebook is running already: ${running.url}`
        : `process ${running.pid} holds ${config.home} and is not listening yet`,
    );
    return exits.done;
  }
  try {
    return await serve(instance, config, { empty: values.empty === true, broken });
  } finally {
    await instance.close();
  }
}

async function serve(
  instance: Instance,
  config: Config,
  { empty, broken }: { empty: boolean; broken: PromiseWithResolvers<Error> },
): Promise<number> {
  const demo = empty || config.production ? undefined : await demoCommunity(instance);
  const app = config.roles.includes("api") ? await openApi(instance, broken.resolve) : undefined;
  const port = app && (await listenNear(app, config.host, config.port));
  const url = port && `http://${config.host}:${port}`;
  if (url) instance.attached.lock?.setUrl(url);
  await greet(instance, config, { url: url || undefined, port, demo });
  // Repeated signals are one: npm and the terminal may both send it.
  const asked = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
  const why = await Promise.race([asked, broken.promise]);
  if (why instanceof Error) {
    say(`Minutebook stops: ${why.message}`);
    instance.logger.fatal({ err: why }, "a part of the machine cannot go on");
  } else say("stopping: answering what is under way");
  await app?.close();
  return why instanceof Error ? exits.failed : exits.done;
}

type Greeting = { readonly url: string | undefined; readonly port: number | undefined; readonly demo: readonly DemoMember[] | undefined };

async function greet(instance: Instance, config: Config, { url, port, demo }: Greeting): Promise<void> {
  const { describe } = instance.attached;
  const line = (what: string, text: string) => say(`  ${green("✔")} ${what.padEnd(11)} ${text}`);
  say("");
  say(`  ${bold("Minutebook")}  ${dim(instance.origin)}`);
  say("");
  line("database", `${describe.version} in ${describe.directory} ${dim(`(as ${describe.runsAs})`)}`);
  line("durability", describe.durability);
  line(
    "log",
    `${config.eventStore === "postgres" ? "in the same Postgres" : "in EventStoreDB"}, ${(await instance.log.head())?.size ?? "some"} entries`,
  );
  line("keys", `${config.production ? "configured" : `development keys in ${config.home}/keys; never use them in production`}`);
  if (demo)
    line(
      "demo",
      `${demo.map(({ handle }) => handle).join(", ")}; one proposal adopted, one open ${dim("(npm start -- --empty goes without)")}`,
    );
  if (url) {
    if (port !== config.port) line("port", `${config.port} is taken, using ${port}`);
    say("");
    for (const [what, path] of [
      ["Start page", "/"],
      ["GraphQL", "/graphql"],
      ["API reference", "/reference"],
      ["Checkpoint", "/log/checkpoint"],
    ] as const)
      say(`  ${what.padEnd(14)} ${url}${path}`);
  }
  say("");
  for (const { handle, role, memberId } of demo ?? [])
    say(`  token for ${handle} (${role}), 15 minutes:\n    ${dim(await instance.identity.issue(memberId))}`);
  if (!demo && !config.production && (await instance.log.read("community")).length === 0)
    say(`  Found your community:  npx minutebook found "NAME" --admin HANDLE`);
  say("");
  say(`  Try:  npx minutebook demo vote     one vote becomes a provable fact, step by step`);
  say(`        npx minutebook verify        every entry and every signed checkpoint`);
  say(`  Stop: Ctrl-C`);
  say("");
}

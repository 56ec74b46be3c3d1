/** What is refused at the start: servers that are too old, settings that lose what was acknowledged, credentials that everybody knows. */
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export type Credentials = { readonly username: string; readonly password: string };

export type Target = {
  /** The URL as the client is given it, with what we need added where it was left open. */
  readonly url: string;
  /** Whether the address of the leader has to be found out first. */
  readonly discovers: boolean;
  readonly tls: boolean;
  readonly credentials: Credentials;
  readonly hosts: readonly string[];
  readonly tlsCaFile?: string;
  /** `space=…` in the URL keeps a log apart from others of the same origin on one server: tests use a server again and again. */
  readonly space: string;
};

/** Why the server may not hold a log. */
export class Unsafe extends Error {}

const defaultPasswords = ["changeit"];
const form = /^esdb(\+discover)?:\/\/(?:([^:@/]+):([^@/]+)@)?([^/?]+)\/?(?:\?(.*))?$/;
const flat = (name: string): string => name.toLowerCase().replace(/[_-]/g, "");

/** Reads `esdb://[user:password@]host:port[,host:port…][?key=value…]`. Throws a RangeError on anything else, `Unsafe` on what production refuses. */
export function readTarget(url: string, production: boolean): Target {
  const found = form.exec(url.trim());
  if (!found) throw new RangeError("not of the form esdb://[user:password@]host:port[,host:port…][?key=value…]");
  const [, discover, user, password, hostList, query = ""] = found;
  const hosts = hostList!.split(",");
  const settings = new Map(query.split("&").map((pair) => [flat(pair.split("=")[0]!), pair.split("=").slice(1).join("=")]));
  const tls = settings.get("tls") !== "false";
  const discovers = discover !== undefined || hosts.length > 1;
  if (tls && user === undefined) throw new Unsafe("the URL of EventStoreDB names no user");
  if (production && !tls) throw new Unsafe("tls=false: whoever reaches the port of EventStoreDB could write to the log");
  if (production && defaultPasswords.includes(decodeURIComponent(password ?? "")))
    throw new Unsafe(`EventStoreDB still has the password that every installation begins with, for ${user}`);
  const added = ["nodePreference=leader", "gossipTimeout=1", "maxDiscoverAttempts=10"].filter(
    (pair) => discovers && !settings.has(flat(pair.split("=")[0]!)),
  );
  const given = query.split("&").filter((pair) => pair !== "" && !/^space=/i.test(pair));
  const pairs = [...given, ...added].join("&");
  const authority = user === undefined ? "" : `${user}:${password}@`;
  const caFile = settings.get("tlscafile");
  return {
    url: `esdb${discover ?? ""}://${authority}${hostList}${pairs === "" ? "" : `?${pairs}`}`,
    discovers,
    tls,
    // Trap: without per-call credentials the client takes the batch call, which may never settle. An insecure server ignores them.
    credentials: { username: decodeURIComponent(user ?? "insecure"), password: decodeURIComponent(password ?? "insecure") },
    hosts,
    space: settings.get("space") ?? "",
    ...(caFile === undefined ? {} : { tlsCaFile: caFile }),
  };
}

/** Older servers could show events that a failover truncated. */
export function assertVersion(version: string): void {
  const [major = NaN, minor = NaN] = version.split(".").map(Number);
  if (major > 23 || (major === 23 && minor >= 10)) return;
  throw new Unsafe(`EventStoreDB ${version}: 23.10 or later is needed`);
}

const unsafe: Readonly<Record<string, string>> = {
  MemDb: "keeps everything in memory",
  UnsafeDisableFlushToDisk: "acknowledges what is not on disk",
  UnsafeIgnoreHardDelete: "forgets deletions",
};

/** Throws `Unsafe` where the answer of `/info/options` names a setting under which acknowledged entries could be lost. */
export function assertSettings(answer: unknown): void {
  if (!Array.isArray(answer)) return;
  for (const setting of answer as { name?: unknown; value?: unknown }[]) {
    const name = typeof setting?.name === "string" ? setting.name : "";
    const means = Object.entries(unsafe).find(([known]) => flat(known) === flat(name))?.[1];
    if (means !== undefined && String(setting.value).toLowerCase() === "true")
      throw new Unsafe(`EventStoreDB runs with ${name}, which ${means}`);
  }
}

/** What a node says of its settings; undefined where it says nothing: no right to ask, no HTTP, no answer within the time. */
export function askSettings(target: Target, host: string, timeoutMs: number): Promise<unknown> {
  const { username, password } = target.credentials;
  const url = `${target.tls ? "https" : "http"}://${host.includes(":") ? host : `${host}:2113`}/info/options`;
  const ca = target.tlsCaFile === undefined ? {} : { ca: readFileSync(target.tlsCaFile) };
  const headers = target.tls ? { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` } : {};
  return new Promise((resolve) => {
    const silent = (): void => resolve(undefined);
    const asked = (target.tls ? httpsRequest : httpRequest)(url, { headers, timeout: timeoutMs, ...ca }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part)).on("error", silent);
      response.on("end", () => {
        try {
          resolve(response.statusCode === 200 ? JSON.parse(Buffer.concat(parts).toString("utf8")) : undefined);
        } catch {
          silent();
        }
      });
    });
    asked
      .on("timeout", () => asked.destroy())
      .on("error", silent)
      .on("close", silent)
      .end();
  });
}

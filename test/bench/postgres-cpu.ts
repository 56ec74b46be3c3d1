import { readdirSync, readFileSync } from "node:fs";
import type { Database } from "../../projections/database.ts";

/** What the server has spent so far, in all its processes, those that have ended too. Undefined where /proc does not tell. */
export async function postgresCpuMs({ query }: Pick<Database, "query">): Promise<number | undefined> {
  const [backend] = await query<{ pid: number }>("select pg_backend_pid() as pid");
  const server = statOf(String(backend!.pid))?.parent;
  if (server === undefined) return undefined;
  const postmaster = statOf(server)!;
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => statOf(pid) ?? [])
    .filter(({ parent }) => parent === server);
  return children.reduce((sum, { ownMs }) => sum + ownMs, postmaster.ownMs + postmaster.endedMs);
}

const tickMs = 10;

/** proc(5): behind the name, which may hold anything, come state and parent, and from the eleventh on user and system time, then those of ended children. */
function statOf(pid: string): { readonly parent: string; readonly ownMs: number; readonly endedMs: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = (from: number) => (Number(fields[from]) + Number(fields[from + 1])) * tickMs;
    return { parent: fields[1]!, ownMs: ticks(11), endedMs: ticks(13) };
  } catch {
    return undefined;
  }
}

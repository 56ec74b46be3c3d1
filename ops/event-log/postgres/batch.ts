/** Brings a batch of appends into the tables: the fast statement, and the locked path that finds out what clashes. */
import type pg from "pg";
import type { Appended, Conflict } from "../../../domain/log/event-log.ts";
import type { Written } from "../admissible.ts";
import { positionOf } from "../leaf-position.ts";
import { insertAll } from "./insert.ts";

export type Wish = { readonly stream: string; readonly expected: number; readonly written: readonly Written[] };

/** What became of a batch: `accepted` stand from leaf `start` on, in this order; `answers` are in the order of the batch. */
export type Committed<W extends Wish> = {
  readonly start: number;
  readonly accepted: readonly W[];
  readonly answers: readonly (Appended | Conflict)[];
};

/** Undefined when the head is not at `size`, or a stream has not reached its expected revision. A clash is thrown as a unique violation. */
export async function appendFast<W extends Wish>(
  client: pg.ClientBase,
  size: number,
  batch: readonly W[],
): Promise<Committed<W> | undefined> {
  const reached = new Map<string, number>();
  const needed: Wish[] = [];
  for (const wish of batch) {
    const before = reached.get(wish.stream);
    if (before === undefined ? false : before !== wish.expected) return undefined;
    if (before === undefined && wish.expected >= 0) needed.push(wish);
    reached.set(wish.stream, wish.expected + wish.written.length);
  }
  let end = size;
  for (const { written } of batch) end += written.length;
  if ((await insertAll(client, size, batch, needed)) !== end - size) return undefined;
  end = size;
  const answers = batch.map(({ written }): Appended => ({ kind: "appended", position: positionOf((end += written.length) - 1) }));
  return { start: size, accepted: batch, answers };
}

/** Holds the head while it looks, so that what it finds stays true. Repeats of what stands are answered as before. */
export async function appendLocked<W extends Wish>(client: pg.ClientBase, batch: readonly W[]): Promise<Committed<W>> {
  await client.query("begin");
  try {
    // Order: the lock in its own statement, before the statements that look, for each of them takes a snapshot of its own.
    const { rows } = await client.query<{ size: string }>({ name: "log-lock", text: "select size from log.head for update" });
    const start = Number(rows[0]!.size);
    const judged = judge(start, batch, await lookUp(client, batch));
    const count = judged.accepted.reduce((sum, { written }) => sum + written.length, 0);
    if (count > 0 && (await insertAll(client, start, judged.accepted, [])) !== count)
      throw new Error("the log's head moved under its lock");
    await client.query("commit");
    return judged;
  } catch (fault) {
    // A connection that is gone cannot roll back; the server does it then.
    await client.query("rollback").catch(() => undefined);
    throw fault;
  }
}

type Known = {
  readonly current: Map<string, number>;
  /** By `stream revision`: what stands where an append of the batch wants to stand. */
  readonly there: Map<string, { readonly position: string; readonly text: string }>;
  /** The stream in which a command stands. */
  readonly commands: Map<string, string>;
};

async function lookUp(client: pg.ClientBase, batch: readonly Wish[]): Promise<Known> {
  const known: Known = { current: new Map(), there: new Map(), commands: new Map() };
  const streams = [...new Set(batch.map(({ stream }) => stream))];
  const currents = await client.query<{ stream: string; current: number }>({
    name: "log-current",
    text: `select stream, coalesce((select max(revision) from log.entry there where there.stream = wanted.stream), -1) as current
           from unnest($1::text[]) as wanted (stream)`,
    values: [streams],
  });
  for (const { stream, current } of currents.rows) known.current.set(stream, current);
  const rivals = batch.filter(({ stream, expected }) => known.current.get(stream)! > expected);
  if (rivals.length > 0) {
    const { rows } = await client.query<{ stream: string; revision: number; position: string; text: string }>({
      name: "log-there",
      text: `select there.stream, there.revision, there.position, there.text
             from unnest($1::text[], $2::integer[], $3::integer[]) as wanted (stream, low, high)
             join log.entry there on there.stream = wanted.stream and there.revision between wanted.low and wanted.high`,
      values: [
        rivals.map(({ stream }) => stream),
        rivals.map(({ expected }) => expected + 1),
        rivals.map(({ expected, written }) => expected + written.length),
      ],
    });
    for (const row of rows)
      known.there.set(`${row.stream} ${row.revision}`, { position: positionOf(Number(row.position)), text: row.text });
  }
  const { rows } = await client.query<{ cmd: string; stream: string }>({
    name: "log-commands",
    text: "select cmd, stream from log.entry where first and cmd = any($1::uuid[])",
    values: [[...new Set(batch.flatMap(({ written }) => written.map(({ sealed }) => sealed.entry.cmd)))]],
  });
  for (const { cmd, stream } of rows) known.commands.set(cmd, stream);
  return known;
}

/** Decides one append after the other, each on what its forerunners leave. */
function judge<W extends Wish>(start: number, batch: readonly W[], { current, there, commands }: Known): Committed<W> {
  const accepted: W[] = [];
  let end = start;
  const answers = batch.map((wish): Appended | Conflict => {
    const { stream, expected, written } = wish;
    const stands = current.get(stream)!;
    if (stands > expected) {
      const same = written.map(({ sealed }) => {
        const stored = there.get(`${stream} ${sealed.entry.rev}`);
        return stored?.text === sealed.text ? stored.position : undefined;
      });
      return same.includes(undefined) ? { kind: "conflict", current: stands } : { kind: "appended", position: same.at(-1)! };
    }
    if (stands < expected) return { kind: "conflict", current: stands };
    const own = commandsOf(written);
    for (const [index, command] of own.entries()) {
      const standsIn = own.indexOf(command) < index ? stream : commands.get(command);
      if (standsIn !== undefined) return { kind: "conflict", current: stands, ...(standsIn === stream ? {} : { elsewhere: standsIn }) };
    }
    for (const command of own) commands.set(command, stream);
    for (const { sealed } of written) there.set(`${stream} ${sealed.entry.rev}`, { position: positionOf(end++), text: sealed.text });
    current.set(stream, expected + written.length);
    accepted.push(wish);
    return { kind: "appended", position: positionOf(end - 1) };
  });
  return { start, accepted, answers };
}

/** The commands of an append in their order; one that comes back after another is named again. */
function commandsOf(written: readonly Written[]): string[] {
  const commands: string[] = [];
  for (const { sealed } of written) if (sealed.entry.cmd !== commands.at(-1)) commands.push(sealed.entry.cmd);
  return commands;
}

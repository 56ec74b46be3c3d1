/** What was examined as a text, for its way from thread to thread: as short as it can be where a line is good, which nearly all are. */
import type { Examined, Readable } from "../../domain/log/verify.ts";

const flags = { isGenesis: 1, isFirst: 2, isTold: 4, isWithheld: 8, hasCommand: 16, hasAuth: 32, isAuthHidden: 64 } as const;

/** Stream, revision, prev, type, by, command, id, time, flags, hash, keys. */
type Row = readonly [string, number, string, string, string, string, string, number, number, string, ...string[]];

export function toText(examined: readonly Examined[]): string {
  return JSON.stringify(examined.map((line) => rowOf(line) ?? line));
}

export function fromText(text: string): readonly Examined[] {
  return (JSON.parse(text) as (Row | Examined)[]).map((line) => (Array.isArray(line) ? readableOf(line as Row) : (line as Examined)));
}

/** Undefined for what has more to say. */
function rowOf(line: Examined): Row | undefined {
  if (!("place" in line) || "refused" in line.payload) return undefined;
  const { place, hash, payload } = line;
  if (payload.destroyed.length > 0 || payload.destroyedFault !== undefined || payload.openingFault !== undefined) return undefined;
  const set =
    (place.isGenesis ? flags.isGenesis : 0) |
    (place.isFirst ? flags.isFirst : 0) |
    (payload.isTold ? flags.isTold : 0) |
    (payload.isWithheld ? flags.isWithheld : 0) |
    (payload.hasCommand ? flags.hasCommand : 0) |
    (payload.hasAuth ? flags.hasAuth : 0) |
    (payload.isAuthHidden ? flags.isAuthHidden : 0);
  const { stream, rev, prev, type, by, cmd, id, at } = place;
  return [stream, rev, prev, type, by, cmd, id, at, set, hash, ...payload.keys];
}

function readableOf(row: Row): Readable {
  const set = row[8];
  return {
    place: {
      stream: row[0],
      rev: row[1],
      prev: row[2],
      type: row[3],
      by: row[4],
      cmd: row[5],
      id: row[6],
      at: row[7],
      isGenesis: (set & flags.isGenesis) !== 0,
      isFirst: (set & flags.isFirst) !== 0,
    },
    hash: row[9],
    payload: {
      isTold: (set & flags.isTold) !== 0,
      isWithheld: (set & flags.isWithheld) !== 0,
      hasCommand: (set & flags.hasCommand) !== 0,
      hasAuth: (set & flags.hasAuth) !== 0,
      isAuthHidden: (set & flags.isAuthHidden) !== 0,
      keys: row.slice(10) as string[],
      destroyed: [],
    },
  };
}

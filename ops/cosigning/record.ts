/** What this instance cosigned for others: files of its home decide what may come next, rows of the database show what was said. */
import { equalBytes, fromHex, hex } from "../../domain/log/hash.ts";
import type { Query } from "../../projections/database.ts";
import { BadRecord } from "../keys/signing-record.ts";
import { type Cosigned, openRecordFiles, type RecordFiles } from "./files.ts";

export type CosignerRecord = {
  /** What counts; undefined where nothing was ever cosigned. Throws `BadRecord` where a person has to decide, and `Unavailable`. */
  readonly last: (origin: string) => Promise<Cosigned | undefined>;
  /** Compare and set: durable when it answers true; false when another request of the same log was quicker. Throws as `last` does. */
  readonly set: (origin: string, next: Cosigned) => Promise<boolean>;
};

/** A row, with the key that cosigned and the record that knew of it; both null from before there were files. */
type Kept = Cosigned & { readonly vkey: string | null; readonly record: string | null };

type Options = {
  readonly home: string;
  readonly vkey: string;
  /** Of the role that may append. */
  readonly query: Query;
  /** Told where the files begin with what the database knew before there were any. */
  readonly tookOver: (told: { readonly origin: string; readonly size: number }) => void;
};

export function openCosignerRecord({ home, vkey, query, tookOver }: Options): CosignerRecord {
  const files = openRecordFiles(home);
  const isElsewhere = (row: Kept) => row.vkey === vkey && row.record !== null && row.record !== files.id;
  const last = async (origin: string): Promise<Cosigned | undefined> => {
    // Order: the file first, for a row is written after its file. A row may be ahead all the same, where an older file was put back.
    const kept = await files.last(origin);
    const row = await lastRow(query, origin);
    // The first file may have come between the two looks, and its row with it.
    if (!kept) return row && ((await files.last(origin)) ? last(origin) : takeOver(origin, row));
    if (row && isElsewhere(row)) throw new BadRecord(elsewhere(origin, vkey));
    if (row?.size === kept.size && !equalBytes(row.root, kept.root))
      throw new BadRecord(`the cosigner's record and the database tell of two trees of ${origin} with ${kept.size} entries`);
    return row && isNewer(row, kept) ? { ...row, nth: kept.nth } : kept;
  };
  const takeOver = async (origin: string, row: Kept): Promise<Cosigned | undefined> => {
    const [known] = await query("select 1 from cosigner.cosigned where origin = $1 and vkey = $2 limit 1", [origin, vkey]);
    if (known) throw new BadRecord(lost(origin, files.folderOf(origin)));
    await files.set(origin, { ...row, nth: 0 });
    tookOver({ origin, size: row.size });
    return files.last(origin);
  };
  return {
    last,
    async set(origin, next) {
      if (!(await files.set(origin, next))) return false;
      await show(query, origin, next, { vkey, record: files.id }, isElsewhere);
      return true;
    },
  };
}

const isNewer = (one: Cosigned, other: Cosigned) => one.size > other.size || (one.size === other.size && one.time > other.time);

const anotherKey = "draw another key (remove keys/cosigner.key, or change MINUTEBOOK_COSIGNER_KEY) and give its line to the logs";
const lost = (origin: string, folder: string) =>
  `the cosigner's record of ${origin} is lost, or lies in another home: ${folder} is not there, and this key cosigned the log. If it was moved, put it back; never from a backup, which may be older than what was said. Otherwise ${anotherKey}`;
const elsewhere = (origin: string, vkey: string) =>
  `another home holds the record of ${vkey} for ${origin}: one instance alone may cosign with a key. Let that one go on, or ${anotherKey}`;

async function lastRow(query: Query, origin: string): Promise<Kept | undefined> {
  const [row] = await query<Omit<Kept, "root"> & { root: string }>(
    "select nth, size, root, time, note, vkey, record from cosigner.cosigned where origin = $1 order by nth desc limit 1",
    [origin],
  );
  return row && { ...row, root: fromHex(row.root)! };
}

const triesMax = 10;

/** The table refuses a tree that shrinks, and another tree of the same size, whoever asks. What it has already may be ahead: then it needs no row. */
async function show(
  query: Query,
  origin: string,
  next: Cosigned,
  { vkey, record }: { vkey: string; record: string },
  isElsewhere: (row: Kept) => boolean,
) {
  for (let tries = 0; tries < triesMax; tries++) {
    const written = await query(
      `insert into cosigner.cosigned (origin, nth, size, root, time, note, vkey, record)
       select $1, coalesce(max(nth), -1) + 1, $2, $3, $4, $5, $6, $7 from cosigner.cosigned where origin = $1
       on conflict do nothing returning nth`,
      [origin, next.size, hex(next.root), next.time, next.note, vkey, record],
    ).catch((fault: Error & { code?: string }) => {
      if (fault.code !== doesNotFollow) throw fault;
      return [];
    });
    if (written.length > 0) return;
    const row = await lastRow(query, origin);
    if (row && isElsewhere(row)) throw new BadRecord(elsewhere(origin, vkey));
    if (row && isNewer(row, next)) return;
  }
  throw new BadRecord(`the database does not take what was cosigned of ${origin}: it knows another tree of ${next.size} entries`);
}

/** Postgres' `restrict_violation`, which the table's trigger raises. */
const doesNotFollow = "23001";

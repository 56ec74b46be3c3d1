import type { StoredFields } from "../event-schemas/declare.ts";
import type { Catalogue, EventType } from "../event-schemas/catalogue.ts";
import type { Entry } from "../domain/log/entry.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import type { Placed } from "../domain/log/event-log.ts";

/** A value of a column as the database takes and gives it. Numbers are integers; anything structured is text in canonical JSON. */
export type Cell = string | number | boolean | Uint8Array | null;
export type Row = Readonly<Record<string, Cell>>;

type BareType = "text" | "bigint" | "boolean" | "bytea";
/** Few types, so that rows of any table can be sent as arrays and digested alike. */
export type ColumnType = BareType | `${BareType} not null`;

/**
 * A table of rows. `key` names the columns that tell rows apart.
 * With `history`, a row is never changed: it is closed (`until`) and a new one opened (`since`), both leaf indexes, so that it can be asked for as of any size of the log:
 * a row stands at size n when since < n and (until is null or until >= n).
 * `positions` columns are shown, but never part of a digest: positions differ between engines.
 */
export type Table = {
  readonly name: string;
  readonly key: readonly string[];
  /** In the order of the table. `since` and `until` are added to tables with history. */
  readonly columns: Readonly<Record<string, ColumnType>>;
  readonly history?: true;
  readonly positions?: readonly string[];
  readonly indexes?: readonly (readonly string[])[];
};

/** A row that a change looks at without changing it: as it stands when the change is made. */
export type Look = { readonly table: string; readonly key: Row };

/**
 * What becomes of one row: a pure function of the row, and of those it looks at, as all the changes before it left them. Returning undefined
 * removes the row, returning the same row changes nothing, throwing stops the projection before this event.
 * `fresh`: nothing stands under this key yet, and so in a batch nothing is looked for. An event that is wrong about it clashes there; it is
 * taken again by itself, and then its row is looked for like any other.
 */
export type Change = {
  readonly table: string;
  readonly key: Row;
  readonly fresh?: true;
  readonly looks?: readonly Look[];
  readonly to: (row: Row | undefined, looked: readonly (Row | undefined)[]) => Row | undefined;
};

/** Sets these columns, keeping the others; a new row has null in what is not named. */
export const put = (table: string, key: Row, columns: Row): Change => ({ table, key, to: (row) => ({ ...row, ...key, ...columns }) });
/** Adds to these columns; what is not there yet counts as 0. */
export const add = (table: string, key: Row, amounts: Readonly<Record<string, number>>): Change => ({
  table,
  key,
  to: (row) => {
    const sums = Object.entries(amounts).map(([column, amount]) => [column, Number(row?.[column] ?? 0) + amount]);
    return { ...row, ...key, ...Object.fromEntries(sums) };
  },
});
export const change = (table: string, key: Row, to: Change["to"], looks?: readonly Look[]): Change => ({
  table,
  key,
  ...(looks && { looks }),
  to,
});
/** The first change of a row, which only this event can make. */
export const make = (table: string, key: Row, to: Change["to"], looks?: readonly Look[]): Change => ({
  table,
  key,
  fresh: true,
  ...(looks && { looks }),
  to,
});
export const remove = (table: string, key: Row): Change => ({ table, key, to: () => undefined });

/** One event as a handler is given it: upcast, with its entry, its leaf index and its position. */
export type Told<N extends EventType = EventType> = {
  readonly type: N;
  readonly data: StoredFields<Catalogue, N>;
  readonly entry: Entry;
  readonly leafIndex: number;
  readonly position: string;
};

type Handlers = { readonly [N in EventType]?: (told: Told<N>) => readonly Change[] };

/**
 * How events become the rows of one context. Handlers read no clock and no randomness and issue no SQL: `follow.ts` merges the changes of a
 * batch in memory and writes one statement a table, then the checkpoint, in one transaction.
 * `on` is by event type; `every` sees each entry as recorded (the tree, the index of commands), with a small memo that is kept in the checkpoint row.
 */
export type Projection<Memo extends Json = any> = {
  readonly name: string;
  /** A new version is built beside the old one and swapped in when it has caught up. */
  readonly version: number;
  readonly tables: readonly Table[];
  readonly on?: Handlers;
  readonly every?: {
    readonly initial: Memo;
    readonly take: (memo: Memo, placed: Placed) => { readonly memo: Memo; readonly changes: readonly Change[] };
  };
};

/** What a table's columns are in the database: its own, and those of its history. */
export const columnsOf = ({ columns, history }: Table): Readonly<Record<string, ColumnType>> =>
  history ? { ...columns, since: "bigint not null", until: "bigint" } : columns;

/** What tells stored rows apart: of a row with history there are many versions. */
export const storedKeyOf = ({ key, history }: Table): readonly string[] => (history ? [...key, "since"] : key);

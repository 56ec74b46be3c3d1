/** The trees that a `StateCommitted` names the roots of: the head of every stream, and the rows of every projection. */
import { canonical, type Json, type JsonObject } from "../canonical-json.ts";
import { b64u, sha256, utf8 } from "../hash.ts";
import { appendLeaf, emptyFrontier, type Frontier, frontierRoot } from "../merkle.ts";

/** The last entry of a stream. */
export type Head = { readonly stream: string; readonly revision: number; readonly hash: Uint8Array };

const leafHash = (data: Json): Uint8Array => sha256(`\0${canonical(data)}`);

/** The leaf of a head: RFC 6962 over the canonical JSON of stream, revision and entry hash. */
export const headLeaf = ({ stream, revision, hash }: Head): Uint8Array => leafHash([stream, revision, b64u(hash)]);

/** The leaf of a row; bytes as b64u, and no column that tells a position. */
export const rowLeaf = (table: string, row: JsonObject): Uint8Array => leafHash([table, row]);

/** What makes rows of a log, as far as it is declared: another version, or other tables, give another digest. */
export const reducerDigest = (declared: {
  readonly name: string;
  readonly version: number;
  readonly tables: readonly {
    readonly name: string;
    readonly key: readonly string[];
    readonly columns: Readonly<Record<string, string>>;
    readonly history?: boolean;
  }[];
}): string => {
  const { name, version } = declared;
  const tables = declared.tables.map(({ name, key, columns, history = false }) => ({
    name,
    key: [...key],
    columns: { ...columns },
    history,
  }));
  return b64u(sha256(utf8(`minutebook/reducer/v1\n${canonical({ name, version, tables })}\n`)));
};

/** A root over leaves that come one after another; only the right edge is kept. */
export class Roots {
  private frontier: Frontier = emptyFrontier;

  get size(): number {
    return this.frontier.size;
  }

  add(leaf: Uint8Array): void {
    this.frontier = appendLeaf(this.frontier, leaf);
  }

  /** In b64u. */
  root(): string {
    return b64u(frontierRoot(this.frontier));
  }
}

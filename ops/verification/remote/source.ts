/** Another instance's log over HTTP, as it serves it to everybody. What does not answer is `NotThere`; what answers is not believed. */
import { fromB64, fromUtf8 } from "../../../domain/log/hash.ts";
import { type Tile, tilePath, tileWidth } from "../../../domain/log/tiles.ts";
import { NotThere } from "../../terminal.ts";

const answerMs = 30_000;
const smallBytesMax = 1_048_576;
const keysBytesMax = 16_777_216;
/** 256 entries of the greatest length. */
const bundleBytesMax = 256 * (2 + 0xffff);

export type Remote = {
  /** Where the log's files lie, without a slash at the end. */
  readonly prefix: string;
  readonly checkpoint: () => Promise<string>;
  /** The key that it says is its own. */
  readonly key: () => Promise<string>;
  /** The history of its keys; undefined where it shows none. */
  readonly keys: () => Promise<string | undefined>;
  /** The bytes of a tile; of a full one where the partial one is gone. */
  readonly tile: (tile: Tile) => Promise<{ readonly bytes: Uint8Array; readonly isFull: boolean }>;
  /** One event as it is shown to guests. */
  readonly event: (id: string) => Promise<unknown>;
  /** Undefined where it answers with no proof. */
  readonly consistency: (from: number, to: number) => Promise<readonly Uint8Array[] | undefined>;
};

/** `url` is the instance's, or its log's own below `/log`. */
export function openRemote(url: string): Remote {
  const bare = url.replace(/\/+$/, "");
  const prefix = new URL(bare).pathname.endsWith("/log") ? bare : `${bare}/log`;
  const must = async (path: string, bytesMax: number): Promise<Uint8Array> => {
    const bytes = await get(`${prefix}/${path}`, bytesMax);
    if (!bytes) throw new NotThere(`${prefix}/${path} is not there`);
    return bytes;
  };
  const text = async (path: string) => fromUtf8(await must(path, smallBytesMax)) ?? "";
  return {
    prefix,
    checkpoint: () => text("checkpoint"),
    key: async () => (await text("key")).trim(),
    async keys() {
      const bytes = await get(`${prefix}/keys`, keysBytesMax);
      return bytes && (fromUtf8(bytes) ?? "");
    },
    async tile(tile) {
      const bytes = await get(`${prefix}/${tilePath(tile)}`, bundleBytesMax);
      if (bytes || tile.width === tileWidth)
        return { bytes: bytes ?? (await must(tilePath(tile), bundleBytesMax)), isFull: tile.width === tileWidth };
      return { bytes: await must(tilePath({ ...tile, width: tileWidth }), bundleBytesMax), isFull: true };
    },
    event: async (id) => parsed(await text(`events/${id}`)),
    async consistency(from, to) {
      const bytes = await get(`${prefix}/consistency?from=${from}&to=${to}`, smallBytesMax);
      const { hashes } = (parsed((bytes && fromUtf8(bytes)) ?? "") ?? {}) as { hashes?: unknown };
      const proof = Array.isArray(hashes) ? hashes.map((hash) => (typeof hash === "string" ? fromB64(hash) : undefined)) : [undefined];
      return proof.some((hash) => hash === undefined) ? undefined : (proof as Uint8Array[]);
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Undefined for what is not there. */
export async function get(url: string, bytesMax: number): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    if (response.ok) return await bytesOf(response, bytesMax);
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    throw new NotThere(`${url} answers ${response.status}`);
  } catch (fault) {
    if (fault instanceof NotThere) throw fault;
    const { message, cause } = fault as Error;
    throw new NotThere(`${url} does not answer: ${cause instanceof Error ? cause.message : message}`);
  }
}

async function bytesOf({ body, url }: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > bytesMax) throw new NotThere(`${url} answers with more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** A log as files over HTTP, of any history up to any size, any of whose files may be another than it should be. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { b64, concat, sha256, utf8 } from "../../domain/log/hash.ts";
import { consistencyProof, rootOf } from "../../domain/log/merkle.ts";
import { encodeEntries, parseTilePath, tileWidth, widthInTree } from "../../domain/log/tiles.ts";
import { signEd25519 } from "../../ops/crypto.ts";
import { generateBundle } from "../log/generate-bundle.ts";

const signer = 7;
const { publicKey, sign } = signEd25519(sha256(`signer ${signer}`));

export type History = {
  readonly entries: readonly string[];
  readonly leaves: readonly Uint8Array[];
  readonly first: object;
  readonly vkey: string;
};

/** Histories of different seeds are of one key, and have no entry in common but the first. */
export async function history(entries: number, seed: number): Promise<History> {
  const directory = mkdtempSync(join(tmpdir(), "minutebook-served-"));
  try {
    const { vkey } = await generateBundle(directory, entries, seed, { signer });
    const lines = readFileSync(join(directory, "entries.jsonl"), "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { entry: string; data: object; salts: object });
    const texts = lines.map(({ entry }) => entry);
    const { data, salts } = lines[0]!;
    return { entries: texts, leaves: texts.map((text) => sha256(`\0${text}`)), first: { data, salts, digests: {} }, vkey };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export class ServedLog {
  history: History;
  size: number;
  url = "";
  /** By path below the log; `undefined` is 404. */
  readonly instead = new Map<string, Uint8Array | undefined>();
  readonly asked: string[] = [];
  private readonly server: Server;

  private constructor(of: History, size: number) {
    this.history = of;
    this.size = size;
    this.server = createServer((request, response) => {
      const url = request.url!.replace("/log/", "");
      this.asked.push(url);
      this.answer(url).then(
        (bytes) => (bytes ? response.end(bytes) : response.writeHead(404).end()),
        () => response.writeHead(500).end(),
      );
    });
  }

  static async open(of: History, size: number): Promise<ServedLog> {
    const served = new ServedLog(of, size);
    while (!served.server.listening)
      await new Promise<void>((resolve) => {
        served.server.once("error", () => resolve());
        served.server.listen(randomInt(20_000, 32_000), "127.0.0.1", resolve);
      });
    served.url = `http://127.0.0.1:${(served.server.address() as AddressInfo).port}`;
    return served;
  }

  async checkpoint(size = this.size): Promise<string> {
    return signCheckpoint({ origin: originOf(this.history), size, root: rootOf(this.history.leaves.slice(0, size)) }, publicKey, sign);
  }

  private async answer(url: string): Promise<Uint8Array | undefined> {
    if (this.instead.has(url)) return this.instead.get(url);
    const { leaves, entries, first, vkey } = this.history;
    if (url === "checkpoint") return utf8(await this.checkpoint());
    if (url === "key") return utf8(`${vkey}\n`);
    if (url.startsWith("events/")) return utf8(JSON.stringify(first));
    const [, from, to] = /^consistency\?from=(\d+)&to=(\d+)$/.exec(url) ?? [];
    if (from !== undefined) {
      if (Number(to) > this.size) return undefined;
      const proof = await consistencyProof(Number(from), Number(to), this.node);
      return utf8(JSON.stringify({ from: Number(from), to: Number(to), hashes: proof.map(b64) }));
    }
    const tile = parseTilePath(url);
    if (!tile || widthInTree(tile.level, tile.index, this.size) < tile.width) return undefined;
    const start = tile.index * tileWidth;
    if (tile.level === "entries") return encodeEntries(entries.slice(start, start + tile.width));
    const level = 8 * tile.level;
    return concat(...Array.from({ length: tile.width }, (_, at) => this.node(level, start + at)));
  }

  private readonly node = (level: number, index: number): Uint8Array =>
    rootOf(this.history.leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export const originOf = ({ vkey }: History) => vkey.split("+")[0]!;

/** The log as files that anybody can check (C2SP tlog-tiles, tlog-checkpoint, tlog-proof), and one event as the caller may see it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { leafRows, manifest } from "../domain/log/bundle.ts";
import type { Placed } from "../domain/log/event-log.ts";
import { b64, concat, utf8 } from "../domain/log/hash.ts";
import { consistencyProof, inclusionProof } from "../domain/log/merkle.ts";
import { commit } from "../domain/log/payload.ts";
import { writeReceipt } from "../domain/log/proof.ts";
import { encodeEntries, parseTilePath, tileWidth, widthInTree } from "../domain/log/tiles.ts";
import { type Problem, problem } from "../domain/problem.ts";
import { mayRead } from "../domain/visibility.ts";
import { Uuid } from "../event-schemas/values.ts";
import { isPublished } from "../projections/checkpoints.ts";
import { entryById, type EntryRow, nodesOf, tileHashes, treeHead } from "../projections/log-reads.ts";
import { askForPromise, promiseOf } from "../projections/promises.ts";
import { bundleOf, entriesOf, everyKeeping } from "./bundle.ts";
import type { ReadDeps } from "./deps.ts";
import { proposalsIn } from "./events.ts";
import { keyInForce, keysFile } from "./log-keys.ts";
import { refuse } from "./refuse.ts";
import { tarHeader, tarEnd, tarPadding } from "./tar.ts";
import { keepingsOf, viewersOf } from "./viewer.ts";

const forGood = "public, max-age=31536000, immutable";
const forSeconds = "public, max-age=1";

export type LogDeps = ReadDeps & { readonly vkey: string };

export function logRoutes(app: FastifyInstance, deps: LogDeps): void {
  const hidden = { schema: { hide: true } };
  app.get("/log/checkpoint", hidden, async (_, reply) => {
    const checkpoint = await deps.checkpoint();
    return checkpoint
      ? reply.type("text/plain; charset=utf-8").header("cache-control", forSeconds).send(checkpoint.note)
      : refuse(reply, notYet());
  });
  app.get("/log/key", hidden, async (_, reply) => {
    // The key of the checkpoint that is shown, which may be of a moment ago.
    const vkey = await keyInForce(deps, (await deps.checkpoint())?.size ?? 0);
    return reply.type("text/plain; charset=utf-8").header("cache-control", forSeconds).send(`${vkey}\n`);
  });
  app.get("/log/keys", hidden, async (_, reply) => {
    const tree = await signedTree(deps);
    if ("status" in tree && tree.code !== "NOT_YET") return refuse(reply, tree);
    const { text } = await keysFile(deps, "size" in tree ? tree.size : 0);
    return reply.type("application/json; charset=utf-8").header("cache-control", forSeconds).send(text);
  });
  app.get<{ Params: { "*": string } }>("/log/tile/*", hidden, async ({ params }, reply) => sendTile(deps, params["*"], reply));
  app.get<{ Params: { id: string } }>("/log/events/:id", hidden, async (request, reply) => sendEvent(deps, request, reply));
  app.get<{ Params: { id: string }; Querystring: { fields?: string } }>("/log/proofs/:id", hidden, async (request, reply) =>
    sendReceipt(deps, request, reply),
  );
  app.get<{ Querystring: { from?: string; to?: string } }>("/log/consistency", hidden, async ({ query }, reply) =>
    sendConsistency(deps, query, reply),
  );
  app.get("/log/bundle", hidden, async (_, reply) => sendBundle(deps, reply));
}

export const notYet = () => problem("NOT_YET", "No checkpoint covers this yet");
export const nothingHere = (what: string) => problem("NOT_FOUND", what);

/** The last checkpoint, of a tree that the rows have: where they are being made again a shorter file would be taken for the whole one, for good. */
export async function signedTree(
  deps: Pick<LogDeps, "checkpoint" | "database">,
): Promise<{ readonly size: number; readonly note: string } | Problem> {
  const checkpoint = await deps.checkpoint();
  if (!checkpoint) return notYet();
  const tree = await treeHead(deps.database);
  if (tree && tree.frontier.size >= checkpoint.size) return checkpoint;
  return problem("UNAVAILABLE", "The rows of the tree are being made again and do not reach the last checkpoint yet");
}

async function sendTile(deps: LogDeps, path: string, reply: FastifyReply): Promise<FastifyReply> {
  const tile = parseTilePath(`tile/${path}`);
  if (!tile) return refuse(reply, nothingHere("This is not the path of a tile"));
  const tree = await signedTree(deps);
  if ("status" in tree) return refuse(reply, tree);
  const { size } = tree;
  if (widthInTree(tile.level, tile.index, size) < tile.width)
    return refuse(reply, nothingHere("There is no such tile in the last checkpoint's tree"));
  const { level, index, width } = tile;
  if (width < tileWidth && !(await isOfPublished(deps, tile)))
    return refuse(reply, nothingHere("No checkpoint was published whose tree ends in this partial tile"));
  const bytes =
    level === "entries"
      ? encodeEntries(
          (await allOf(entriesOf(deps.log, deps.database.query, index * tileWidth, index * tileWidth + width))).map(({ text }) => text),
        )
      : concat(...(await tileHashes(deps.database, level, index)).slice(0, width));
  return reply.type("application/octet-stream").header("cache-control", forGood).send(bytes);
}

/** A partial tile is a file of the trees that end in it: at level 0 of one size, above of 256^level sizes. */
async function isOfPublished(
  { database }: LogDeps,
  { level, index, width }: { level: number | "entries"; index: number; width: number },
): Promise<boolean> {
  const leaves = level === "entries" ? 1 : 2 ** (8 * level);
  const from = (index * tileWidth + width) * leaves;
  return isPublished(database.query, from, from + leaves);
}

async function allOf(batches: AsyncIterable<readonly Placed[]>): Promise<readonly Placed[]> {
  const all: Placed[] = [];
  for await (const batch of batches) all.push(...batch);
  return all;
}

/** One event as it is stored, and which of its fields this caller may see. */
async function eventFor(deps: LogDeps, request: FastifyRequest<{ Params: { id: string } }>) {
  const caller = await deps.identify(request);
  if ("status" in caller) return caller;
  const { id } = request.params;
  const { query } = deps.database;
  const row = Uuid.safeParse(id).success ? await placed(deps, id) : undefined;
  if (!row) return nothingHere("There is no event of this id, or the rows have not come to it yet");
  const [recorded] = await deps.log.read(row.stream, row.revision);
  if (!recorded) return problem("UNAVAILABLE", "The event store does not show this event now");
  const [viewer] = await viewersOf(query, [caller], deps.now());
  const keepings = await keepingsOf(query, proposalsIn([recorded]));
  const { entry, data } = recorded;
  return {
    ...recorded,
    leafIndex: row.leaf_index,
    shows: mayRead({ type: entry.type, data, entry }, viewer!, (proposalId) => keepings.get(proposalId)),
  };
}

/** Where an event stands. What was recorded a moment ago is waited for: the rows of the tree follow the log. */
async function placed({ database, log, passed }: LogDeps, id: string): Promise<EntryRow | undefined> {
  const row = await entryById(database, id);
  if (row) return row;
  const [head, tree] = await Promise.all([log.head(), treeHead(database)]);
  if (head && (!tree || tree.place.position < head.position)) await passed([], head.position);
  // Order: looked for again in any case, for the rows may have come to it since the first look.
  return entryById(database, id);
}

async function sendEvent(deps: LogDeps, request: FastifyRequest<{ Params: { id: string } }>, reply: FastifyReply): Promise<FastifyReply> {
  const event = await eventFor(deps, request);
  if ("status" in event) return refuse(reply, event);
  const { text, leafIndex, data, salts, shows } = event;
  const names = Object.keys(data);
  const { digests } = commit(data, salts);
  const pick = <T>(from: Readonly<Record<string, T>>, which: (name: string) => boolean) =>
    Object.fromEntries(names.filter(which).map((name) => [name, from[name]]));
  // What is shown depends on who asks, and on what is closed by now.
  return reply
    .header("cache-control", "private, no-store")
    .send({ entry: text, leafIndex, data: pick(data, shows), salts: pick(salts, shows), digests: pick(digests, (name) => !shows(name)) });
}

async function sendReceipt(
  deps: LogDeps,
  request: FastifyRequest<{ Params: { id: string }; Querystring: { fields?: string } }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const event = await eventFor(deps, request);
  if ("status" in event) return refuse(reply, event);
  const { text, leafIndex, data, salts, shows } = event;
  const asked = request.query.fields?.split(",");
  const unknown = asked?.find((field) => !Object.hasOwn(data, field) || !shows(field));
  if (unknown !== undefined) return refuse(reply, nothingHere(`This event has no field ${unknown} that you may see`));
  const checkpoint = await untilCovered(deps, leafIndex);
  if ("status" in checkpoint) return checkpoint.code === "NOT_YET" ? sendPromise(deps, event, reply) : refuse(reply, checkpoint);
  const path = await inclusionProof(leafIndex, checkpoint.size, nodesOf(deps.database));
  const receipt = writeReceipt({
    entry: text,
    data,
    salts,
    shows: (field) => (asked ? asked.includes(field) : shows(field)),
    index: leafIndex,
    path,
    checkpoint: checkpoint.note,
  });
  return reply
    .type("text/plain; charset=utf-8")
    .header("cache-control", "private, no-store")
    .header("content-disposition", `attachment; filename="${event.entry.id}.tlog-proof"`)
    .send(receipt);
}

const coveredMs = 2_000;
const promisedMs = 2_000;
const lookMs = 50;

/** The first checkpoint that covers the leaf, or why there is none yet. */
async function untilCovered(deps: LogDeps, leafIndex: number): Promise<{ readonly size: number; readonly note: string } | Problem> {
  for (let left = coveredMs; ; left -= lookMs) {
    const tree = await signedTree(deps);
    if ("size" in tree && tree.size > leafIndex) return tree;
    if (left <= 0) return "size" in tree ? notYet() : tree;
    await deps.wait(lookMs);
  }
}

/** What the signer, which alone holds the key, signs instead of a proof. It is taken back to this route later, or kept as evidence. */
async function sendPromise(
  { database: { query }, wait }: LogDeps,
  { entry: { id, stream, rev } }: Placed,
  reply: FastifyReply,
): Promise<FastifyReply> {
  let note = await promiseOf(query, id);
  if (note === undefined) await askForPromise(query, { event: id, stream, revision: rev });
  for (let left = promisedMs; note === undefined && left > 0; left -= lookMs) {
    await wait(lookMs);
    note = await promiseOf(query, id);
  }
  if (note === undefined) return refuse(reply, notYet());
  return reply
    .code(202)
    .type("text/plain; charset=utf-8")
    .header("cache-control", "private, no-store")
    .header("retry-after", "5")
    .header("content-disposition", `attachment; filename="${id}.tlog-promise"`)
    .send(note);
}

const sizeForm = /^(0|[1-9]\d{0,15})$/;

async function sendConsistency(deps: LogDeps, { from, to }: { from?: string; to?: string }, reply: FastifyReply): Promise<FastifyReply> {
  const tree = await signedTree(deps);
  if ("status" in tree) return refuse(reply, tree);
  const { size } = tree;
  const [first, second] = [from, to ?? String(size)].map((text) => (sizeForm.test(text ?? "") ? Number(text) : NaN)) as [number, number];
  if (!(first >= 1 && first <= second))
    return refuse(reply, problem("INVALID_INPUT", "from and to are sizes of the tree, with 1 ≤ from ≤ to"));
  if (second > size) return refuse(reply, nothingHere(`The last checkpoint's tree has ${size} entries`));
  const hashes = await consistencyProof(first, second, nodesOf(deps.database));
  return reply.header("cache-control", forGood).send({ from: first, to: second, hashes: hashes.map(b64) });
}

/** The bundle as a guest may see it, as a tar. Made twice: a tar says each file's length before the file. */
async function sendBundle(deps: LogDeps, reply: FastifyReply): Promise<FastifyReply> {
  const checkpoint = await signedTree(deps);
  if ("status" in checkpoint) return refuse(reply, checkpoint);
  const { size, note } = checkpoint;
  const { query } = deps.database;
  const source = { log: deps.log, query, viewer: { kind: "guest" } as const, keepingOf: await everyKeeping(query) };
  let lineBytes = 0;
  for await (const { lines } of bundleOf(source, 0, size)) lineBytes += utf8(lines).length;
  const exportedAt = deps.now();
  const keys = await keysFile(deps, size);
  async function* files(): AsyncGenerator<Uint8Array> {
    const head = utf8(manifest({ origin: deps.origin, vkey: deps.vkey, from: 0, to: size, exportedAt }));
    for (const [name, bytes] of [
      ["manifest.json", head],
      ["checkpoint", utf8(note)],
      ...(keys.changes > 0 ? ([["keys", utf8(keys.text)]] as const) : []),
    ] as const)
      yield concat(tarHeader(`bundle/${name}`, bytes.length), bytes, tarPadding(bytes.length));
    yield tarHeader("bundle/entries.jsonl", lineBytes);
    for await (const { lines } of bundleOf(source, 0, size)) yield utf8(lines);
    yield tarPadding(lineBytes);
    yield tarHeader("bundle/leaves", 32 * size);
    for await (const batch of entriesOf(deps.log, query, 0, size)) yield leafRows(batch.map(({ hash }) => hash));
    yield concat(tarPadding(32 * size), tarEnd);
  }
  return reply
    .type("application/x-tar")
    .header("content-disposition", 'attachment; filename="bundle.tar"')
    .header("cache-control", "no-store")
    .send(streamOf(files()));
}

/** Asks for the next part only when the one before has left: a slow reader fills no memory. */
const streamOf = (parts: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> =>
  new ReadableStream({
    async pull(controller) {
      const { value, done } = await parts.next();
      if (done) controller.close();
      else if (value.length > 0) controller.enqueue(value);
      else await this.pull!(controller);
    },
    cancel: async () => void (await parts.return(undefined)),
  });

/** A stream as a file that shows it whole: all its entries up to the head that a committed state names, or that there is no such stream. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { bundleLine } from "../domain/log/bundle.ts";
import type { Recorded } from "../domain/log/event-log.ts";
import { inclusionProof } from "../domain/log/merkle.ts";
import { writeReceipt } from "../domain/log/proof.ts";
import { HeadsTree, streamProofHead } from "../domain/log/state/stream-proof.ts";
import { type Problem, problem } from "../domain/problem.ts";
import { mayRead, type Viewer } from "../domain/visibility.ts";
import { sizeAt } from "../projections/as-of.ts";
import { entryById, nodesOf } from "../projections/log-reads.ts";
import { logTree } from "../projections/log-tree.ts";
import { headsAt } from "../projections/state.ts";
import type { ReadDeps } from "./deps.ts";
import { proposalsIn } from "./events.ts";
import { nothingHere, notYet, signedTree } from "./log.ts";
import { refuse } from "./refuse.ts";
import { keepingsOf, viewersOf } from "./viewer.ts";

type Asked = FastifyRequest<{ Params: { stream: string }; Querystring: { asOf?: string; size?: string } }>;
/** A committed state that stands in a signed tree. */
type Covered = { readonly recorded: Recorded; readonly leafIndex: number; readonly size: number; readonly signed: Signed };
type Signed = { readonly size: number; readonly note: string };
type TreeOf = (size: number) => Promise<HeadsTree>;

const streamForm = /^[A-Za-z0-9._:-]{1,200}$/;
const sizeForm = /^(0|[1-9]\d{0,15})$/;

export function streamProofRoute(app: FastifyInstance, deps: ReadDeps): void {
  const treeOf = lastTree(deps);
  app.get("/log/streams/:stream", { schema: { hide: true } }, async (request: Asked, reply) => send(deps, treeOf, request, reply));
}

/** One state is asked for again and again until the next is committed: its tree is kept, and made once for all who wait for it. */
function lastTree({ database }: ReadDeps): TreeOf {
  let kept: { readonly size: number; readonly tree: Promise<HeadsTree> } | undefined;
  return (size) => {
    if (kept?.size === size) return kept.tree;
    const tree = headsAt(database, size).then((heads) => new HeadsTree(heads));
    kept = { size, tree };
    tree.catch(() => (kept = undefined));
    return tree;
  };
}

async function send(deps: ReadDeps, treeOf: TreeOf, request: Asked, reply: FastifyReply): Promise<FastifyReply> {
  const caller = await deps.identify(request);
  if ("status" in caller) return refuse(reply, caller);
  const { stream } = request.params;
  if (!streamForm.test(stream)) return refuse(reply, nothingHere("This is not the name of a stream"));
  const asked = await sizeAsked(deps, request.query);
  if (asked !== undefined && typeof asked !== "number") return refuse(reply, asked);
  const state = await newestCovered(deps);
  if ("status" in state) return refuse(reply, state);
  if (asked !== undefined && asked > state.size) return refuse(reply, later(state, `the first ${asked} entries`));
  const tree = await treeOf(state.size);
  const head = tree.heads[tree.placeOf(stream)];
  const recorded = await deps.log.read(stream);
  const entries = head?.stream === stream ? recorded.slice(0, head.revision + 1) : [];
  // What began after the state is not known to be absent now; it is known to have been absent then.
  if (entries.length === 0 && recorded.length > 0 && asked === undefined) return refuse(reply, later(state, "this stream"));
  const [viewer] = await viewersOf(deps.database.query, [caller], deps.now());
  const first = await streamProofHead({
    stream,
    tree,
    receipt: await receiptOf(deps, state, viewer!),
    past: asked === undefined ? undefined : await pastOf(deps, entries, asked, state.signed.size),
  });
  return reply
    .type("application/jsonl; charset=utf-8")
    .header("cache-control", "private, no-store")
    .header("content-disposition", `attachment; filename="${stream.replaceAll(":", "_")}.minutebook-stream"`)
    .send(first + (await linesOf(deps, entries, viewer!)).join(""));
}

const later = ({ size }: Covered, what: string): Problem =>
  problem(
    "NOT_YET",
    `The newest committed state is of the first ${size} entries and does not cover ${what}: come again after the next one`,
    { retryAfterSeconds: 60 },
  );

async function sizeAsked(deps: ReadDeps, { asOf, size }: { asOf?: string; size?: string }): Promise<number | Problem | undefined> {
  if (size !== undefined)
    return sizeForm.test(size) && asOf === undefined
      ? Number(size)
      : problem("INVALID_INPUT", "size is how many first entries of the log are meant, without asOf");
  if (asOf === undefined) return undefined;
  const position = deps.readPosition(asOf);
  if (position === undefined) return problem("INVALID_INPUT", "asOf is not of the form of a position of this log");
  await deps.passed([logTree.name], position);
  return sizeAt(deps.database, { position });
}

/** The newest committed state that the last checkpoint covers. */
async function newestCovered(deps: ReadDeps): Promise<Covered | Problem> {
  const signed = await signedTree(deps);
  if ("status" in signed) return signed;
  const [last] = await deps.database.query<{ revision: number }>("select revision from read.stream_head where stream = 'state'");
  for (let revision = last?.revision ?? -1; revision >= 0; revision--) {
    const [recorded] = await deps.log.read("state", revision);
    const row = recorded && (await entryById(deps.database, recorded.entry.id));
    if (recorded && row && row.leaf_index < signed.size)
      return { recorded, leafIndex: row.leaf_index, size: recorded.data["size"] as number, signed };
  }
  return last
    ? notYet()
    : problem("NOT_YET", "No state of the log is committed yet; an operator commits one with `minutebook commit-state`", {
        retryAfterSeconds: 60,
      });
}

async function receiptOf({ database }: ReadDeps, { recorded, leafIndex, signed }: Covered, viewer: Viewer): Promise<string> {
  const { entry, text, data, salts } = recorded;
  const path = await inclusionProof(leafIndex, signed.size, nodesOf(database));
  const shows = mayRead({ type: entry.type, data, entry }, viewer, () => undefined);
  return writeReceipt({ entry: text, data, salts, shows, index: leafIndex, path, checkpoint: signed.note });
}

/** How many of these entries stand below a size, and where the two on either side of it stand in the signed tree. */
async function pastOf({ database }: ReadDeps, entries: readonly Recorded[], size: number, signed: number) {
  const ids = entries.map(({ entry }) => entry.id);
  const rows = await database.query<{ event_id: string; leaf_index: number }>(
    "select event_id, leaf_index from read.log_entry where event_id = any($1)",
    [ids],
  );
  const leaves = new Map(rows.map(({ event_id, leaf_index }) => [event_id, leaf_index]));
  const places = ids.map((id) => leaves.get(id)!);
  const below = places.filter((leaf) => leaf < size).length;
  const node = nodesOf({ query: database.query });
  const proven = async (nth: number) => ({ index: places[nth]!, path: await inclusionProof(places[nth]!, signed, node) });
  return {
    size,
    entries: below,
    ...(below > 0 && { below: await proven(below - 1) }),
    ...(below < places.length && { above: await proven(below) }),
  };
}

async function linesOf({ database }: ReadDeps, entries: readonly Recorded[], viewer: Viewer): Promise<string[]> {
  const keepings = await keepingsOf(database.query, proposalsIn(entries));
  return entries.map(({ entry, text, data, salts }) =>
    bundleLine(text, { data, salts, shows: mayRead({ type: entry.type, data, entry }, viewer, (proposalId) => keepings.get(proposalId)) }),
  );
}

/** The Read call of the double: pages of a stream and of `$all`, and live subscriptions. */
import { randomUUID } from "node:crypto";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { DoubleNode } from "./double.ts";
import type { Logged } from "./double-log.ts";
import { failure, grpc, loggedOut, shared, streamIn, streamOut, streams, type ReadResponse } from "./wire.ts";

type Request = InstanceType<typeof streams.ReadReq>;
type Options = InstanceType<typeof streams.ReadReq.Options>;
type Call = ServerWritableStream<Request, ReadResponse>;

/** What a test makes happen to one read or subscription. */
export type ReadFault =
  | { readonly kind: "fail"; readonly afterRecords?: number; readonly error?: "unavailable" | "unknown" }
  | { readonly kind: "hang" }
  | { readonly kind: "delay"; readonly ms: number }
  /** Every record comes after a while. */
  | { readonly kind: "slow"; readonly ms: number };
export type ReadSeen = { readonly node: number; readonly stream: string | undefined; readonly subscription: boolean };

/** Writes with back-pressure; after the client has gone, writes go nowhere. */
class Answer {
  readonly call: Call;
  open = true;
  /** What every record waits for. */
  before: (() => Promise<void>) | undefined;
  #left = Infinity;
  #then: () => void = () => {};

  #resume = (): void => {};

  constructor(call: Call) {
    this.call = call;
    call.on("drain", () => this.#resume());
    for (const ending of ["cancelled", "error", "close"])
      call.on(ending, () => {
        this.open = false;
        this.#resume();
      });
  }

  failAfter(records: number, then: () => void): void {
    this.#left = records;
    this.#then = then;
    if (records === 0) then();
  }

  async write(response: ReadResponse): Promise<void> {
    if (!this.open || this.call.write(response)) return;
    if (this.open) await new Promise<void>((resolve) => (this.#resume = resolve));
  }

  async record(record: Logged): Promise<void> {
    await this.before?.();
    await this.write(loggedOut(record));
    if (--this.#left === 0) this.#then();
  }

  fail(error: Error): void {
    if (!this.open) return;
    this.open = false;
    this.call.emit("error", error);
  }

  end(): void {
    if (this.open) this.call.end();
    this.open = false;
  }
}

export async function read(node: DoubleNode, call: Call): Promise<void> {
  const options = call.request.getOptions()!;
  const stream = options.hasStream() ? streamIn(options.getStream()!.getStreamIdentifier()) : undefined;
  const answer = new Answer(call);
  if (call.metadata.get("requires-leader")[0] === "true" && !node.believesToLead()) return answer.fail(node.notLeader());
  const fault = node.cluster.faults.onRead?.({ node: node.id, stream, subscription: options.hasSubscription() });
  if (fault?.kind === "hang") return;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => node.cluster.later(ms, resolve));
  if (fault?.kind === "delay") await pause(fault.ms);
  if (fault?.kind === "slow") answer.before = () => pause(fault.ms);
  if (fault?.kind === "fail") {
    const error =
      fault.error === "unknown"
        ? failure(grpc.status.UNKNOWN, "Unexpected ReadAllResult: Error")
        : failure(grpc.status.UNAVAILABLE, "read ECONNRESET");
    answer.failAfter(fault.afterRecords ?? 0, () => answer.fail(error));
  }
  if (options.hasSubscription()) return subscribe(node, options, answer);
  return stream === undefined ? readAll(node, options, answer) : readStream(node, stream, options, answer);
}

async function readStream(node: DoubleNode, name: string, options: Options, answer: Answer): Promise<void> {
  const records = node.log.visible(name, node.size());
  if (records.length === 0) {
    // A missing stream is a message, not a status.
    const missing = new streams.ReadResp.StreamNotFound();
    missing.setStreamIdentifier(streamOut(name));
    const response = new streams.ReadResp();
    response.setStreamNotFound(missing);
    await answer.write(response);
    return answer.end();
  }
  const from = options.getStream()!;
  const backwards = options.getReadDirection() === 1;
  const start = from.hasStart() ? 0 : from.hasEnd() ? Infinity : Number(from.getRevision());
  const wanted = backwards ? records.filter((r) => r.revision <= start).reverse() : records.filter((r) => r.revision >= start);
  for (const record of wanted.slice(0, Number(options.getCount()))) {
    if (!answer.open) return;
    await answer.record(record);
  }
  answer.end();
}

/** Forwards a position is inclusive, backwards exclusive. The client never sends a filter here. */
async function readAll(node: DoubleNode, options: Options, answer: Answer): Promise<void> {
  const from = options.getAll()!;
  const backwards = options.getReadDirection() === 1;
  const at = from.hasStart() ? -1 : from.hasEnd() ? Infinity : Number(from.getPosition()!.getCommitPosition());
  const all = node.log.all;
  const count = Number(options.getCount());
  const wanted: Logged[] = [];
  const first = firstAtOrAfter(all, at);
  if (backwards) for (let n = Math.min(first, node.size()) - 1; n >= 0 && wanted.length < count; n--) wanted.push(all[n]!);
  else wanted.push(...all.slice(first, Math.min(first + count, node.size())));
  for (const record of wanted) {
    if (!answer.open) return;
    await answer.record(record);
  }
  answer.end();
}

function firstAtOrAfter(all: readonly Logged[], position: number): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle]!.position < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function matcher(options: Options): (record: Logged) => boolean {
  if (!options.hasFilter()) return () => true;
  const filter = options.getFilter()!;
  const expression = filter.hasEventType() ? filter.getEventType()! : filter.getStreamIdentifier()!;
  const regex = expression.getRegex() ? new RegExp(expression.getRegex()) : undefined;
  const prefixes = expression.getPrefixList();
  return (record) => {
    const value = filter.hasEventType() ? record.type : record.stream;
    return regex ? regex.test(value) : prefixes.some((prefix) => value.startsWith(prefix));
  };
}

/** Confirmation, catch-up after an exclusive start, `caughtUp`, then live until more waits than the live buffer holds. */
async function subscribe(node: DoubleNode, options: Options, answer: Answer): Promise<void> {
  const matches = matcher(options);
  const name = options.hasStream() ? streamIn(options.getStream()!.getStreamIdentifier()) : undefined;
  const ours = (record: Logged): boolean => (name === undefined || record.stream === name) && matches(record);
  const from = options.hasStream() ? undefined : options.getAll()!;
  const { log } = node;
  let next = 0;
  if (from?.hasEnd() || options.getStream()?.hasEnd()) next = log.all.length;
  else if (from?.hasPosition()) next = firstAtOrAfter(log.all, Number(from.getPosition()!.getCommitPosition()) + 1);
  else if (options.getStream()?.hasRevision())
    next = (log.stream(name!)[Number(options.getStream()!.getRevision())]?.index ?? log.all.length - 1) + 1;

  const filter = options.getFilter();
  const interval = filter ? (filter.hasMax() ? filter.getMax() : 32) * filter.getCheckpointintervalmultiplier() : 0;
  let passed = 0;
  let live = false;
  let wake = (): void => {};
  const unwatch = log.watch(() => wake());
  answer.call.on("cancelled", () => wake());
  node.onStop(() => (answer.fail(failure(grpc.status.CANCELLED, "Server shutting down")), wake()));
  await answer.write(confirmation());
  while (answer.open) {
    const waiting = log.all.slice(next, node.size());
    if (live && waiting.filter(ours).length > node.cluster.liveBuffer) {
      answer.fail(failure(grpc.status.ABORTED, "Consumer too slow to handle event while live. Client resubscription required."));
      break;
    }
    for (const record of waiting) {
      next = record.index + 1;
      if (ours(record)) await answer.record(record);
      if (interval > 0 && ++passed % interval === 0) await answer.write(checkpoint(record.position));
      if (!answer.open) break;
    }
    if (next < node.size()) continue; // Appended while this was writing.
    if (!live) {
      live = true;
      const response = new streams.ReadResp();
      response.setCaughtUp(new streams.ReadResp.CaughtUp());
      await answer.write(response);
      continue;
    }
    if (answer.open) await new Promise<void>((resolve) => (wake = resolve));
  }
  unwatch();
}

function confirmation(): ReadResponse {
  const confirmed = new streams.ReadResp.SubscriptionConfirmation();
  confirmed.setSubscriptionId(randomUUID());
  const response = new streams.ReadResp();
  response.setConfirmation(confirmed);
  return response;
}

function checkpoint(position: number): ReadResponse {
  const reached = new streams.ReadResp.Checkpoint();
  reached.setCommitPosition(String(position));
  reached.setPreparePosition(String(position));
  const response = new streams.ReadResp();
  response.setCheckpoint(reached);
  return response;
}

/** The two append calls of the double, and the faults that a test can make happen to each append. */
import type { sendUnaryData, ServerDuplexStream, ServerReadableStream, ServiceError } from "@grpc/grpc-js";
import type { DoubleNode } from "./double.ts";
import type { AppendAnswer, Expectation, Proposed } from "./double-log.ts";
import { Any, failure, GoogleEmpty, grpc, proposedIn, shared, Status, streamIn, streamOut, streams, uuidIn, uuidOut } from "./wire.ts";

type AppendRequest = InstanceType<typeof streams.AppendReq>;
type AppendResponse = InstanceType<typeof streams.AppendResp>;
type BatchRequest = InstanceType<typeof streams.BatchAppendReq>;
type BatchResponse = InstanceType<typeof streams.BatchAppendResp>;

const appendBytesMax = 1024 * 1024;

export type AppendError = "unavailable" | "commit-timeout" | "not-ready" | "access-denied" | "not-leader";

/** What a test makes happen to one append. */
export type AppendFault =
  /** An error, at once or after a while, and nothing is written. */
  | { readonly kind: "fail-before"; readonly error: AppendError; readonly afterMs?: number }
  /** Written, then an error. */
  | { readonly kind: "fail-after"; readonly error: AppendError }
  /** An error at once; the append is tried later. */
  | { readonly kind: "land-late"; readonly afterMs: number; readonly error: AppendError }
  /** Written, but no answer is ever sent. */
  | { readonly kind: "drop-answer" }
  /** Neither written nor answered. */
  | { readonly kind: "swallow" }
  /** Written, then every connection to the node is cut. */
  | { readonly kind: "cut-after" }
  /** Written and answered, but later. */
  | { readonly kind: "delay"; readonly ms: number };

export type AppendSeen = {
  readonly node: number;
  readonly rpc: "append" | "batch-append";
  readonly stream: string;
  readonly expected: Expectation;
  readonly ids: readonly string[];
};

type Outcome = AppendAnswer | { readonly kind: "too-big" } | { readonly kind: "failed"; readonly error: ServiceError };

type Expecting = { hasAny(): boolean; hasNoStream(): boolean; hasStreamExists(): boolean };

function expectationIn(options: Expecting, revision: () => string): Expectation {
  if (options.hasAny()) return "any";
  if (options.hasNoStream()) return "no-stream";
  return options.hasStreamExists() ? "stream-exists" : Number(revision());
}

function errorOf(node: DoubleNode, error: AppendError): ServiceError {
  switch (error) {
    case "unavailable":
      return failure(grpc.status.UNAVAILABLE, "read ECONNRESET");
    case "commit-timeout":
      return failure(grpc.status.ABORTED, "Commit phase timeout");
    case "not-ready":
      return failure(grpc.status.UNAVAILABLE, "Server Is Not Ready");
    case "access-denied":
      return failure(grpc.status.PERMISSION_DENIED, "Access Denied", { exception: "access-denied" });
    case "not-leader":
      return node.notLeader();
  }
}

/** Decides an append and calls back with its outcome, unless a fault swallows the answer. */
function decide(node: DoubleNode, seen: AppendSeen, proposed: readonly Proposed[], answer: (outcome: Outcome) => void): void {
  const { cluster, log } = node;
  const failed = (error: AppendError): void => answer({ kind: "failed", error: errorOf(node, error) });
  // Only data counts; a real server leaves metadata and types out.
  if (proposed.reduce((bytes, { data }) => bytes + data.length, 0) > appendBytesMax) return answer({ kind: "too-big" });
  const write = (): AppendAnswer => log.append(seen.stream, seen.expected, proposed);
  const fault = cluster.faults.onAppend?.(seen);
  switch (fault?.kind) {
    case undefined:
      return answer(write());
    case "fail-before":
      return fault.afterMs === undefined ? failed(fault.error) : cluster.later(fault.afterMs, () => failed(fault.error));
    case "fail-after":
      write();
      return failed(fault.error);
    case "land-late":
      cluster.later(fault.afterMs, write);
      return failed(fault.error);
    case "drop-answer":
      return void write();
    case "swallow":
      return;
    case "cut-after":
      write();
      return node.cutConnections();
    case "delay":
      return cluster.later(fault.ms, () => answer(write()));
  }
}

export function append(
  node: DoubleNode,
  call: ServerReadableStream<AppendRequest, AppendResponse>,
  done: sendUnaryData<AppendResponse>,
): void {
  let options: InstanceType<typeof streams.AppendReq.Options> | undefined;
  const proposed: Proposed[] = [];
  const requiresLeader = call.metadata.get("requires-leader")[0] === "true";
  call.on("error", () => {});
  call.on("data", (request: AppendRequest) => {
    if (request.hasOptions()) options = request.getOptions()!;
    else proposed.push(proposedIn(request.getProposedMessage()!));
  });
  call.on("end", () => {
    if (!options) return done(failure(grpc.status.INVALID_ARGUMENT, "no options"));
    if (requiresLeader && !node.believesToLead()) return done(node.notLeader());
    const stream = streamIn(options.getStreamIdentifier());
    const expected = expectationIn(options, () => options!.getRevision());
    const seen: AppendSeen = { node: node.id, rpc: "append", stream, expected, ids: proposed.map(({ id }) => id) };
    decide(node, seen, proposed, (outcome) => {
      if (outcome.kind === "failed") return done(outcome.error);
      if (outcome.kind === "too-big")
        return done(
          failure(grpc.status.INVALID_ARGUMENT, "Maximum Append Size Exceeded", {
            exception: "maximum-append-size-exceeded",
            "maximum-append-size": String(appendBytesMax),
          }),
        );
      done(null, appendResponse(expected, outcome));
    });
  });
}

function appendResponse(expected: Expectation, answer: AppendAnswer): AppendResponse {
  const response = new streams.AppendResp();
  if (answer.kind === "accepted") {
    const success = new streams.AppendResp.Success();
    const position = new streams.AppendResp.Position();
    position.setCommitPosition(String(answer.position));
    position.setPreparePosition(String(answer.position));
    success.setCurrentRevision(String(answer.revision));
    success.setPosition(position);
    response.setSuccess(success);
    return response;
  }
  const wrong = new streams.AppendResp.WrongExpectedVersion();
  if (answer.current < 0) wrong.setCurrentNoStream(new shared.Empty());
  else wrong.setCurrentRevision(String(answer.current));
  if (expected === "any") wrong.setExpectedAny(new shared.Empty());
  else if (expected === "no-stream") wrong.setExpectedNoStream(new shared.Empty());
  else if (expected === "stream-exists") wrong.setExpectedStreamExists(new shared.Empty());
  else wrong.setExpectedRevision(String(expected));
  response.setWrongExpectedVersion(wrong);
  return response;
}

/** Several appends share one stream of requests: parts are gathered by correlation id, options come with the first part. */
export function batchAppend(node: DoubleNode, call: ServerDuplexStream<BatchRequest, BatchResponse>): void {
  type Part = { readonly options: InstanceType<typeof streams.BatchAppendReq.Options>; readonly proposed: Proposed[] };
  const parts = new Map<string, Part>();
  call.on("error", () => {});
  call.on("end", () => call.end());
  call.on("data", (request: BatchRequest) => {
    const correlation = uuidIn(request.getCorrelationId()!);
    if (request.hasOptions()) parts.set(correlation, { options: request.getOptions()!, proposed: [] });
    const part = parts.get(correlation);
    if (!part) return;
    part.proposed.push(...request.getProposedMessagesList().map(proposedIn));
    if (!request.getIsFinal()) return;
    parts.delete(correlation);
    const { options, proposed } = part;
    const stream = streamIn(options.getStreamIdentifier());
    const expected = expectationIn(options, () => options.getStreamPosition());
    const seen: AppendSeen = { node: node.id, rpc: "batch-append", stream, expected, ids: proposed.map(({ id }) => id) };
    decide(node, seen, proposed, (outcome) => {
      if (outcome.kind === "failed") return call.emit("error", outcome.error);
      const response = batchResponse(expected, outcome);
      response.setCorrelationId(uuidOut(correlation));
      response.setStreamIdentifier(streamOut(stream));
      call.write(response);
    });
  });
}

function batchResponse(expected: Expectation, outcome: AppendAnswer | { readonly kind: "too-big" }): BatchResponse {
  const response = new streams.BatchAppendResp();
  // Errors travel in band, as google.rpc.Status with the details packed as Any.
  const fail = (code: number, message: string, details: { serializeBinary(): Uint8Array }, typeName: string): void => {
    const status = new Status();
    const any = new Any();
    any.pack(details.serializeBinary(), typeName);
    status.setCode(code);
    status.setMessage(message);
    status.setDetails(any as never);
    response.setError(status);
  };
  if (outcome.kind === "accepted") {
    const success = new streams.BatchAppendResp.Success();
    const position = new shared.AllStreamPosition();
    position.setCommitPosition(String(outcome.position));
    position.setPreparePosition(String(outcome.position));
    success.setCurrentRevision(String(outcome.revision));
    success.setPosition(position);
    response.setSuccess(success);
  } else if (outcome.kind === "too-big") {
    const details = new shared.MaximumAppendSizeExceeded();
    details.setMaxappendsize(appendBytesMax);
    fail(3, "Maximum Append Size Exceeded", details, "event_store.client.MaximumAppendSizeExceeded");
  } else {
    const details = new shared.WrongExpectedVersion();
    if (outcome.current < 0) details.setCurrentNoStream(new GoogleEmpty());
    else details.setCurrentStreamRevision(String(outcome.current));
    if (expected === "any") details.setExpectedAny(new GoogleEmpty());
    else if (expected === "no-stream") details.setExpectedNoStream(new GoogleEmpty());
    else if (expected === "stream-exists") details.setExpectedStreamExists(new GoogleEmpty());
    else details.setExpectedStreamPosition(String(expected));
    fail(9, "", details, "event_store.client.WrongExpectedVersion");
  }
  return response;
}

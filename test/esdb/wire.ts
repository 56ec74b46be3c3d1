/**
 * EventStoreDB's messages as the client package ships them, and the few conversions that the double needs.
 *
 * trap: grpc-js and google-protobuf are loaded through the client package; the serialisers check with `instanceof`, so there may be one copy only.
 */
import { createRequire } from "node:module";
import type * as Grpc from "@grpc/grpc-js";
import type { Logged, Proposed } from "./double-log.ts";

const here = createRequire(import.meta.url);
const throughClient = createRequire(here.resolve("@eventstore/db-client"));
const generated = (name: string): unknown => here(`@eventstore/db-client/generated/${name}.js`);

type Packed = { pack(bytes: Uint8Array, typeName: string): void };
export const grpc = throughClient("@grpc/grpc-js") as typeof Grpc;
export const { Any } = throughClient("google-protobuf/google/protobuf/any_pb.js") as { Any: new () => Packed };
export const GoogleEmpty = (throughClient("google-protobuf/google/protobuf/empty_pb.js") as { Empty: new () => never }).Empty;
export const { StreamsService } = generated("streams_grpc_pb") as typeof import("@eventstore/db-client/generated/streams_grpc_pb.js");
export const streams = generated("streams_pb") as typeof import("@eventstore/db-client/generated/streams_pb.js");
export const shared = generated("shared_pb") as typeof import("@eventstore/db-client/generated/shared_pb.js");
export const { Status } = generated("status_pb") as typeof import("@eventstore/db-client/generated/status_pb.js");
export const { ServerFeaturesService } = generated(
  "serverfeatures_grpc_pb",
) as typeof import("@eventstore/db-client/generated/serverfeatures_grpc_pb.js");
export const features = generated("serverfeatures_pb") as typeof import("@eventstore/db-client/generated/serverfeatures_pb.js");
export const { GossipService } = generated("gossip_grpc_pb") as typeof import("@eventstore/db-client/generated/gossip_grpc_pb.js");
export const gossip = generated("gossip_pb") as typeof import("@eventstore/db-client/generated/gossip_pb.js");

type Uuid = InstanceType<typeof shared.UUID>;
type StreamIdentifier = InstanceType<typeof shared.StreamIdentifier>;
export type ReadResponse = InstanceType<typeof streams.ReadResp>;

export const uuidIn = (uuid: Uuid): string => {
  if (!uuid.hasStructured()) return uuid.getString();
  const half = (bits: string): string => BigInt.asUintN(64, BigInt(bits)).toString(16).padStart(16, "0");
  const structured = uuid.getStructured()!;
  const hex = half(structured.getMostSignificantBits()) + half(structured.getLeastSignificantBits());
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

export const uuidOut = (id: string): Uuid => {
  const uuid = new shared.UUID();
  uuid.setString(id);
  return uuid;
};

/** Stream names travel as bytes, which the setters take as base64. */
export const streamOut = (name: string): StreamIdentifier => {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(name).toString("base64"));
  return identifier;
};

export const streamIn = (identifier: StreamIdentifier | undefined): string =>
  Buffer.from(identifier!.getStreamName_asU8()).toString("utf8");

type ProposedMessage = InstanceType<typeof streams.AppendReq.ProposedMessage> | InstanceType<typeof streams.BatchAppendReq.ProposedMessage>;

export const proposedIn = (message: ProposedMessage): Proposed => ({
  id: uuidIn(message.getId()!),
  type: message.getMetadataMap().get("type")!,
  contentType: message.getMetadataMap().get("content-type")!,
  data: Buffer.from(message.getData_asU8()),
  metadata: Buffer.from(message.getCustomMetadata_asU8()),
});

export const loggedOut = (record: Logged): ReadResponse => {
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent();
  recorded.setId(uuidOut(record.id));
  recorded.setStreamIdentifier(streamOut(record.stream));
  recorded.setStreamRevision(String(record.revision));
  recorded.setPreparePosition(String(record.position));
  recorded.setCommitPosition(String(record.position));
  recorded.getMetadataMap().set("type", record.type).set("content-type", record.contentType).set("created", record.created);
  recorded.setCustomMetadata(new Uint8Array(record.metadata));
  recorded.setData(new Uint8Array(record.data));
  const event = new streams.ReadResp.ReadEvent();
  event.setEvent(recorded);
  event.setCommitPosition(String(record.position));
  const response = new streams.ReadResp();
  response.setEvent(event);
  return response;
};

/** A call's error as the server sends it: the client finds its typed errors by the trailer `exception`. */
export const failure = (code: Grpc.status, message: string, trailers: Record<string, string> = {}): Grpc.ServiceError => {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return Object.assign(new Error(message), { code, details: message, metadata });
};

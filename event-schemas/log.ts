import { z } from "zod";
import { declareEvents } from "./declare.ts";
import { Count, Digest, Slug } from "./values.ts";

const Vkey = z.string().min(1).max(400);
/** 64 bytes and 32 bytes, as checkpoints write them: base64 with padding. */
const Signature = z.string().regex(/^[A-Za-z0-9+/]{86}==$/);
const Root = z.string().regex(/^[A-Za-z0-9+/]{43}=$/);

/** What the stream `log` tells of itself: leaf 0, and every key after the first (the log format, §7). */
export const logEvents = declareEvents({
  LogOpened: {
    version: 1,
    summary: "The log was opened under its origin and signing key.",
    fields: {
      format: z.literal("minutebook-log/1"),
      origin: z.string().min(1).max(255),
      vkey: Vkey,
      continues: z.strictObject({ origin: z.string(), size: z.int().min(0), root: z.string() }).optional(),
    },
  },
  RecoveryKeyNamed: {
    version: 1,
    summary: "The key was named, kept offline, that may replace a signing key which is lost or in wrong hands.",
    fields: {
      vkey: Vkey,
      /** By the recovery key named before, where there is one. */
      signature: Signature.optional(),
    },
  },
  LogKeyRotated: {
    version: 1,
    summary: "Another key signs the log from here on.",
    fields: {
      from: Vkey,
      to: Vkey,
      /** By the recovery key, over the tree that was good last; absent where the key before gives way by itself. */
      recovery: z.strictObject({ size: z.int().min(1), root: Root, signature: Signature }).optional(),
    },
  },
});

/** What the log amounts to, committed now and then (stream `state`). */
export const stateEvents = declareEvents({
  StateCommitted: {
    version: 1,
    summary: "The heads of all streams, and the rows of every projection, were committed to as they stood.",
    fields: {
      /** The heads are those of the first `size` entries. */
      size: Count,
      streams: Count,
      heads: Digest,
      /** Each at a size of its own. */
      projections: z.array(z.strictObject({ name: Slug, version: z.int().min(1), size: Count, reducer: Digest, root: Digest })).max(200),
    },
  },
});

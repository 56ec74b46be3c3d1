import { z } from "zod";
import { declareEvents } from "./declare.ts";

/** Leaf 0 of every log (the log format, §7). */
export const logEvents = declareEvents({
  LogOpened: {
    version: 1,
    summary: "The log was opened under its origin and signing key.",
    fields: {
      format: z.literal("minutebook-log/1"),
      origin: z.string().min(1).max(255),
      vkey: z.string().min(1).max(400),
      continues: z.strictObject({ origin: z.string(), size: z.int().min(0), root: z.string() }).optional(),
    },
  },
});

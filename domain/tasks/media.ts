import Type, { type Static } from "typebox";
import { mediaEvents, Mime } from "../../event-schemas/tasks.ts";
import { asked } from "../../event-schemas/values.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { judge, type FileFacts, type Reuse } from "./evidence-rules.ts";

type Use = { readonly memberId: string; readonly contributionId: string };

/** One per content. What the bytes are never changes; who used them for what is added, in order. */
export type MediaState =
  { readonly status: "none" } | { readonly status: "stored"; readonly file: FileFacts; readonly uses: readonly Use[] };

export const media: Stream<MediaState, typeof mediaEvents> = {
  name: "media",
  events: mediaEvents,
  initial: { status: "none" },
  evolve: {
    MediaStored: (_, { memberId: _member, place: _place, served: _served, ...file }) => ({ status: "stored", file, uses: [] }),
    MediaUsed: (state, { memberId, contributionId }) =>
      state.status === "none" ? state : { ...state, uses: [...state.uses, { memberId, contributionId }] },
  },
};

/** Whose earlier use of the bytes stands against this one. A member's own counts before anybody else's; repeating a use is none. */
export function reuseOf(state: MediaState, { memberId, contributionId }: Use): Reuse | undefined {
  if (state.status === "none") return undefined;
  const own = state.uses.findIndex((use) => use.memberId === memberId && use.contributionId === contributionId);
  const earlier = own < 0 ? state.uses : state.uses.slice(0, own);
  if (earlier.some((use) => use.memberId === memberId)) return "own";
  return earlier.length > 0 ? "others" : undefined;
}

const strict = { additionalProperties: false } as const;
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Where somebody or something was. */
export const AskedPlace = Type.Object(
  { lat: asked.Coordinate, lon: asked.Coordinate, accuracyMeters: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })) },
  strict,
);

/** What was found in a file that was taken in. `announced`: the hash that its sender computed. `served`: left out where nothing could be stripped. */
export const StoreMedia = Type.Object(
  {
    sha256: asked.HexDigest,
    announced: Type.Optional(asked.HexDigest),
    mime: Type.String({ minLength: 1, maxLength: 100 }),
    bytes: Count,
    width: Type.Optional(Count),
    height: Type.Optional(Count),
    durationMs: Type.Optional(Count),
    pages: Type.Optional(Count),
    takenAt: Type.Optional(Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}$" })),
    takenOffsetMinutes: Type.Optional(Type.Integer({ minimum: -840, maximum: 840 })),
    gpsAt: Type.Optional(asked.Timestamp),
    served: Type.Optional(Type.Object({ sha256: asked.HexDigest, bytes: Count }, strict)),
    credentials: Type.Enum(["absent", "valid", "invalid", "unchecked"]),
    place: Type.Optional(AskedPlace),
  },
  strict,
);
export type StoreMedia = Static<typeof StoreMedia>;

/** The rules that a file can break by itself, also with what is claimed of it. */
export const fileRules = {
  UNSUPPORTED_TYPE: "Evidence of this kind is not a file of this type.",
  TOO_LARGE: "The file is larger or longer than a file of its type may be.",
  LOW_RESOLUTION: "A photo has at least 640 × 480 pixels, in either orientation.",
  BAD_COORDINATES: "A latitude lies within 90 degrees, a longitude within 180, and 0, 0 is where devices are that do not know.",
};

const theFile = ({ input }: Call<{ sha256: string }>) => input.sha256;

export const storing = decider({
  stream: media,
  key: { StoreMedia: theFile },
  reads: {},
  commands: { StoreMedia },
  personal: { StoreMedia: ({ input, subject }) => (input.place ? subject : undefined) },
  rules: { ...fileRules, HASH_MISMATCH: "The bytes do not have the hash that was announced.", ALREADY_STORED: "These bytes are stored." },
  decide: {
    StoreMedia: ({ announced, mime: found, ...file }, state, { subject, at }) => {
      if (state.status === "stored") return reject("ALREADY_STORED");
      const mime = Mime.safeParse(found);
      if (!mime.success) return reject("UNSUPPORTED_TYPE", { found });
      const described = { ...file, mime: mime.data };
      const { refused } = judge({ at, file: { ...described, ...(announced !== undefined && { announced }) } });
      if (refused) return reject(refused.code as keyof typeof fileRules | "HASH_MISMATCH", refused.figures);
      return [mediaEvents.MediaStored({ ...described, memberId: subject })];
    },
  },
});

/** The claim of a submission: the order of this stream decides whose use of the bytes came first. */
export const using = decider({
  stream: media,
  key: { ClaimMedia: theFile },
  reads: {},
  commands: { ClaimMedia: Type.Object({ sha256: asked.HexDigest, contributionId: asked.Uuid, evidenceId: asked.Uuid }, strict) },
  rules: {
    NO_SUCH_MEDIA: "No file of this hash has been uploaded.",
    MEDIA_REUSED: "The member gave these bytes as evidence for another contribution.",
  },
  decide: {
    ClaimMedia: ({ sha256, contributionId, evidenceId }, state, { at, subject }) => {
      if (state.status === "none") return reject("NO_SUCH_MEDIA");
      const reuse = reuseOf(state, { memberId: subject, contributionId });
      if (judge({ at, ...(reuse && { reuse }) }).refused) return reject("MEDIA_REUSED");
      return [mediaEvents.MediaUsed({ sha256, memberId: subject, contributionId, evidenceId })];
    },
  },
});

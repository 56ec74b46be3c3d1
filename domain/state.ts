/** The state of the whole log, committed to in the log itself now and then: the heads of all streams, and the rows of every projection. */
import { Type } from "typebox";
import { stateEvents } from "../event-schemas/log.ts";
import { asked } from "../event-schemas/values.ts";
import { decider, reject, type Stream } from "./decider.ts";

/** What was committed last: the size of the log whose heads they were. */
export type CommittedState = { readonly size: number };

export const committedStates: Stream<CommittedState, typeof stateEvents> = {
  name: "state",
  events: stateEvents,
  initial: { size: 0 },
  evolve: { StateCommitted: (_, { size }) => ({ size }) },
};

const strict = { additionalProperties: false };
const Size = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const Rows = Type.Object(
  {
    name: asked.Slug,
    version: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    reducer: asked.Digest,
    root: asked.Digest,
  },
  strict,
);

export const committing = decider({
  stream: committedStates,
  reads: {},
  key: { CommitState: () => "" },
  commands: {
    CommitState: Type.Object({ size: Size, streams: Size, heads: asked.Digest, projections: Type.Array(Rows, { maxItems: 200 }) }, strict),
  },
  rules: {
    STATE_COMMITTED_BEFORE: "The state of this size of the log, or of a later one, is committed already.",
    PROJECTION_TWICE: "Each projection is named once, in ascending order.",
  },
  decide: {
    CommitState: (input, state) => {
      if (input.size <= state.size) return reject("STATE_COMMITTED_BEFORE", { size: state.size });
      if (input.projections.some(({ name }, n) => n > 0 && name <= input.projections[n - 1]!.name)) return reject("PROJECTION_TWICE");
      return [stateEvents.StateCommitted(input)];
    },
  },
});

/** What is to be done: the terms of a task, which a contribution keeps as they stood when its work began. */
import type { Requirement, Site } from "../../event-schemas/tasks.ts";
import type * as rows from "../../projections/tasks/reads.ts";
import { builder } from "../builder.ts";

const WorkSite = builder.objectRef<Site>("WorkSite").implement({
  description: "Where the work is done, and how far around it counts.",
  fields: (t) => ({
    lat: t.exposeString("lat"),
    lon: t.exposeString("lon"),
    radiusMeters: t.field({ type: "Count", resolve: ({ radiusMeters }) => radiusMeters }),
  }),
});

type Span = { readonly from: string; readonly until: string };
const WorkWindow = builder.objectRef<Span>("WorkWindow").implement({
  description: "When the work is done. Half-open.",
  fields: (t) => ({
    from: t.field({ type: "Timestamp", resolve: ({ from }) => from }),
    until: t.field({ type: "Timestamp", resolve: ({ until }) => until }),
  }),
});

const RequirementOf = builder.objectRef<Requirement>("EvidenceRequirement").implement({
  description: "How many pieces of evidence of a kind a report needs; of `attestation`, how many witnesses.",
  fields: (t) => ({ kind: t.exposeString("kind"), count: t.field({ type: "Count", resolve: ({ count }) => count }) }),
});

const Difficulty = builder.enumType("Difficulty", { values: ["easy", "intermediate", "hard"] as const });

export const Work = builder.interfaceRef<rows.TermsRow>("Work").implement({
  description: "What is to be done.",
  fields: (t) => ({
    title: t.exposeString("title"),
    body: t.exposeString("body", { nullable: true }),
    kind: t.exposeString("kind"),
    skills: t.stringList({ resolve: ({ skills }) => JSON.parse(skills) as string[] }),
    difficulty: t.field({ type: Difficulty, nullable: true, resolve: ({ difficulty }) => difficulty }),
    site: t.field({ type: WorkSite, nullable: true, resolve: ({ site }) => (site === null ? null : (JSON.parse(site) as Site)) }),
    window: t.field({
      type: WorkWindow,
      nullable: true,
      resolve: ({ window_from: from, window_until: until }) => (from !== null && until !== null ? { from, until } : null),
    }),
    required: t.field({
      type: [RequirementOf],
      extensions: { size: 5 },
      resolve: ({ required }) => JSON.parse(required) as Requirement[],
    }),
  }),
});

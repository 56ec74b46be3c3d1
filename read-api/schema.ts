/** The whole schema. Each context adds its own types and fields to the builder when it is loaded. */
import { lexicographicSortSchema, printSchema } from "graphql";
import { builder } from "./builder.ts";
import "./census.ts";
import "./events.ts";
import "./live.ts";
import "./membership.ts";
import "./tasks/contributions.ts";
import "./tasks/evidence.ts";
import "./tasks/tasks.ts";
import "./tasks/vouches.ts";
import "./voting/ballots.ts";
import "./voting/outcomes.ts";
import "./voting/proposals.ts";

export const schema = builder.toSubGraphSchema({
  linkUrl: "https://specs.apollo.dev/federation/v2.3",
  federationDirectives: ["@key"],
});

/** As `schema.graphql` has it, and `/schema.graphql` serves it. */
export const schemaText = `${printSchema(lexicographicSortSchema(schema))}\n`;

/** Events as JSON Schema (2020-12), in the form in which they are stored: personal fields sealed. */
import { z } from "zod";
import { catalogue, declarationOf } from "./catalogue.ts";
import { type Fields, isPersonal, type Personal } from "./declare.ts";

export type JsonSchema = { readonly [member: string]: unknown };

const digest = "^[A-Za-z0-9_-]{43}$";

/** What the log format adds to the first event of a command: a claim of a time, and what was asked by whom. */
const around = {
  claimedAt: { type: "string", description: "When the sender says that it was done." },
  ".command": { type: "object", description: "What was asked: its name and a hash of its input; sealed where the input was personal." },
  ".auth": { type: "object", description: "How the caller was known; sealed." },
};

/** Every version that a stored event of this type may have, oldest first. */
export const versionsOf = (type: string): readonly number[] => {
  const declaration = declarationOf(type);
  return declaration ? [...Object.keys(declaration.earlier ?? {}).map(Number), declaration.version].sort((a, b) => a - b) : [];
};

export const eventTypes: readonly string[] = Object.keys(catalogue).sort();

/** The schema of a stored event's data; undefined where there is no such event or version. */
export function storedSchema(type: string, version: number): JsonSchema | undefined {
  const declaration = declarationOf(type);
  const fields = declaration?.version === version ? declaration.fields : declaration?.earlier?.[version]?.fields;
  if (!declaration || !fields) return undefined;
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `/schemas/${type}/${version}`,
    title: type,
    description: declaration.summary,
    type: "object",
    properties: { ...Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fieldSchema(field)])), ...around },
    required: requiredOf(fields),
    additionalProperties: false,
  };
}

const requiredOf = (fields: Fields) =>
  Object.entries(fields).flatMap(([name, field]) =>
    (isPersonal(field) ? field.personal : field).safeParse(undefined).success ? [] : [name],
  );

function fieldSchema(field: z.ZodType | Personal): JsonSchema {
  if (!isPersonal(field)) return plainSchema(field);
  return {
    type: "object",
    properties: { key: { type: "string", pattern: digest }, sealed: { type: "string", pattern: "^[A-Za-z0-9_-]+$" } },
    required: ["key", "sealed"],
    additionalProperties: false,
    "x-personal": { subject: field.subject, opened: plainSchema(field.personal) },
  };
}

function plainSchema(field: z.ZodType): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(field, { target: "draft-2020-12" });
  return schema;
}

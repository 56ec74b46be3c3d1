/** What one query may ask for. Measured before it runs; a fragment is measured once, however often it is spread. */
import {
  getNamedType,
  isLeafType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";
import { problem, problems } from "../domain/problem.ts";
import { firstUsual } from "./builder.ts";
import { failure } from "./failure.ts";

export const limits = { depth: 8, cost: 2_000, aliases: 15, rootFields: 10, tokens: 2_000, bodyBytes: 100_000, deadlineMs: 5_000 };

/**
 * What a selection amounts to. Cost is the number of objects that the answer may hold: an object counts one, a page as many as it may have
 * entries, a field that does more work than reading a row what its `cost` says.
 */
type Measure = {
  readonly cost: number;
  readonly depth: number;
  readonly aliases: number;
  readonly fields: number;
  readonly rows: ReadonlySet<string>;
  /** Something is asked for as of the past, which may have to be waited for. */
  readonly waits: boolean;
};

const nothing: Measure = { cost: 0, depth: 0, aliases: 0, fields: 0, rows: new Set(), waits: false };
const both = (a: Measure, b: Measure): Measure => ({
  cost: a.cost + b.cost,
  depth: Math.max(a.depth, b.depth),
  aliases: a.aliases + b.aliases,
  fields: a.fields + b.fields,
  rows: a.rows.union(b.rows),
  waits: a.waits || b.waits,
});

type Asked = {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
};

/** The projections that a query's rows come from; or the limit that it breaks. */
export function measured(asked: Asked): { readonly rows: readonly string[]; readonly waits: boolean } | { readonly over: GraphQLError } {
  const operation = operationOf(asked);
  const root = operation && asked.schema.getRootType(operation.operation);
  if (!operation || !root) return { rows: [], waits: false };
  const measure = measureOf(asked, operation.selectionSet, root);
  const over = overLimit(measure);
  return over ? { over } : { rows: [...measure.rows].sort(), waits: measure.waits };
}

const operationOf = ({ document, operationName }: Asked) =>
  document.definitions.find(
    (definition): definition is OperationDefinitionNode =>
      definition.kind === Kind.OPERATION_DEFINITION && (!operationName || definition.name?.value === operationName),
  );

function overLimit({ depth, cost, aliases, fields }: Measure): GraphQLError | undefined {
  const check = (code: keyof typeof problems, is: number, max: number, what: string) =>
    is > max ? failure(problem(code, `${what}: ${is}, at most ${max}`, { figures: { is, max } })) : undefined;
  return (
    check("TOO_DEEP", depth, limits.depth, "The query is nested too deep") ??
    check("TOO_MANY_ROOT_FIELDS", fields, limits.rootFields, "The query has too many fields at its root") ??
    check("TOO_MANY_ALIASES", aliases, limits.aliases, "The query has too many aliases") ??
    check("TOO_COSTLY", cost, limits.cost, "The query may ask for too many objects")
  );
}

function measureOf(asked: Asked, selected: SelectionSetNode, on: GraphQLCompositeType): Measure {
  const fragments = new Map(
    asked.document.definitions.flatMap((each) => (each.kind === Kind.FRAGMENT_DEFINITION ? [[each.name.value, each] as const] : [])),
  );
  const known = new Map<string, Measure>();
  return measureSelection({ ...asked, fragments, known }, selected, on);
}

type Measuring = Asked & {
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly known: Map<string, Measure>;
};

function measureSelection(measuring: Measuring, { selections }: SelectionSetNode, on: GraphQLNamedType): Measure {
  return selections
    .map((selection): Measure => {
      if (selection.kind === Kind.FIELD) return measureField(measuring, selection, on);
      if (selection.kind === Kind.FRAGMENT_SPREAD) return measureFragment(measuring, selection.name.value);
      const within = selection.typeCondition ? measuring.schema.getType(selection.typeCondition.name.value)! : on;
      return withRows(measureSelection(measuring, selection.selectionSet, within), within);
    })
    .reduce(both, nothing);
}

/** Validated before: a fragment exists, and spreads itself in no way. */
function measureFragment(measuring: Measuring, name: string): Measure {
  const known = measuring.known.get(name);
  if (known) return known;
  const { typeCondition, selectionSet } = measuring.fragments.get(name)!;
  const within = measuring.schema.getType(typeCondition.name.value)!;
  const measure = withRows(measureSelection(measuring, selectionSet, within), within);
  measuring.known.set(name, measure);
  return measure;
}

function measureField(measuring: Measuring, node: FieldNode, on: GraphQLNamedType): Measure {
  const name = node.name.value;
  const aliases = node.alias ? 1 : 0;
  // Why: what the schema says of itself is bounded by graphql's own rules, and tools ask deep into it.
  const field = name.startsWith("__") || !isObjectType(on) ? undefined : on.getFields()[name];
  if (!field) return { ...nothing, aliases, fields: 1, depth: 1 };
  const type = getNamedType(field.type);
  const own = Number(field.extensions["cost"] ?? (isLeafType(type) ? 0 : 1));
  const inner = node.selectionSet ? measureSelection(measuring, node.selectionSet, type) : nothing;
  // Of a page the connection is one object, and each entry what stands below it; of a list each entry is one more.
  const size = pageSize(measuring, node, field);
  const cost = isPage(field) ? own + size * inner.cost : size * (own + inner.cost);
  const waits = inner.waits || (node.arguments ?? []).some(({ name }) => name.value === "asOf");
  const { depth, rows } = inner;
  return withRows({ cost, depth: 1 + depth, aliases: aliases + inner.aliases, fields: 1, rows, waits }, type);
}

const withRows = (measure: Measure, { extensions }: GraphQLNamedType): Measure =>
  Array.isArray(extensions["rows"]) ? { ...measure, rows: measure.rows.union(new Set(extensions["rows"] as string[])) } : measure;

const isPage = ({ args }: Pick<GraphQLField<unknown, unknown>, "args">) => args.some(({ name }) => name === "first");

/** How many entries a list may have: what `first` or `last` ask for, else what the schema says. */
function pageSize({ variables }: Measuring, node: FieldNode, { args, extensions }: GraphQLField<unknown, unknown>): number {
  if (!isPage({ args })) return Number(extensions["size"] ?? 1);
  const asked = (node.arguments ?? []).flatMap(({ name, value }) => {
    if (name.value !== "first" && name.value !== "last") return [];
    const said = value.kind === Kind.VARIABLE ? variables?.[value.name.value] : value.kind === Kind.INT ? Number(value.value) : undefined;
    return typeof said === "number" ? [Math.max(0, said)] : [];
  });
  return asked.length > 0 ? Math.max(...asked) : firstUsual;
}

import { parseAst } from "rolldown/parseAst";

/** A node of the ESTree that rolldown's parser gives; TypeScript's own nodes begin with `TS`. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** One file of code with its tree, and what is found wrong in it so far. */
export interface Source {
  readonly path: string;
  readonly floor: string;
  readonly text: string;
  readonly program: Node;
}

export interface Fault {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export function parse(path: string, text: string): Source | Fault {
  try {
    const program = parseAst(text, { lang: path.endsWith("ts") ? "ts" : "js", sourceType: "module" }) as unknown as Node;
    return { path, floor: path.split("/")[0] ?? "", text, program };
  } catch (error) {
    const { pos = 0, message } = error as { readonly pos?: number; readonly message: string };
    return { path, line: lineOf(text, pos), message: `does not parse: ${message.split("\n")[1] ?? message}` };
  }
}

export function faultAt(source: Source, node: Node, message: string): Fault {
  return { path: source.path, line: lineOf(source.text, node.start), message };
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** Visits every node below (and with) `node`, parents first; `parents` ends with the nearest. */
export function walk(node: Node, visit: (node: Node, parents: readonly Node[]) => void, parents: readonly Node[] = []): void {
  visit(node, parents);
  const inside = [...parents, node];
  for (const child of childrenOf(node)) walk(child, visit, inside);
}

export function childrenOf(node: Node): Node[] {
  return Object.values(node).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isNode));
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}

export function isIdentifier(value: unknown, ...names: string[]): value is Node & { readonly name: string } {
  return isNode(value) && value.type === "Identifier" && (names.length === 0 || names.includes(value["name"] as string));
}

/** The text of a string literal, or of a template without holes; undefined for what only a run would tell. */
export function textOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === "Literal" && typeof value["value"] === "string") return value["value"];
  if (value.type !== "TemplateLiteral") return undefined;
  const quasis = value["quasis"] as readonly { readonly value: { readonly cooked: string } }[];
  return quasis.length === 1 ? quasis[0]?.value.cooked : undefined;
}

/** The name after the dot, or between the brackets: `a.b`, `a["b"]`, a[`b`]. */
export function propertyOf(member: Node): string | undefined {
  const property = member["property"] as Node;
  return member["computed"] === true ? textOf(property) : (property["name"] as string | undefined);
}

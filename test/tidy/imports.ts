import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { floors, inBrowser, reachesBrowsers, worldly } from "./floors.ts";
import { faultAt, isIdentifier, propertyOf, textOf, walk, type Fault, type Node, type Source } from "./syntax.ts";

interface Import {
  readonly node: Node;
  /** Undefined where only a run would tell. */
  readonly specifier: string | undefined;
  readonly typeOnly: boolean;
}

/** Every way in which one file can name another module. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  const add = (node: Node, from: unknown, typeOnly = false) => found.push({ node, specifier: textOf(from), typeOnly });
  walk(source.program, (node) => {
    switch (node.type) {
      case "ImportDeclaration":
        return add(node, node["source"], node["importKind"] === "type");
      case "ExportAllDeclaration":
        return add(node, node["source"], node["exportKind"] === "type");
      case "ExportNamedDeclaration":
        return node["source"] === null ? undefined : add(node, node["source"], node["exportKind"] === "type");
      case "ImportExpression":
        return add(node, node["source"]);
      case "TSImportType":
        return add(node, node["source"], true);
      case "TSExternalModuleReference":
        return add(node, node["expression"]);
      case "CallExpression":
        return asksForModule(node["callee"] as Node) ? add(node, (node["arguments"] as Node[])[0]) : undefined;
    }
  });
  return found;
}

/** `require(…)`, `require.resolve(…)`, `import.meta.resolve(…)`, `process.getBuiltinModule(…)`, whatever object they hang on. */
function asksForModule(callee: Node): boolean {
  if (isIdentifier(callee, "require")) return true;
  if (callee.type !== "MemberExpression") return false;
  const object = callee["object"] as Node;
  const property = propertyOf(callee);
  if (property === "resolve") return object.type === "MetaProperty" || isIdentifier(object, "require");
  return property === "require" || property === "getBuiltinModule";
}

export function importFaults(source: Source, declared: ReadonlySet<string>): Fault[] {
  const floor = floors[source.floor];
  if (floor === undefined) return [];
  return importsOf(source).flatMap(({ node, specifier, typeOnly }) => {
    const complaint = specifier === undefined ? unreadable(source) : complaintAbout(source, specifier, typeOnly, declared);
    return complaint === undefined ? [] : [faultAt(source, node, complaint)];
  });
}

function unreadable(source: Source): string | undefined {
  return worldly.includes(source.floor) ? undefined : "imports what only a run would tell";
}

function complaintAbout(source: Source, specifier: string, typeOnly: boolean, declared: ReadonlySet<string>): string | undefined {
  const { below, packages } = floors[source.floor]!;
  if (/^\.{1,2}(\/|$)/.test(specifier)) {
    const path = posix.join(posix.dirname(source.path), specifier);
    const [from, to] = [inBrowser(source.path), inBrowser(path)];
    if (from !== to && !(from !== undefined && reachesBrowsers(path)))
      return from === undefined
        ? "imports what runs in a browser"
        : `${from} imports from outside: only its own files and domain/log reach the browser`;
    const target = path.split("/")[0]!;
    return target === source.floor || below.includes(target) ? undefined : `${source.floor} imports from ${target}`;
  }
  if (isBuiltin(specifier)) return worldly.includes(source.floor) ? undefined : `${source.floor} imports ${specifier}, a part of Node`;
  if (inBrowser(source.path) !== undefined) return `${inBrowser(source.path)} imports the package ${specifier}`;
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  if (packages === "declared") return declared.has(name) ? undefined : `imports ${name}, which package.json does not name`;
  if (packages.includes(name)) return undefined;
  if (!packages.includes(`type ${name}`)) return `${source.floor} imports the package ${name}`;
  return typeOnly ? undefined : `${source.floor} imports the package ${name} as more than a type`;
}

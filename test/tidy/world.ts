import { foreignToBrowsers, inBrowser, worldly, worldlyGlobals, worldlyMembers } from "./floors.ts";
import { faultAt, isIdentifier, isNode, propertyOf, walk, type Fault, type Node, type Source } from "./syntax.ts";

const globalObjects = ["globalThis", "global", "self", "window"];

/** What a floor that is handed everything does to get at the world all the same. */
export function worldFaults(source: Source): Fault[] {
  if (worldly.includes(source.floor)) return [];
  if (inBrowser(source.path) !== undefined) return browserFaults(source);
  const faults: Fault[] = [];
  walk(source.program, (node, parents) => {
    const complaint = parents.some(isTypeOnly) ? undefined : (complaintAboutUse(node, parents) ?? complaintAboutName(node, parents));
    if (complaint !== undefined) faults.push(faultAt(source, node, complaint));
  });
  return faults;
}

function browserFaults(source: Source): Fault[] {
  const faults: Fault[] = [];
  walk(source.program, (node, parents) => {
    if (!isIdentifier(node, ...foreignToBrowsers) || parents.some(isTypeOnly) || isOnlyLabel(node, parents.at(-1))) return;
    faults.push(faultAt(source, node, `${node["name"]} is nothing that a browser has`));
  });
  return faults;
}

/** In a type nothing runs: `typeof fetch` there is a shape. */
function isTypeOnly(node: Node): boolean {
  const wrapsValue = ["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression", "TSTypeAssertion", "TSInstantiationExpression"];
  return node.type.startsWith("TS") && !wrapsValue.includes(node.type);
}

function complaintAboutUse(node: Node, parents: readonly Node[]): string | undefined {
  const callee = node["callee"];
  if (node.type === "NewExpression" && isIdentifier(callee, "Date") && (node["arguments"] as Node[]).length === 0)
    return "new Date() reads the clock";
  if (node.type === "CallExpression" && isIdentifier(callee, "Date")) return "Date() reads the clock";
  if (node.type === "VariableDeclarator" && isIdentifier(node["init"], "Date", "Math", ...globalObjects))
    return `another name for ${(node["init"] as Node)["name"]} hides what is asked of it`;
  if (node.type === "MetaProperty" && propertyOf(node) === "meta" && !asksForModule(parents.at(-1)))
    return "import.meta tells where files lie";
  if (node.type !== "MemberExpression") return undefined;
  const object = node["object"];
  const property = propertyOf(node);
  if (isIdentifier(object, ...globalObjects)) return complaintAboutGlobal(property);
  const member = worldlyMembers.find((each) => each.property === property && nameOf(object) === each.object);
  return member && `${member.object}.${member.property} ${member.why}`;
}

/** `import.meta.resolve` is an import, and judged as one. */
function asksForModule(parent: Node | undefined): boolean {
  return parent?.type === "MemberExpression" && propertyOf(parent) === "resolve";
}

/** `Date`, and `globalThis.Date` too. */
function nameOf(value: unknown): string | undefined {
  if (isIdentifier(value)) return value.name;
  if (isNode(value) && value.type === "MemberExpression" && isIdentifier(value["object"], ...globalObjects)) return propertyOf(value);
  return undefined;
}

function complaintAboutGlobal(property: string | undefined): string | undefined {
  if (property === undefined) return "a global whose name only a run would tell";
  return Object.hasOwn(worldlyGlobals, property) ? `${property} ${worldlyGlobals[property]}` : undefined;
}

function complaintAboutName(node: Node, parents: readonly Node[]): string | undefined {
  if (!isIdentifier(node) || !Object.hasOwn(worldlyGlobals, node.name) || isOnlyLabel(node, parents.at(-1))) return undefined;
  return `${node.name} ${worldlyGlobals[node.name]}`;
}

/** The `process` of `job.process`, of `{ process: … }` and of `import { process as … }` names a member, not the global. */
function isOnlyLabel(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined) return false;
  if (parent.type === "ImportSpecifier" || parent.type === "ExportSpecifier") return true;
  if (parent["computed"] === true) return false;
  return parent["property"] === node || (parent["key"] === node && parent["value"] !== node && parent["shorthand"] !== true);
}

import { childrenOf, faultAt, isIdentifier, lineOf, propertyOf, textOf, walk, type Fault, type Node, type Source } from "./syntax.ts";

/** A place on somebody's own machine: nothing that is shared can mean it. */
const machinePath = /(?<![\w./\-])\/(home|Users|work|workspace|farm)\/[\w.]/g;

export function textFaults(path: string, text: string): Fault[] {
  return [...text.matchAll(machinePath)].map((match) => ({
    path,
    line: lineOf(text, match.index),
    message: `names a path of one machine: ${match[0]}…`,
  }));
}

/** What no test does: wait for time to pass, or leave others out. */
export function testFaults(source: Source): Fault[] {
  if (source.floor !== "test") return [];
  const faults: Fault[] = [];
  walk(source.program, (node) => {
    if (sleeps(node)) faults.push(faultAt(source, node, "sleeps: wait for what must happen, not for time to pass"));
    if (node.type !== "MemberExpression" || !isIdentifier(node["object"], "it", "test", "describe")) return;
    const property = propertyOf(node);
    if (property && ["only", "skip", "todo"].includes(property)) faults.push(faultAt(source, node, `leaves tests out with .${property}`));
  });
  return faults;
}

function sleeps(node: Node): boolean {
  if (node.type === "ImportDeclaration") return importsSleep(node);
  if (node.type !== "NewExpression" || !isIdentifier(node["callee"], "Promise")) return false;
  const executor = (node["arguments"] as Node[])[0];
  const resolve = (executor?.["params"] as Node[] | undefined)?.[0];
  if (executor === undefined || !isIdentifier(resolve)) return false;
  let found = false;
  walk(executor, (inner) => {
    if (inner.type !== "CallExpression" || !isIdentifier(inner["callee"], "setTimeout")) return;
    const callback = (inner["arguments"] as Node[])[0];
    if (callback && (isIdentifier(callback, resolve.name) || onlyCalls(callback, resolve.name))) found = true;
  });
  return found;
}

/** `setImmediate` only lets others go first. */
function importsSleep(node: Node): boolean {
  if (!/^(node:)?timers\/promises$/.test(textOf(node["source"]) ?? "")) return false;
  return (node["specifiers"] as Node[]).some((each) => !isIdentifier(each["imported"], "setImmediate"));
}

/** Whether a function does nothing but call `name`: a time limit that also says so is not a sleep. */
function onlyCalls(callback: Node, name: string): boolean {
  const body = callback["body"] as Node | undefined;
  const statements = body?.type === "BlockStatement" ? childrenOf(body) : body ? [body] : [];
  const call = statements[0]?.type === "ExpressionStatement" ? (statements[0]["expression"] as Node) : statements[0];
  return statements.length === 1 && call?.type === "CallExpression" && isIdentifier(call["callee"], name);
}

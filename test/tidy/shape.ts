import { posix } from "node:path";
import {
  bannedFiles,
  bannedFolders,
  bannedLastWords,
  flatFolders,
  generatedJavaScript,
  limits,
  onlyJavaScript,
  standardNames,
  topLevel,
} from "./floors.ts";
import { faultAt, isIdentifier, lineOf, walk, type Fault, type Node, type Source } from "./syntax.ts";

export const isCode = (path: string): boolean => /\.([cm]?[jt]s|[jt]sx)$/.test(path) && !generatedJavaScript.includes(path);

/** What a path says before the file is opened. */
export function pathFaults(path: string): Fault[] {
  const parts = path.split("/");
  const file = parts.pop()!;
  const words = wordsOf(file.replace(/\..*$/, ""));
  const complaints = [
    topLevel.includes(path.split("/")[0]!) ? undefined : "does not belong at the top level",
    parts.some((folder) => bannedFolders.includes(folder)) ? "lies in a folder whose name says nothing" : undefined,
    isCode(file) && bannedFiles.includes(words.join("-")) ? "has a name that says nothing" : undefined,
    isCode(file) && bannedLastWords.includes(words.at(-1)!) ? `ends its name in "${words.at(-1)}"` : undefined,
    isCode(path) && !/(?<!\.d)\.ts$/.test(file) && path !== onlyJavaScript ? `is not TypeScript: only ${onlyJavaScript} may be` : undefined,
  ];
  return complaints.flatMap((message) => (message === undefined ? [] : [{ path, line: 1, message }]));
}

export function folderFaults(paths: readonly string[]): Fault[] {
  const folders = Map.groupBy(paths.filter(isCode), (path) => posix.dirname(path));
  return [...folders]
    .filter(([folder, files]) => files.length > limits.folderFiles && !flatFolders.includes(folder))
    .map(([folder, files]) => ({ path: folder, line: 1, message: `holds ${files.length} files, more than ${limits.folderFiles}` }));
}

export function sizeFaults(source: Source): Fault[] {
  const linesMax = source.floor === "test" ? limits.testFileLines : limits.fileLines;
  const lines = source.text.replace(/\n$/, "").split("\n").length;
  const faults = lines > linesMax ? [{ path: source.path, line: linesMax + 1, message: `has ${lines} lines, more than ${linesMax}` }] : [];
  walk(source.program, (node, parents) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type) || groupsTests(parents.at(-1))) return;
    const length = lineOf(source.text, node.end) - lineOf(source.text, node.start) + 1;
    if (length <= limits.functionLines) return;
    faults.push(faultAt(source, node, `a function of ${length} lines, more than ${limits.functionLines}`));
  });
  return faults;
}

/** The function handed to `describe` is a heading over functions, not one of them. */
function groupsTests(parent: Node | undefined): boolean {
  let callee: unknown = parent?.type === "CallExpression" ? parent["callee"] : undefined;
  for (;;) {
    if (isIdentifier(callee)) return callee.name === "describe";
    const inner = callee as Node | undefined;
    if (inner?.type === "MemberExpression") callee = inner["object"];
    else if (inner?.type === "CallExpression") callee = inner["callee"];
    else return false;
  }
}

const declarations =
  /^(FunctionDeclaration|ClassDeclaration|VariableDeclarator|TSTypeAliasDeclaration|TSInterfaceDeclaration|TSEnumDeclaration)$/;

export function nameFaults(source: Source): Fault[] {
  const faults: Fault[] = [];
  walk(source.program, (node) => {
    const id = node["id"];
    if (!declarations.test(node.type) || !isIdentifier(id)) return;
    const words = wordsOf(id.name);
    const isType = node.type.startsWith("TS") || node.type === "ClassDeclaration";
    // A word alone is what the thing is (`data`, as the log format calls it); behind another it is padding, and as a type it says nothing.
    if ((words.length > 1 || isType) && bannedLastWords.includes(words.at(-1)!) && !standardNames.has(id.name))
      faults.push(faultAt(source, id, `the name ${id.name} ends in "${words.at(-1)}"`));
    if (isType && /^I[A-Z][a-z]/.test(id.name)) faults.push(faultAt(source, id, `the name ${id.name} has an I in front`));
  });
  return faults;
}

/** `memberData`, `MEMBER_DATA`, `member-data` → member, data. */
function wordsOf(name: string): string[] {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase();
  return words.split(/[^a-z0-9]+/).filter((word) => word !== "");
}

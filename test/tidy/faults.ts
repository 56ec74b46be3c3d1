import { testFaults, textFaults } from "./habits.ts";
import { importFaults } from "./imports.ts";
import { folderFaults, isCode, nameFaults, pathFaults, sizeFaults } from "./shape.ts";
import { parse, type Fault } from "./syntax.ts";
import { worldFaults } from "./world.ts";

/** All that breaks the rules of the house in a tree of files (path from the root → text), as `path:line message`, sorted. */
export function faultsOf(files: ReadonlyMap<string, string>): string[] {
  const declared = packagesOf(files.get("package.json"));
  const faults = folderFaults([...files.keys()]);
  for (const [path, text] of files) {
    faults.push(...pathFaults(path), ...textFaults(path, text));
    if (isCode(path)) faults.push(...codeFaults(path, text, declared));
  }
  return [...new Set(faults.map(({ path, line, message }) => `${path}:${line} ${message}`))].sort();
}

function codeFaults(path: string, text: string, declared: ReadonlySet<string>): Fault[] {
  const source = parse(path, text);
  if ("message" in source) return [source];
  return [importFaults(source, declared), worldFaults(source), sizeFaults(source), nameFaults(source), testFaults(source)].flat();
}

function packagesOf(manifest: string | undefined): Set<string> {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(manifest ?? "{}") as Record<string, Record<string, string>>;
  return new Set([...Object.keys(dependencies), ...Object.keys(devDependencies)]);
}

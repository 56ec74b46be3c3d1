import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { faultsOf } from "./tidy/faults.ts";
import { flatFolders, limits } from "./tidy/floors.ts";
import { planted, soundTree } from "./tidy/planted.ts";

const root = join(import.meta.dirname, "..");
const ignored = readFileSync(join(root, ".gitignore"), "utf8").trim().split("\n");
const notOurs = (name: string) =>
  [".git", "package-lock.json"].includes(name) ||
  ignored.some((each) => (each.startsWith("*") ? name.endsWith(each.slice(1)) : name === each.replace(/\/$/, "")));

function treeOf(folder = ""): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (notOurs(entry.name)) continue;
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) for (const [inner, text] of treeOf(path)) files.set(inner, text);
    else if (entry.isFile()) files.set(path, readFileSync(join(root, path), "utf8"));
  }
  return files;
}

describe("the house", () => {
  it("keeps its own rules", () => {
    const files = treeOf();
    expect(files.size).toBeGreaterThan(20);
    expect(faultsOf(files)).toEqual([]);
  });
});

describe("the watchman", () => {
  it("finds nothing in a tree that is sound", () => {
    expect(faultsOf(soundTree)).toEqual([]);
  });

  it.each(planted)("reports: $what", ({ path, text, fault }) => {
    expect(faultsOf(new Map([...soundTree, [path, text]]))).toEqual([fault]);
  });

  it("finds every planted fault in one tree, each at its place", () => {
    // Two plants may share a path: each then stands in a tree of its own.
    const trees: Map<string, string>[] = [];
    for (const { path, text } of planted) {
      const free = trees.find((tree) => !tree.has(path));
      if (free) free.set(path, text);
      else trees.push(new Map([...soundTree].filter(([each]) => each !== path)).set(path, text));
    }
    expect(trees.flatMap((tree) => faultsOf(tree)).sort()).toEqual(planted.map(({ fault }) => fault).sort());
  });

  it("reports a folder that is too full, and leaves floors of equal things flat", () => {
    const many = Array.from({ length: limits.folderFiles + 1 }, (_, n) => `context-${n}.ts`);
    const crowd = (folder: string) => new Map(many.map((file): [string, string] => [`${folder}/${file}`, "export {};\n"]));
    expect(faultsOf(crowd("ops/keys"))).toEqual(["ops/keys:1 holds 15 files, more than 14"]);
    expect(flatFolders.flatMap((folder) => faultsOf(crowd(folder)))).toEqual([]);
  });
});

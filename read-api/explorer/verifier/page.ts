/** The script of the verifier's page. It asks nothing of any network; what is dropped on it never leaves it. */
import { verifyEd25519 } from "../../../domain/log/signed/ed25519.ts";
import type { Piece } from "./pieces.ts";
import { verifyPieces, type Unclear } from "./verify-pieces.ts";
import { count, type Finding } from "./words.ts";

/** As much of a browser as this page uses. */
type Element = {
  textContent: string;
  hidden: boolean;
  className: string;
  value: string;
  readonly files: Iterable<File> | null;
  readonly classList: { toggle(name: string, on: boolean): void };
  append(...children: readonly (Element | string)[]): void;
  replaceChildren(...children: readonly Element[]): void;
  removeAttribute(name: string): void;
  setAttribute(name: string, value: string): void;
  focus(): void;
  addEventListener(type: string, listener: (event: DropEvent) => void): void;
};
type Entry = {
  readonly isDirectory: boolean;
  readonly fullPath: string;
  file(done: (file: File) => void, failed: (why: Error) => void): void;
  createReader(): { readEntries(done: (entries: readonly Entry[]) => void, failed: (why: Error) => void): void };
};
type DropEvent = {
  preventDefault(): void;
  readonly dataTransfer: { readonly items: Iterable<{ webkitGetAsEntry(): Entry | null; getAsFile(): File | null }> };
};
declare const document: Element & {
  getElementById(id: string): Element;
  createElement(name: string): Element;
  readonly body: Element;
};

const at = (id: string) => document.getElementById(id);
const verdict = at("verdict");
let given: readonly Piece[] = [];
/** Only the last check that was begun may speak. */
let checks = 0;

/** Whoever hands in files is brought to the verdict; whoever types a key goes on typing. */
async function check(isNew: boolean): Promise<void> {
  if (given.length === 0) return;
  const mine = ++checks;
  const vkey = at("vkey").value.trim();
  busy(`Checking ${given.length === 1 ? given[0]!.path : `${given.length} files`} …`);
  const progress = (checked: number, all: number) => {
    if (mine === checks) busy(`Checked ${count(checked)} of ${count(all)} entries …`, checked / all);
  };
  const found = await verifyPieces(given, { verify: verifyEd25519, vkey: vkey === "" ? undefined : vkey, progress }).catch(
    (why: unknown): Unclear => ({ exit: 2, say: `The files cannot be read: ${String(why)}` }),
  );
  if (mine !== checks) return;
  show(found);
  if (isNew) verdict.focus();
}

function busy(say: string, part?: number): void {
  const bar = made("progress", "");
  if (part !== undefined) bar.setAttribute("value", String(part));
  bar.setAttribute("aria-label", say);
  verdict.className = "busy";
  verdict.replaceChildren(made("p", say), bar);
  verdict.hidden = false;
}

function show(found: Finding | Unclear): void {
  const [kind, title] = titleOf(found);
  verdict.className = kind;
  verdict.replaceChildren(made("h2", title), ...("say" in found ? [made("p", found.say)] : bodyOf(found)));
  verdict.hidden = false;
}

function titleOf(found: Finding | Unclear): readonly [kind: string, title: string] {
  if ("say" in found) return ["unclear", "Nothing was checked"];
  if (found.verdict.startsWith("BROKEN")) return ["bad", "The promise was broken"];
  if (found.exit === 3) return ["bad", "Does not verify"];
  if (!found.isIdentityChecked) return ["half", "Whole in itself, but whose it is was not checked"];
  return ["good", found.verdict.replace(/\.$/, "")];
}

function bodyOf({ about, counts, details, notes, problem, isIdentityChecked, exit }: Finding): readonly Element[] {
  const { leaf, stream, file, reason } = problem ?? {};
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["First bad leaf", leaf === undefined ? undefined : String(leaf)],
    ["Stream", stream],
    ["File", file],
    ["Why", reason],
  ];
  const told = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  const warning = made(
    "p",
    "The key was taken from the bundle itself: whoever made the bundle may have made the key. Paste the log's key, from somewhere else, to check whose it is.",
  );
  warning.className = "warning";
  return [
    ...(told.length > 0 ? [list(told)] : []),
    ...(isIdentityChecked || (exit === 3 && about.length === 0) ? [] : [warning]),
    ...about.map((line) => made("p", line)),
    ...(counts.length > 0
      ? [
          list(
            counts.map(([what, number]) => [what, count(number)] as const),
            "figures",
          ),
        ]
      : []),
    ...(details.length > 0 ? [items(details)] : []),
    ...(notes.length > 0 ? [made("h3", "Not checked, or not known"), items(notes)] : []),
  ];
}

function made(name: string, text: string): Element {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function list(pairs: readonly (readonly [string, string])[], kind = ""): Element {
  const whole = made("dl", "");
  whole.className = kind;
  for (const [term, text] of pairs) {
    const pair = made("div", "");
    pair.append(made("dt", term), made("dd", text));
    whole.append(pair);
  }
  return whole;
}

function items(texts: readonly string[]): Element {
  const whole = made("ul", "");
  whole.append(...texts.map((text) => made("li", text)));
  return whole;
}

const pieceOf = (file: File, path: string): Piece => ({
  path,
  size: file.size,
  read: async (from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer()),
});

/** All files below what was dropped. */
async function piecesBelow(entry: Entry | File): Promise<Piece[]> {
  if (entry instanceof File) return [pieceOf(entry, entry.name)];
  if (!entry.isDirectory) {
    const file = await new Promise<File>((done, failed) => entry.file(done, failed));
    return [pieceOf(file, entry.fullPath.replace(/^\//, ""))];
  }
  const reader = entry.createReader();
  const pieces: Piece[] = [];
  // Trap: a directory is read a hundred entries at a time, until none come.
  for (;;) {
    const entries = await new Promise<readonly Entry[]>((done, failed) => reader.readEntries(done, failed));
    if (entries.length === 0) return pieces;
    for (const each of entries) pieces.push(...(await piecesBelow(each)));
  }
}

function take(pieces: readonly Piece[]): void {
  given = pieces;
  void check(true);
}

for (const id of ["files", "folder"])
  at(id).addEventListener("change", () => take([...(at(id).files ?? [])].map((file) => pieceOf(file, file.name))));
at("vkey").addEventListener("input", () => void check(false));

const over = (on: boolean) => (event: DropEvent) => {
  event.preventDefault();
  at("drop").classList.toggle("over", on);
};
document.addEventListener("dragover", over(true));
document.addEventListener("dragleave", over(false));
document.addEventListener("drop", (event) => {
  over(false)(event);
  // Order: the entries are asked for at once; after the first wait the browser has taken them away.
  const entries = [...event.dataTransfer.items].flatMap((item) => item.webkitGetAsEntry() ?? item.getAsFile() ?? []);
  const failed = (why: unknown) => show({ exit: 2, say: `The files cannot be read: ${String(why)}` });
  Promise.all(entries.map(piecesBelow)).then((found) => take(found.flat()), failed);
});
at("ready").hidden = true;

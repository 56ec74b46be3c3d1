/** The script of the verifier's page. It asks nothing of any network; what is dropped on it never leaves it. */
import { verifyEd25519 } from "../../../domain/log/signed/ed25519.ts";
import { type Entry, pieceOf, piecesBelow } from "./dropped.ts";
import type { Piece } from "./pieces.ts";
import { type Pairs, toldOf } from "./told.ts";
import { cosignersOf, verifyPieces, type Unclear } from "./verify-pieces.ts";
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
  const [vkey, policy] = ["vkey", "policy"].map((id) => at(id).value.trim()) as [string, string];
  const cosigners = policy === "" ? undefined : cosignersOf(policy, verifyEd25519);
  if (cosigners && "say" in cosigners) return show(cosigners);
  busy(`Checking ${given.length === 1 ? given[0]!.path : `${given.length} files`} …`);
  const progress = (checked: number, all: number) => {
    if (mine === checks) busy(`Checked ${count(checked)} of ${count(all)} entries …`, checked / all);
  };
  const found = await verifyPieces(given, { verify: verifyEd25519, vkey: vkey === "" ? undefined : vkey, cosigners, progress }).catch(
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
  const { kind, title, parts } = toldOf(found);
  verdict.className = kind;
  verdict.replaceChildren(
    made("h2", title),
    ...parts.map((part) => {
      if ("pairs" in part) return list(part.pairs, part.kind);
      if ("items" in part) return items(part.items);
      const piece = made("head" in part ? "h3" : "p", "head" in part ? part.head : part.text);
      if ("isWarning" in part) piece.className = "warning";
      return piece;
    }),
  );
  verdict.hidden = false;
}

function made(name: string, text: string): Element {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function list(pairs: Pairs, kind: string): Element {
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

function take(pieces: readonly Piece[]): void {
  given = pieces;
  void check(true);
}

for (const id of ["files", "folder"])
  at(id).addEventListener("change", () => take([...(at(id).files ?? [])].map((file) => pieceOf(file, file.name))));
for (const id of ["vkey", "policy"]) at(id).addEventListener("input", () => void check(false));
at("policy-file").addEventListener("change", () => {
  const [file] = [...(at("policy-file").files ?? [])];
  void file?.text().then((text) => {
    at("policy").value = text;
    return check(true);
  });
});

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

/** Checkpoints: every signature on the page is checked here, and that a later tree begins with an earlier one. */
import { fromB64 } from "../../../domain/log/hash.ts";
import { cosignaturesOf, parseCosignerKey } from "../../../domain/log/signed/cosignature.ts";
import type { LogKeys } from "../../../domain/log/verify/keys/log-keys.ts";
import type { Checkpoint } from "../../../domain/log/verify/note.ts";
import { checkConsistency } from "../../../domain/log/verify/tree.ts";
import { badge, byId, moment } from "./shown/elements.ts";
import { textAt } from "./asking/log.ts";
import { showCosigners } from "./proof/cosigners.ts";
import { keysOfLog } from "./proof/keys.ts";
import { trusted } from "./watch/watching.ts";
import { keyNote, setBanner, signatureChecker, verify } from "./proof/verifying.ts";

const verdict = byId("verdict");
const rows = [...document.querySelectorAll<HTMLElement>("tr[data-size]")];
const opened = new Map<string, Checkpoint>();
const count = (number: number) => number.toLocaleString("en-GB");

const noteOf = (row: HTMLElement) => row.querySelector("[data-note]")!.textContent!;

async function checkRow(row: HTMLElement, keys: LogKeys): Promise<boolean> {
  const cosigners = [...row.querySelectorAll<HTMLElement>("[data-cosigner]")];
  const state = row.querySelector<HTMLElement>("[data-state]")!;
  try {
    const checkpoint = await keys.openCheckpoint(noteOf(row), keys.vkey, verify);
    if (String(checkpoint.size) !== row.dataset["size"]) throw new Error("the note is of another size");
    opened.set(row.dataset["size"]!, checkpoint);
    state.replaceWith(badge("good", "good"));
  } catch (fault) {
    state.replaceWith(badge("bad", `wrong: ${(fault as Error).message}`));
    return false;
  }
  const all = await Promise.all(cosigners.map((each) => checkCosigner(each, noteOf(row))));
  return all.every((isGood) => isGood);
}

/** Whether it is a cosigner that anybody should trust is for the reader to say: what is checked is that the line is its. */
async function checkCosigner(place: HTMLElement, note: string): Promise<boolean> {
  const { cosigner, line } = place.dataset;
  const found = await cosignaturesOf(note + line!, [parseCosignerKey(cosigner!)], verify).catch(() => []);
  const isGood = found.length === 1;
  place.append(" ", isGood ? badge("good", "good") : badge("bad", "wrong"));
  return isGood;
}

/** Throws what stands in the way; answers whether the tree of the second begins with that of the first. */
async function extendsEarlier(from: string, to: string): Promise<boolean> {
  const [first, second] = [opened.get(from), opened.get(to)];
  if (!first || !second) throw new Error("A signature of the two does not verify.");
  const answer = JSON.parse(await textAt(`/log/consistency?from=${from}&to=${to}`)) as { hashes?: unknown };
  if (!Array.isArray(answer.hashes)) return false;
  const path = answer.hashes.map((hash) => (typeof hash === "string" ? fromB64(hash) : undefined) ?? new Uint8Array());
  return checkConsistency(first.size, second.size, first.root, second.root, path);
}

async function compare(): Promise<void> {
  const form = new FormData(byId("compare") as HTMLFormElement);
  const [from, to] = [form.get("from"), form.get("to")].map(String).sort((a, b) => Number(a) - Number(b)) as [string, string];
  try {
    const isGood = await extendsEarlier(from, to);
    if (isGood)
      setBanner(
        verdict,
        "good",
        "Verified in this browser",
        from === to
          ? `All ${rows.length} signatures verify.`
          : `The first ${count(Number(from))} of the ${count(Number(to))} entries are those that were signed before: none was changed, dropped or put in between.`,
        `Signatures were checked by ${signatureChecker()}.`,
      );
    else
      setBanner(
        verdict,
        "bad",
        "The later tree does not begin with the earlier one",
        `The proof from ${count(Number(from))} to ${count(Number(to))} entries leads to other roots. Keep both notes: if no proof can be given, they are evidence of a fork.`,
      );
  } catch (fault) {
    setBanner(verdict, "bad", "It could not be checked", (fault as Error).message);
  }
}

async function look(): Promise<void> {
  for (const time of document.querySelectorAll("td time")) time.replaceWith(moment(time.getAttribute("datetime")));
  void showCosigners();
  try {
    const { key } = await trusted();
    byId("key").replaceChildren(keyNote(key));
    // Each by the key of its size: an earlier one than the reader's is as good here, for what is compared with is the newest.
    const keys = await keysOfLog();
    if (!keys.vkeys.includes(key.vkey)) throw new Error("The key that this browser knows is none of the log's keys.");
    const good = await Promise.all(rows.map((row) => checkRow(row, keys)));
    if (good.every((each) => each)) return await compare();
    const wrong = rows.filter((_, n) => !good[n]).map((row) => count(Number(row.dataset["size"])));
    setBanner(verdict, "bad", "A signature does not verify", `Checkpoints of these sizes: ${wrong.join(", ")}.`);
  } catch (fault) {
    setBanner(verdict, "bad", "It could not be checked", (fault as Error).message);
  }
}

if (rows.length > 0) {
  byId("compare").addEventListener("submit", (event) => {
    event.preventDefault();
    void compare().then(() => verdict.scrollIntoView({ block: "nearest" }));
  });
  void look();
}

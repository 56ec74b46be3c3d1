/** One event: its receipt is taken from the instance and checked here, by the code that the verifiers are made of. */
import type { Json } from "../../../domain/log/canonical-json.ts";
import { b64u, fromB64, fromB64u } from "../../../domain/log/hash.ts";
import { entryHash, eventId, genesisHash } from "../../../domain/log/ids.ts";
import { parseNote } from "../../../domain/log/verify/note.ts";
import { type Receipt, verifyReceipt } from "../../../domain/log/verify/receipt.ts";
import { byId, element, facts, show } from "./shown/elements.ts";
import { fieldsShown, type Opened, plain } from "./shown/fields.ts";
import { ask, get, listenForToken, nameMembers, refusalIn, textAt } from "./asking/log.ts";
import { trusted } from "./watch/watching.ts";
import type { Key } from "./watch/memory.ts";
import { pathListed, treeShown } from "./proof/tree.ts";
import { type Check, keyNote, setBanner, signatureChecker, stepsShown, verify } from "./proof/verifying.ts";

const banner = byId("event");
const id = banner.dataset["id"]!;
const before = banner.dataset["before"]!;
const againMs = 5_000;
let looks = 0;

async function look(): Promise<void> {
  const mine = ++looks;
  setBanner(banner, "wait", "Checking in this browser …");
  try {
    const [{ key, keys }, { status, text }, opened] = await Promise.all([trusted(), get(`/log/proofs/${id}`), openedFor()]);
    if (mine !== looks) return;
    if (status === 202) return notYet();
    if (status !== 200) return refused(refusalIn(text, status), "It could not be checked");
    const result = await verifyReceipt(text, { vkey: key.vkey, keys, verify });
    if (mine !== looks) return;
    if (result.exit === 3) return refused(`${result.problem.reason}.`);
    const { receipt } = result;
    if (receipt.entry.id !== id) return refused(`The receipt is that of another event, ${receipt.entry.id}.`);
    const chain = await chained(receipt);
    if (mine === looks) showReceipt(receipt, text, key, opened, chain);
  } catch (fault) {
    if (mine === looks) refused((fault as Error).message, "It could not be checked");
  }
}

function notYet(): void {
  setBanner(
    banner,
    "wait",
    "Not signed yet",
    "The instance promises that a checkpoint covers this event within a minute. It is asked again.",
  );
  setTimeout(() => void look(), againMs);
}

/** Nothing that a false receipt says is shown. */
function refused(why: string, title = "This does not verify"): void {
  setBanner(
    banner,
    "bad",
    title,
    why.replace(/^./, (letter) => letter.toUpperCase()),
  );
  byId("facts-title").textContent = "Who, what, when: as the instance says, unproven";
  for (const place of ["fields", "why", "proof"])
    show(byId(place), element("p", { class: "soft" }, "Nothing is shown that was not checked."));
}

/** What may be seen in clear. The proof does not rest on it, so a failure here is none of the proof. */
async function openedFor(): Promise<Opened> {
  const found = await ask<{ event: { data: Opened } | null }>("query($id: ID!) { event(id: $id) { data } }", { id }).catch(() => undefined);
  return found?.event?.data ?? {};
}

/** The entry before it in its stream, and its command's count: neither stands in a receipt. */
async function chained({ entry }: Receipt): Promise<readonly Check[]> {
  const nth = Array.from({ length: entry.rev + 1 }, (_, n) => n).find((n) => eventId(entry.cmd, entry.stream, n) === entry.id);
  const ofCommand: Check =
    nth === undefined
      ? { isGood: false, says: "Its id is not one that its command gives." }
      : { isGood: true, says: `Its id follows from its command: it is event ${nth + 1} of that.` };
  if (entry.rev === 0) {
    const isFirst = entry.prev === b64u(genesisHash(entry.log, entry.stream));
    return [
      ofCommand,
      { isGood: isFirst, says: isFirst ? "It is the first of its stream." : "It claims to be the first of its stream, and names another." },
    ];
  }
  const { entry: text } = JSON.parse(await textAt(`/log/events/${before}`)) as { entry: string };
  const follows = entry.prev === b64u(entryHash(text));
  return [
    ofCommand,
    {
      isGood: follows,
      says: follows
        ? "It names the hash of the entry before it in its stream."
        : "The entry before it in its stream is not the one that it names.",
    },
  ];
}

function showReceipt(receipt: Receipt, text: string, key: Key, opened: Opened, chain: readonly Check[]): void {
  const { entry, index, checkpoint, shown, withheld } = receipt;
  const { size } = checkpoint;
  const path = pathOf(text);
  const wrong = chain.find((check) => !check.isGood);
  const says = `${entry.type} is leaf ${count(index)} of the ${count(size)} entries that the log's key has signed.`;
  if (wrong) setBanner(banner, "bad", "This does not verify", wrong.says, says, keyNote(key));
  else setBanner(banner, "good", "Verified in this browser", says, keyNote(key));
  const checks: readonly Check[] = [
    {
      isGood: true,
      says: `Its ${Object.keys(shown).length} shown and ${withheld.length} withheld fields give the payload that the entry commits to.`,
    },
    {
      isGood: true,
      says: `The entry and ${path.length} ${path.length === 1 ? "hash" : "hashes"} lead to the root over ${count(size)} entries.`,
    },
    { isGood: true, says: `The log's key signed that root: checked by ${signatureChecker()}.` },
    ...chain,
  ];
  // Whatever stood here before was the page's word; this is what was proven.
  byId("facts-title").textContent = "Who, what, when";
  byId("facts").replaceWith(provenFacts(receipt));
  show(byId("fields"), fieldsShown(shown, withheld, opened));
  show(byId("why"), authorised(receipt, opened), stepsShown(checks), element("p", { class: "soft" }, cosigned(text)));
  byId("proof").replaceChildren(treeShown(index, size, fromB64u(receipt.hash)!, path), pathListed(index, size, path));
  void nameMembers().catch(() => undefined);
}

const count = (number: number) => number.toLocaleString("en-GB");
const link = (path: string, text: string) => element("a", { href: path }, text);
const searched = (name: string, text: string) => link(`/events?${new URLSearchParams({ [name]: text })}`, text);

function provenFacts({ entry, index, shown }: Receipt): HTMLElement {
  const { at, by, stream, rev, cause, sv } = entry;
  const { proposalId } = shown;
  const actor = searched("by", by);
  actor.dataset["member"] = by;
  const list = facts([
    ["recorded", element("time", { datetime: at }, at)],
    ["by", actor],
    ["stream", searched("stream", stream)],
    ["revision", count(rev)],
    ["leaf", link(`/events?before=${index + 6}#leaf-${index}`, count(index))],
    ["version of its schema", link(`/schemas/${entry.type}/${sv}`, String(sv))],
    ["proposal", typeof proposalId === "string" ? link(`/proposals/${encodeURIComponent(proposalId)}`, "how it was decided") : null],
    ["caused by", cause === undefined ? null : link(`/events/${cause}`, "the event that it follows from")],
  ]);
  list.id = "facts";
  return list;
}

/** The lines between the index and the checkpoint; their form has been checked. */
const pathOf = (text: string) =>
  text
    .slice(0, text.indexOf("\n\n"))
    .split("\n")
    .slice(3)
    .map((line) => fromB64(line)!);

function cosigned(text: string): string {
  const others = parseNote(text.slice(text.indexOf("\n\n") + 2)).signatures.length - 1;
  if (others === 0) return "No cosigner's line stands under the checkpoint: it is log-signed only.";
  return `${others} more ${others === 1 ? "line stands" : "lines stand"} under the checkpoint, not checked here: see Checkpoints.`;
}

/** Whose wish it was, as far as it may be seen. */
function authorised({ entry, shown, withheld }: Receipt, opened: Opened): HTMLElement {
  const isHere = (name: string) => Object.hasOwn(shown, name) || withheld.includes(name);
  const wish = entry.by.startsWith("system:")
    ? `A part of the instance did it: ${entry.by.slice("system:".length)}.`
    : "A member asked for it; whether the member might was decided by the roles and the membership that the log held before it.";
  return element(
    "div",
    {},
    element("p", {}, wish),
    element("p", {}, ...command(isHere(".command"), opened[".command"])),
    element("p", {}, ...will(isHere(".auth"), opened[".auth"])),
  );
}

const isObject = (json: Json | undefined): json is { readonly [name: string]: Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json);

function command(isHere: boolean, told: Json | undefined): readonly (Node | string)[] {
  if (!isHere) return ["It is not the first event of its command: what was asked for stands in an earlier one."];
  if (!isObject(told)) return ["What was asked for is withheld from you: the actor and auditors see it."];
  return [
    "What was asked for: ",
    element("code", {}, plain(String(told["name"]))),
    ", with an input of this hash: ",
    element("code", {}, String(told["input"])),
  ];
}

function will(isHere: boolean, told: Json | undefined): readonly (Node | string)[] {
  if (!isHere) return ["Nothing in the log shows the actor's own will again: it is the server's word."];
  if (!isObject(told)) return ["How the actor was authenticated is withheld from you."];
  const parts = Object.entries(told).map(([name, value]) => `${name} ${plain(String(value))}`);
  return [
    "The actor was authenticated: ",
    element("code", {}, parts.join(", ")),
    ". A token is never stored, so this too is the server's word.",
  ];
}

listenForToken(() => void look());
void look();

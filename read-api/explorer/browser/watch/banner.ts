/** What every page says of the log's standing: red on top where something does not verify, one quiet line at its foot otherwise. */
import { Malformed } from "../../../../domain/log/canonical-json.ts";
import { parseVkey } from "../../../../domain/log/verify/note.ts";
import { byId, confirmed, element, moment, show } from "../shown/elements.ts";
import { saveLink } from "../shown/saved.ts";
import type { Judged } from "./judged.ts";
import { type Alarm, type Key, keep, type Memory, remembered } from "./memory.ts";

const count = (number: number) => `${number.toLocaleString("en-GB")} ${number === 1 ? "entry" : "entries"}`;

/** `again` looks once more, after the reader has changed what is remembered. */
export function showStanding(found: Judged, again: () => void): void {
  const banner = byId("alarm");
  const alarm = found.memory?.alarm;
  banner.hidden = !alarm && found.is !== "unreachable" && found.is !== "older";
  banner.className = alarm ? "banner bad" : "banner";
  if (alarm) show(banner, ...alarmShown(alarm, found, again));
  else if (found.is === "unreachable") show(banner, element("p", {}, ...unreachable(found.memory)));
  else if (found.is === "older") show(banner, element("p", {}, older(found)));
  show(byId("standing"), ...standing(found));
  keyForm(found.memory?.key, again);
}

function unreachable(memory: Memory | undefined): readonly (string | Node)[] {
  const before = memory?.seen;
  const since = before ? [` Its last checkpoint, of ${count(before.size)}, verified `, moment(before.at), "."] : [];
  return ["The log does not answer now, so nothing was checked. That is no sign of tampering.", ...since];
}

const older = ({ memory }: Judged) =>
  `An older checkpoint is shown than this browser has seen, of ${count(memory!.seen!.size)}. It is proven to be the beginning of that one.`;

function alarmShown({ title, why, since, until, notes, fork }: Alarm, { is }: Judged, again: () => void): readonly Node[] {
  const name = `fork-${since.replace(/[:.]/g, "-")}`;
  const kept = [
    fork === undefined ? undefined : saveLink(fork, `${name}.json`, "Keep the proof of the fork"),
    saveLink(notes.join("\n"), `${name}-checkpoints.txt`, notes.length > 1 ? "Keep both checkpoints" : "Keep the checkpoint"),
  ];
  const forget = async () => {
    const text = "Keep the evidence first: it is forgotten here. What is shown from now on is taken as it is.";
    if (!(await confirmed("Begin anew with this log?", text, "Begin anew"))) return;
    keep(undefined);
    again();
  };
  return [
    element("h2", {}, title),
    element("p", {}, why),
    element(
      "p",
      {},
      "Seen ",
      moment(since),
      until === undefined || is === "bad" ? "." : ". It verifies again since ",
      until && is !== "bad" ? moment(until) : "",
    ),
    element(
      "p",
      {},
      "What to do: keep what stands below, show it to others who follow this log and to its cosigners, and ask whoever runs the instance. Until it is explained, rely on no answer of it.",
    ),
    element(
      "p",
      { class: "row" },
      ...kept,
      element("button", { type: "button", id: "begin-anew", click: () => void forget() }, "Begin anew"),
    ),
  ];
}

function standing(found: Judged): readonly (Node | string)[] {
  const { is, memory } = found;
  if (is === "unsigned") return ["Nothing is signed yet."];
  if (!memory?.seen) return ["This browser has not checked this log yet."];
  const { size, at } = memory.seen;
  return [
    `This browser has followed the log over ${count(size)}, last checked `,
    moment(at),
    ". ",
    whose(memory.key),
    ...("keys" in found ? [gaveWay] : []),
  ];
}

const gaveWay = " It has given way to another since: each change stands in the log and was checked here.";
const whose = ({ from }: Key) =>
  from === undefined ? "The key came from this instance itself." : `The key was given by the reader: “${from}”.`;

/** A key from elsewhere is what makes a log somebody's. */
function keyForm(key: Key | undefined, again: () => void): void {
  const form = byId("whose") as HTMLFormElement;
  const said = byId("whose-said");
  show(byId("whose-key"), key?.vkey ?? "");
  form.onsubmit = (event) => {
    event.preventDefault();
    const [vkey, from] = ["whose-vkey", "whose-from"].map((id) => (byId(id) as HTMLInputElement).value.trim()) as [string, string];
    try {
      parseVkey(vkey);
    } catch (fault) {
      if (!(fault instanceof Malformed)) throw fault;
      said.textContent = `This is not a log's key: ${fault.message}.`;
      return;
    }
    const before = remembered();
    said.textContent = "It is remembered, and everything is checked with it from now on.";
    // What was seen under another key is not held against this one.
    const isSame = before?.key.vkey === vkey;
    keep({ ...(isSame && before), key: { vkey, from: from === "" ? "no word of where" : from, since: new Date().toISOString() } });
    form.reset();
    again();
  };
}

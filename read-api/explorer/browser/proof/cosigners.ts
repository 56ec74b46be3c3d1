/** What the cosigners' word on the newest checkpoint amounts to, counted here under the policy that the page names. */
import { parseNote } from "../../../../domain/log/verify/note.ts";
import { cosignaturesOf } from "../../../../domain/log/signed/cosignature.ts";
import { type Cosigner, isQuorum, parsePolicy, standingInWords } from "../../../../domain/log/signed/policy.ts";
import { badge, moment, showAges } from "../shown/elements.ts";
import { verify } from "./verifying.ts";

type Word = { readonly cosigner: Cosigner; readonly is: "good" | "bad" | "silent"; readonly time?: number };

/** Whether the newest checkpoint carries a word of it, and whether that is its own. */
async function wordOf(note: string, cosigner: Cosigner): Promise<Word> {
  const found = await cosignaturesOf(note, [cosigner.key], verify).catch(() => undefined);
  if (!found) return { cosigner, is: "bad" };
  return found[0] ? { cosigner, is: "good", time: found[0].time } : { cosigner, is: "silent" };
}

/** Does nothing on a page that names no cosigners. */
export async function showCosigners(): Promise<void> {
  showAges();
  const place = document.getElementById("cosigners");
  const note = place?.dataset["note"] ?? "";
  if (!place || note === "") return;
  parseNote(note);
  const policy = parsePolicy(place.querySelector("[data-policy]")!.textContent!);
  const words = await Promise.all(policy.cosigners.map((cosigner) => wordOf(note, cosigner)));
  for (const { cosigner, is, time } of words) {
    const cell = place.querySelector(`[data-cosigned="${CSS.escape(cosigner.name)}"] [data-newest]`)!;
    if (is === "silent") cell.replaceChildren(badge("none", "no word"));
    else if (is === "bad") cell.replaceChildren(badge("bad", "wrong"));
    else cell.replaceChildren(badge("good", "cosigned"), " ", moment(new Date(time! * 1_000).toISOString()));
  }
  const good = words.filter(({ is }) => is === "good");
  const names = new Set(good.map(({ cosigner }) => cosigner.name));
  const cosigned = good.map(({ cosigner, time }) => ({ name: cosigner.key.name, time: time!, policyName: cosigner.name }));
  const standing = { cosigned, of: policy.cosigners.length, isQuorum: isQuorum(policy, names) };
  const says = standingInWords(standing);
  place
    .querySelector("[data-quorum]")!
    .replaceChildren(
      badge(
        standing.isQuorum && cosigned.length > 0 ? "good" : "bad",
        standing.isQuorum && cosigned.length > 0 ? "quorum met" : "no quorum",
      ),
      ` The newest checkpoint is ${says}.`,
    );
}

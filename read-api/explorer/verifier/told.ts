/** A finding as a page shows it: a title, and what stands below it in order. */
import type { Unclear } from "./verify-pieces.ts";
import { count, type Finding } from "./words.ts";

export type Pairs = readonly (readonly [term: string, text: string])[];
export type Part =
  | { readonly text: string; readonly isWarning?: true }
  | { readonly head: string }
  | { readonly pairs: Pairs; readonly kind: "" | "figures" }
  | { readonly items: readonly string[] };

/** `half`: whole in itself, but whose it is was not checked. */
export type Told = { readonly kind: "good" | "half" | "bad" | "unclear"; readonly title: string; readonly parts: readonly Part[] };

export function toldOf(found: Finding | Unclear): Told {
  if ("say" in found) return { kind: "unclear", title: "Nothing was checked", parts: [{ text: found.say }] };
  const parts = partsOf(found);
  if (found.verdict.startsWith("BROKEN")) return { kind: "bad", title: "The promise was broken", parts };
  if (found.verdict.startsWith("FORK")) return { kind: "bad", title: "A fork is proven", parts };
  if (found.exit === 3) return { kind: "bad", title: "Does not verify", parts };
  if (!found.isIdentityChecked) return { kind: "half", title: "Whole in itself, but whose it is was not checked", parts };
  return { kind: "good", title: found.verdict.replace(/\.$/, ""), parts };
}

const warning =
  "The key was taken from the file itself: whoever made the file may have made the key. Give the log's key, from somewhere else, to check whose it is.";

function partsOf({ about, counts, details, notes, problem, isIdentityChecked, exit }: Finding): readonly Part[] {
  const { leaf, stream, file, reason } = problem ?? {};
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["First bad leaf", leaf === undefined ? undefined : String(leaf)],
    ["Stream", stream],
    ["File", file],
    ["Why", reason],
  ];
  const told = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  const isSilent = isIdentityChecked || (exit === 3 && about.length === 0);
  return [
    ...(told.length > 0 ? [{ pairs: told, kind: "" } as const] : []),
    ...(isSilent ? [] : [{ text: warning, isWarning: true } as const]),
    ...about.map((text) => ({ text })),
    ...(counts.length > 0 ? [{ pairs: counts.map(([what, number]) => [what, count(number)] as const), kind: "figures" } as const] : []),
    ...(details.length > 0 ? [{ items: details }] : []),
    ...(notes.length > 0 ? [{ head: "Not checked, or not known" }, { items: notes }] : []),
  ];
}

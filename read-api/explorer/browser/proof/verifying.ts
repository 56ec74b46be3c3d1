/** What checks signatures here, and the banner that says how it went. */
import { verifyEd25519 } from "../../../../domain/log/signed/ed25519.ts";
import type { VerifyEd25519 } from "../../../../domain/log/verify/note.ts";
import { element } from "../shown/elements.ts";

/** Bytes as the browser's own cryptography takes them: on no memory that is shared. */
const own = (bytes: Uint8Array) => new Uint8Array(bytes);

let checker: "the browser's own Ed25519" | "Ed25519 in JavaScript" | undefined;
/** What checked the last signature. */
export const signatureChecker = () => checker;

/** Trap: over plain HTTP a browser has no cryptography but on this very machine, and older ones know no Ed25519. */
export const verify: VerifyEd25519 = async (publicKey, message, signature) => {
  try {
    const key = await crypto.subtle.importKey("raw", own(publicKey), "Ed25519", false, ["verify"]);
    const isGood = await crypto.subtle.verify("Ed25519", key, own(signature), own(message));
    checker = "the browser's own Ed25519";
    return isGood;
  } catch {
    checker = "Ed25519 in JavaScript";
    return verifyEd25519(publicKey, message, signature);
  }
};

export type Verdict = "good" | "bad" | "wait";

export function setBanner(banner: HTMLElement, verdict: Verdict, title: string, ...texts: readonly (string | Node)[]): void {
  banner.className = `banner ${verdict}`;
  banner.replaceChildren(element("h2", {}, title), ...texts.map((text) => element("p", {}, text)));
}

/** A key that the instance itself gives proves nothing of whose log this is. */
export const keyNote = ({ vkey, from }: { readonly vkey: string; readonly from?: string }) =>
  element(
    "details",
    { class: "soft" },
    element("summary", {}, "Whose signature?"),
    element(
      "p",
      {},
      from === undefined
        ? "The key came from this same instance (/log/key). Compare it with one that you were given elsewhere, or enter that one at the foot of the page: whoever runs the instance could show another log under another key."
        : `The key is the one that you were given (“${from}”).`,
    ),
    element("code", { class: "key" }, vkey),
  );

export type Check = { readonly isGood: boolean; readonly says: string };

export const stepsShown = (checks: readonly Check[]) =>
  element(
    "ol",
    { class: "steps" },
    ...checks.map(({ isGood, says }) =>
      element(
        "li",
        {},
        element("span", { class: isGood ? "good" : "bad", role: "img", "aria-label": isGood ? "good:" : "wrong:" }, isGood ? "✓" : "✗"),
        element("span", {}, says),
      ),
    ),
  );

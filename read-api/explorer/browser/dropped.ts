/** A file that was dropped on a page or chosen there: checked here, by the code of the verifiers, against the key that this browser trusts. */
import { verifyPieces } from "../verifier/verify-pieces.ts";
import { type Entry, pieceOf, piecesBelow } from "../verifier/dropped.ts";
import type { Piece } from "../verifier/pieces.ts";
import { type Part, toldOf } from "../verifier/told.ts";
import { textAt } from "./asking/log.ts";
import { verify } from "./proof/verifying.ts";
import { asked, element } from "./shown/elements.ts";
import { type Trusted, trusted } from "./watch/watching.ts";

export async function checkDropped(given: readonly (FileSystemEntry | File)[]): Promise<void> {
  const title = element("h2", { id: "checked", tabindex: "-1", autofocus: true }, "Checking …");
  const bar = element("progress", { "aria-label": "Checked" });
  const found = element("div", { "aria-live": "polite" }, bar);
  const close = element("form", { method: "dialog", class: "row" }, element("button", {}, "Close"));
  const dialog = element("dialog", { "aria-labelledby": "checked" }, title, found, close);
  const closed = asked(dialog);
  const { key, keys } = await trusted().catch((): Partial<Trusted> => ({}));
  const progress = (done: number, all: number) => void (bar.value = done / all);
  try {
    // The entries were asked for in the event itself: after the first wait a browser has taken them away.
    const pieces = (
      await Promise.all(given.map((each) => (each instanceof File ? [pieceOf(each, each.name)] : piecesBelow(each as unknown as Entry))))
    ).flat();
    const said = await verifyPieces([...pieces, ...(keys && isAlone(pieces) ? [await keysPiece()] : [])], {
      verify,
      vkey: key?.vkey,
      progress,
    });
    const { kind, title: says, parts } = toldOf(said);
    dialog.className = kind;
    title.textContent = says;
    found.replaceChildren(
      element("p", { class: "soft" }, pieces.length === 1 ? pieces[0]!.path : `${pieces.length} files`),
      ...parts.map(shown),
      ...(key
        ? [
            element(
              "p",
              { class: "soft" },
              key.from === undefined
                ? "Checked with the key that this instance gives itself: for a check that does not rest on it, use the verifier, or enter a key at the foot of the page."
                : `Checked with the key that you were given (“${key.from}”).`,
            ),
          ]
        : []),
    );
  } catch (fault) {
    dialog.className = "bad";
    title.textContent = "The files cannot be read";
    found.replaceChildren(element("p", {}, (fault as Error).message));
  }
  await closed;
}

/** A bundle brings the history of its log's keys with it; a note by itself needs it where the key gave way to another. */
const isAlone = (pieces: readonly Piece[]) => pieces.length === 1 && !pieces[0]!.path.endsWith(".tar");
const keysPiece = async () => pieceOf(new File([await textAt("/log/keys")], "keys"), "keys");

function shown(part: Part): HTMLElement {
  if ("items" in part) return element("ul", {}, ...part.items.map((item) => element("li", {}, item)));
  if ("head" in part) return element("h3", {}, part.head);
  if ("text" in part) return element("p", { class: part.isWarning && "warning" }, part.text);
  const pairs = part.pairs.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text)));
  return element("dl", { class: "facts" }, ...pairs);
}

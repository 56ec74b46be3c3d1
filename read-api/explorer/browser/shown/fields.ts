/** The fields of an event: what the receipt proves, what the instance opened for whoever asks, and what is withheld, by its name. */
import type { Json } from "../../../../domain/log/canonical-json.ts";
import { isSealed } from "../../../../domain/log/sealed.ts";
import { badge, element } from "./elements.ts";

/** What GraphQL shows of the same event: personal fields in clear, null where the key is destroyed. */
export type Opened = Readonly<Record<string, Json>>;

const invisible = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** Text that a member wrote, in which nothing hides. */
export const plain = (text: string) => text.replace(invisible, "\ufffd");

const longMin = 60;

function value(json: Json): HTMLElement {
  if (typeof json === "string" && !json.includes("\n")) return element("span", {}, plain(json));
  const text = plain(typeof json === "string" ? json : JSON.stringify(json, null, 2));
  return text.length > longMin ? element("pre", { tabindex: "0" }, text) : element("code", {}, text);
}

export function fieldsShown(shown: Readonly<Record<string, Json>>, withheld: readonly string[], opened: Opened): HTMLElement {
  const rows = Object.entries(shown).map(([name, json]): readonly [string, HTMLElement, readonly Node[]] => {
    if (!isSealed(json)) return [name, badge("shown", "proven"), [value(json)]];
    if (opened[name] === undefined || opened[name] === null)
      return [name, badge("sealed"), [element("span", { class: "soft" }, "sealed under a key that is destroyed, or not yours to use")]];
    return [name, badge("sealed"), [value(opened[name]), element("p", { class: "soft" }, "opened for you by the instance")]];
  });
  const hidden = withheld.map((name): readonly [string, HTMLElement, readonly Node[]] => [
    name,
    badge("withheld"),
    [element("span", { class: "soft" }, "only its digest is shown, and the proof holds with it")],
  ]);
  // What belongs to the format, with a dot before its name, comes last.
  const order = (name: string) => name.replace(/^\./, "~");
  const all = [...rows, ...hidden].sort(([a], [b]) => (order(a) < order(b) ? -1 : 1));
  if (all.length === 0) return element("p", { class: "soft" }, "It has none.");
  return element(
    "dl",
    { class: "facts" },
    ...all.map(([name, state, shows]) =>
      element("div", {}, element("dt", {}, element("code", {}, name), " ", state), element("dd", {}, ...shows)),
    ),
  );
}

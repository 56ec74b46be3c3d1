/** A row of the list of events, as the page itself makes it (`../../rows.ts`). */
import type { Change } from "../asking/live.ts";
import { element } from "./elements.ts";
import { member, sentenceOf, spelled } from "./sentences.ts";

const searched = (name: string, text: string) => `/events?${new URLSearchParams({ [name]: text })}`;
const hidden = (says: string) => element("span", { class: "hidden" }, says);

export function eventRow({ id, leafIndex, type, stream, by, at, data }: Change["event"]): HTMLElement {
  return element(
    "li",
    { id: `leaf-${leafIndex}`, class: "unsigned new" },
    element("time", { datetime: at, title: at }, at.slice(11, 19), hidden(" UTC")),
    element(
      "span",
      { class: "what" },
      element("b", {}, element("a", { href: `/events/${id}` }, type)),
      element("span", { class: "says" }, ...(sentenceOf({ type, by, data }) ?? [spelled(type)])),
    ),
    element("a", { class: "quiet cut stream", href: searched("stream", stream), title: stream }, hidden("stream "), stream),
    element("a", { class: "quiet cut by", href: searched("by", by) }, hidden("by "), member(by)),
    element("span", { class: "leaf" }, hidden("leaf "), leafIndex.toLocaleString("en-GB"), hidden(", not signed yet")),
  );
}

/** The timeline's script: sentences, names for those who may see them, and events as they come, shown when the reader asks for them. */
import { type Change, listen } from "./asking/live.ts";
import { listenForToken, nameAll, tellAndName } from "./asking/log.ts";
import { element, showAges } from "./shown/elements.ts";
import { eventRow } from "./shown/rows.ts";

const keptMax = 200;
const log = document.getElementById("log");
const asked = new URLSearchParams(location.search);
const isAsked = (event: Change["event"]) =>
  (["type", "stream", "by"] as const).every((name) => (asked.get(name) ?? "").trim() === "" || asked.get(name)!.trim() === event[name]);

let waiting: Change["event"][] = [];
const button = element("button", { type: "button", class: "main", hidden: true, click: () => showWaiting() });
const said = element("p", { class: "row", role: "status" }, button);

function showWaiting(): void {
  for (const event of waiting) insert(event);
  const first = document.getElementById(`leaf-${waiting.at(-1)?.leafIndex}`);
  waiting = [];
  button.hidden = true;
  first?.querySelector("a")?.focus();
  void nameAll();
}

/** Under the day of its own, which may be a new one. */
function insert(event: Change["event"]): void {
  const day = event.at.slice(0, 10);
  const newest = log!.querySelector("section");
  if (newest?.getAttribute("aria-label") === day) return newest.querySelector("ol")!.prepend(eventRow(event));
  const title = element("h2", {}, element("time", { datetime: day }, day));
  if (!newest) log!.replaceChildren();
  log!.prepend(element("section", { "aria-label": day }, title, element("ol", { class: "events" }, eventRow(event))));
}

function heard(event: Change["event"]): void {
  if (!isAsked(event) || document.getElementById(`leaf-${event.leafIndex}`)) return;
  // Whoever stays away for long is shown the newest; the others are a page further.
  waiting = [...waiting, event].slice(-keptMax);
  button.textContent = `${waiting.length === 1 ? "One new event" : `${waiting.length} new events`}: show`;
  button.hidden = false;
}

showAges();
if (log?.dataset["after"] !== undefined) {
  log.before(said);
  listen(log.dataset["after"], heard);
}
listenForToken(() => void tellAndName());
void tellAndName();

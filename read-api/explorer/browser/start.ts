/** The start page: what happened last goes on as it happens; ages and cosigners are looked at here. */
import { listen } from "./asking/live.ts";
import { listenForToken, nameAll, tellAndName } from "./asking/log.ts";
import { showCosigners } from "./proof/cosigners.ts";
import { byId } from "./shown/elements.ts";
import { eventRow } from "./shown/rows.ts";

const log = byId("log");
const list = log.querySelector("ol")!;
const shownMax = Number(log.dataset["max"]);

listen(log.dataset["after"]!, (event) => {
  byId("size").textContent = (event.leafIndex + 1).toLocaleString("en-GB");
  if (document.getElementById(`leaf-${event.leafIndex}`)) return;
  list.prepend(eventRow(event));
  // What is being read with the keyboard stays.
  while (list.children.length > shownMax && !list.lastElementChild!.contains(document.activeElement)) list.lastElementChild!.remove();
  void nameAll();
});
listenForToken(() => void tellAndName());
void tellAndName();
void showCosigners();

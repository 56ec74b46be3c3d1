/** On every page: the log's standing, looked at when the page opens and once a minute, and files that are dropped to be checked. */
import { byId, element, show } from "./shown/elements.ts";
import { showStanding } from "./watch/banner.ts";
import { lookAgain, watched } from "./watch/watching.ts";

const everyMs = 60_000;
let lookedAt = Date.now();

function look(found: ReturnType<typeof watched>): void {
  lookedAt = Date.now();
  void found.then((judged) => showStanding(judged, () => look(lookAgain())));
}

/** Nobody looks at a tab that is hidden; whoever comes back to it is told at once. */
const lookIfDue = () => {
  if (!document.hidden && Date.now() - lookedAt >= everyMs) look(lookAgain());
};
setInterval(lookIfDue, everyMs / 4);
document.addEventListener("visibilitychange", lookIfDue);
look(watched());

/** The code that checks files is only asked for by whoever brings one. */
document.addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const entries = [...(event.dataTransfer?.items ?? [])].flatMap((item) => item.webkitGetAsEntry() ?? item.getAsFile() ?? []);
  if (entries.length === 0) return;
  event.preventDefault();
  void bring((dropped) => dropped.checkDropped(entries));
});
const picked = byId("dropped") as HTMLInputElement;
picked.addEventListener("change", () => {
  const files = [...(picked.files ?? [])];
  picked.value = "";
  if (files.length > 0) void bring((dropped) => dropped.checkDropped(files));
});

async function bring(use: (dropped: typeof import("./dropped.ts")) => Promise<void>): Promise<void> {
  try {
    await use(await import("./dropped.ts"));
  } catch (fault) {
    show(byId("standing"), element("span", { class: "bad" }, `The file could not be checked: ${(fault as Error).message}`));
  }
}

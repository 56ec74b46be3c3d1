/** The page at `/checkpoints`: what was signed and when. The script checks every signature on it, and whether one tree extends another. */
import { type Listed, publishedCheckpoints } from "../../projections/checkpoints.ts";
import type { ReadDeps } from "../deps.ts";
import { escaped } from "../pages/page.ts";
import type { Asked } from "./events.ts";
import { cosignersShown, timeOf } from "./cosigners.ts";
import { counted, explorerPage, number } from "./frame.ts";

const pageMax = 30;

export async function checkpointsPage(deps: ReadDeps, { before }: Asked): Promise<string> {
  const { database, origin } = deps;
  const below = typeof before === "string" && /^\d{1,15}$/.test(before) ? Number(before) : undefined;
  const found = await publishedCheckpoints(database.query, pageMax + 1, below);
  const shown = found.slice(0, pageMax);
  const cosigners = below === undefined ? `<h2>Cosigners</h2>${await cosignersShown(deps, await deps.checkpoint())}` : "";
  return explorerPage(
    "Checkpoints",
    "/checkpoints",
    `<h1>Checkpoints</h1><p>Each signs the size and the root of the log as it was then. The tree of a later one must begin with the tree of an earlier one: nothing was changed, dropped or put in between.</p>
<div id="verdict" class="banner wait" role="status" aria-live="polite"><h2>${shown.length > 0 ? "Checking in this browser …" : "Nothing is signed yet"}</h2></div>
<p class="soft">Log: <code>${escaped(origin)}</code> <span id="key"></span></p>
<noscript><p>The checks run in your browser, as a script. Without it: <a href="/log/checkpoint">the newest checkpoint</a>, and <a href="/log/consistency?from=1">a proof of consistency</a>.</p></noscript>
${cosigners}${shown.length === 0 ? "" : `<h2>Every checkpoint</h2>${listed(shown)}`}
<nav class="row" aria-label="Pages"><p class="row">${below === undefined ? "" : `<a href="/checkpoints">Newest</a>`}${
      found.length > pageMax ? `<a rel="next" href="/checkpoints?before=${shown.at(-1)!.size}">Older</a>` : ""
    }</p></nav>`,
    { script: "checkpoints" },
  );
}

const listed = (shown: readonly Listed[]) =>
  `<form id="compare"><div class="wide"><table><caption class="hidden">Checkpoints, newest first</caption><thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col">size</th><th scope="col">published</th><th scope="col">signatures</th></tr></thead>
<tbody>${shown.map((each, n) => row(each, n, shown.length)).join("")}</tbody></table></div>
<p class="row"><button class="main">Check that the later extends the earlier</button></p></form>`;

function row({ size, note, at, cosignatures }: Listed, n: number, count: number): string {
  const choice = (name: string, isChosen: boolean) =>
    `<td><input type="radio" name="${name}" value="${size}" aria-label="${name} ${counted(size, "entry", "entries")}"${isChosen ? " checked" : ""}></td>`;
  const cosigners = cosignatures.map(({ cosigner, time, line }) => {
    const when = timeOf(time);
    return `<p data-cosigner="${escaped(cosigner)}" data-line="${escaped(line)}">${escaped(cosigner.split("+")[0]!)}, <time datetime="${when}">${when}</time></p>`;
  });
  return `<tr data-size="${size}">${choice("from", n === count - 1)}${choice("to", n === 0)}<td>${number(size)}</td><td><time datetime="${at}">${at}</time></td>
<td><span class="badge" data-state>not checked</span><details><summary>note</summary><pre data-note>${escaped(note)}</pre></details>${cosigners.join("") || `<small>log-signed only</small>`}</td></tr>`;
}

/** What the pages of the explorer share: their frame, and how they spell what stands in an entry. */
import { escaped, page } from "../pages/page.ts";
import { explorerStyle } from "./style.ts";

const places = [
  ["/", "Start"],
  ["/events", "Events"],
  ["/history", "History"],
  ["/proposals", "Proposals"],
  ["/checkpoints", "Checkpoints"],
  ["/deliveries", "Deliveries"],
  ["/verifier.html", "Verifier"],
] as const;

/** Whoever holds a token may see more; without one everything works as for a guest. */
export const asWhom = `<details class="soft"><summary>Look as a member</summary><form id="who" autocomplete="off"><p class="row"><label for="token">A bearer token</label>
<input id="token" type="password" autocomplete="off" spellcheck="false"><button>Look</button><button type="button" id="forget" hidden>Forget it</button></p>
<p>Guests see every entry. A token shows names and fields that are yours to see. It stays in this tab, and is forgotten when that is closed.</p></form></details>`;

/** How the log stands for this browser, whose key it checks with, and a place for files; scripts fill it. */
const foot = `<footer class="foot"><p id="standing" class="soft">Nothing is checked here without a script.</p>
<details class="soft"><summary>Whose key?</summary><p>The log’s key makes it somebody’s. One that the instance gives itself proves nothing: compare it with one that you were given elsewhere, or enter that one.</p>
<p><code id="whose-key"></code></p><form id="whose" autocomplete="off"><label>The log’s key<input id="whose-vkey" required autocomplete="off" spellcheck="false" placeholder="minutes.example.org/log+f3b3ae86+AQ…"></label>
<label>I got this key from<input id="whose-from" maxlength="200" placeholder="the printed minutes, Ana’s letter …"></label><p class="row"><button>Remember it</button><span id="whose-said" role="status"></span></p></form></details>
<p class="row"><span class="pick"><input id="dropped" type="file" multiple aria-label="Check files"><span aria-hidden="true">Check a file</span></span><span class="soft">or drop one anywhere: a receipt, a bundle, a stream proof, a promise, a fork. It is checked here and sent nowhere.</span></p></footer>`;

type More = { /** The name of its script. */ readonly script?: string; readonly style?: string };

/** `here` is the path of the place in the navigation that this page belongs to. */
export function explorerPage(title: string, here: string, body: string, { script, style = "" }: More = {}): string {
  const links = places.map(([path, name]) => `<a href="${path}"${path === here ? ' aria-current="page"' : ""}>${name}</a>`).join("");
  return page(title, body, {
    header: `<a class="skip" href="#content">To the content</a><header class="top"><nav class="row" aria-label="Explorer">${links}</nav></header><div id="alarm" role="alert" hidden></div>`,
    footer: foot,
    scripts: ["everywhere", ...(script === undefined ? [] : [script])].map(scriptPath),
    style: explorerStyle + style,
  });
}

export const scriptPath = (name: string) => `/explorer/${name}.js`;

export const number = (count: number) => count.toLocaleString("en-GB");
export const counted = (count: number, one: string, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** A moment, which a script turns into how long ago it was. */
export const ago = (at: string) => `<time data-ago datetime="${at}" title="${at}">${at.slice(0, 19).replace("T", " ")} UTC</time>`;

/** Who acted: a part of the machine by its name, a member by an id that a script puts a name to where the caller may see it. */
export function actor(by: string): string {
  const shown = by.startsWith("system:") ? by : `member ${by.slice(0, 8)}`;
  return `<span data-member="${escaped(by)}" title="${escaped(by)}">${escaped(shown)}</span>`;
}

/** What the pages of the explorer share: their frame, their style, and how they spell what stands in an entry. */
import { escaped, page } from "../pages/page.ts";

const style = `
main{max-width:72rem}.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}[hidden]{display:none!important}
button,input,select{font:inherit;font-size:.94rem;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.42rem .8rem;min-height:2.4rem;max-width:100%}
button{cursor:pointer}button:hover:enabled{border-color:var(--mark)}button:disabled{opacity:.5}button.main{background:var(--mark);border-color:var(--mark);color:var(--paper)}:focus-visible{outline:2px solid var(--mark);outline-offset:2px}
.row{display:flex;flex-wrap:wrap;gap:.5rem .9rem;align-items:center}.top{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:.5rem 2rem}nav a[aria-current]{color:inherit;text-decoration:none;font-weight:600}
.filters{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,13rem),1fr));gap:.7rem;align-items:end;background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.2rem;margin:1.2rem 0}.filters label{display:grid;gap:.2rem;font-size:.86rem;color:var(--soft);min-width:0}.filters input,.filters select{width:100%;color:var(--ink)}
.events{list-style:none;margin:0;padding:0 0 0 1.3rem;border-left:2px solid var(--line)}.events li{position:relative;display:grid;grid-template-columns:6.2rem minmax(9rem,15rem) minmax(0,1fr) minmax(0,9rem) auto;gap:0 1rem;padding:.42rem 0;border-bottom:1px solid var(--line);align-items:baseline}
.events li::before{content:"";position:absolute;left:calc(-1.3rem - 6px);top:1rem;width:.6rem;height:.6rem;border-radius:50%;background:var(--paper);border:2px solid var(--good)}.events li.unsigned::before{border-color:var(--soft);border-style:dotted}.events .cut{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.events b{overflow-wrap:anywhere}
.events time,.leaf{font-variant-numeric:tabular-nums;color:var(--soft);font-size:.9rem}.events a{text-decoration-color:var(--line)}.events .quiet{color:inherit;font-size:.94rem}.leaf{text-align:right}
.banner{border:2px solid var(--soft);border-radius:.7rem;padding:1rem 1.2rem;margin:1.2rem 0;background:var(--card)}.banner h2{margin:0 0 .2rem;font-size:1.25rem}.banner p{margin:.3rem 0}.banner.good{border-color:var(--good)}.banner.good h2{color:var(--good)}.banner.bad{border-color:var(--bad);background:color-mix(in srgb,var(--bad) 12%,var(--card))}.banner.bad h2{color:var(--bad)}.banner.wait h2{color:var(--mark)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,18rem),1fr));gap:.8rem 1.6rem;margin:1rem 0}.facts dt{color:var(--soft);font-size:.86rem}.facts dd{margin:0;overflow-wrap:anywhere}
.badge{display:inline-block;padding:.02rem .5rem;border:1px solid currentColor;border-radius:1rem;font-size:.8rem;line-height:1.5;white-space:nowrap;color:var(--soft)}.badge.good,.badge.shown{color:var(--good)}.badge.bad{color:var(--bad)}.badge.withheld,.badge.sealed{color:var(--mark)}
.steps{list-style:none;padding:0;display:grid;gap:.3rem}.steps li{display:grid;grid-template-columns:1.6rem 1fr}.steps .good{color:var(--good)}.steps .bad{color:var(--bad)}
.halves{display:grid;gap:0 3rem;grid-template-columns:minmax(0,1fr)}@media(min-width:62rem){.halves{grid-template-columns:minmax(0,1fr) 24rem}}
.tree{display:block;width:100%;max-width:24rem;height:auto;font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}.tree line{stroke:var(--line);stroke-width:2}.tree line.on{stroke:var(--good)}.tree rect{fill:var(--card);stroke:var(--line)}.tree .on rect{stroke:var(--good);stroke-width:2}.tree text{fill:var(--ink);text-anchor:middle}.tree .soft{fill:var(--soft);font-size:10.5px}
pre{white-space:pre-wrap;max-height:18rem;overflow:auto;margin:.3rem 0;padding:.6rem .8rem;background:var(--card);border:1px solid var(--line);border-radius:.4rem}ol+details{margin-top:1.5rem}.body{white-space:pre-wrap;overflow-wrap:anywhere}summary{cursor:pointer;color:var(--mark)}td,th{vertical-align:top;font-size:.94rem}td p{margin:.1rem 0;overflow-wrap:anywhere;min-width:5.5rem}.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.86em;overflow-wrap:anywhere}
@media(max-width:46rem){.events li{grid-template-columns:1fr auto;gap:.05rem .8rem}.events b{grid-column:1/-1;grid-row:1;padding-right:4.5rem}.events time{grid-column:1;grid-row:3}.events .stream{grid-column:1/-1;grid-row:2}.events .by{grid-column:2;grid-row:3;text-align:right}.events .leaf{grid-column:1/-1;grid-row:1;justify-self:end}}`;

const places = [
  ["/", "Start"],
  ["/events", "Events"],
  ["/checkpoints", "Checkpoints"],
  ["/verifier.html", "Verify a file"],
] as const;

/** Whoever holds a token may see more; without one everything works as for a guest. */
export const asWhom = `<details class="soft"><summary>Look as a member</summary><form id="who" autocomplete="off"><p class="row"><label for="token">A bearer token</label>
<input id="token" type="password" autocomplete="off" spellcheck="false"><button>Look</button><button type="button" id="forget" hidden>Forget it</button></p>
<p>Guests see every entry. A token shows names and fields that are yours to see. It stays in this tab, and is forgotten when that is closed.</p></form></details>`;

/** `here` is the path of the place in the navigation that this page belongs to; `script` the name of its script. */
export function explorerPage(title: string, here: string, body: string, script: string): string {
  const links = places.map(([path, name]) => `<a href="${path}"${path === here ? ' aria-current="page"' : ""}>${name}</a>`).join("");
  return page(title, `<nav class="row" aria-label="Explorer">${links}</nav>${body}`, { script: scriptPath(script), style });
}

export const scriptPath = (name: string) => `/explorer/${name}.js`;

export const number = (count: number) => count.toLocaleString("en-GB");
export const counted = (count: number, one: string, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** Who acted: a part of the machine by its name, a member by an id that a script puts a name to where the caller may see it. */
export function actor(by: string): string {
  const shown = by.startsWith("system:") ? by : `member ${by.slice(0, 8)}`;
  return `<span data-member="${escaped(by)}" title="${escaped(by)}">${escaped(shown)}</span>`;
}

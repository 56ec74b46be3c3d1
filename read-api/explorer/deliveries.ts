/** The page at `/deliveries`: webhooks and what became of what was told. Its script asks for everything, as whoever holds the token. */
import { page } from "../pages/page.ts";

const style = `
main{max-width:80rem}.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}[hidden]{display:none!important}
h3{font-size:1rem;margin:1.8rem 0 .6rem;font-weight:600}button,input,select{font:inherit;font-size:.94rem;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.42rem .8rem;min-height:2.4rem}
button{cursor:pointer}button:hover:enabled{border-color:var(--mark)}button:disabled{opacity:.5}button.main{background:var(--mark);border-color:var(--mark);color:var(--paper)}
input{width:min(100%,24rem)}:focus-visible{outline:2px solid var(--mark);outline-offset:2px}h2:focus,h3:focus{outline:none}
.row{display:flex;flex-wrap:wrap;gap:.5rem .6rem;align-items:center}.top{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:.5rem 2rem}#said{min-height:1.55em;margin:.6rem 0}.bad{color:var(--bad)}
#who{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1.2rem;max-width:34rem}#who label{display:block;margin-bottom:.4rem}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.8rem;padding:0;list-style:none}
.cards a{display:grid;gap:.35rem;height:100%;align-content:start;padding:.9rem 1.1rem;background:var(--card);border:1px solid var(--line);border-radius:.6rem;text-decoration:none;color:inherit}
.cards a:hover,.cards a[aria-current]{border-color:var(--mark)}.cards a[aria-current]{box-shadow:inset 3px 0 var(--mark)}.cards b{overflow-wrap:anywhere}
.counts{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.9rem;color:var(--soft);font-variant-numeric:tabular-nums}.counts .bad{color:var(--bad);font-weight:600}
.badge{display:inline-block;padding:.02rem .5rem;border:1px solid currentColor;border-radius:1rem;font-size:.8rem;line-height:1.5;white-space:nowrap;color:var(--soft)}
.badge:is(.active,.delivered,.closed,.fresh){color:var(--good)}.badge:is(.dead,.open,.disabled,.failed,.late){color:var(--bad)}.badge:is(.due,.half,.soon,.staged,.retiring,.paused,.unverified,.unknown){color:var(--mark)}
.facts{display:grid;gap:.6rem 1.4rem;margin:1rem 0}.facts dt{color:var(--soft);font-size:.86rem}.facts dd{margin:0;overflow-wrap:anywhere}
.halves{display:grid;gap:0 3rem;grid-template-columns:minmax(0,1fr)}td,th{vertical-align:top;font-size:.94rem}tr.chosen{background:var(--card)}td a[aria-current]{font-weight:700}
.attempts{list-style:none;padding:0;display:grid;gap:.8rem}.attempts li{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.6rem 1.1rem}.attempts p{margin:.4rem 0}
pre{white-space:pre-wrap;max-height:16rem;overflow:auto;margin:.4rem 0;padding:.6rem .8rem;background:var(--paper);border-radius:.4rem}.secret{display:block;padding:.7rem .9rem;background:var(--paper);border:1px solid var(--line);border-radius:.4rem;user-select:all}
dialog{color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.8rem;padding:1.4rem 1.6rem;width:min(34rem,calc(100vw - 2rem))}dialog h2{margin-top:0}dialog::backdrop{background:#0008}
#list td{white-space:nowrap}.wide+.row{margin-top:.8rem}.facts{grid-template-columns:repeat(auto-fill,minmax(min(100%,16rem),1fr))}
@media(min-width:64rem){.halves{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}}@media(max-width:64rem){#delivery{order:-1}}`;

const states = ["due", "delivered", "dead", "erased"].map((state) => `<option>${state}</option>`).join("");

export const deliveriesScriptPath = "/deliveries/script.js";

export const deliveriesPage = (): string =>
  page(
    "Deliveries",
    `<div class="top"><h1>Deliveries</h1><p class="row"><a href="/">Start</a><button type="button" id="forget" hidden>Forget the token</button></p></div>
<p id="said" role="status" aria-live="polite"></p>
<noscript><p>This page is made by its script. Everything on it is also under <a href="/reference">/webhooks in the API reference</a>.</p></noscript>
<form id="who" hidden autocomplete="off"><label for="token">A bearer token of an admin, an operator or an auditor</label>
<div class="row"><input id="token" type="password" required autocomplete="off" spellcheck="false"><button class="main">Look</button></div>
<p class="soft">It stays in this tab, and is forgotten when that is closed.</p></form>
<section id="webhooks" aria-label="Webhooks"></section>
<section id="webhook" aria-label="The chosen webhook"></section>
<div class="halves"><section id="deliveries" aria-labelledby="list-title" hidden><h3 id="list-title">Deliveries</h3>
<p class="row"><label for="state">State</label><select id="state"><option value="">all</option>${states}</select></p><div id="list"></div></section>
<section id="delivery" aria-label="The chosen delivery"></section></div>`,
    { script: deliveriesScriptPath, style },
  );

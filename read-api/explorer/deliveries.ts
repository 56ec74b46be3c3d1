/** The page at `/deliveries`: webhooks and what became of what was told. Its script asks for everything, as whoever holds the token. */
import { explorerPage } from "./frame.ts";

const style = `
main{max-width:80rem}h3{font-size:1rem;margin:1.8rem 0 .6rem;font-weight:600}#webhooks~section input{width:min(100%,24rem)}h2:focus,h3:focus{outline:none}.row{gap:.5rem .6rem}#said{min-height:1.55em;margin:.6rem 0}.bad{color:var(--bad)}
#who{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1.2rem;max-width:34rem}#who label{display:block;margin-bottom:.4rem}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.8rem;padding:0;list-style:none}
.cards a{display:grid;gap:.35rem;height:100%;align-content:start;padding:.9rem 1.1rem;background:var(--card);border:1px solid var(--line);border-radius:.6rem;text-decoration:none;color:inherit}
.cards a:hover,.cards a[aria-current]{border-color:var(--mark)}.cards a[aria-current]{box-shadow:inset 3px 0 var(--mark)}.cards b{overflow-wrap:anywhere}
.counts{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.9rem;color:var(--soft);font-variant-numeric:tabular-nums}.counts .bad{color:var(--bad);font-weight:600}
.badge:is(.active,.delivered,.closed,.fresh){color:var(--good)}.badge:is(.dead,.open,.disabled,.failed,.late){color:var(--bad)}.badge:is(.due,.half,.soon,.staged,.retiring,.paused,.unverified,.unknown){color:var(--mark)}
tr.chosen{background:var(--card)}td a[aria-current]{font-weight:700}
.attempts{list-style:none;padding:0;display:grid;gap:.8rem}.attempts li{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.6rem 1.1rem}.attempts p{margin:.4rem 0}
pre{background:var(--paper)}.secret{display:block;padding:.7rem .9rem;background:var(--paper);border:1px solid var(--line);border-radius:.4rem;user-select:all}
#list td{white-space:nowrap}.wide+.row{margin-top:.8rem}.facts{grid-template-columns:repeat(auto-fill,minmax(min(100%,16rem),1fr))}
@media(min-width:64rem){.halves{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}}@media(max-width:64rem){.halves{grid-template-columns:minmax(0,1fr)}#delivery{order:-1}}`;

const states = ["due", "delivered", "dead", "erased"].map((state) => `<option>${state}</option>`).join("");

export const deliveriesPage = (): string =>
  explorerPage(
    "Deliveries",
    "/deliveries",
    `<div class="top"><h1>Deliveries</h1><p class="row"><button type="button" id="forget" hidden>Forget the token</button></p></div>
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
    { script: "deliveries", style },
  );

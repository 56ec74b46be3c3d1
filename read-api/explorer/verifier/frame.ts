/** The page of the verifier as one file: nothing in it is fetched, and its policy lets nothing be. */

const style = `
:root{color-scheme:light dark;--paper:#fbf9f4;--ink:#23201a;--soft:#6b6455;--line:#d8d1be;--card:#fffdf8;--mark:#7a3b12;--good:#235c30;--bad:#a32020;--half:#7a5200}
@media (prefers-color-scheme:dark){:root{--paper:#161512;--ink:#ece7db;--soft:#a39b88;--line:#3d3931;--card:#1e1c18;--mark:#e0a070;--good:#84c88f;--bad:#f08c84;--half:#e6bd5c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.55 ui-serif,Charter,Georgia,"Times New Roman",serif;overflow-wrap:anywhere}
main{max-width:46rem;margin:0 auto;padding:clamp(1.25rem,5vw,4rem) clamp(1rem,4vw,2rem)}
h1{font-size:clamp(1.9rem,6vw,2.8rem);line-height:1.1;margin:0 0 .4em;font-weight:600;letter-spacing:-.015em}
h2{font-size:1.5rem;line-height:1.2;margin:0 0 .6em}h3{font-size:1rem;margin:1.4em 0 .2em}p{margin:.5em 0}
.soft{color:var(--soft)}
#drop{display:block;margin:1.5rem 0 1rem;padding:1.6rem 1.2rem;text-align:center;background:var(--card);border:2px dashed var(--line);border-radius:.8rem}
#drop.over{border-color:var(--mark)}
.pick{position:relative;display:inline-block;margin:.4rem .3rem 0;padding:.55rem 1.1rem;border:1px solid var(--mark);border-radius:.5rem;color:var(--mark);cursor:pointer}
.pick input{position:absolute;inset:0;width:100%;opacity:0;cursor:pointer}
.policy{margin-top:1rem}.pick:focus-within,#vkey:focus-visible,#policy:focus-visible,summary:focus-visible,#verdict:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
summary{cursor:pointer;color:var(--mark)}label.key{display:block;margin:1rem 0 .3rem}
#vkey,#policy{width:100%;padding:.6rem .7rem;font:.86em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
#verdict{margin-top:1.6rem;padding:1.2rem 1.3rem;background:var(--card);border:1px solid var(--line);border-left:.5rem solid var(--soft);border-radius:.6rem}
#verdict.good{border-left-color:var(--good)}#verdict.good h2{color:var(--good)}
#verdict.bad{border-left-color:var(--bad)}#verdict.bad h2{color:var(--bad)}
#verdict.half{border-left-color:var(--half)}#verdict.half h2,.warning{color:var(--half)}
dl{margin:.6em 0}dl>div{display:flex;gap:.3rem 1rem;flex-wrap:wrap;padding:.3rem 0;border-bottom:1px solid var(--line)}
dt{flex:0 0 9rem;color:var(--soft)}dd{flex:1 1 12rem;margin:0;font-weight:600}.figures dt{flex:1 1 9rem;max-width:16rem}.figures dd{flex:0 0 auto;font-variant-numeric:tabular-nums}
ul{margin:.3em 0;padding-left:1.2em}progress{width:100%}
`;

const body = `<main>
<h1>Check a minute book</h1>
<p>Drop an evidence bundle here (its directory, its files or its tar), a receipt (<code>.tlog-proof</code>) or a promise (<code>.tlog-promise</code>; with a bundle or a receipt it is said whether it was kept), a stream proof (<code>.minutebook-stream</code>) or a fork in writing. All is checked on this device: the page has no access to any network.</p>
<p id="ready" class="warning">This page needs JavaScript, and a browser of 2023 or later.</p>
<div id="drop">
<p>Drop files here, or choose</p>
<span class="pick"><input id="files" type="file" multiple aria-label="Choose files"><span aria-hidden="true">files</span></span>
<span class="pick"><input id="folder" type="file" webkitdirectory aria-label="Choose a directory"><span aria-hidden="true">a directory</span></span>
</div>
<label class="key" for="vkey">The log’s key</label>
<input id="vkey" autocomplete="off" spellcheck="false" placeholder="minutes.example.org/log+f3b3ae86+AQ…" aria-describedby="about-key">
<p id="about-key" class="soft">From somewhere else than the files: a letter, a printed minute, a friend’s note. Without it a bundle is checked against the key that it names itself.</p>
<details class="policy"><summary>Whose cosignatures are asked for</summary>
<label class="key" for="policy">A policy of cosigners</label>
<textarea id="policy" rows="5" autocomplete="off" spellcheck="false" placeholder="witness one cosigner.example+…&#10;quorum one" aria-describedby="about-policy"></textarea>
<span class="pick"><input id="policy-file" type="file" aria-label="Choose the file of a policy"><span aria-hidden="true">from a file</span></span>
<p id="about-policy" class="soft">Lines <code>witness</code>, <code>group</code> and <code>quorum</code> (C2SP tlog-policy). Yours, or from somebody other than the log. What stands below its quorum does not verify; without a policy nobody’s word is asked for.</p></details>
<section id="verdict" tabindex="-1" aria-live="polite" aria-label="Verdict" hidden></section>
</main>`;

/** `hashOf` answers the base64 SHA-256 of a text, by which the policy knows the page's own script and style. */
export function verifierPage(script: string, hashOf: (text: string) => string): string {
  if (/<\/script|<!--/i.test(script)) throw new Error("the script would end its own element");
  const policy = `default-src 'none'; script-src 'sha256-${hashOf(script)}'; style-src 'sha256-${hashOf(style)}'; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<!-- GENERATED by \`npm run generate\` from domain/log and read-api/explorer/verifier. -->
<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Check a minute book</title><link rel="icon" href="data:,"><style>${style}</style></head>
<body>${body}<script type="module">${script}</script></body>
</html>
`;
}

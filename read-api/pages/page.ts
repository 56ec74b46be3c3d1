/** The frame of every page: nothing from elsewhere, no script but one of ours, light and dark. */
export const escaped = (text: string) =>
  text.replace(/[&<>"']/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[sign]!);

const style = `
:root{color-scheme:light dark;--paper:light-dark(#fbf9f4,#161512);--ink:light-dark(#23201a,#ece7db);--soft:light-dark(#6b6455,#a39b88);
--line:light-dark(#e2dccd,#34312a);--card:light-dark(#fffdf8,#1e1c18);--mark:light-dark(#7a3b12,#e0a070);--good:light-dark(#2e6b3a,#84c88f);--bad:light-dark(#a32020,#f08c84)}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.55 ui-serif,Charter,Georgia,"Times New Roman",serif}
main{max-width:60rem;margin:0 auto;padding:clamp(1.5rem,5vw,4rem) clamp(1rem,4vw,2rem)}
h1{font-size:clamp(2rem,6vw,3.2rem);line-height:1.1;margin:.2em 0;font-weight:600;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.5rem 0 .75rem;font-weight:600}a{color:var(--mark);text-underline-offset:.2em}
p{max-width:42rem}.soft,small{color:var(--soft)}code,pre,td,dd{font-variant-numeric:tabular-nums}code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.86em;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:1px;background:var(--line);border:1px solid var(--line);border-radius:.6rem;overflow:hidden;margin:2rem 0}
.figures div{background:var(--card);padding:1rem 1.2rem}.figures b{display:block;font-size:1.7rem;font-weight:600;font-variant-numeric:tabular-nums}
.links{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.8rem;padding:0;list-style:none}
.links a{display:block;height:100%;padding:1rem 1.2rem;background:var(--card);border:1px solid var(--line);border-radius:.6rem;text-decoration:none;color:inherit}
.links a:hover,.links a:focus-visible{border-color:var(--mark)}.links b{display:block;color:var(--mark)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:500}
.running{color:var(--good)}.stopped,.paused{color:var(--bad)}`;

type More = {
  /** Where its scripts are served. */
  readonly scripts?: readonly string[];
  readonly style?: string;
  /** HTML before and behind what the page is about. */
  readonly header?: string;
  readonly footer?: string;
};

/** `title` is text; `body` is HTML whose texts are escaped. */
export const page = (
  title: string,
  body: string,
  { scripts = [], style: more = "", header = "", footer = "" }: More = {},
) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(title)}</title><link rel="icon" href="data:,"><style>${style}${more}</style>${scripts
  .map((path) => `<script type="module" src="${path}"></script>`)
  .join("")}</head>
<body>${header}<main id="content">${body}</main>${footer}</body></html>
`;

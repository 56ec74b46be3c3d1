/** The page at `/`: what this instance is, how far it has come, and where to go on. */
import { projectionsStatus } from "../../projections/as-of.ts";
import type { Checkpoint } from "../../projections/builds.ts";
import { community } from "../../projections/membership-reads.ts";
import type { ReadDeps } from "../deps.ts";
import { escaped, page } from "../pages/page.ts";

const links = [
  ["/graphql", "Ask the rows", "GraphQL, with its schema and a place to try it"],
  ["/reference", "Send commands", "Every command, its input, its rules"],
  ["/problems", "What can go wrong", "Every code that an answer may carry"],
  ["/schemas", "What is recorded", "The events, as JSON Schema"],
  ["/events", "Read the log", "Every entry, proven in your browser"],
  ["/checkpoints", "Compare checkpoints", "What was signed when, and that it only grew"],
  ["/log/checkpoint", "Check the log", "The signed size and root of the log"],
  ["/verifier.html", "Verify without us", "A page to keep: it checks bundles and receipts offline"],
  ["/asyncapi.json", "Listen", "Live updates over server-sent events"],
  ["/deliveries", "See who is told", "Webhooks, their deliveries and what came back"],
] as const;

const number = (count: number) => count.toLocaleString("en-GB");

export async function startPage(deps: ReadDeps): Promise<string> {
  const [founded, status, head, checkpoint] = await Promise.all([
    community(deps.database),
    projectionsStatus(deps.database),
    deps.log.head(),
    deps.checkpoint(),
  ]);
  const live = status.filter((each) => each.live);
  const size = head?.size ?? live.find(({ projection }) => projection === "log-tree")?.size ?? 0;
  const name = founded?.name ?? "Minutebook";
  return page(
    name,
    `<p class="soft">${founded ? "The minute book of" : "No community has been founded yet."}</p>
<h1>${escaped(name)}</h1>
<p>Every decision is an entry of an append-only log that anybody can check: nothing was changed, dropped, inserted or reordered.</p>
<div class="figures">
<div><b>${number(size)}</b>entries in the log</div>
<div><b>${checkpoint ? number(checkpoint.size) : "–"}</b>${checkpoint ? "of them signed" : "nothing is signed yet"}</div>
<div><b>${number(live.filter(({ status }) => status === "running").length)} of ${number(live.length)}</b>projections running</div>
</div>
<ul class="links">${links.map(([path, title, about]) => `<li><a href="${path}"><b>${title}</b>${about}</a></li>`).join("")}</ul>
<h2>Rows</h2>
<div class="wide"><table><thead><tr><th>projection</th><th>entries taken in</th><th>status</th></tr></thead>
<tbody>${status.map(row).join("")}</tbody></table></div>
<h2>This log</h2>
<p><code>${escaped(deps.origin)}</code></p>
${checkpoint ? `<pre class="wide">${escaped(checkpoint.note)}</pre>` : ""}
${founded ? `<p class="soft">Founded ${escaped(founded.founded_at.slice(0, 10))}.</p>` : ""}`,
  );
}

const row = ({ projection, size, status, reason, live }: Checkpoint) =>
  `<tr><td>${escaped(projection)}${live ? "" : " (new)"}</td><td>${number(size)}</td><td class="${status}">${status}${
    reason === null ? "" : `: ${escaped(reason)}`
  }</td></tr>`;

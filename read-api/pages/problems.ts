/** A page for every code that an answer may carry. */
import { problemPath, problems } from "../../domain/problem.ts";
import type { DescribedCommand, ReadDeps } from "../deps.ts";
import { escaped, page } from "./page.ts";

export type Explained = {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  /** The commands that a rule of this code refuses; none where the code is everybody's. */
  readonly commands: readonly string[];
};

/** The rules of commands that people may send, and of those that the machine sends for them. */
export function explainedProblems(commands: readonly DescribedCommand[]): ReadonlyMap<string, Explained> {
  const all = new Map<string, Explained>(
    Object.entries(problems).map(([code, [status, title]]) => [code, { code, status, title, commands: [] }]),
  );
  for (const { name, decider } of commands)
    for (const [code, title] of Object.entries(decider.rules)) {
      const known = all.get(code);
      all.set(code, { code, status: known?.status ?? 409, title: known?.title ?? title, commands: [...(known?.commands ?? []), name] });
    }
  return all;
}

export const problemOfPath = (commands: readonly DescribedCommand[], path: string): Explained | undefined =>
  [...explainedProblems(commands).values()].find(({ code }) => problemPath(code) === path);

export function problemPage({ code, status, title, commands }: Explained): string {
  const again = status === 503 || status === 429 ? "The same request, with the same key, may be sent again: Retry-After says when." : "";
  const after = status === 409 ? "It was refused by a rule and nothing was recorded. It may be sent again after things have changed." : "";
  const named = commands.map((name) => `<code>${escaped(name)}</code>`).join(", ");
  return page(
    code,
    `<p class="soft">Problem, HTTP ${status}</p><h1>${escaped(code)}</h1><p>${escaped(title)}</p><p>${again}${after}</p>
${named ? `<p class="soft">A rule of ${named}.</p>` : ""}<p><a href="/problems">All problems</a> · <a href="/">Start</a></p>`,
  );
}

export const problemsPage = ({ commands }: ReadDeps): string =>
  page(
    "Problems",
    `<h1>Problems</h1><p>Every refusal is <code>application/problem+json</code> (RFC 9457) with one of these codes; GraphQL carries them as <code>extensions.code</code>.</p>
<div class="wide"><table><tbody>${[...explainedProblems(commands).values()]
      .map(
        ({ code, status, title }) =>
          `<tr><td>${status}</td><td><a href="${problemPath(code)}"><code>${code}</code></a></td><td>${escaped(title)}</td></tr>`,
      )
      .join("")}</tbody></table></div>`,
  );

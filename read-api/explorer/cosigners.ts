/** Cosigners, and what their word amounts to: their ages here, and for a script the policy and the note to count it again. */
import { formatPolicy, type Policy } from "../../domain/log/signed/policy.ts";
import type { Published } from "../../projections/checkpoints.ts";
import { lastCosignature } from "../../projections/cosignatures.ts";
import type { ReadDeps } from "../deps.ts";
import { escaped } from "../pages/page.ts";
import { ago, counted } from "./frame.ts";

/** The end of the year 9999: a cosigner may claim any time. */
const latestSeconds = 253_402_300_799;
export const timeOf = (seconds: number) => new Date(Math.min(seconds, latestSeconds) * 1_000).toISOString();

const nobodys = `<p class="soft">No cosigner is configured here: every checkpoint is signed by the log alone.</p>`;

export async function cosignersShown({ database, policy }: ReadDeps, shown: Published | undefined): Promise<string> {
  if (!policy || policy.cosigners.length === 0) return nobodys;
  const words = await Promise.all(policy.cosigners.map(({ vkey }) => lastCosignature(database.query, vkey)));
  const rows = policy.cosigners.map(({ name, key }, n) => {
    const word = words[n];
    const said = word ? `${ago(timeOf(word.time))}, to ${counted(word.size, "entry", "entries")}` : "never";
    return `<tr data-cosigned="${escaped(name)}"><td>${escaped(name)}<br><small>${escaped(key.name)}</small></td><td>${said}</td><td data-newest><span class="badge">not checked</span></td></tr>`;
  });
  return `<div id="cosigners" data-note="${escaped(shown?.note ?? "")}"><p><b data-quorum>Not counted yet.</b></p>
<div class="wide"><table><thead><tr><th scope="col">cosigner</th><th scope="col">its last word</th><th scope="col">on the newest shown</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>
${policyShown(policy)}</div>`;
}

const policyShown = (policy: Policy) =>
  `<details class="soft"><summary>Whose word is enough</summary><p>The instance’s own policy. Ask for the word of cosigners whom you know yourself: a log that names its own proves nothing with them.</p><pre data-policy>${escaped(formatPolicy(policy))}</pre></details>`;

import type { Json } from "../domain/log/canonical-json.ts";
import type { Accepted } from "../commands/answer.ts";
import { commandNamed, found } from "./founding.ts";
import { committedStates } from "../domain/state.ts";
import { commands } from "./commands.ts";
import type { Instance } from "./instance.ts";
import { rowsAtHead } from "./instance/rows.ts";
import { commitState } from "./processes/state.ts";
import { projections } from "./projections.ts";

export type DemoMember = { readonly handle: string; readonly role: string; readonly memberId: string };

const openDays = 7;
const decidedMs = 2_000;
const lookMs = 20;

/**
 * Three members, one adopted proposal, one open for seven days: through the same commands as everybody's, with fixed keys, so that it is made once
 * and a start that was cut off is finished by the next. Undefined where another community was founded.
 */
export async function demoCommunity(instance: Instance): Promise<readonly DemoMember[] | undefined> {
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) return undefined;
  const ana = founded.memberId;
  const others = [];
  for (const handle of ["ben", "cem"]) {
    const { created } = await ask(instance, ana, "AdmitMember", `admit-${handle}`, {
      handle,
      displayName: `${handle[0]!.toUpperCase()}${handle.slice(1)} of the well`,
    });
    others.push({ handle, role: "member", memberId: created["memberId"]! });
  }
  await adoptedProposal(
    instance,
    ana,
    others.map(({ memberId }) => memberId),
  );
  await openProposal(instance, ana, others[0]!.memberId);
  await commitFirstState(instance);
  return [{ handle: "ana", role: "admin", memberId: ana }, ...others];
}

async function adoptedProposal(instance: Instance, ana: string, others: readonly string[]) {
  const { created } = await ask(instance, ana, "DraftProposal", "draft-roof", {
    title: "Repair the roof of the well house",
    body: "Before winter, by the carpenters of the village, for at most 1,200.00.",
    tags: ["building"],
    ruleset: { quorum: { num: 1, den: 2, base: "eligibleCount", counts: "cast" } },
  });
  const { proposalId } = created as { proposalId: string };
  await ask(instance, ana, "OpenVoting", "open-roof", { proposalId, closesAt: await sevenDaysOn(instance, proposalId) });
  for (const [member, choice] of [
    [ana, "for"],
    [others[0]!, "for"],
    [others[1]!, "abstain"],
  ] as const)
    await ask(instance, member, "CastBallot", `cast-roof-${choice}`, { proposalId, choice });
  await ask(instance, ana, "CloseVoting", "close-roof", { proposalId });
  await untilDecided(instance, proposalId);
}

/** A policy decides, of this process or another one; without any the demo goes on all the same. */
async function untilDecided({ log, ambient }: Instance, proposalId: string): Promise<void> {
  for (let left = decidedMs; left > 0; left -= lookMs) {
    const events = await log.read(`proposal-${proposalId}`);
    if (events.some(({ entry }) => entry.type === "ProposalAdopted")) return;
    await ambient.wait(lookMs);
  }
}

async function openProposal(instance: Instance, ana: string, ben: string) {
  const { created } = await ask(instance, ben, "DraftProposal", "draft-market", {
    title: "Open the well on market days",
    body: "Every second Saturday, from eight to noon.",
    tags: ["opening-hours"],
  });
  const { proposalId } = created as { proposalId: string };
  await ask(instance, ana, "OpenVoting", "open-market", { proposalId, closesAt: await sevenDaysOn(instance, proposalId) });
  await ask(instance, ben, "CastBallot", "cast-market", { proposalId, choice: "for" });
}

/** So that streams can be shown to be whole from the first day on. */
async function commitFirstState({ log, database, handler, ambient }: Instance): Promise<void> {
  if ((await log.read(committedStates.name)).length > 0) return;
  await rowsAtHead({ log, database, ambient });
  await commitState({ log, database, projections, handler, commands });
}

/** Counted from the draft's own time: the same again when the demo is made again. */
async function sevenDaysOn({ log }: Instance, proposalId: string): Promise<string> {
  const [drafted] = await log.read(`proposal-${proposalId}`);
  return new Date(Date.parse(drafted!.entry.at) + openDays * 86_400_000).toISOString();
}

async function ask({ handler }: Instance, memberId: string, command: string, key: string, input: Json): Promise<Accepted> {
  const answer = await handler.handle({
    command: commandNamed(command),
    caller: { kind: "member", id: memberId },
    key: `demo-community/${key}`,
    input,
  });
  if (answer.kind === "refused") throw new Error(`the demo community could not be made: ${command}: ${answer.problem.detail}`);
  return answer;
}

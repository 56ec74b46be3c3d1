/** One vote on its way, from a command to a proof. */
import { canonical } from "../../domain/log/canonical-json.ts";
import { openKeys } from "../../domain/log/verify/keys/log-keys.ts";
import { verifyReceipt } from "../../domain/log/verify.ts";
import { roles } from "../../projections/membership-reads.ts";
import { memberNamed } from "../cli/token.ts";
import { verifyEd25519 } from "../crypto.ts";
import { demoCommunity } from "../demo-community.ts";
import type { Instance } from "../instance.ts";
import { rowsAt } from "../instance/rows.ts";
import { ask, command, type Demo, got, measuring, type Send, StepFailed, type Wait } from "./walk.ts";

const dayMs = 86_400_000;

type Polled = { title: string; state: string; turnout: { counts: readonly { choice: string; ballots: number }[] } };

/** Command, event, row, query, proof: what a step shows is asked of the one before it. Throws `StepFailed`. */
export const vote: Demo = async (stage) => {
  const { instance, send } = stage;
  const { identity, ambient, vkey } = instance;
  const { admin, voter } = await actors(instance);
  const as = async (memberId: string) => ({ authorization: `Bearer ${await identity.issue(memberId)}` });
  const [ofAdmin, ofVoter] = [await as(admin), await as(voter)];
  const measured = measuring(stage);

  const closesAt = new Date(Date.parse(ambient.now()) + dayMs).toISOString();
  const { proposalId } = await measured(
    "proposal",
    async () => {
      const drafted = await command(send, "proposal", "draft-proposal", ofVoter, {
        title: "Plant a tree beside the well",
        body: "A demo: drafted, opened and voted on to be watched.",
        tags: ["demo"],
      });
      await command(send, "proposal", "open-voting", ofAdmin, { proposalId: drafted.proposalId!, closesAt });
      return { proposalId: drafted.proposalId! };
    },
    () => "drafted and opened, until tomorrow",
  );
  const cast = await measured(
    "command",
    () => command(send, "command", "cast-ballot", ofVoter, { proposalId, choice: "for" }),
    ({ status, position }) => `POST /commands/cast-ballot  ${status}  position ${position.replace(/^0+(?=\d)/, "")}`,
  );
  const [ballot] = cast.events;
  const event = await measured(
    "event",
    async () =>
      JSON.parse(await got(send, "event", `/log/events/${ballot!.id}`, ambient.wait, ofVoter)) as { entry: string; leafIndex: number },
    ({ leafIndex }) => `${ballot!.type} ${ballot!.id}, leaf ${leafIndex}, sha256 ${ballot!.hash.slice(0, 12)}…`,
  );
  const row = await measured(
    "row",
    () =>
      ask<{ myBallot: { id: string; choice: string } | null }>(
        send,
        "row",
        { ...ofVoter, "x-read-position": cast.position },
        "query ($id: ID!) { myBallot(proposalId: $id) { id choice } }",
        { id: proposalId },
      ),
    ({ myBallot }) => `the ballot is in its table: ${myBallot?.choice ?? "missing"}`,
  );
  if (row.myBallot?.id !== ballot!.id)
    throw new StepFailed("row", `the row shows ${row.myBallot?.id ?? "no ballot"}, not the event ${ballot!.id}`);
  await measured(
    "query",
    () =>
      ask<{ proposal: Polled }>(
        send,
        "query",
        {},
        "query ($id: ID!) { proposal(id: $id) { title state turnout { counts { choice ballots } } } }",
        {
          id: proposalId,
        },
      ),
    ({ proposal }) =>
      `"${proposal.title}" is ${proposal.state}: ${proposal.turnout.counts.map(({ choice, ballots }) => `${choice} ${ballots}`).join(", ")}`,
  );
  await measured(
    "proof",
    () => proof(send, ballot!.id, event.entry, vkey, ambient.wait),
    ({ leafIndex, size }) => `leaf ${leafIndex} stands in the signed checkpoint of ${size} entries: inclusion and signature verified`,
  );
};

/** Of the demo community, which is made where no community was founded; of any other its first admin alone. */
export async function actors(instance: Instance): Promise<{ readonly admin: string; readonly voter: string }> {
  const { log, database, ambient } = instance;
  if ((await log.read("community")).length === 0) await demoCommunity(instance);
  await rowsAt(database, ambient, "membership")((await log.head())!.position);
  const { rows } = await roles(database, { first: 1 }, { role: "admin", scope: "community", at: ambient.now() });
  const admin = rows[0]?.member_id;
  if (admin === undefined) throw new StepFailed("proposal", "the community has no admin: finish founding it");
  return { admin, voter: (await memberNamed(instance, "ben")) ?? admin };
}

/** The receipt, checked by the verifier, which shares nothing with what wrote it, and the checkpoint that is served. */
async function proof(send: Send, eventId: string, entry: string, vkey: string, wait: Wait) {
  const receipt = await got(send, "proof", `/log/proofs/${eventId}`, wait);
  const checkpointNow = await got(send, "proof", "/log/checkpoint", wait);
  // Order: asked for last, so that they are not older than what they signed.
  const keys = await openKeys(await got(send, "proof", "/log/keys", wait), { verify: verifyEd25519 });
  const result = await verifyReceipt(receipt, { vkey, keys, verify: verifyEd25519 });
  if (result.exit !== 0) throw new StepFailed("proof", `the receipt does not verify: ${result.problem.reason}`);
  const { index, checkpoint, entry: proven } = result.receipt;
  if (canonical(proven) !== entry) throw new StepFailed("proof", "the receipt is of another entry");
  const served = await keys
    .openCheckpoint(checkpointNow, vkey, verifyEd25519)
    .catch((error: Error) => Promise.reject(new StepFailed("proof", `the served checkpoint does not verify: ${error.message}`)));
  if (served.size < checkpoint.size) throw new StepFailed("proof", "the served checkpoint is older than the receipt's");
  return { leafIndex: index, size: checkpoint.size };
}

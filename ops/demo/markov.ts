/** Work, its proof and a vouch, all the way to the reputation engine: all three types of its contract, each delivery waited for. */
import { NotThere } from "../terminal.ts";
import { photo } from "./photo.ts";
import { actors } from "./vote.ts";
import { ask, command, type Demo, lookMs, measuring, patienceMs, type Stage, type Step, StepFailed } from "./walk.ts";

/** Long enough for the whole of the contract's schedule, and for a receiver that asks for half a minute. */
const deliveryPatienceMs = 60_000;
const watchMs = 5;
const site = { lat: "-7.7956", lon: "110.3695" };

type Reputation = { score: number | null; tier: string | null; status: string; reason: string | null };
type Headers = Record<string, string>;
type Community = { readonly worker: string; readonly ofAdmin: Headers; readonly ofWorker: Headers; readonly ofNeighbour: Headers };
/** Watches from now on for what becomes of the delivery of an event. */
type Watch = (says: string, eventId: string) => void;

export const markov: Demo = async (stage) => {
  const webhookId = await webhookTo(stage);
  const watched: Promise<Step>[] = [];
  const watch: Watch = (says, eventId) => {
    const outcome = heard(stage, webhookId, says, eventId);
    // It is looked at in its turn, below.
    outcome.catch(() => {});
    watched.push(outcome);
  };
  const community = await members(stage);
  const contributionId = await contribution(stage, community, watch);
  const evidenceId = await proofs(stage, community, contributionId, watch);
  const position = await words(stage, community, evidenceId, watch);
  for (const outcome of watched) stage.told(await outcome);
  await reputationOf(stage, community, position);
};

/** Two new members each time: nobody vouches for the same skill twice, nor for more than ten in a month. */
async function members(stage: Stage): Promise<Community> {
  const { identity } = stage.instance;
  const as = async (memberId: string): Promise<Headers> => ({ authorization: `Bearer ${await identity.issue(memberId)}` });
  const { admin } = await actors(stage.instance);
  const ofAdmin = await as(admin);
  const admit = async (displayName: string) => (await command(stage.send, "members", "admit-member", ofAdmin, { displayName })).memberId!;
  const [worker, neighbour] = await measuring(stage)(
    "members",
    async () => [await admit("Wati of the well"), await admit("Joko of the well")] as const,
    () => "one who works, and a neighbour who sees it",
  );
  return { worker, ofAdmin, ofWorker: await as(worker), ofNeighbour: await as(neighbour) };
}

async function contribution(stage: Stage, community: Community, watch: Watch): Promise<string> {
  const { contributionId, eventId } = await measuring(stage)(
    "work",
    () => startedWork(stage, community),
    () => "a task written, published, claimed and started: a contribution",
  );
  watch("work", eventId);
  return contributionId;
}

/** A photo and a track; answers the id of the photo's evidence. */
async function proofs(stage: Stage, { ofWorker }: Community, contributionId: string, watch: Watch): Promise<string> {
  const { ambient } = stage.instance;
  const measured = measuring(stage);
  const given = async (step: string, says: string, input: object) => {
    const submission = { contributionId, claimedAt: ambient.now(), ...input };
    const answer = await measured(
      step,
      () => command(stage.send, step, "submit-evidence", ofWorker, submission),
      () => says,
    );
    watch(step, answer.events[0]!.id);
    return answer.evidenceId!;
  };
  const { sha256 } = await measured(
    "upload",
    () => uploaded(stage, ofWorker),
    (media) => `a photo of ${media.bytes.toLocaleString("en")} bytes, sha256 ${media.sha256.slice(0, 12)}…`,
  );
  const evidenceId = await given("photo", "given as evidence, by the rules POR-1", { kind: "photo", media: sha256 });
  await given("place", "a track of three points at the well", { kind: "gpsTrack", ...walked(ambient.now()) });
  return evidenceId;
}

/** What the neighbour says; answers the position of the last word. */
async function words(stage: Stage, { worker, ofNeighbour }: Community, evidenceId: string, watch: Watch): Promise<string> {
  const said = async (step: string, says: string, path: string, input: object) => {
    const answer = await measuring(stage)(
      step,
      () => command(stage.send, step, path, ofNeighbour, input),
      () => says,
    );
    watch(step, answer.events[0]!.id);
    return answer.position;
  };
  await said("witness", "the neighbour attests to the photo", "attest-evidence", { evidenceId, relationship: "peer" });
  const vouch = { vouchee: worker, skill: "plumbing", weight: "strong", message: "The pump runs like new." };
  return said("vouch", "the neighbour vouches for the skill", "give-vouch", vouch);
}

/** The webhook that the instance keeps for Markov. It registers one at its start where it is configured to. */
async function webhookTo({ instance, config }: Stage): Promise<string> {
  const find = async () => {
    const [found] = await instance.database.query<{ webhook_id: string }>(
      "select webhook_id from webhook.subscription where profile = 'markov' and status = 'active' order by from_leaf desc limit 1",
    );
    return found?.webhook_id;
  };
  const giveUpAt = performance.now() + (config.markovUrl === undefined ? 0 : patienceMs);
  for (;;) {
    const webhookId = await find();
    if (webhookId !== undefined) return webhookId;
    if (performance.now() > giveUpAt) break;
    await instance.ambient.wait(lookMs);
  }
  throw new NotThere(
    config.markovUrl !== undefined && instance.attached.running
      ? "the instance that runs tells nothing to Markov: stop it, and start it with MINUTEBOOK_MARKOV_URL and MINUTEBOOK_MARKOV_SECRET"
      : "no Markov is configured. Start a stand-in in another terminal with `npx minutebook dev markov`, then this instance with the two settings that it prints",
  );
}

async function startedWork({ instance, send }: Stage, { ofAdmin, ofWorker }: Community) {
  const { taskId } = await command(send, "work", "create-task", ofAdmin, {
    title: "Repair the pump of the well",
    body: "Take it apart, find the leak, put in a new gasket.",
    kind: "communityService",
    skills: ["plumbing"],
    difficulty: "intermediate",
    site: { ...site, radiusMeters: 200 },
    required: [{ kind: "photo", count: 1 }],
  });
  await command(send, "work", "publish-task", ofAdmin, { taskId });
  await command(send, "work", "claim-task", ofWorker, { taskId });
  const contributionId = (await command(send, "work", "start-task", ofWorker, { taskId })).contributionId!;
  // Starting is what opens it: it stands before the answer.
  const [opened] = await instance.log.read(`contribution-${contributionId}`);
  if (!opened) throw new StepFailed("work", "the contribution was not opened");
  return { contributionId, eventId: opened.entry.id };
}

async function uploaded({ instance, send }: Stage, by: Headers): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const { status, text } = await send("POST", "/evidence", { ...by, "content-type": "image/png" }, photo(instance.ambient.random(16)));
  if (status !== 201) throw new StepFailed("upload", `POST /evidence answers ${status}: ${text}`);
  return JSON.parse(text);
}

/** Three points in the last two minutes, a few metres apart. */
function walked(now: string) {
  const point = (minutesAgo: number) => ({
    lat: site.lat,
    lon: `110.36${95 + minutesAgo}`,
    at: new Date(Date.parse(now) - minutesAgo * 60_000).toISOString(),
  });
  return { location: { ...site, accuracyMeters: 8 }, track: [point(2), point(1), point(0)] };
}

type Delivery = {
  readonly told_id: string;
  readonly seq: string;
  readonly state: string;
  readonly attempts: number;
  readonly status: number | null;
  readonly fault: string | null;
};

/** Waits until the delivery of an event has come to its end; throws `StepFailed` when that is none to be glad of. */
async function heard({ instance }: Stage, webhookId: string, says: string, eventId: string): Promise<Step> {
  const step = `→ ${says}`;
  const since = performance.now();
  for (;;) {
    const [delivery] = await instance.database.query<Delivery>(
      "select told_id, seq, state, attempts, status, fault from webhook.delivery where webhook_id = $1 and event_id = $2 and generation = 0",
      [webhookId, eventId],
    );
    const ms = performance.now() - since;
    if (delivery?.state === "delivered") {
      const { told_id, seq, attempts, status } = delivery;
      return {
        step,
        says: `${told_id}, seq ${seq}: ${status ?? "taken"}${attempts > 1 ? ` at attempt ${attempts}` : ""}`,
        ms,
        isGood: true,
      };
    }
    if (delivery?.state === "dead" || delivery?.state === "erased")
      throw new StepFailed(
        step,
        `given up at attempt ${delivery.attempts}: ${delivery.fault ?? delivery.state} ${delivery.status ?? ""}`.trimEnd(),
      );
    if (ms > deliveryPatienceMs) throw new StepFailed(step, waited(delivery));
    await instance.ambient.wait(watchMs);
  }
}

const waited = (delivery: Delivery | undefined) =>
  delivery
    ? `not delivered in ${deliveryPatienceMs / 1_000} s: attempt ${delivery.attempts}, ${delivery.fault ?? "under way"}; it is tried on`
    : "the event was not even queued: does a process run the deliverer?";

/** Read back through our own API, as anybody would see it. */
async function reputationOf(stage: Stage, { worker, ofNeighbour }: Community, position: string): Promise<void> {
  await measuring(stage)(
    "reputation",
    () =>
      ask<{ member: { reputation: Reputation | null } }>(
        stage.send,
        "reputation",
        { ...ofNeighbour, "x-read-position": position },
        "query ($id: ID!) { member(id: $id) { reputation { score tier ageMs status reason } } }",
        { id: worker },
      ),
    ({ member: { reputation } }) =>
      reputation === null
        ? "not read back: the instance knows no MINUTEBOOK_MARKOV_URL"
        : `read back: ${reputation.score ?? "no score"}, ${reputation.tier ?? "no tier"}, ${reputation.status}${reputation.reason ? ` (${reputation.reason})` : ""}`,
  );
}

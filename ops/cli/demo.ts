import { parseArgs } from "node:util";
import type { FastifyInstance } from "fastify";
import { canonical } from "../../domain/log/canonical-json.ts";
import { openCheckpoint } from "../../domain/log/checkpoint.ts";
import { parseVkey } from "../../domain/log/note.ts";
import { verifyReceipt } from "../../domain/log/verify.ts";
import { roles } from "../../projections/membership-reads.ts";
import { verifyEd25519 } from "../crypto.ts";
import { demoCommunity } from "../demo-community.ts";
import { openApi } from "../http/api.ts";
import type { Instance } from "../instance.ts";
import { rowsAt } from "../instance/rows.ts";
import { withInstance } from "../instance/for-command.ts";
import { bold, dim, exits, green, print, printJson, red, say, Usage } from "../terminal.ts";
import { memberNamed } from "./token.ts";

/** One vote on its way, each step measured; against the instance that runs, else in this process. Any number of times. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: { json: { type: "boolean" } } });
  if (positionals.length !== 1 || positionals[0] !== "vote") throw new Usage("there is one demo: demo vote");
  return withInstance(async (instance, config) => {
    if (config.production) {
      say("the demo needs tokens of the development issuer, which is refused in production");
      return exits.badConfiguration;
    }
    const url = instance.attached.running?.url;
    const app = url === undefined ? await openApi(instance, () => {}) : undefined;
    const steps: Step[] = [];
    const told = (step: Step) => {
      steps.push(step);
      if (!values.json) print(inWords(step));
    };
    try {
      if (!values.json) say(`\n  ${bold("One vote")}  ${dim(url ?? "in this process: no instance runs")}\n`);
      await vote(instance, app ? inProcess(app) : overHttp(url!), told);
      if (!values.json) say(`\n  To check everything:  npx minutebook verify\n`);
      return exits.done;
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      told({ step: error.step, says: error.message, ms: 0, isGood: false });
      return exits.failed;
    } finally {
      if (values.json) printJson(steps);
      await app?.close();
    }
  });
}

type Step = { readonly step: string; readonly says: string; readonly ms: number; readonly isGood: boolean };
class StepFailed extends Error {
  readonly step: string;
  constructor(step: string, message: string) {
    super(message);
    this.step = step;
  }
}

const inWords = ({ step, says, ms, isGood }: Step) =>
  `  ${isGood ? green("✔") : red("✘")} ${step.padEnd(10)} ${isGood ? `${says}  ${dim(`${ms.toFixed(ms < 10 ? 1 : 0)} ms`)}` : says}`;

type Answered = { readonly status: number; readonly text: string };
type Send = (method: "GET" | "POST", path: string, headers?: Record<string, string>, body?: object) => Promise<Answered>;

const asJson = { "content-type": "application/json" };

const overHttp =
  (url: string): Send =>
  async (method, path, headers = {}, body) => {
    const sent = body === undefined ? { method, headers } : { method, headers: { ...headers, ...asJson }, body: JSON.stringify(body) };
    const response = await fetch(`${url}${path}`, sent);
    return { status: response.status, text: await response.text() };
  };

const inProcess =
  (app: FastifyInstance): Send =>
  async (method, url, headers = {}, body) => {
    const { statusCode, payload } = await app.inject({
      method,
      url,
      headers: body === undefined ? headers : { ...headers, ...asJson },
      ...(body !== undefined && { payload: JSON.stringify(body) }),
    });
    return { status: statusCode, text: payload };
  };

type Wait = (ms: number) => Promise<void>;

const patienceMs = 5_000;
const lookMs = 25;
const dayMs = 86_400_000;

/** Command, event, row, query, proof: what a step shows is asked of the one before it. Throws `StepFailed`. */
async function vote(instance: Instance, send: Send, told: (step: Step) => void): Promise<void> {
  const { identity, ambient, vkey } = instance;
  const { admin, voter } = await actors(instance);
  const as = async (memberId: string) => ({ authorization: `Bearer ${await identity.issue(memberId)}` });
  const [ofAdmin, ofVoter] = [await as(admin), await as(voter)];
  const measured = async <T>(step: string, work: () => Promise<T>, says: (result: T) => string): Promise<T> => {
    const started = performance.now();
    const result = await work();
    told({ step, says: says(result), ms: performance.now() - started, isGood: true });
    return result;
  };

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
      ask(send, "row", { ...ofVoter, "x-read-position": cast.position }, "query ($id: ID!) { myBallot(proposalId: $id) { id choice } }", {
        id: proposalId,
      }),
    ({ myBallot }) => `the ballot is in its table: ${myBallot?.choice ?? "missing"}`,
  );
  if (row.myBallot?.id !== ballot!.id)
    throw new StepFailed("row", `the row shows ${row.myBallot?.id ?? "no ballot"}, not the event ${ballot!.id}`);
  await measured(
    "query",
    () =>
      ask(send, "query", {}, "query ($id: ID!) { proposal(id: $id) { title state turnout { counts { choice ballots } } } }", {
        id: proposalId,
      }),
    ({ proposal }) =>
      `"${proposal.title}" is ${proposal.state}: ${proposal.turnout.counts.map(({ choice, ballots }: any) => `${choice} ${ballots}`).join(", ")}`,
  );
  await measured(
    "proof",
    () => proof(send, ballot!.id, event.entry, vkey, ambient.wait),
    ({ leafIndex, size }) => `leaf ${leafIndex} stands in the signed checkpoint of ${size} entries: inclusion and signature verified`,
  );
}

/** Of the demo community, which is made where no community was founded; of any other its first admin alone. */
async function actors(instance: Instance): Promise<{ readonly admin: string; readonly voter: string }> {
  const { log, database, ambient } = instance;
  if ((await log.read("community")).length === 0) await demoCommunity(instance);
  await rowsAt(database, ambient, "membership")((await log.head())!.position);
  const { rows } = await roles(database, { first: 1 }, { role: "admin", scope: "community", at: ambient.now() });
  const admin = rows[0]?.member_id;
  if (admin === undefined) throw new StepFailed("proposal", "the community has no admin: finish founding it");
  return { admin, voter: (await memberNamed(instance, "ben")) ?? admin };
}

type Accepted = {
  readonly status: number;
  readonly position: string;
  readonly proposalId?: string;
  readonly events: readonly { readonly id: string; readonly type: string; readonly hash: string }[];
};

async function command(send: Send, step: string, path: string, headers: Record<string, string>, input: object): Promise<Accepted> {
  const { status, text } = await send("POST", `/commands/${path}`, headers, input);
  if (status !== 201) throw new StepFailed(step, `POST /commands/${path} answers ${status}: ${text}`);
  return { status, ...(JSON.parse(text) as Omit<Accepted, "status">) };
}

/** Rows follow the log by a moment and signatures by at most a second: what is not there yet is asked for again. */
async function got(send: Send, step: string, path: string, wait: Wait, headers: Record<string, string> = {}): Promise<string> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const { status, text } = await send("GET", path, headers);
    if (status === 200) return text;
    if (performance.now() > giveUpAt) throw new StepFailed(step, `GET ${path} answers ${status}: ${text}`);
    await wait(lookMs);
  }
}

async function ask(send: Send, step: string, headers: Record<string, string>, query: string, variables: object): Promise<any> {
  const { status, text } = await send("POST", "/graphql", headers, { query, variables });
  const { data, errors } = JSON.parse(text) as { data?: object; errors?: readonly { message: string }[] };
  if (status !== 200 || errors || !data) throw new StepFailed(step, `POST /graphql answers ${status}: ${errors?.[0]?.message ?? text}`);
  return data;
}

/** The receipt, checked by the verifier, which shares nothing with what wrote it, and the checkpoint that is served. */
async function proof(send: Send, eventId: string, entry: string, vkey: string, wait: Wait) {
  const result = await verifyReceipt(await got(send, "proof", `/log/proofs/${eventId}`, wait), { vkey, verify: verifyEd25519 });
  if (result.exit !== 0) throw new StepFailed("proof", `the receipt does not verify: ${result.problem.reason}`);
  const { index, checkpoint, entry: proven } = result.receipt;
  if (canonical(proven) !== entry) throw new StepFailed("proof", "the receipt is of another entry");
  const served = await openCheckpoint(await got(send, "proof", "/log/checkpoint", wait), parseVkey(vkey), verifyEd25519).catch(
    (error: Error) => Promise.reject(new StepFailed("proof", `the served checkpoint does not verify: ${error.message}`)),
  );
  if (served.size < checkpoint.size) throw new StepFailed("proof", "the served checkpoint is older than the receipt's");
  return { leafIndex: index, size: checkpoint.size };
}

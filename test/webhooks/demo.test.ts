/** The whole way, from commands to the engine: `minutebook demo markov`, as somebody types it. */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readMisbehaviour } from "../../ops/markov/misbehaviour.ts";
import { startStandIn, type StandIn } from "../../ops/markov/stand-in.ts";
import { guardedHome } from "../support/postgres.ts";

const main = join(import.meta.dirname, "../../ops/main.ts");
const secret = randomBytes(32).toString("hex");

let home: string;
let discard: () => Promise<void>;
let standIn: StandIn;

beforeAll(async () => {
  ({ home, discard } = await guardedHome());
  standIn = await startStandIn({ secrets: [secret] });
});
afterAll(async () => {
  await standIn.close();
  await discard();
});

type Step = { readonly step: string; readonly says: string; readonly ms: number; readonly isGood: boolean };

function demo(env: NodeJS.ProcessEnv): Promise<{ readonly status: number; readonly steps: readonly Step[]; readonly said: string }> {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("MINUTEBOOK_"));
  const all = { ...Object.fromEntries(others), ...env, MINUTEBOOK_HOME: home };
  return new Promise((resolve) =>
    execFile(process.execPath, [main, "demo", "markov", "--json"], { env: all }, (error, out, said) =>
      resolve({ status: Number(error?.code ?? 0), steps: out === "" ? [] : JSON.parse(out), said }),
    ),
  );
}

const configured = () => ({ MINUTEBOOK_MARKOV_URL: standIn.url, MINUTEBOOK_MARKOV_SECRET: secret, MINUTEBOOK_MARKOV_TOKEN: "a-token" });
const told = ["→ work", "→ photo", "→ place", "→ witness", "→ vouch"];

it("says how to start a stand-in where none is configured", async () => {
  const { status, said } = await demo({});
  expect({ status, said }).toEqual({ status: 4, said: expect.stringContaining("npx minutebook dev markov") });
});

it("tells all three types, each once, signed and in order, and reads the reputation back", async () => {
  const { status, steps, said } = await demo(configured());
  expect({ status, said }).toEqual({ status: 0, said: "" });
  expect(steps.map(({ step }) => step)).toEqual(["members", "work", "upload", "photo", "place", "witness", "vouch", ...told, "reputation"]);
  expect(steps.every(({ isGood }) => isGood)).toBe(true);
  const events = [...standIn.taken.values()].map(({ event }) => event);
  expect(events.map(({ event_type, subject }) => subject.evidence_type ?? event_type).sort()).toEqual([
    "contribution_created",
    "gps_verification",
    "photo_with_timestamp",
    "vouch_submitted",
    "witness_attestation",
  ]);
  const [contribution, ...evidence] = events.filter(({ event_type }) => event_type !== "vouch_submitted");
  for (const { subject, proof } of evidence) {
    expect(subject.contribution_id).toBe(contribution!.subject.metadata!.contribution_id);
    expect(Date.parse(String(proof!.timestamp))).toBeLessThanOrEqual(Date.now());
  }
  expect(evidence.map(({ subject }) => subject.evidence_type)).toEqual(["photo_with_timestamp", "gps_verification", "witness_attestation"]);
  expect(standIn.came.map(({ outcome }) => outcome)).toEqual([200, 200, 200, 200, 200]);
  for (const { headers, eventId } of standIn.came) {
    expect(headers["x-request-id"]).toBe(standIn.taken.get(eventId!)!.event.request_id);
    expect(headers["webhook-id"]).toBe(eventId);
    expect(headers["user-agent"]).toBe("GotongRoyong/1.0");
  }
  expect(standIn.came.map(({ headers }) => Number(headers["webhook-seq"])).sort()).toEqual([1, 2, 3, 4, 5]);
  expect(steps.at(-1)!.says).toBe("read back: 125, contributor, fresh");
});

it("tells them to a receiver that answers 500 to every third event, takes one without saying so, and resets another", async () => {
  const before = standIn.taken.size;
  const cameBefore = standIn.came.length;
  standIn.misbehave(...["reset-after-head:1", "reset:1", "error-every-third"].map((text) => readMisbehaviour(text)!));
  const { status, steps } = await demo(configured());
  expect({ status, bad: steps.filter(({ isGood }) => !isGood) }).toEqual({ status: 0, bad: [] });
  expect(standIn.taken.size).toBe(before + 5);
  expect([...standIn.conflicts, ...standIn.orphans]).toEqual([]);
  const came = standIn.came.slice(cameBefore);
  expect(came.filter(({ outcome }) => outcome === "reset" || outcome === "error-every-third").length).toBeGreaterThanOrEqual(2);
  const again = Map.groupBy(came, ({ eventId }) => eventId!);
  expect(again.size).toBe(5);
  for (const attempts of again.values()) {
    expect(new Set(attempts.map(({ headers }) => headers["x-request-id"])).size).toBe(1);
    expect(new Set(attempts.map(({ headers }) => headers["x-gr-signature"])).size).toBe(1);
  }
  const bodies = [...standIn.taken.values()].map(({ text }) => createHash("sha256").update(text).digest("hex"));
  expect(new Set(bodies).size).toBe(before + 5);
});

it("says what became of an event that the receiver will not have", async () => {
  standIn.misbehave(readMisbehaviour("unauthorized:1")!);
  const { status, steps } = await demo(configured());
  expect(status).toBe(1);
  expect(steps.at(-1)).toMatchObject({ step: "→ work", says: "given up at attempt 1: unauthorized 401", isGood: false });
});

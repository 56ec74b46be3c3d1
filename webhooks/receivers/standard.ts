/** Standard Webhooks 1.0.0 for everybody: any event, as far as a guest may see it, with its place in the record. */
import { canonical, type Json } from "../../domain/log/canonical-json.ts";
import { writeEntry } from "../../domain/log/entry.ts";
import { b64u, utf8 } from "../../domain/log/hash.ts";
import { contextOf } from "../../event-schemas/catalogue.ts";
import type { Profile, Rendering, Settings, Tellable } from "../profile.ts";
import { type SignWithSeed, standardHeader, tellingHeaders } from "../signature.ts";
import { faultOf } from "./answers.ts";
import { toldId } from "../tellable.ts";

/** `BallotCast` → `voting.ballot_cast` */
function typeOf(type: string): string {
  const known = types.get(type);
  if (known !== undefined) return known;
  const words = type.replace(/(?<!^)[A-Z]/g, "_$&").toLowerCase();
  const made = `${contextOf(type)}.${words}`;
  types.set(type, made);
  return made;
}
const types = new Map<string, string>();

/** A thin payload names what the event is about; who is interested asks for the rest, and is judged anew. */
function shown({ recorded }: Tellable, { payload }: Settings): Readonly<Record<string, Json>> {
  return payload === "full"
    ? recorded
    : Object.fromEntries(Object.entries(recorded).filter(([field]) => field === "id" || field.endsWith("Id")));
}

/** Members of `data` and `ledger` stand in canonical order, those of the body in that of the standard. */
function render(event: Tellable, settings: Settings): Rendering {
  const { entry, leafIndex } = event;
  const type = typeOf(event.type);
  const ledger = { eventId: entry.id, stream: entry.stream, revision: entry.rev, leafIndex, hash: b64u(writeEntry(entry).hash) };
  const body = utf8(
    `{"type":"${type}","timestamp":"${entry.at}","data":${canonical(shown(event, settings))},"ledger":${canonical(ledger)}}`,
  );
  if (body.length > bodyBytesMax) return { kind: "unfit", fault: "too-large" };
  return { kind: "rendered", id: toldId(event), type, body };
}

const bodyBytesMax = 1_048_576;
const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

export const standard = (sign: SignWithSeed): Profile => ({
  name: "standard",
  tells: () => true,
  told: new Set(),
  subject: ({ entry }) => entry.stream,
  render,
  headers(outgoing) {
    const signature = standardHeader(outgoing, sign);
    return signature === undefined
      ? undefined
      : { "user-agent": "Minutebook/1.0", ...tellingHeaders(outgoing), "webhook-signature": signature };
  },
  ping: (nonce, at) => utf8(`{"type":"webhook.ping","timestamp":"${at}","data":{"nonce":"${nonce}"}}`),
  fault(answered) {
    const fault = faultOf(answered);
    if (fault === undefined || answered.kind === "failed") return fault;
    if (answered.status === 410) return { ...fault, disables: "gone" };
    const wish = answered.headers["webhook-delivery"]?.trim();
    if (wish === "disable") return { ...fault, disables: "asked" };
    return wish === "abort-message" ? { class: "event", name: "aborted" } : fault;
  },
  pausesMs: [5 * secondMs, 5 * minuteMs, 30 * minuteMs, 2 * hourMs, 5 * hourMs, 10 * hourMs, 14 * hourMs, 20 * hourMs, 24 * hourMs],
  jitter: { ratio: 0.2, mostMs: 5 * hourMs },
  retries: (fault) => fault.class !== "event" && fault.disables === undefined,
  deadlineMs: 15_000,
  lanes: 8,
  inFlightMax: 8,
  bodyBytesMax,
});

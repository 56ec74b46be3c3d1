/** One delivery: the event behind it, and everything that was tried. */
import type { Attempt } from "../../../../domain/administration/delivery.ts";
import type { Details } from "./ledger.ts";
import { plain } from "../shown/fields.ts";
import { badge, element, facts, foreignText, moment } from "../shown/elements.ts";

export function attemptsShown({
  attempts,
  eventId,
  eventType,
  id,
  subject,
  leafIndex,
  generation,
  state,
  dueAt,
  endedAt,
  fault,
}: Details): readonly HTMLElement[] {
  return [
    facts([
      ["state", badge(state)],
      ["fault", fault],
      [state === "due" ? "due" : "ended", moment(state === "due" ? dueAt : endedAt)],
      ["event", element("a", { href: `/log/events/${eventId}` }, eventType)],
      ["leaf", String(leafIndex)],
      ["id as told", element("code", {}, id)],
      ["in order of", element("code", {}, subject)],
      ["replay", generation > 0 ? String(generation) : null],
      ["receipt", element("a", { href: `/log/proofs/${eventId}` }, "proof that it stands in the log")],
    ]),
    element("h3", {}, attempts.length === 1 ? "One attempt" : `${attempts.length || "No"} attempts`),
    element("ol", { class: "attempts" }, ...attempts.map(attempt)),
  ];
}

function attempt({
  n,
  startedAt,
  tookMs,
  outcome,
  status,
  fault,
  kids,
  bodyHash,
  responseHead,
  remote,
  location,
  anchoredBy,
}: Attempt): HTMLElement {
  const answer = responseHead === null ? "" : foreignText(responseHead);
  return element(
    "li",
    {},
    element("p", { class: "row" }, element("b", {}, `${n}`), badge(outcome), moment(startedAt)),
    facts([
      ["status", status === null ? null : String(status)],
      ["fault", fault],
      ["took", `${tookMs.toLocaleString("en")} ms`],
      ["signed with", kids],
      ["sent to", remote],
      // Absent for those who may look and not act.
      ["moved to, as it says", typeof location === "string" ? plain(location) : null],
      ["body, SHA-256", bodyHash === null ? null : element("code", {}, bodyHash)],
      [
        "anchored by",
        anchoredBy === null ? "not yet: it is within a minute" : element("a", { href: `/log/events/${anchoredBy}` }, anchoredBy),
      ],
    ]),
    ...(answer === "" ? [] : [element("p", { class: "soft" }, "It answered"), element("pre", { tabindex: "0" }, answer)]),
  );
}

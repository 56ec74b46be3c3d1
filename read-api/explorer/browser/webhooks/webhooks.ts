/** The webhooks: how each stands, and what can be done about it. */
import { command, type Revealed, type Secret, type Webhook } from "./ledger.ts";
import { asked, badge, confirmed, element, facts, moment, table } from "../shown/elements.ts";

/** Runs what a button stands for: says what came of it, and looks anew. */
export type Act = (says: string, work: () => Promise<unknown>) => (event: Event) => void;

export const mayRun = ({ url, status }: Webhook) => url !== undefined && status !== "removed";

/** What it is called: its receiver's host where one may see it. */
export const nameOf = ({ url, profile, webhookId }: Webhook) =>
  typeof url === "string" && URL.canParse(url) ? new URL(url).host : `${profile} ${webhookId.slice(0, 8)}`;

export const circuits = { closed: "circuit closed", half: "circuit half open", open: "circuit open" } as const;

export function listed(webhooks: readonly Webhook[], chosen: string | undefined): HTMLElement {
  if (webhooks.length === 0)
    return element("p", { class: "soft" }, "Nobody is told of anything yet. A webhook is registered with the command register-webhook.");
  return element(
    "ul",
    { class: "cards" },
    ...webhooks.map((webhook) => {
      const { webhookId, profile, status, circuit, due, dead, oldestDueAt, lastSeq } = webhook;
      return element(
        "li",
        {},
        element(
          "a",
          { href: `#/${webhookId}`, id: `to-${webhookId}`, "aria-current": webhookId === chosen ? "true" : undefined },
          element("b", {}, nameOf(webhook)),
          element("span", { class: "soft" }, profile),
          element("span", { class: "row" }, badge(status), circuit !== "closed" && badge(circuit, circuits[circuit]), ...agesOf(webhook)),
          element(
            "span",
            { class: "counts" },
            counted(lastSeq, "told"),
            counted(due, "due"),
            counted(dead, "dead"),
            ...(oldestDueAt === null ? [] : [element("span", {}, "oldest due ", moment(oldestDueAt))]),
          ),
        ),
      );
    }),
  );
}

const counted = (count: number, word: string) =>
  element("span", { class: count > 0 && word === "dead" ? "bad" : undefined }, `${count.toLocaleString("en")} ${word}`);

/** A warning where a secret should give way to a new one: the most pressing there is. */
function agesOf({ secrets, status }: Webhook): readonly HTMLElement[] {
  const worst = status === "removed" ? undefined : pressing.find((rotation) => secrets.some((secret) => secret.rotation === rotation));
  return worst ? [badge(worst, `secret ${rotations[worst]}`)] : [];
}

const pressing = ["late", "due", "soon"] as const;
const rotations = { fresh: "fresh", soon: "to be changed soon", due: "due for a change", late: "overdue for a change" } as const;

export function chosenWebhook(webhook: Webhook, act: Act): readonly (HTMLElement | false)[] {
  const { webhookId, profile, status, circuit, cause, probeAt, waitsUntil, lanesStopped, url, types } = webhook;
  return [
    element("h2", { id: "webhook-title", tabindex: "-1" }, nameOf(webhook)),
    facts([
      ["status", badge(status)],
      ["circuit", badge(circuit, circuits[circuit])],
      ["cause", circuit === "closed" ? null : cause],
      ["tried again", circuit === "closed" || probeAt === null ? null : moment(probeAt)],
      ["asked to wait until", waitsUntil === null ? null : moment(waitsUntil)],
      ["stopped lanes", lanesStopped === 0 ? null : badge("late", `${lanesStopped}: the log of the program says why`)],
      ["profile", profile],
      ["told of", types.length === 0 ? "all that its profile can say" : types.join(", ")],
      ["address", url === undefined ? "shown to whoever may change it" : (url ?? "erased")],
      ["id", element("code", {}, webhookId)],
    ]),
    mayRun(webhook) && element("div", { class: "row", role: "group", "aria-label": "What can be done" }, ...buttons(webhook, act)),
    element("h3", {}, "Secrets"),
    secretsOf(webhook, act),
  ];
}

function buttons({ webhookId, status, profile, dead }: Webhook, act: Act): readonly HTMLElement[] {
  const stands = status === "paused" || status === "disabled";
  return [
    ...(profile === "markov" && status === "unverified"
      ? [
          button(
            "verify",
            "Let it be told",
            act("It is told, on your word.", () => command("verify-webhook", { webhookId })),
          ),
        ]
      : []),
    ...(profile === "standard"
      ? [
          button(
            "test",
            "Send a test event",
            act("A test event is on its way.", () => command("test-webhook", { webhookId })),
          ),
        ]
      : []),
    stands
      ? button(
          "resume",
          "Resume",
          act("Deliveries go on.", () => command("resume-webhook", { webhookId })),
        )
      : button(
          "pause",
          "Pause",
          act("Deliveries wait.", () => command("pause-webhook", { webhookId })),
        ),
    ...(dead > 0
      ? [
          button(
            "redrive",
            `Put ${dead.toLocaleString("en")} dead back`,
            act("Dead deliveries are put back in their places.", () => command("redrive-deliveries", { webhookId, filter: {} })),
          ),
        ]
      : []),
    ...schemesOf[profile].map((scheme) =>
      button(
        `stage-${scheme}`,
        `Stage a ${scheme} secret`,
        act(`A ${scheme} secret is staged.`, () => staged(webhookId, scheme)),
      ),
    ),
  ];
}

export const button = (id: string, text: string, click: (event: Event) => void) =>
  element("button", { id: `do-${id}`, type: "button", click }, text);

const schemesOf = { markov: ["gr", "v1"], standard: ["v1", "v1a"] } as const;

async function staged(webhookId: string, scheme: string): Promise<void> {
  const { kid, secret, publicKey } = await command<Revealed>("stage-webhook-secret", { webhookId, scheme });
  const text = secret ?? publicKey ?? "";
  const shown = element("code", { class: "secret", tabindex: "0" }, text);
  const copied = element("span", { role: "status" });
  const copy = async () => {
    getSelection()?.selectAllChildren(shown);
    // Where the page came over plain http there is no clipboard: what is marked can be copied by hand.
    await navigator.clipboard?.writeText(text).then(
      () => (copied.textContent = "copied"),
      () => {},
    );
    copied.textContent ||= "marked: copy it by hand";
  };
  await asked(
    element(
      "dialog",
      { "aria-labelledby": "secret-title" },
      element("h2", { id: "secret-title" }, secret === undefined ? "The public key" : "The secret, shown this once"),
      element("p", {}, `Give it to the receiver. Nothing is signed with ${kid} until it is activated.`),
      element("p", {}, shown),
      element(
        "form",
        { method: "dialog", class: "row" },
        element("button", { type: "button", class: "main", id: "copy-secret", click: () => void copy() }, "Copy"),
        element("button", {}, "Done"),
        copied,
      ),
    ),
  );
}

function secretsOf(webhook: Webhook, act: Act): HTMLElement {
  const { webhookId, secrets } = webhook;
  if (secrets.length === 0) return element("p", { class: "soft" }, "There is none.");
  const activate = ({ kid, scheme }: Secret) =>
    act(`Deliveries are signed with ${kid}.`, async () => {
      const text = `From now on deliveries are signed with ${kid}. The ${scheme} secret before it retires, and ends in a week.`;
      return (await confirmed("Activate this secret?", text, "Activate")) ? command("activate-webhook-secret", { webhookId, kid }) : stays;
    });
  return table(
    "Secrets",
    ["name", "scheme", "state", "age", ""],
    secrets.map((secret) => [
      element("code", {}, secret.kid),
      secret.scheme,
      badge(secret.state),
      ageOf(secret),
      mayRun(webhook) && (secret.state === "staged" || secret.state === "retiring")
        ? button(`activate-${secret.kid}`, secret.state === "staged" ? "Activate" : "Take back", activate(secret))
        : "",
    ]),
  );
}

/** What an action answers when the person thought better of it: nothing is said. */
export const stays = Symbol("nothing was done");

function ageOf({ state, ageDays, rotation, stagedAt, retiresAt }: Secret): HTMLElement | string {
  if (rotation) return element("span", {}, `${ageDays} ${ageDays === 1 ? "day" : "days"} `, badge(rotation, rotations[rotation]));
  if (state === "retiring") return element("span", {}, "ends ", moment(retiresAt));
  return state === "staged" ? element("span", {}, "staged ", moment(stagedAt)) : "";
}

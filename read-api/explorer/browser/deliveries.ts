/** The deliveries page. What is chosen stands in the address: `#/<webhook>` and `#/<webhook>/<seq>`. */
import type { Delivery } from "../../../domain/administration/delivery.ts";
import { forgetToken, keepToken, token } from "./asking/token.ts";
import { command, deliveries, delivery, type Details, type Page, Refused, type Webhook, webhooks } from "./webhooks/ledger.ts";
import { badge, byId, confirmed, element, moment, show, table } from "./shown/elements.ts";
import { attemptsShown } from "./webhooks/attempts.ts";
import { type Act, button, chosenWebhook, listed, mayRun, stays } from "./webhooks/webhooks.ts";

const lookMs = 5_000;
const soonMs = 600;

const places = { webhooks: byId("webhooks"), webhook: byId("webhook"), list: byId("list"), delivery: byId("delivery") };
const said = byId("said");
const filter = byId("state") as HTMLSelectElement;

/** Pages between the newest and the one that is shown: where each begins. */
let trail: (number | null)[] = [null];
/** What each place shows, so that only what has changed is made anew. */
const shown = new Map<HTMLElement, string>();
let looks = 0;

function say(text: string, isWrong = false): void {
  said.textContent = text;
  said.className = isWrong ? "bad" : "";
}

function showAnew(place: HTMLElement, from: unknown, make: () => readonly (Node | false)[]): void {
  const text = JSON.stringify(from);
  if (shown.get(place) === text) return;
  shown.set(place, text);
  show(place, ...make());
}

function chosen(): { readonly webhookId?: string; readonly seq?: number } {
  const [, webhookId, seq] = /^#\/([0-9a-f-]{36})(?:\/(\d{1,15}))?$/.exec(location.hash) ?? [];
  return { ...(webhookId !== undefined && { webhookId }), ...(seq !== undefined && { seq: Number(seq) }) };
}

/** Asks for all that is shown. What comes late, after something else was chosen, is not shown. */
async function look(): Promise<void> {
  const mine = ++looks;
  byId("who").hidden = token() !== null;
  byId("forget").hidden = token() === null;
  if (token() === null) return clear();
  const { webhookId, seq } = chosen();
  try {
    const [all, page, one] = await Promise.all([
      webhooks(),
      webhookId === undefined ? undefined : deliveries(webhookId, filter.value, trail.at(-1)!),
      webhookId === undefined || seq === undefined ? undefined : delivery(webhookId, seq),
    ]);
    if (mine === looks) showAll(all, webhookId, page, one);
  } catch (error) {
    if (mine !== looks) return;
    if (error instanceof Refused && error.status === 401) {
      forgetToken();
      byId("who").hidden = false;
      byId("forget").hidden = true;
      clear();
    }
    say((error as Error).message, true);
  }
}

function clear(): void {
  shown.clear();
  for (const place of Object.values(places)) show(place);
  byId("deliveries").hidden = true;
}

function showAll(all: readonly Webhook[], webhookId: string | undefined, page: Page | undefined, one: Details | undefined): void {
  const webhook = all.find((each) => each.webhookId === webhookId);
  showAnew(places.webhooks, [all, webhookId, minute()], () => [listed(all, webhookId)]);
  byId("deliveries").hidden = !webhook;
  showAnew(places.webhook, [webhook, minute()], () => (webhook ? chosenWebhook(webhook, act) : []));
  showAnew(places.list, [page, one?.seq, trail.length, minute()], () => (webhook && page ? [listShown(webhook, page, one?.seq)] : []));
  showAnew(places.delivery, [one, minute()], () => (webhook && one ? deliveryShown(webhook, one) : []));
}

/** What is said of times grows old. */
const minute = () => Math.floor(Date.now() / 60_000);

function listShown({ webhookId }: Webhook, { deliveries, before }: Page, seq: number | undefined): HTMLElement {
  const rows = deliveries.map((each) => [
    element(
      "a",
      { href: `#/${webhookId}/${each.seq}`, id: `to-${each.seq}`, "aria-current": each.seq === seq ? "true" : undefined },
      `${each.seq}`,
    ),
    element("span", {}, each.eventType, each.generation > 0 && element("span", { class: "soft" }, ` replay ${each.generation}`)),
    badge(each.state),
    faultOf(each),
    moment(each.endedAt ?? each.dueAt),
  ]);
  const turn = (to: (number | null)[]) => () => {
    trail = to;
    void look();
  };
  return element(
    "div",
    {},
    rows.length === 0
      ? element("p", { class: "soft" }, "There are none.")
      : table("Deliveries, newest first", ["seq", "event", "state", "answer", "when"], rows, (n) => ({
          class: deliveries[n]!.seq === seq ? "chosen" : undefined,
        })),
    element(
      "div",
      { class: "row" },
      trail.length > 1 && button("newer", "Newer", turn(trail.slice(0, -1))),
      before !== null && button("older", "Older", turn([...trail, before])),
    ),
  );
}

const faultOf = ({ fault, status }: Pick<Delivery, "fault" | "status">) =>
  [status ?? "", fault ?? ""].filter((each) => each !== "").join(" ") || "–";

function deliveryShown(webhook: Webhook, one: Details): readonly (Node | false)[] {
  const { webhookId, profile } = webhook;
  const { seq, state, leafIndex } = one;
  const replay = act("It is delivered once more.", () => replayed(webhookId, profile, leafIndex));
  const redrive = act("It is put back in its place.", () =>
    command("redrive-deliveries", { webhookId, filter: { fromSeq: seq, toSeq: seq } }),
  );
  const actions =
    state === "dead"
      ? [button("put-back", "Put it back", redrive)]
      : state === "delivered"
        ? [button("replay", "Deliver it again", replay)]
        : [];
  return [
    element("h3", { id: "delivery-title", tabindex: "-1" }, `Delivery ${seq}`),
    mayRun(webhook) && actions.length > 0 && element("div", { class: "row" }, ...actions),
    ...attemptsShown(one),
  ];
}

async function replayed(webhookId: string, profile: string, leafIndex: number): Promise<unknown> {
  const text = "The receiver is sent the same event under the same id, marked as a replay.";
  if (!(await confirmed("Deliver it again?", text, "Deliver it again"))) return stays;
  const input = { webhookId, from: leafIndex, to: leafIndex + 1 };
  try {
    return await command("replay-webhook", input);
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "REPLAY_TOO_OLD") throw error;
    const warns = `${profile} has forgotten that it took this event in: it would be counted twice.`;
    return (await confirmed("Have it counted twice?", warns, "Send it all the same"))
      ? command("replay-webhook", { ...input, acceptDoubleCount: true })
      : stays;
  }
}

const act: Act = (says, work) => async (event) => {
  const pressed = event.currentTarget as HTMLButtonElement;
  pressed.disabled = true;
  try {
    if ((await work()) !== stays) say(says);
  } catch (error) {
    say((error as Error).message, true);
  } finally {
    pressed.disabled = false;
    pressed.focus();
  }
  await look();
  // What the command asks for is done a moment later, by others.
  setTimeout(() => void look(), soonMs);
};

byId("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("token") as HTMLInputElement;
  keepToken(field.value.trim().replace(/^Bearer /i, ""));
  field.value = "";
  say("");
  void look();
});
byId("forget").addEventListener("click", () => {
  forgetToken();
  say("The token is forgotten.");
  void look().then(() => byId("token").focus());
});
filter.addEventListener("change", () => {
  trail = [null];
  void look();
});
let before = chosen();
addEventListener("hashchange", () => {
  const { webhookId, seq } = chosen();
  if (webhookId !== before.webhookId) trail = [null];
  // Whoever follows a link hears what it leads to.
  const title = seq !== undefined ? "delivery-title" : webhookId !== before.webhookId ? "webhook-title" : undefined;
  before = chosen();
  say("");
  void look().then(() => title !== undefined && document.getElementById(title)?.focus());
});
setInterval(() => document.visibilityState === "visible" && document.querySelector("dialog") === null && void look(), lookMs);
void look();

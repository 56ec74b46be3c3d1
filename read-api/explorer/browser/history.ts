/** The past: a place in the log is chosen, and what stood then is asked for as of that place. Whatever was asked before it is let go. */
import type { JsonObject } from "../../../domain/log/canonical-json.ts";
import { ask, listenForToken, nameAll, textAt } from "./asking/log.ts";
import { badge, byId, element, show } from "./shown/elements.ts";
import { plain } from "./shown/fields.ts";
import { member, sentenceOf } from "./shown/sentences.ts";

const form = byId("moment") as HTMLFormElement;
const slider = byId("leaf") as HTMLInputElement;
const step = byId("step") as HTMLSelectElement;
const play = byId("play") as HTMLButtonElement;
const [stood, happened] = [byId("stood"), byId("happened")];
const last = () => Number(slider.max);

/** Long enough that a slider that is pulled asks a few times a second, short enough to seem at once. */
const settleMs = 90;
const playMs = 700;
let asking = new AbortController();
let settling: ReturnType<typeof setTimeout> | undefined;

/** One entry, as `/history/moment` tells of it. */
type Moment = {
  readonly leaf: number;
  readonly size: number;
  readonly id: string;
  readonly type: string;
  readonly summary: string;
  readonly by: string;
  readonly at: string;
  readonly position: string;
};
type Past = {
  readonly census: Readonly<Record<"members" | "proposals", Readonly<Record<string, number>>>>;
  readonly members: Listed<{ readonly id: string; readonly status: string; readonly joinedAt: string }>;
  readonly roles: Listed<{ readonly id: string; readonly memberId: string; readonly role: string; readonly scope: string }>;
  readonly proposals: Listed<{ readonly id: string; readonly title: string; readonly state: string; readonly proof: string }>;
};
type Listed<T> = { readonly nodes: readonly T[]; readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null } };
type ListName = Exclude<keyof Past, "census">;

const fields: Readonly<Record<ListName, string>> = {
  members: "nodes { id status joinedAt }",
  roles: "nodes { id memberId role scope }",
  proposals: "nodes { id title state proof }",
};
const listed = (name: ListName, more = "") =>
  `${name}(first: 25, asOf: { position: $at }${more}) { ${fields[name]} pageInfo { hasNextPage endCursor } }`;
const pastQuery = `query($at: Position!, $id: ID!) { event(id: $id) { data }
  census(asOf: { position: $at }) { members { active suspended left expelled } proposals { draft opening open closed adopted rejected withdrawn } }
  ${listed("members")} ${listed("roles")} ${listed("proposals")} }`;
const moreQuery = (name: ListName) => `query($at: Position!, $after: String) { ${listed(name, ", after: $after")} }`;

function go(leaf: number): void {
  slider.value = String(Math.max(0, Math.min(last(), leaf)));
  chosen();
}

function chosen(): void {
  asking.abort();
  clearTimeout(settling);
  settling = setTimeout(() => void look(slider.value), settleMs);
}

/** `at` is a leaf index, or a time. */
async function look(at: string): Promise<void> {
  asking.abort();
  const mine = (asking = new AbortController());
  stood.setAttribute("aria-busy", "true");
  try {
    const moment = JSON.parse(await textAt(`/history/moment?at=${encodeURIComponent(at)}`, mine.signal)) as Moment;
    showMoment(moment);
    const { event, ...past } = await ask<Past & { event: { data: JsonObject } | null }>(
      pastQuery,
      { at: moment.position, id: moment.id },
      mine.signal,
    );
    showHappened(moment, event?.data ?? {});
    showPast(past, moment, event?.data ?? {});
    stood.setAttribute("aria-busy", "false");
    void nameAll();
  } catch (fault) {
    if (mine.signal.aborted) return;
    stop();
    show(happened, element("p", { class: "bad" }, (fault as Error).message));
  }
}

function showMoment({ leaf, size, at }: Moment): void {
  // The log may have grown since the page was made.
  slider.max = String(size - 1);
  slider.value = String(leaf);
  slider.setAttribute("aria-valuetext", `${at.slice(0, 19).replace("T", " ")} UTC, entry ${leaf + 1} of ${size}`);
  show(
    byId("when"),
    element("time", { datetime: at }, `${at.slice(0, 19).replace("T", " ")} UTC`),
    element("small", { class: "soft" }, `after entry ${(leaf + 1).toLocaleString("en-GB")} of ${size.toLocaleString("en-GB")}`),
  );
  const address = new URL(location.href);
  address.searchParams.set("at", String(leaf));
  history.replaceState(null, "", address);
}

function showHappened({ id, type, by, summary }: Moment, data: JsonObject): void {
  show(
    happened,
    element("p", {}, ...(sentenceOf({ type, by, data }) ?? [summary])),
    element("p", { class: "row soft" }, element("a", { href: `/events/${id}` }, type), element("span", {}, "by ", member(by))),
  );
}

function showPast({ census, ...lists }: Past, { position }: Moment, data: JsonObject): void {
  const figure = (count: number, says: string) => element("div", {}, element("b", {}, count.toLocaleString("en-GB")), says);
  const { members, proposals } = census;
  const rest = (counts: Readonly<Record<string, number>>, without: string) =>
    Object.entries(counts)
      .filter(([state, count]) => state !== without && count > 0)
      .map(([state, count]) => `${count} ${state}`)
      .join(", ");
  const all = (name: string) => Object.values(census[name as "members"]).reduce((sum, count) => sum + count, 0);
  show(
    stood,
    element(
      "div",
      { class: "figures" },
      figure(members["active"]!, ["active members", rest(members, "active")].filter((text) => text !== "").join("; ")),
      figure(proposals["open"]!, "proposals open for voting"),
      figure(
        proposals["adopted"]!,
        ["proposals adopted", rest({ ...proposals, open: 0 }, "adopted")].filter((text) => text !== "").join("; "),
      ),
    ),
    element(
      "div",
      { class: "halves" },
      element(
        "div",
        {},
        ...section("members", `Members (${all("members")})`, lists, position, data),
        ...section("roles", "Roles", lists, position, data),
      ),
      element("div", {}, ...section("proposals", `Proposals (${all("proposals")})`, lists, position, data)),
    ),
  );
}

type Lists = Omit<Past, "census">;
const tone: Readonly<Record<string, string>> = { adopted: "good", active: "good", rejected: "bad", expelled: "bad", open: "shown" };
const state = (says: string) => element("span", { class: `badge ${tone[says] ?? ""}` }, says);

/** What the entry of this moment is about is marked. */
const rowsOf: { readonly [N in ListName]: (nodes: Lists[N]["nodes"], data: JsonObject) => HTMLElement[] } = {
  members: (nodes, { memberId }) => nodes.map(({ id, status }) => row(id === memberId, member(id), state(status))),
  roles: (nodes, { memberId, role }) =>
    nodes.map((grant) =>
      row(
        grant.memberId === memberId && grant.role === role,
        member(grant.memberId),
        badge("", grant.scope === "community" ? grant.role : `${grant.role}, ${grant.scope}`),
      ),
    ),
  proposals: (nodes, { proposalId }) =>
    nodes.map(({ id, title, state: is, proof }) =>
      row(
        id === proposalId,
        element("a", { href: `/proposals/${id}` }, plain(title)),
        element("a", { class: "soft", href: proof, title: "What was recorded of it by then, with proof" }, "proof"),
        state(is),
      ),
    ),
};

const row = (isTouched: boolean, ...pieces: readonly (Node | string)[]) =>
  element(
    "li",
    { class: isTouched && "touched" },
    ...pieces.map((piece) => (typeof piece === "string" ? element("span", {}, piece) : piece)),
  );

function section<N extends ListName>(name: N, title: string, lists: Lists, position: string, data: JsonObject): readonly HTMLElement[] {
  const { nodes, pageInfo } = lists[name];
  const list = element("ul", { class: "names", id: `past-${name}` }, ...rowsOf[name](nodes as never, data));
  const title_ = element("h2", {}, title);
  if (nodes.length === 0) return [title_, element("p", { class: "soft" }, "None.")];
  let after = pageInfo.endCursor;
  const more = element("button", { type: "button", hidden: !pageInfo.hasNextPage }, "More");
  more.addEventListener("click", () => {
    more.disabled = true;
    void ask<Lists>(moreQuery(name), { at: position, after }, asking.signal).then(
      (found) => {
        list.append(...rowsOf[name](found[name].nodes as never, data));
        after = found[name].pageInfo.endCursor;
        more.hidden = !found[name].pageInfo.hasNextPage;
        more.disabled = false;
        return nameAll();
      },
      () => (more.disabled = false),
    );
  });
  return [title_, list, element("p", {}, more)];
}

let playing: ReturnType<typeof setInterval> | undefined;
function stop(): void {
  clearInterval(playing);
  playing = undefined;
  play.textContent = "Play";
  play.setAttribute("aria-pressed", "false");
}

play.addEventListener("click", () => {
  if (playing !== undefined) return stop();
  if (Number(slider.value) >= last()) go(0);
  play.textContent = "Stop";
  play.setAttribute("aria-pressed", "true");
  playing = setInterval(() => {
    // Nobody looks at a tab that is hidden, and what is still asked for is waited for.
    if (document.hidden || stood.getAttribute("aria-busy") === "true") return;
    if (Number(slider.value) >= last()) return stop();
    go(Number(slider.value) + Number(step.value));
  }, playMs);
});
slider.addEventListener("input", () => {
  stop();
  chosen();
});
for (const [id, way] of [
  ["back", -1],
  ["forth", 1],
] as const)
  byId(id).addEventListener("click", () => {
    stop();
    go(Number(slider.value) + way * Number(step.value));
  });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  stop();
  const day = (byId("day") as HTMLInputElement).value;
  if (day !== "") void look(`${day}T23:59:59.999Z`);
});
addEventListener("popstate", () => void look(new URLSearchParams(location.search).get("at") ?? String(last())));
listenForToken(() => void look(slider.value));
void look(slider.value);

/** What the explorer asks of the instance: as a guest, or as whoever holds the token of this tab. */
import { forgetToken, keepToken, token } from "./token.ts";
import { byId } from "../shown/elements.ts";
import { plain } from "../shown/fields.ts";
import { sentenceOf, type Told } from "../shown/sentences.ts";

export const authorization = (): Record<string, string> => {
  const held = token();
  return held === null ? {} : { authorization: `Bearer ${held}` };
};

export type Answer = { readonly status: number; readonly text: string };

export async function get(path: string, signal?: AbortSignal): Promise<Answer> {
  const response = await fetch(path, { headers: { accept: "*/*", ...authorization() }, cache: "no-store", ...(signal && { signal }) });
  return { status: response.status, text: await response.text() };
}

/** The text, where the answer is 200. Throws the instance's own sentence otherwise. */
export async function textAt(path: string, signal?: AbortSignal): Promise<string> {
  const { status, text } = await get(path, signal);
  if (status !== 200) throw new Error(refusalIn(text, status));
  return text;
}

export function refusalIn(text: string, status: number): string {
  try {
    return (JSON.parse(text) as { detail?: string }).detail ?? `The instance answered ${status}.`;
  } catch {
    return `The instance answered ${status}.`;
  }
}

export async function ask<T>(query: string, variables: object, signal?: AbortSignal): Promise<T> {
  const response = await fetch("/graphql", {
    method: "POST",
    ...(signal && { signal }),
    headers: { "content-type": "application/json", accept: "application/json", ...authorization() },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: T | null; errors?: readonly { message: string }[] };
  if (!data) throw new Error(errors?.[0]?.message ?? `The instance answered ${response.status}.`);
  return data;
}

/** So many members are asked for at a time: a query has no more roots. */
const rootsMax = 10;

/** Asks for each of these ids, `rootsMax` at a time, what `root` selects of it. */
async function askEach<T>(ids: readonly string[], root: string): Promise<ReadonlyMap<string, T>> {
  const parts = Array.from({ length: Math.ceil(ids.length / rootsMax) }, (_, n) => ids.slice(n * rootsMax, (n + 1) * rootsMax));
  const found = await Promise.all(
    parts.map(async (some) => {
      const roots = some.map((_, n) => `r${n}: ${root.replace("$id", `$i${n}`)}`).join(" ");
      const variables = Object.fromEntries(some.map((id, n) => [`i${n}`, id]));
      const answer = await ask<Readonly<Record<string, T | null>>>(
        `query(${some.map((_, n) => `$i${n}: ID!`).join(", ")}) { ${roots} }`,
        variables,
      );
      return some.map((id, n) => [id, answer[`r${n}`] ?? undefined] as const);
    }),
  );
  return new Map(found.flat().flatMap(([id, each]) => (each === undefined ? [] : [[id, each] as const])));
}

const placesOf = (name: string) => Map.groupBy(document.querySelectorAll<HTMLElement>(`[data-${name}]`), ({ dataset }) => dataset[name]!);

/** Puts names to the members that this page names, where there is a token and they may be seen. */
export async function nameMembers(): Promise<void> {
  if (token() === null) return;
  const places = placesOf("member");
  const ids = [...places.keys()].filter((id) => !id.includes(":"));
  type Named = { readonly handle: string | null; readonly displayName: string | null };
  for (const [id, { handle, displayName }] of await askEach<Named>(ids, "member(id: $id) { handle displayName }")) {
    const name = handle ? `@${handle}` : displayName;
    if (name) for (const place of places.get(id)!) place.textContent = name;
  }
}

/** Puts titles to the proposals that this page only links to. */
export async function nameProposals(): Promise<void> {
  const places = placesOf("proposal");
  for (const [id, { title }] of await askEach<{ readonly title: string }>([...places.keys()], "proposal(id: $id) { title }"))
    for (const place of places.get(id)!) place.textContent = `“${plain(title)}”`;
}

/** Tells the events that this page lists in sentences of their own, as far as the reader may see them. */
async function tellEvents(): Promise<void> {
  const places = placesOf("event");
  for (const [id, told] of await askEach<Told>([...places.keys()], "event(id: $id) { type by data }")) {
    const sentence = sentenceOf(told);
    if (sentence) for (const place of places.get(id)!) place.replaceChildren(...sentence);
  }
}

/** What stands for an id on this page becomes what it is called. What cannot be had stays as it is. */
export const nameAll = () => Promise.allSettled([nameMembers(), nameProposals()]);

/** What every list of events needs: sentences, then names. What cannot be had leaves the list as it is. */
export const tellAndName = () => Promise.allSettled([tellEvents()]).then(nameAll);

/** The form for a token. Everything is looked at again whenever the token changes. */
export function listenForToken(look: () => void): void {
  byId("forget").hidden = token() === null;
  byId("who").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = byId("token") as HTMLInputElement;
    const text = field.value.trim().replace(/^Bearer /i, "");
    field.value = "";
    if (text === "") return;
    keepToken(text);
    byId("forget").hidden = false;
    look();
  });
  byId("forget").addEventListener("click", () => {
    forgetToken();
    // What a member was shown is not to stay.
    location.reload();
  });
}

/** What the explorer asks of the instance: as a guest, or as whoever holds the token of this tab. */
import { forgetToken, keepToken, token } from "./asking.ts";
import { byId } from "./elements.ts";

const authorization = (): Record<string, string> => {
  const held = token();
  return held === null ? {} : { authorization: `Bearer ${held}` };
};

export type Answer = { readonly status: number; readonly text: string };

export async function get(path: string): Promise<Answer> {
  const response = await fetch(path, { headers: { accept: "*/*", ...authorization() }, cache: "no-store" });
  return { status: response.status, text: await response.text() };
}

/** The text, where the answer is 200. Throws the instance's own sentence otherwise. */
export async function textAt(path: string): Promise<string> {
  const { status, text } = await get(path);
  if (status !== 200) throw new Error(sentenceOf(text, status));
  return text;
}

export function sentenceOf(text: string, status: number): string {
  try {
    return (JSON.parse(text) as { detail?: string }).detail ?? `The instance answered ${status}.`;
  } catch {
    return `The instance answered ${status}.`;
  }
}

export async function ask<T>(query: string, variables: object): Promise<T> {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", ...authorization() },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: T | null; errors?: readonly { message: string }[] };
  if (!data) throw new Error(errors?.[0]?.message ?? `The instance answered ${response.status}.`);
  return data;
}

export const vkey = async () => (await textAt("/log/key")).trim();

/** So many members are asked for at a time: a query has no more roots. */
const rootsMax = 10;

/** Puts names to the members that this page names, where there is a token and they may be seen. */
export async function nameMembers(): Promise<void> {
  if (token() === null) return;
  const places = [...document.querySelectorAll<HTMLElement>("[data-member]")].filter(({ dataset }) => !dataset["member"]!.includes(":"));
  const byMember = Map.groupBy(places, ({ dataset }) => dataset["member"]!);
  const ids = [...byMember.keys()];
  for (let from = 0; from < ids.length; from += rootsMax) {
    const some = ids.slice(from, from + rootsMax);
    const roots = some.map((_, n) => `m${n}: member(id: $i${n}) { handle displayName }`).join(" ");
    const variables = Object.fromEntries(some.map((id, n) => [`i${n}`, id]));
    const query = `query(${some.map((_, n) => `$i${n}: ID!`).join(", ")}) { ${roots} }`;
    type Named = { readonly handle: string | null; readonly displayName: string | null } | null;
    const found = await ask<Readonly<Record<string, Named>>>(query, variables);
    some.forEach((id, n) => {
      const { handle, displayName } = found[`m${n}`] ?? {};
      const name = handle ? `@${handle}` : displayName;
      if (name) for (const place of byMember.get(id)!) place.textContent = name;
    });
  }
}

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

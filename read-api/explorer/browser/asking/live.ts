/** Events as they come: GraphQL's subscription over server-sent events. It ends while nobody looks, and goes on where it was. */
import type { JsonObject } from "../../../../domain/log/canonical-json.ts";
import { authorization } from "./log.ts";

export type Change = {
  readonly position: string;
  readonly event: {
    readonly id: string;
    readonly leafIndex: number;
    readonly type: string;
    readonly stream: string;
    readonly by: string;
    readonly at: string;
    readonly data: JsonObject;
  };
};

const query = `subscription($after: Position) { changes(after: $after) {
  position event { id leafIndex type stream by at data } } }`;
const againMinMs = 1_000;
const againMaxMs = 30_000;

export function listen(after: string, heard: (event: Change["event"]) => void): void {
  let last = after;
  let waitMs = againMinMs;
  let going = new AbortController();
  const take = (change: Change) => {
    waitMs = againMinMs;
    last = change.position;
    heard(change.event);
  };

  /** Whatever cuts it off, it is asked for again from the last position; later each time that nothing came of it. */
  async function go(): Promise<void> {
    while (!document.hidden) {
      going = new AbortController();
      await read(last, going.signal, take).catch(() => undefined);
      if (document.hidden) return;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      waitMs = Math.min(againMaxMs, waitMs * 2);
    }
  }
  let running = Promise.resolve();
  const look = () => {
    if (document.hidden) going.abort();
    else running = running.then(go);
  };
  document.addEventListener("visibilitychange", look);
  look();
}

async function read(after: string, signal: AbortSignal, heard: (change: Change) => void): Promise<void> {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", ...authorization() },
    body: JSON.stringify({ query, variables: { after: after === "" ? null : after } }),
    signal,
  });
  if (!response.ok || !response.body) throw new Error(`The instance answered ${response.status}.`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop()!;
    for (const part of parts) {
      const text = /^data: (.+)$/m.exec(part)?.[1];
      const { data } = (text === undefined ? {} : JSON.parse(text)) as { data?: { changes: Change } | null };
      if (data) heard(data.changes);
    }
  }
}

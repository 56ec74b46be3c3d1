/** The log as followers read it that are far behind together: a page that one of them reads is taken from memory by the others. */
import type { EventLog, Place, Placed } from "../../domain/log/event-log.ts";
import { bell } from "../event-log/bell.ts";

/** A shorter page is the end of the log, and from there on the engine hands out what it has in memory. */
const pageMin = 500;
/** How far the quickest may be ahead, and how long it holds off for one that is slower. After that each of them reads for itself. */
const pagesMax = 8;
const patienceMs = 100;

type Page = { readonly from: number; end: number; readonly read: Promise<readonly Placed[]> };
type Member = { next: number };

export function readTogether(log: Pick<EventLog, "follow">): EventLog["follow"] {
  const pages: Page[] = [];
  const members = new Set<Member>();
  const moved = bell();

  const known = (next: number) => pages.find(({ from, end }) => from <= next && next < end);
  /** The oldest page is kept for those that stand in it; one that stands before it was left behind. */
  const isNeeded = ({ from, end }: Page) => [...members].some(({ next }) => from <= next && next < end);

  async function pageAt({ next }: Member, place: Place | undefined, signal: AbortSignal): Promise<readonly Placed[]> {
    if (pages.length > 0 && next < pages[0]!.from) return readPage(log, place, signal);
    if (!known(next) && pages.length === pagesMax) {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
      while (!known(next) && pages.length === pagesMax && isNeeded(pages[0]!) && !patience.aborted) await moved.heard(patience);
    }
    const found = known(next);
    if (found) return found.read;
    if (pages.length === pagesMax) pages.shift();
    return begin(next, place, signal).read;
  }

  function begin(next: number, place: Place | undefined, signal: AbortSignal): Page {
    const page: Page = { from: next, end: next + 1, read: readPage(log, place, signal) };
    const drop = () => {
      if (pages.includes(page)) pages.splice(pages.indexOf(page), 1);
    };
    pages.push(page);
    page.read.then((entries) => (entries.length === 0 ? drop() : (page.end = next + entries.length)), drop);
    return page;
  }

  return async function* follow(after: Place | undefined, signal: AbortSignal): AsyncGenerator<readonly Placed[]> {
    const member: Member = { next: after?.size ?? 0 };
    const stopped = new Promise<readonly Placed[]>((resolve) => signal.addEventListener("abort", () => resolve([]), { once: true }));
    let place = after;
    members.add(member);
    try {
      while (!signal.aborted) {
        // Empty when whoever read it was told to stop.
        const page = await Promise.race([stopped, pageAt(member, place, signal)]);
        if (page.length === 0) continue;
        yield page.slice(member.next - page[0]!.leafIndex);
        const { position, leafIndex } = page.at(-1)!;
        place = { position, size: leafIndex + 1 };
        member.next = place.size;
        moved.ring();
        if (page.length < pageMin) break;
      }
    } finally {
      members.delete(member);
      if (members.size === 0) pages.length = 0;
      moved.ring();
    }
    yield* log.follow(place, signal);
  };
}

/** What the log shows next; empty when the signal aborts first. */
async function readPage(log: Pick<EventLog, "follow">, after: Place | undefined, signal: AbortSignal): Promise<readonly Placed[]> {
  for await (const batch of log.follow(after, signal)) return batch;
  return [];
}

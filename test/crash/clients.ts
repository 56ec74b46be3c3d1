/** Clients that go on whatever happens to the server, and the ledger of what they were told: kept outside of the system. */
import { realAmbient } from "../../ops/ambient.ts";

export type Wish = { readonly command: string; readonly input: object; readonly key: string };
export type Told = {
  readonly wish: Wish;
  /** Attempts that ended without any answer, and those that were answered 503. */
  lost: number;
  unavailable: number;
  /** The final answer. */
  final?: { readonly status: number; readonly body: any };
};

const comeAgainMs = 25;

export type Clients = {
  readonly ledger: readonly Told[];
  /** Resolves once so many more wishes have had their final answer. */
  answered(more: number): Promise<void>;
  /** Ends the clients, and asks again for everything that has no final answer. */
  settle(): Promise<void>;
};

/** `urlNow` says where the server is now; whoever has no final answer comes again with the same key. */
export function startClients(count: number, urlNow: () => string, token: () => string, wishOf: (n: number) => Wish): Clients {
  const ledger: Told[] = [];
  const waiting: { readonly at: number; readonly resolve: () => void }[] = [];
  let stopping = false;
  let finals = 0;

  async function attempt(told: Told): Promise<void> {
    const { command, input, key } = told.wish;
    let response: Response;
    let body: any;
    try {
      response = await fetch(`${urlNow()}/commands/${command}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token()}`, "idempotency-key": key },
        body: JSON.stringify(input),
        signal: AbortSignal.timeout(20_000),
      });
      body = await response.json();
    } catch {
      told.lost++;
      return realAmbient.wait(comeAgainMs);
    }
    if (response.status === 503) {
      told.unavailable++;
      return realAmbient.wait(comeAgainMs);
    }
    told.final = { status: response.status, body };
    finals++;
    for (const { at, resolve } of waiting) if (finals >= at) resolve();
  }

  async function client(n: number): Promise<void> {
    for (let turn = 0; !stopping; turn++) {
      const told: Told = { wish: wishOf(turn * count + n), lost: 0, unavailable: 0 };
      ledger.push(told);
      // Some clients go away for good when they hear nothing: what became of their wish is settled at the end.
      while (!told.final && !stopping && !(told.lost > 0 && turn % 3 === 0)) await attempt(told);
    }
  }
  const running = Promise.all(Array.from({ length: count }, (_, n) => client(n)));
  return {
    ledger,
    answered: (more) => new Promise((resolve) => waiting.push({ at: finals + more, resolve })),
    async settle() {
      stopping = true;
      await running;
      await Promise.all(
        ledger.map(async (told) => {
          while (!told.final) await attempt(told);
        }),
      );
    },
  };
}

/** One wish after another: new streams, and a few that everybody writes. `hot` are drafts, `open` a proposal that the caller has voted on. */
export const wishesOf =
  (run: string, hot: readonly string[], open: string) =>
  (n: number): Wish => {
    const key = `${run}-wish-number-${n}`;
    const kinds: readonly Omit<Wish, "key">[] = [
      { command: "admit-member", input: { displayName: `Member ${n}` } },
      { command: "amend-proposal", input: { proposalId: hot[n % hot.length], title: `A title, ${n}` } },
      { command: "revise-ballot", input: { proposalId: open, choice: n % 2 === 0 ? "for" : "against" } },
      { command: "draft-proposal", input: { title: `A proposal, ${n}` } },
    ];
    return { key, ...kinds[(n * 7 + Math.floor(n / 4)) % kinds.length]! };
  };

/** Attempts without a final answer there were; and some of what never was answered had been recorded. */
export const fatesOf = (ledger: readonly Told[]) => ({
  unknown: ledger.filter(({ lost, unavailable }) => lost + unavailable > 0).length,
  durableButNeverAnswered: ledger.filter(({ lost, unavailable, final }) => lost > 0 && unavailable === 0 && final?.body.replayed === true)
    .length,
});

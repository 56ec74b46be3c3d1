/** One proposal: its events are proven here, and its ballots counted again. */
import type { JsonObject } from "../../../domain/log/canonical-json.ts";
import { verifyReceipt } from "../../../domain/log/verify/receipt.ts";
import { byId, element, show } from "./shown/elements.ts";
import { ask, listenForToken, tellAndName, textAt } from "./asking/log.ts";
import { type Trusted, trusted } from "./watch/watching.ts";
import { type Ballot, recounted } from "./proof/recount.ts";
import { keyNote, setBanner, stepsShown, verify } from "./proof/verifying.ts";

const verdict = byId("verdict");
const said = (name: string) => verdict.dataset[name]!;

/** The shown fields of an event of this proposal. Throws where its receipt does not verify, or is not that of the event. */
async function proven(id: string, type: RegExp, { key, keys }: Trusted): Promise<JsonObject> {
  const result = await verifyReceipt(await textAt(`/log/proofs/${id}`), { vkey: key.vkey, keys, verify });
  if (result.exit === 3) throw new Error(`The receipt of ${id} does not verify: ${result.problem.reason}.`);
  const { entry, shown } = result.receipt;
  if (entry.id !== id || !type.test(entry.type) || shown["proposalId"] !== said("id"))
    throw new Error(`The receipt of ${id} is that of another event.`);
  return shown;
}

const ballotsQuery = `query($id: ID!, $after: String) { ballots(proposalId: $id, first: 100, after: $after) {
  nodes { id memberId choice state } pageInfo { hasNextPage endCursor } } }`;
type Page = {
  readonly ballots: {
    readonly nodes: readonly (Omit<Ballot, "choice"> & { readonly choice: string | null; readonly state: "cast" | "retracted" })[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
};

async function allBallots(): Promise<readonly Ballot[]> {
  const all: Ballot[] = [];
  for (let after: string | null = null; ;) {
    const { ballots }: Page = await ask<Page>(ballotsQuery, { id: said("id"), after });
    for (const { state, choice, ...ballot } of ballots.nodes) if (state === "cast") all.push({ ...ballot, choice: choice ?? "" });
    if (!ballots.pageInfo.hasNextPage) return all;
    after = ballots.pageInfo.endCursor;
  }
}

const countRows = ({ counts }: JsonObject) =>
  (counts as unknown as readonly Readonly<Record<string, string | number>>[]).map(({ choice, ballots, delegated, weight }) =>
    element(
      "tr",
      {},
      ...[choice, ballots, delegated, weight].map((cell) =>
        element("td", {}, typeof cell === "number" ? cell.toLocaleString("en-GB") : cell),
      ),
    ),
  );

async function recount(): Promise<void> {
  setBanner(verdict, "wait", "Counting in this browser …");
  show(byId("checks"));
  try {
    const whose = await trusted();
    const parts = said("electorate").split(",");
    const [opened, tally, decision, ballots, ...lists] = await Promise.all([
      proven(said("opened"), /^VotingOpened$/, whose),
      proven(said("tally"), /^TallyComputed$/, whose),
      said("decision") === "" ? undefined : proven(said("decision"), /^Proposal(Adopted|Rejected)$/, whose),
      allBallots(),
      ...parts.map((id) => proven(id, /^ElectorateSnapshotted$/, whose)),
    ]);
    const ordered = lists.toSorted((a, b) => Number(a["part"]) - Number(b["part"]));
    const checks = recounted({ proposalId: said("id"), opened, parts: ordered, tally, decision }, ballots);
    const wrong = checks.find(({ isGood }) => !isGood);
    if (wrong) setBanner(verdict, "bad", "The count does not hold", `This is not so: ${wrong.says}`, keyNote(whose.key));
    else
      setBanner(
        verdict,
        "good",
        "Counted in this browser: it holds",
        `${ballots.length} ballots, ${String(tally["outcome"])}.`,
        keyNote(whose.key),
      );
    show(byId("checks"), stepsShown(checks));
    // Whatever stood here before was the page's word; this is what was proven.
    show(byId("counts"), ...countRows(tally));
  } catch (fault) {
    setBanner(verdict, "bad", "It could not be counted", (fault as Error).message);
  }
}

const button = document.getElementById("recount") as HTMLButtonElement | null;
if (button) {
  button.disabled = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    void recount().finally(() => {
      button.disabled = false;
      button.focus();
    });
  });
}
const look = () => void tellAndName();
listenForToken(look);
look();

/** What the start page and the checkpoints say of cosigners: their ages, and whether their word is enough, counted in the browser. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cosign, formatCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { formatPolicy, parsePolicy } from "../../domain/log/signed/policy.ts";
import { parseNote } from "../../domain/log/verify/note.ts";
import { signEd25519 } from "../../ops/crypto.ts";
import { keepCosignature } from "../../projections/cosignatures.ts";
import { fits, orSayNotRun, shoot, views } from "../support/browser.ts";
import { type Explored, openExplored } from "./explored.ts";

const cosigners = ["one", "two", "three"].map((name, n) => {
  const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(n + 1));
  return { name, of: `${name}.example`, publicKey, sign, vkey: formatCosignerKey(`${name}.example`, publicKey) };
});
const policy = [...cosigners.map(({ name, vkey }) => `witness ${name} ${vkey}`), "group most 2 one two three", "quorum most", ""].join(
  "\n",
);

it("a policy is written as it is read", () => {
  expect(formatPolicy(parsePolicy(`# ours\n${policy}`))).toBe(policy);
  const withLog = `log ${cosigners[0]!.vkey.replace(/\+.*/, "+f3b3ae86")}`;
  expect(() => parsePolicy(`${withLog}\n${policy}`)).toThrow();
  expect(formatPolicy(parsePolicy("quorum none\n"))).toBe("quorum none\n");
});

describe.skipIf(!orSayNotRun("cosigners in a browser"))("cosigners", () => {
  let explored: Explored;
  const folder = mkdtempSync(join(tmpdir(), "minutebook-policy-"));
  beforeAll(async () => {
    writeFileSync(join(folder, "policy"), policy);
    explored = await openExplored({ env: { MINUTEBOOK_COSIGNERS: join(folder, "policy") } });
  });
  afterAll(async () => {
    await explored?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The newest checkpoint is given the word of these, so many seconds ago. */
  async function say(who: readonly number[], secondsAgo: number): Promise<void> {
    const [newest] = await explored.instance.database.query<{ size: number; note: string }>(
      "select size, note from log.checkpoint order by size desc limit 1",
    );
    for (const n of who) {
      const { of, vkey, publicKey, sign } = cosigners[n]!;
      const time = Math.floor(Date.now() / 1_000) - secondsAgo;
      const line = await cosign({ name: of, publicKey, sign, time, text: parseNote(newest!.note).text });
      await keepCosignature(explored.instance.vault.query, { size: newest!.size, cosigner: vkey, time, line });
    }
  }
  const row = (page: Page, name: string) => page.locator(`[data-cosigned="${name}"]`);

  it("say that nobody spoke yet, then that too few did, then that there is a quorum", async () => {
    const silent = await explored.open("/");
    await silent.page.getByText("The newest checkpoint is log-signed only: cosigned by 0 of 3, below the quorum.").waitFor();
    await row(silent.page, "one").getByText("never").waitFor();
    await say([0], 7_200);
    const few = await explored.open("/checkpoints");
    await few.page.getByText("log-signed only: cosigned by 1 of 3, below the quorum").waitFor();
    await row(few.page, "one").getByText("2 hours ago, to").waitFor();
    await row(few.page, "two").getByText("no word").waitFor();
    await say([2], 60);
    const enough = await explored.open("/");
    await enough.page.getByText("The newest checkpoint is cosigned by 2 of 3.").waitFor();
    await enough.page.locator("#cosigners").getByText("quorum met").waitFor();
    for (const { context } of [silent, few, enough]) await context.close();
  });

  it.each(views)("fit at $width px, $colorScheme", async (view) => {
    for (const path of ["/", "/checkpoints"]) {
      const { context, page } = await explored.open(path, view);
      await page.locator("#cosigners").getByText("quorum met").waitFor();
      await fits(page);
      await shoot(page, `cosigners-${path === "/" ? "start" : "checkpoints"}-${view.width}-${view.colorScheme}`);
      await context.close();
    }
  });

  it("are not believed where a line is false", async () => {
    const { context, page } = await explored.open("/", {
      before: (page) =>
        page.route("**/", async (route) => {
          const response = await route.fetch();
          // One letter of the line of three, in the note that the page counts.
          const body = (await response.text()).replace(
            /(— three\.example .{30})(.)/,
            (_, head, letter) => head + (letter === "A" ? "B" : "A"),
          );
          await route.fulfill({ response, body });
        }),
    });
    await row(page, "three").getByText("wrong").waitFor();
    await page.getByText("cosigned by 1 of 3, below the quorum").waitFor();
    await context.close();
    expect([explored.elsewhere, explored.said]).toEqual([[], []]);
  });
});

/** The explorer's moving parts in a browser: the past replayed, the present as it comes, proposals by state, and files that are dropped. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { writeFork } from "../../domain/log/signed/fork.ts";
import { signPromise } from "../../domain/log/signed/promise.ts";
import { commands } from "../../ops/commands.ts";
import { signEd25519 } from "../../ops/crypto.ts";
import { commitState } from "../../ops/processes/state.ts";
import { projections } from "../../ops/projections.ts";
import { fits, orSayNotRun, shoot, views } from "../support/browser.ts";
import { faint } from "../support/readable.ts";
import { type Explored, openExplored } from "./explored.ts";

const withBrowser = orSayNotRun("the history of the explorer in a browser");

describe.skipIf(!withBrowser)("the explorer", () => {
  let explored: Explored;
  let decided: string;
  let size: number;

  beforeAll(async () => {
    explored = await openExplored();
    decided = await explored.decideOne();
    await explored.must("draft-proposal", { title: "A roof" });
    await explored.covered();
    size = (await explored.instance.log.head())!.size!;
  });
  afterAll(() => explored?.close());

  const open: Explored["open"] = (path, options) => explored.open(path, options);
  const leafOf = async (type: string, nth = 0): Promise<number> => {
    const rows = await explored.instance.database.query<{ leaf_index: number }>(
      "select leaf_index from read.log_entry where type = $1 order by leaf_index",
      [type],
    );
    return rows[nth]!.leaf_index;
  };
  const stands = async (page: Page, leaf: number) => {
    await page
      .locator("#when")
      .getByText(`after entry ${leaf + 1} of`)
      .waitFor();
    await page.locator("#stood[aria-busy=false]").waitFor();
  };
  const section = (page: Page, name: string) => page.locator(`#past-${name} li`);

  it("shows the community as it stood at a place of the log, and what happened there", async () => {
    const opened = await leafOf("VotingOpened");
    const { context, page } = await open(`/history?at=${opened}`, { as: "ana" });
    await stands(page, opened);
    await page.locator("#happened").getByText("Voting on “A well for the square” began").waitFor();
    expect(await section(page, "members").count()).toBe(3);
    await section(page, "members").getByText("ben").waitFor();
    await page.locator(".touched").getByRole("link", { name: "A well for the square" }).waitFor();
    expect(await page.locator("#past-proposals .badge").allTextContents()).toEqual(["open"]);
    const founded = await leafOf("CommunityFounded");
    await page.goto(`${explored.instance.url}/history?at=${founded}`);
    await stands(page, founded);
    expect([await section(page, "members").count(), await section(page, "proposals").count()]).toEqual([0, 0]);
    await page.locator("#happened").getByRole("link", { name: "CommunityFounded" }).click();
    await page.getByRole("heading", { name: "Verified in this browser" }).waitFor();
    await page.getByRole("link", { name: "The community then" }).click();
    await stands(page, founded);
    await context.close();
  });

  it("moves by keyboard, by steps, to a day, and plays", async () => {
    const { context, page } = await open("/history");
    await stands(page, size - 1);
    const slider = page.getByRole("slider", { name: "Place in the log" });
    await slider.focus();
    await page.keyboard.press("ArrowLeft");
    await stands(page, size - 2);
    expect(page.url()).toContain(`at=${size - 2}`);
    expect(await slider.getAttribute("aria-valuetext")).toContain(`entry ${size - 1} of ${size}`);
    await page.keyboard.press("Home");
    await stands(page, 0);
    await page.getByRole("button", { name: "One event forward" }).click();
    await stands(page, 1);
    await page.getByLabel("Events a step").selectOption("10");
    await page.getByRole("button", { name: "One event forward" }).click();
    await stands(page, 11);
    await page.getByRole("button", { name: "One event back" }).click();
    await stands(page, 1);
    await page.getByLabel("Day").fill("2020-01-01");
    await page.getByRole("button", { name: "Go to its end" }).click();
    await stands(page, 0);
    await page.getByLabel("Day").fill("2990-01-01");
    await page.keyboard.press("Enter");
    await stands(page, size - 1);
    const play = page.getByRole("button", { name: "Play" });
    await play.click();
    await stands(page, 10);
    await page.getByRole("button", { name: "Stop" }).click();
    expect(await play.getAttribute("aria-pressed")).toBe("false");
    await context.close();
  });

  it("lets go of what was asked before, and shows only where the slider came to rest", async () => {
    const { context, page } = await open("/history");
    await stands(page, size - 1);
    const asked: string[] = [];
    page.on("request", (request) => void (/history\/moment/.test(request.url()) && asked.push(request.url())));
    // The answer about the first place is late: by then it is about nothing that is shown.
    await page.route("**/history/moment?at=3", async (route) => {
      const response = await route.fetch();
      await page.locator("#when").getByText("after entry 6 of").waitFor();
      await route.fulfill({ response }).catch(() => {});
    });
    await page.evaluate(`{ const slider = document.getElementById("leaf"); slider.value = 3; slider.dispatchEvent(new Event("input")); }`);
    await page.waitForRequest("**/history/moment?at=3");
    await page.evaluate(
      `for (const at of [9, 8, 7, 6, 5]) { const slider = document.getElementById("leaf"); slider.value = at; slider.dispatchEvent(new Event("input")); }`,
    );
    await stands(page, 5);
    expect(asked.map((url) => url.split("at=")[1])).toEqual(["3", "5"]);
    expect(await page.locator("#when").textContent()).toContain(`after entry 6 of ${size}`);
    await context.close();
  });

  it("says what it cannot show", async () => {
    const { context, page } = await open("/history", {
      before: (page) =>
        page.route("**/graphql", (route) => route.fulfill({ json: { errors: [{ message: "The rows are being made again" }] } })),
    });
    await page.locator("#happened").getByText("The rows are being made again").waitFor();
    await context.close();
    for (const [asked, at] of [
      ["at=99999999", size - 1],
      ["at=nonsense", size - 1],
      ["at=2020-01-01T00:00:00.000Z", 0],
      ["at=1&at=2", size - 1],
    ] as const)
      expect(await (await fetch(`${explored.instance.url}/history/moment?${asked}`)).json()).toMatchObject({ leaf: at, size });
  });

  it("lists proposals by state, without a script too", async () => {
    const { context, page } = await open("/proposals", { script: false });
    expect(await page.locator(".proposals a").allTextContents()).toEqual(["A roof", "A well for the square"]);
    await page.getByRole("link", { name: /adopted/ }).click();
    await page.waitForURL(/state=adopted/);
    expect(await page.locator(".proposals a").allTextContents()).toEqual(["A well for the square"]);
    await page.getByRole("link", { name: "A well for the square" }).click();
    await page.waitForURL(`**/proposals/${decided}`);
    await page.goto(`${explored.instance.url}/proposals?state=nothing&before=1`);
    await page.getByText("There are none.").waitFor();
    await context.close();
  });

  it("grows as events come: the start page by itself, the timeline when it is asked to", async () => {
    const start = await open("/");
    const log = await open("/events", { as: "ana" });
    const only = await open("/events?type=MemberAdmitted");
    const { proposalId } = await explored.must("draft-proposal", { title: "A gate" });
    await start.page.locator("#log .events").getByText("“A gate”").first().waitFor();
    await start.page
      .locator("#size")
      .getByText(String(size + 1))
      .waitFor();
    await log.page.getByRole("button", { name: "One new event: show" }).waitFor();
    await explored.must("amend-proposal", { proposalId, title: "A better gate" });
    await log.page.getByRole("button", { name: "2 new events: show" }).click();
    const rows = log.page.locator("#log .events li");
    await rows.first().getByText("changed the draft").waitFor();
    expect(await rows.first().getAttribute("id")).toBe(`leaf-${size + 1}`);
    expect(await log.page.evaluate("document.activeElement.closest('li').id")).toBe(`leaf-${size + 1}`);
    await rows.first().locator(".by").getByText("@ana").waitFor();
    expect(await only.page.getByRole("button", { name: /new event/ }).isVisible()).toBe(false);
    for (const { context } of [start, log, only]) await context.close();
  });

  it("asks again from the last position after it was cut off", async () => {
    const asked: (string | null)[] = [];
    const before = (page: Page) =>
      page.route("**/graphql", (route) => {
        const { query, variables } = route.request().postDataJSON() as { query: string; variables: { after?: string | null } };
        if (!query.startsWith("subscription")) return route.continue();
        asked.push(variables.after ?? null);
        return asked.length > 1 ? route.continue() : route.fulfill({ contentType: "text/event-stream", body: "event: complete\n\n" });
      });
    const { context, page } = await open("/", { before });
    const size = Number(await page.locator("#size").textContent());
    await explored.must("draft-proposal", { title: "Meanwhile" });
    await page
      .locator("#size")
      .getByText(String(size + 1))
      .waitFor();
    expect(asked.length).toBe(2);
    expect(asked[1]).toBe(asked[0]);
    await context.close();
  });

  it("listens to nothing while nobody looks, and goes on where it was", async () => {
    const { context, page } = await open("/");
    const hide = (isHidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`,
      );
    const before = Number(await page.locator("#size").textContent());
    await hide(true);
    await explored.must("draft-proposal", { title: "Unseen" });
    await explored.covered();
    expect(Number(await page.locator("#size").textContent())).toBe(before);
    await hide(false);
    await page
      .locator("#size")
      .getByText(String(before + 1))
      .waitFor();
    await context.close();
  });

  const drop = (page: Page, name: string, content: string) =>
    page.evaluate(`{
      const dropped = new DataTransfer();
      dropped.items.add(new File([${JSON.stringify(content)}], ${JSON.stringify(name)}));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
    }`);

  it.each(views)("checks a file that is dropped on any page, at $width px, $colorScheme", async (view) => {
    const { context, page } = await open("/proposals", view);
    const receipt = await (await fetch(`${explored.instance.url}/log/proofs/${await explored.idOf("TallyComputed")}`)).text();
    await page.locator("#standing").getByText("has followed").waitFor();
    const sent: string[] = [];
    page.on("request", (request) => void (request.method() !== "GET" && sent.push(request.url())));
    await drop(page, "a.tlog-proof", receipt);
    const dialog = page.getByRole("dialog", { name: "All of it verifies" });
    await dialog.getByText("TallyComputed (version").waitFor();
    await shoot(page, `explorer-dropped-${view.width}-${view.colorScheme}`);
    await fits(page);
    expect(
      await page.evaluate("document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth"),
    ).toBeLessThanOrEqual(0);
    await page.keyboard.press("Escape");
    expect(await page.getByRole("dialog").count()).toBe(0);
    await page.setInputFiles("#dropped", [
      { name: "b.tlog-proof", mimeType: "text/plain", buffer: Buffer.from(receipt.replace(/^(index )\d+/m, "$11")) },
    ]);
    await page.getByRole("dialog", { name: "Does not verify" }).getByText("not at this place of the signed tree").waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await drop(page, "letter.txt", "Dear all");
    await page.getByRole("dialog", { name: "Nothing was checked" }).waitFor();
    expect(sent).toEqual([]);
    await context.close();
  });

  it("checks a stream proof, a promise and a fork that are dropped", async () => {
    const { context, page } = await open("/events");
    await page.locator("#standing").getByText("has followed").waitFor();
    const origin = explored.instance.origin;
    const { publicKey, sign } = signEd25519(explored.instance.signingSeed);
    const note = (fill: number) => signCheckpoint({ origin, size: 9, root: new Uint8Array(32).fill(fill) }, publicKey, sign);
    const promise = await signPromise({ origin, entry: new Uint8Array(32), at: "2090-01-01T00:00:00.000Z" }, publicKey, sign);
    const { log, database, handler } = explored.instance;
    await commitState({ log, database, projections, handler, commands });
    await explored.covered();
    const stream = await (await fetch(`${explored.instance.url}/log/streams/roles`)).text();
    const fork = writeFork({ vkey: explored.instance.vkey, checkpoints: [await note(1), await note(2)] });
    for (const [name, content, title, says] of [
      ["a.tlog-promise", promise, /The promise is the log's/, "covers the entry until 2090"],
      ["roles.minutebook-stream", stream, "All of it verifies", "Stream roles is whole"],
      ["fork.json", fork, "A fork is proven", "a tree of 9 entries and one of 9"],
    ] as const) {
      await drop(page, name, content);
      await page.getByRole("dialog", { name: title }).getByText(says).first().waitFor();
      await page.keyboard.press("Escape");
    }
    // What was committed is told in a sentence of its own.
    const committed = await open("/events?type=StateCommitted");
    await committed.page
      .locator(".says")
      .getByText(/^The state after \d+ entries was committed to: the heads of \d+ streams/)
      .waitFor();
    for (const each of [context, committed.context]) await each.close();
  });

  it("checks a whole bundle that is dropped", async () => {
    const { context, page } = await open("/");
    const tar = Buffer.from(await (await fetch(`${explored.instance.url}/log/bundle`)).arrayBuffer());
    await page.setInputFiles("#dropped", [{ name: "bundle.tar", mimeType: "application/x-tar", buffer: tar }]);
    await page.getByRole("dialog", { name: "All of it verifies" }).waitFor();
    await page.getByRole("dialog").getByText("Checked with the key that this instance gives itself").waitFor();
    await context.close();
    expect(explored.elsewhere).toEqual([]);
  });
});

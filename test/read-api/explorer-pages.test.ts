/** The explorer's pages at both widths and in both themes: nothing cut, nothing unreadable, nothing that a keyboard or a screen reader cannot reach. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fits, orSayNotRun, shoot, type Tab, views } from "../support/browser.ts";
import { cutOff, faint, unnamed } from "../support/readable.ts";
import { type Explored, openExplored } from "./explored.ts";

const withBrowser = orSayNotRun("the pages of the explorer in a browser");

const names = ["start", "events", "event", "proposal", "history", "checkpoints", "proposals", "deliveries"] as const;
type Name = (typeof names)[number];
/** Of the page and its scripts as they are sent; its answers to questions are left out. */
const kilobytesMax = 60;

describe.skipIf(!withBrowser)("every page of the explorer", () => {
  let explored: Explored;
  let paths: Readonly<Record<Name, string>>;

  beforeAll(async () => {
    explored = await openExplored();
    const decided = await explored.decideOne();
    const { proposalId } = await explored.must("draft-proposal", { title: `A title of ${"many long words ".repeat(11)}`.trim() });
    await explored.must("open-voting", { proposalId, closesAt: new Date(Date.now() + 3_600_000).toISOString() });
    await explored.must("draft-proposal", { title: "W".repeat(200) });
    await explored.covered();
    paths = {
      start: "/",
      events: "/events",
      event: `/events/${await explored.idOf("TallyComputed")}`,
      proposal: `/proposals/${decided}`,
      history: "/history",
      checkpoints: "/checkpoints",
      proposals: "/proposals",
      deliveries: "/deliveries",
    };
  });
  afterAll(() => explored?.close());

  /** All that scripts put there is there. */
  const shown: Readonly<Record<Name, (page: Page) => Promise<unknown>>> = {
    start: (page) => page.locator(".says").getByText("was written down").first().waitFor(),
    events: (page) => page.locator(".says").getByText("was written down").first().waitFor(),
    event: (page) => page.getByRole("heading", { name: "Verified in this browser" }).waitFor(),
    async proposal(page) {
      await page.getByRole("button", { name: "Recount here" }).click();
      await page.getByRole("heading", { name: "Counted in this browser: it holds" }).waitFor();
    },
    history: (page) => page.locator("#stood[aria-busy=false]").waitFor(),
    checkpoints: (page) => page.getByRole("heading", { name: "Verified in this browser" }).waitFor(),
    proposals: (page) => page.getByRole("heading", { name: "Proposals" }).waitFor(),
    deliveries: (page) => page.getByLabel("A bearer token").waitFor(),
  };

  describe.each(names)("%s", (name) => {
    let tab: Tab;
    beforeAll(async () => {
      tab = await explored.open(paths[name]);
      await shown[name](tab.page);
      await tab.page.locator("#standing").getByText("has followed").waitFor();
    });
    afterAll(() => tab?.context.close());

    it.each(views)("at $width px, $colorScheme", async ({ width, colorScheme }) => {
      const { page } = tab;
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await shoot(page, `page-${name}-${width}-${colorScheme}`);
      await fits(page);
      expect(await page.evaluate(cutOff)).toEqual([]);
      expect(await page.evaluate(faint)).toEqual([]);
      expect(await page.evaluate(unnamed)).toEqual([]);
      expect(await page.evaluate(landmarks)).toEqual({
        banner: 1,
        navigation: true,
        main: 1,
        contentinfo: 1,
        h1: 1,
        lang: "en",
        title: true,
      });
    });

    it.each(views)("by the keyboard at $width px, $colorScheme", async ({ width, colorScheme }) => {
      await tab.page.setViewportSize({ width, height: 900 });
      await tab.page.emulateMedia({ colorScheme });
      await isReachable(tab.page);
    });
  });

  it("sends a script small, and once", async () => {
    const url = `${explored.instance.url}/explorer/core.js`;
    const first = await fetch(url);
    const text = await first.text();
    expect([first.headers.get("content-encoding"), first.headers.get("vary")]).toEqual(["gzip", "accept-encoding"]);
    const plain = await fetch(url, { headers: { "accept-encoding": "gzip;q=0, br" } });
    expect([plain.headers.get("content-encoding"), await plain.text()]).toEqual([null, text]);
    const again = await fetch(url, { headers: { "if-none-match": first.headers.get("etag")! } });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expect((await fetch(`${explored.instance.url}/log/checkpoint`)).headers.get("content-encoding")).toBe(null);
  });

  it("says nothing in the console, asks nobody else, and weighs little", async () => {
    const weights: string[] = [];
    for (const name of names) {
      const loaded = new Map<string, number>();
      const before = async (page: Page) =>
        page.on("requestfinished", async (request) => {
          if (["document", "script"].includes(request.resourceType())) loaded.set(request.url(), (await request.sizes()).responseBodySize);
        });
      const { context, page } = await explored.open(paths[name], { before });
      await shown[name](page);
      await page.waitForLoadState("load");
      const kilobytes = [...loaded.values()].reduce((sum, bytes) => sum + bytes, 0) / 1_024;
      weights.push(`${name} ${kilobytes.toFixed(0)} kB`);
      expect(kilobytes, name).toBeGreaterThan(5);
      expect(kilobytes, name).toBeLessThan(kilobytesMax);
      await context.close();
    }
    console.log(`pages with their scripts, as they are sent: ${weights.join(", ")}`);
    expect([explored.said, explored.elsewhere]).toEqual([[], []]);
  });
});

const landmarks = `({
  banner: document.querySelectorAll("body > header").length,
  navigation: document.querySelectorAll("header nav[aria-label]").length === 1,
  main: document.querySelectorAll("main").length,
  contentinfo: document.querySelectorAll("body > footer").length,
  h1: document.querySelectorAll("h1").length,
  lang: document.documentElement.lang,
  title: document.title !== "",
})`;

/** Every stop of the keyboard shows where it is; the first leads past the navigation. */
async function isReachable(page: Page): Promise<void> {
  await page.reload();
  const stops: { shows: boolean; what: string }[] = [];
  await page.locator("body").press("Tab");
  for (let n = 0; n < 14; n++) {
    const stop = await page.evaluate(`{
      const at = document.activeElement, style = getComputedStyle(at), around = at.closest(".pick");
      const outlined = (each) => each && getComputedStyle(each).outlineStyle !== "none" && parseFloat(getComputedStyle(each).outlineWidth) >= 2;
      ({ shows: outlined(at) || Boolean(outlined(around)), what: at.outerHTML.slice(0, 80) });
    }`);
    stops.push(stop as (typeof stops)[number]);
    await page.keyboard.press("Tab");
  }
  expect(stops[0]!.what).toContain("To the content");
  // Behind the last stop is the page itself.
  expect(stops.filter(({ shows, what }) => !shows && !what.startsWith("<body"))).toEqual([]);
}

import type { Browser, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { projections } from "../../ops/projections.ts";
import type { Instance } from "../../ops/instance.ts";
import { browserPath, orSayNotRun } from "../support/browser.ts";
import { amending } from "./amendments.ts";
import { median, whole } from "./measure.ts";

const events = 100_000;
const runs = 7;
const moves = 40;
const paintMsMax = 1_000;

/** A log of so many events, with its rows and a checkpoint over all of it. */
export async function fillLog(instance: Instance): Promise<void> {
  const { log, rows, database, ambient } = instance;
  const before = (await log.head())?.size ?? 0;
  if (before < events) await (await amending(instance)).many(events - before);
  const size = (await log.head())!.size!;
  await rows.waitFor(
    projections.map(({ name }) => name),
    size,
    600_000,
  );
  const signed = async () => (await database.query<{ size: number }>("select max(size) as size from log.checkpoint"))[0]?.size ?? 0;
  while ((await signed()) < size) await ambient.wait(100);
}

/**
 * The explorer's pages in a browser that has never seen them: when something of each is painted first, and on the history how long it takes
 * from a move of the slider until the community of then is shown.
 */
export async function benchExplorer(port: number): Promise<boolean> {
  if (!orSayNotRun("\nThe explorer")) return true;
  const url = `http://127.0.0.1:${port}`;
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  try {
    const paths = await pathsAt(url);
    const size = Number((await (await fetch(`${url}/log/checkpoint`)).text()).split("\n")[1]);
    console.log(`\nThe explorer over ${whole(size)} events, in a browser that has never seen it (${runs} times each, milliseconds)\n`);
    let slowest = 0;
    for (const [name, path] of Object.entries(paths)) {
      const paints: number[] = [];
      const settled: number[] = [];
      for (let run = 0; run < runs; run++) {
        const { paint, checked } = await once(browser, url + path);
        paints.push(paint);
        settled.push(checked);
      }
      slowest = Math.max(slowest, ...paints);
      const range = `${whole(Math.min(...paints))}–${whole(Math.max(...paints))}`;
      console.log(
        `  ${name.padEnd(12)} first paint ${whole(median(paints)).padStart(5)} (${range}), log checked ${whole(median(settled)).padStart(5)}`,
      );
    }
    const taken = await slide(browser, url, size);
    const [p50, p95] = [0.5, 0.95].map((q) => taken[Math.min(taken.length - 1, Math.floor(taken.length * q))]!);
    console.log(
      `\n  history      from a move of the slider to the community of then: p50 ${whole(p50!)}, p95 ${whole(p95!)} (${moves} moves)\n`,
    );
    const met = slowest <= paintMsMax;
    console.log(
      `  ${met ? "met   " : "MISSED"}  the slowest first paint of all: ${whole(slowest)} ms (budget: at most ${whole(paintMsMax)})`,
    );
    return met;
  } finally {
    await browser.close();
  }
}

async function pathsAt(url: string): Promise<Readonly<Record<string, string>>> {
  const linked = async (path: string, form: RegExp) => form.exec(await (await fetch(url + path)).text())![0];
  return {
    start: "/",
    events: "/events",
    "old events": "/events?before=1000",
    "one type": "/events?type=MemberAdmitted",
    event: await linked("/events?before=50000", /\/events\/[0-9a-f-]{36}/),
    proposal: await linked("/proposals", /\/proposals\/[0-9a-f-]{36}/),
    proposals: "/proposals",
    history: "/history",
    checkpoints: "/checkpoints",
  };
}

/** Cold: no cache, nothing remembered. */
async function once(browser: Browser, address: string): Promise<{ readonly paint: number; readonly checked: number }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(address);
  await page.locator("#standing").getByText("has followed the log").waitFor();
  const checked = Number(await page.evaluate("performance.now()"));
  const paint = Number(await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"));
  await context.close();
  return { paint, checked };
}

/** Sorted. The places are spread over the whole log, each far from the one before. */
async function slide(browser: Browser, url: string, size: number): Promise<readonly number[]> {
  const page: Page = await browser.newPage();
  await page.goto(`${url}/history`);
  await page.locator("#stood[aria-busy=false]").waitFor();
  const taken: number[] = [];
  for (let move = 0; move < moves; move++) {
    const leaf = Math.floor(((move * 17) % moves) * (size / moves));
    const from = Number(
      await page.evaluate(
        `{ const slider = document.getElementById("leaf"); slider.value = ${leaf}; slider.dispatchEvent(new Event("input")); performance.now() }`,
      ),
    );
    await page
      .locator("#when")
      .getByText(`after entry ${(leaf + 1).toLocaleString("en-GB")} of`)
      .waitFor();
    await page.locator("#stood[aria-busy=false]").waitFor();
    taken.push(Number(await page.evaluate("performance.now()")) - from);
  }
  await page.close();
  return taken.sort((a, b) => a - b);
}

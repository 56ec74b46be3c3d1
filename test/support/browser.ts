/** Pages in headless Chromium, where there is one: what they asked of others, what they complained of, and whether they fit. */
import { existsSync } from "node:fs";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { expect } from "vitest";

export const browserPath = process.env["MINUTEBOOK_TEST_CHROMIUM"] ?? "/usr/bin/chromium";
export const withBrowser = existsSync(browserPath);
const shots = process.env["MINUTEBOOK_TEST_SHOTS"];

export type View = { readonly width: number; readonly colorScheme: "light" | "dark" };
export const views: readonly View[] = [360, 1280].flatMap((width) =>
  (["light", "dark"] as const).map((colorScheme) => ({ width, colorScheme })),
);

/** Says so where nothing is run. */
export function orSayNotRun(what: string): boolean {
  if (!withBrowser) console.warn(`${what}: NOT RUN, no chromium here (set MINUTEBOOK_TEST_CHROMIUM)`);
  return withBrowser;
}

export type Tab = { readonly context: BrowserContext; readonly page: Page };
export type TabOptions = Partial<View> & {
  /** A token that the tab holds from the beginning. */
  readonly token?: string | undefined;
  readonly script?: boolean;
  /** Before the page is asked for. */
  readonly before?: (page: Page) => Promise<unknown>;
  /** A context that goes on: what its browser remembers is still there. */
  readonly context?: BrowserContext;
};

export type TestBrowser = {
  /** What any page asked of somebody other than the instance. */
  readonly elsewhere: string[];
  /** What any page complained of. */
  readonly said: string[];
  readonly browser: Browser;
  readonly open: (path: string, options?: TabOptions) => Promise<Tab>;
  readonly close: () => Promise<void>;
};

/** `url` is the instance's. */
export async function openBrowser(url: () => string): Promise<TestBrowser> {
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  const [elsewhere, said]: [string[], string[]] = [[], []];
  return {
    browser,
    elsewhere,
    said,
    async open(path, { width = 1280, colorScheme = "light", token, script = true, before, context: earlier } = {}) {
      const context = earlier ?? (await browser.newContext({ viewport: { width, height: 900 }, colorScheme, javaScriptEnabled: script }));
      if (token !== undefined) await context.addInitScript(`sessionStorage.setItem("minutebook-token", ${JSON.stringify(token)})`);
      const page = await context.newPage();
      page.on("request", (request) => {
        if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url())) elsewhere.push(request.url());
      });
      page.on("console", (message) => message.type() === "error" && said.push(message.text()));
      page.on("pageerror", (error) => said.push(String(error)));
      await before?.(page);
      await page.goto(url() + path);
      return { context, page };
    },
    close: () => browser.close(),
  };
}

/** Nothing stands out at a side. */
export const fits = async (page: Page) =>
  expect(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")).toBeLessThanOrEqual(0);

/** A picture, where somebody wants to look at them. */
export const shoot = async (page: Page, name: string) =>
  void (shots !== undefined && (await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true })));

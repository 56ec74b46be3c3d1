/** The page that is given away, opened from a file in a browser that has no network: it says of everything what the command line says. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { signEd25519 } from "../../ops/crypto.ts";
import { vectors } from "../log/vectors.ts";
import { changedCases, discard, onDisk, printed, workedCases, type Case } from "./cases.ts";

const browserPath = process.env["MINUTEBOOK_TEST_CHROMIUM"] ?? "/usr/bin/chromium";
const withBrowser = existsSync(browserPath);
if (!withBrowser) console.warn("the verifier's page in a browser: NOT RUN, no chromium here (set MINUTEBOOK_TEST_CHROMIUM)");
const shots = process.env["MINUTEBOOK_TEST_SHOTS"];
const address = pathToFileURL(join(import.meta.dirname, "../../read-api/explorer/verifier/verifier.html")).href;
afterAll(discard);

type View = { readonly width: number; readonly colorScheme: "light" | "dark" };

describe.skipIf(!withBrowser)("the page", () => {
  let browser: Browser;
  let context: BrowserContext;
  let tab: Page;
  const said: string[] = [];
  const asked: string[] = [];
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
    ({ context, tab } = await opened({ width: 1280, colorScheme: "light" }));
  });
  afterAll(() => browser?.close());

  async function opened({ width, colorScheme }: View) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, offline: true });
    const tab = await context.newPage();
    tab.on("request", (request) => request.url() !== address && !request.url().startsWith("data:") && asked.push(request.url()));
    tab.on("console", (message) => message.type() === "error" && said.push(message.text()));
    tab.on("pageerror", (error) => said.push(String(error)));
    await tab.goto(address);
    return { context, tab };
  }

  const filesOf = (files: Case["files"]) =>
    Object.entries(files).map(([name, content]) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(content) }));

  async function verdict(of: Page): Promise<{ readonly kind: string; readonly text: string }> {
    const shown = of.locator("#verdict:is(.good, .half, .bad, .unclear)");
    await shown.waitFor();
    return { kind: (await shown.getAttribute("class"))!, text: await shown.innerText() };
  }

  /** What the page says of these files and this key, both new to it. */
  async function check({ files, vkey }: Pick<Case, "files" | "vkey">, page = tab) {
    await page.reload();
    await page.fill("#vkey", vkey ?? "");
    await page.setInputFiles("#files", filesOf(files));
    return verdict(page);
  }

  async function agrees(tried: Case): Promise<void> {
    const { kind, text } = await check(tried);
    const expected = tried.exit === 3 ? "bad" : tried.vkey === undefined ? "half" : "good";
    expect([tried.what, kind]).toEqual([tried.what, expected]);
    if (tried.exit === 0) return;
    const { out } = await printed(onDisk(tried), tried);
    const why = out.trimEnd().split("\n").at(-1)!.split(" · ").at(-1)!.replace("DOES NOT VERIFY: ", "");
    expect(text).toContain(why);
    const [, leaf] = /VERIFY: leaf (\d+)/.exec(out) ?? [];
    if (leaf !== undefined) expect(text.replaceAll("\n", " ")).toContain(`First bad leaf ${leaf}`);
  }

  it("agrees with the command line on every worked bundle and receipt", { timeout: 120_000 }, async () => {
    for (const tried of workedCases.filter(({ complete }) => !complete)) await agrees(tried);
  });

  it("agrees with it on changed bundles", { timeout: 120_000 }, async () => {
    for (const tried of await changedCases(300, 12)) await agrees(tried);
  });

  it("says so where it knows the key from the bundle alone, and checks again when it is given one", async () => {
    const { files } = workedCases[0]!;
    const alone = await check({ files, vkey: undefined });
    expect(alone.kind).toBe("half");
    expect(alone.text).toContain("The key was taken from the file itself");
    await tab.fill("#vkey", vectors.vkey);
    await tab.locator("#verdict.good").waitFor();
    expect((await verdict(tab)).text).not.toContain("The key was taken");
    await tab.fill("#vkey", "a mistake");
    expect(await tab.evaluate("document.activeElement.id"), "whoever types goes on typing").toBe("vkey");
    await tab.locator("#verdict.unclear").waitFor();
    expect((await verdict(tab)).text).toContain("This is not a log's key");
  });

  it("takes what is dropped on it, and needs a key for a receipt", async () => {
    await tab.reload();
    const text = vectors.receipts[0]!.text;
    await tab.evaluate(`{
      const dropped = new DataTransfer();
      dropped.items.add(new File([${JSON.stringify(text)}], "a.tlog-proof"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
    }`);
    expect(await verdict(tab)).toMatchObject({ kind: "unclear", text: expect.stringContaining("give the log's key") });
    await tab.fill("#vkey", vectors.receipts[0]!.vkey);
    await tab.locator("#verdict.good").waitFor();
  });

  it("asks for the word of cosigners where a policy is given, typed or as a file", async () => {
    const { publicKey } = signEd25519(new Uint8Array(32).fill(5));
    const policy = `witness one ${formatCosignerKey("cosigner.example", publicKey)}\nquorum one\n`;
    const { files, vkey } = { ...workedCases[0]!, vkey: vectors.vkey };
    expect((await check({ files, vkey })).kind).toBe("good");
    await tab.getByText("Whose cosignatures are asked for").click();
    await tab.setInputFiles("#policy-file", [{ name: "policy", mimeType: "text/plain", buffer: Buffer.from(policy) }]);
    await tab.locator("#verdict.bad").waitFor();
    expect((await verdict(tab)).text).toContain("cosigned by 0 of 1, below the quorum");
    await tab.fill("#policy", policy.replace("quorum one", "quorum none"));
    await tab.locator("#verdict.good").waitFor();
    await tab.fill("#policy", "nonsense");
    await tab.locator("#verdict.unclear").waitFor();
    expect((await verdict(tab)).text).toContain("This is not a policy of cosigners: line 1");
  });

  it("is used with the keyboard alone, and says its verdict to a screen reader", async () => {
    await tab.reload();
    const reached: string[] = [];
    for (let steps = 0; steps < 3; steps++) {
      await tab.keyboard.press("Tab");
      reached.push(String(await tab.evaluate("document.activeElement.id")));
    }
    expect(reached).toEqual(["files", "folder", "vkey"]);
    await tab.setInputFiles("#files", filesOf(workedCases[0]!.files));
    await verdict(tab);
    expect(await tab.evaluate("document.activeElement.id")).toBe("verdict");
    expect(await tab.getAttribute("#verdict", "aria-live")).toBe("polite");
  });

  const bad = workedCases.find(({ what }) => what === "bundle: a value changed")!;
  const views: readonly View[] = [360, 1280].flatMap((width) =>
    (["light", "dark"] as const).map((colorScheme) => ({ width, colorScheme })),
  );
  it.each(views)("fits $width px, $colorScheme", async (view) => {
    const { context, tab } = await opened(view);
    for (const [name, files, vkey] of [
      ["half", workedCases[0]!.files, undefined],
      ["good", workedCases[0]!.files, vectors.vkey],
      ["bad", bad.files, bad.vkey],
    ] as const) {
      expect((await check({ files, vkey }, tab)).kind).toBe(name);
      expect(await tab.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
      if (shots) await tab.screenshot({ path: `${shots}/verifier-${name}-${view.width}-${view.colorScheme}.png`, fullPage: true });
    }
    await context.close();
  });

  it("asked nothing of anybody, could not have, and complained of nothing", async () => {
    expect(asked).toEqual([]);
    expect(said).toEqual([]);
    await tab.evaluate(`fetch("https://example.org/").catch(() => {})`);
    expect(said.join()).toContain("Content Security Policy");
    await context.close();
  });
});

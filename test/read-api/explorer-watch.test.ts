/** Every page of the explorer follows the log from visit to visit: what turns it red, what only grey, and what the reader can keep. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Checkpoint, openCheckpoint, signCheckpoint } from "../../domain/log/checkpoint.ts";
import { b64, concat } from "../../domain/log/hash.ts";
import { rootOf } from "../../domain/log/merkle.ts";
import { formatVkey, parseVkey } from "../../domain/log/note.ts";
import { openFork } from "../../domain/log/signed/fork.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { rotate } from "../../ops/keys/change-keys.ts";
import { fits, orSayNotRun, shoot } from "../support/browser.ts";
import { faint } from "../support/readable.ts";
import { type Explored, openExplored } from "./explored.ts";

const withBrowser = orSayNotRun("the watch of the explorer in a browser");

describe.skipIf(!withBrowser)("the watch", () => {
  let explored: Explored;
  const [seed, next] = [randomBytes(32), randomBytes(32)];
  const own = signEd25519(new Uint8Array(seed));
  let vkey: string;
  let note: string;
  let now: Checkpoint;

  beforeAll(async () => {
    explored = await openExplored({ env: { MINUTEBOOK_SIGNING_KEY: [seed, next].map((each) => each.toString("base64url")).join(",") } });
    await explored.must("draft-proposal", { title: "A roof" });
    await explored.covered();
    await readNow();
  });
  afterAll(() => explored?.close());

  async function readNow(): Promise<void> {
    const at = async (path: string) => (await fetch(explored.instance.url + path)).text();
    vkey = (await at("/log/key")).trim();
    note = await at("/log/checkpoint");
    now = await openCheckpoint(note, parseVkey(vkey), verifyEd25519);
  }
  const signed = (checkpoint: Partial<Checkpoint>, by = own) => signCheckpoint({ ...now, ...checkpoint }, by.publicKey, by.sign);

  /** A browser that has seen the log as it is. */
  async function followed(): Promise<{ context: BrowserContext; page: Page }> {
    const tab = await explored.open("/events");
    await standing(tab.page);
    return tab;
  }
  const standing = (page: Page) => page.locator("#standing").getByText(`has followed the log over ${now.size} entries`).waitFor();
  const answer = (page: Page, path: string, body: string, status = 200) =>
    page.route(`**${path}`, (route) => route.fulfill({ status, body, contentType: "text/plain" }));
  const red = async (page: Page, title: string) => {
    await page.getByRole("alert").getByRole("heading", { name: title }).waitFor();
    expect(await page.getByRole("alert").getAttribute("class")).toBe("banner bad");
  };
  async function kept(page: Page, name: string): Promise<string> {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("alert").getByRole("link", { name }).click()]);
    return readFile(await download.path(), "utf8");
  }
  /** A page that follows, once the instance answers otherwise. */
  async function lied(lie: (page: Page) => Promise<unknown>, path = "/proposals"): Promise<{ context: BrowserContext; page: Page }> {
    const { context, page: first } = await followed();
    await first.close();
    return explored.open(path, { context, before: lie });
  }

  it("says quietly how far this browser has followed the log", async () => {
    const { context, page } = await followed();
    expect(await page.getByRole("alert").isVisible()).toBe(false);
    await page.locator("#standing").getByText("The key came from this instance itself").waitFor();
    const memory = JSON.parse(String(await page.evaluate("localStorage.getItem('minutebook-log')")));
    expect(memory).toMatchObject({ key: { vkey }, seen: { size: now.size, note } });
    await context.close();
  });

  it("turns red on two roots of one size, keeps the proof, and stays red until it is let go", async () => {
    const other = await signed({ root: new Uint8Array(32).fill(1) });
    const { context, page } = await lied((page) => answer(page, "/log/checkpoint", other));
    await red(page, "The log signed two histories");
    await page.getByRole("alert").getByText("Seen just now").waitFor();
    await page.getByRole("alert").getByText("What to do").waitFor();
    await shoot(page, "explorer-alarm-1280-light");
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await page.evaluate(faint)).toEqual([]);
    }
    const fork = await kept(page, "Keep the proof of the fork");
    const { first, second, key } = await openFork(fork, verifyEd25519);
    expect([first.size, second.size, key]).toEqual([now.size, now.size, vkey]);
    expect(await kept(page, "Keep both checkpoints")).toBe(`${note}\n${other}`);
    const later = await explored.open("/", { context, width: 360 });
    await red(later.page, "The log signed two histories");
    await later.page.getByRole("alert").getByText("It verifies again since").waitFor();
    await later.page.getByRole("button", { name: "Begin anew" }).click();
    await later.page.getByRole("dialog").getByRole("button", { name: "Leave it" }).click();
    await red(later.page, "The log signed two histories");
    await later.page.getByRole("button", { name: "Begin anew" }).click();
    await later.page.getByRole("dialog").getByRole("button", { name: "Begin anew" }).click();
    await later.page.locator("#alarm").waitFor({ state: "hidden" });
    await standing(later.page);
    await context.close();
  });

  it("proves a fork from the tiles where the greater tree begins otherwise", async () => {
    const leaves = Array.from({ length: 300 }, () => new Uint8Array(randomBytes(32)));
    const other = await signed({ size: 300, root: rootOf(leaves) });
    const { context, page } = await lied(async (page) => {
      await answer(page, "/log/checkpoint", other);
      await answer(page, "/log/consistency*", JSON.stringify({ from: now.size, to: 300, hashes: [b64(leaves[0]!)] }));
      const tiles: Readonly<Record<string, readonly Uint8Array[]>> = {
        "0/000": leaves.slice(0, 256),
        "0/001.p/44": leaves.slice(256),
        "1/000.p/1": [rootOf(leaves.slice(0, 256))],
      };
      for (const [path, hashes] of Object.entries(tiles))
        await page.route(`**/log/tile/${path}`, (route) => route.fulfill({ body: Buffer.from(concat(...hashes)) }));
    });
    await red(page, "The log signed two histories");
    const { first, second } = await openFork(await kept(page, "Keep the proof of the fork"), verifyEd25519);
    expect([first.size, second.size]).toEqual([now.size, 300]);
    await context.close();
  });

  it("turns red where a greater tree is not shown to be grown out of the one before", async () => {
    const other = await signed({ size: now.size + 5, root: new Uint8Array(32).fill(2) });
    const { context, page } = await lied((page) => answer(page, "/log/checkpoint", other), "/history");
    await red(page, "The log does not show that it only grew");
    expect(await page.getByRole("link", { name: "Keep the proof of the fork" }).count()).toBe(0);
    expect(await kept(page, "Keep both checkpoints")).toBe(`${note}\n${other}`);
    await fits(page);
    await context.close();
  });

  it("turns red where a checkpoint is not signed", async () => {
    const { context, page } = await lied((page) => answer(page, "/log/checkpoint", note.replace(/^\d+$/m, "99")), "/checkpoints");
    await red(page, "The newest checkpoint is not signed");
    await context.close();
  });

  it("tells an older checkpoint that is proven from one that is not", async () => {
    const older = await explored.instance.database.query<{ note: string; size: number }>(
      "select note, size from log.checkpoint where size < $1 order by size desc limit 1",
      [now.size],
    );
    const proven = await lied((page) => answer(page, "/log/checkpoint", older[0]!.note));
    await proven.page.getByRole("alert").getByText("An older checkpoint is shown").waitFor();
    expect(await proven.page.getByRole("alert").getAttribute("class")).toBe("banner");
    await proven.context.close();
    const held = await lied(async (page) => {
      await answer(page, "/log/checkpoint", older[0]!.note);
      await answer(page, "/log/consistency*", "{}", 404);
    });
    await red(held.page, "The log shows less than it has signed");
    await held.page.getByRole("alert").getByText(`It shows ${older[0]!.size} entries`).waitFor();
    await held.context.close();
  });

  it("turns red for another key that nothing explains", async () => {
    const other = signEd25519(new Uint8Array(randomBytes(32)));
    const another = formatVkey(now.origin, other.publicKey);
    const lie = await signed({}, other);
    const { context, page } = await lied(async (page) => {
      await answer(page, "/log/checkpoint", lie);
      await answer(page, "/log/key", another);
    });
    await red(page, "The log's key is another one");
    await page.getByRole("alert").getByText("the history of its keys does not lead from that one to it").waitFor();
    await context.close();
  });

  it("is grey, not red, where nothing answers, and goes on when it does", async () => {
    for (const lie of [
      (page: Page) => page.route("**/log/checkpoint", (route) => route.abort()),
      (page: Page) => answer(page, "/log/checkpoint", "{}", 503),
      (page: Page) => answer(page, "/log/checkpoint", `{"code":"INTERNAL"}`, 500),
    ]) {
      const { context, page } = await lied(lie);
      await page.getByRole("alert").getByText("no sign of tampering").waitFor();
      expect(await page.getByRole("alert").getAttribute("class")).toBe("banner");
      await page.unrouteAll();
      await page.reload();
      await standing(page);
      expect(await page.getByRole("alert").isVisible()).toBe(false);
      await context.close();
    }
  });

  it("remembers a key that the reader was given, and from whom", async () => {
    const { context, page } = await followed();
    await page.getByText("Whose key?").click();
    const enter = async (key: string, from: string) => {
      await page.getByLabel("The log’s key").fill(key);
      await page.getByLabel("I got this key from").fill(from);
      await page.getByRole("button", { name: "Remember it" }).click();
    };
    await enter("nonsense", "nobody");
    await page.getByText("This is not a log's key").waitFor();
    await enter(vkey, "the printed minutes");
    await page.locator("#standing").getByText("The key was given by the reader: “the printed minutes”").waitFor();
    const event = await explored.open(`/events/${await explored.idOf("ProposalDrafted")}`, { context });
    await event.page.getByRole("heading", { name: "Verified in this browser" }).waitFor();
    await event.page.getByText("Whose signature?").click();
    await event.page.getByText("The key is the one that you were given (“the printed minutes”)").waitFor();
    await enter(formatVkey(now.origin, signEd25519(new Uint8Array(32).fill(9)).publicKey), "an old letter");
    await red(page, "The log's key is another one");
    await page.getByRole("alert").getByText("you were given (“an old letter”)").waitFor();
    await context.close();
  });

  it("checks again each minute, while somebody looks", async () => {
    const context = await explored.browser.newContext();
    await context.clock.install();
    const { page } = await explored.open("/events", { context });
    await standing(page);
    const other = await signed({ root: new Uint8Array(32).fill(3) });
    await answer(page, "/log/checkpoint", other);
    await context.clock.runFor(30_000);
    expect(await page.getByRole("alert").isVisible()).toBe(false);
    await context.clock.runFor(60_000);
    await red(page, "The log signed two histories");
    await context.close();
  });

  // Comes last: the log goes on under its other key.
  it("follows a change of the key that the log itself explains", async () => {
    const { context, page } = await followed();
    await page.close();
    await rotate(explored.instance);
    // The tree of the change itself both keys sign.
    await explored.must("draft-proposal", { title: "A second roof" });
    await explored.covered();
    const before = vkey;
    await readNow();
    expect(vkey).not.toBe(before);
    const later = await explored.open("/", { context });
    await standing(later.page);
    await later.page.locator("#standing").getByText("It has given way to another since").waitFor();
    expect(await later.page.getByRole("alert").isVisible()).toBe(false);
    const event = await explored.open(`/events/${await explored.idOf("LogKeyRotated")}`, { context });
    await event.page.getByRole("heading", { name: "Verified in this browser" }).waitFor();
    const id = await explored.idOf("ProposalDrafted");
    const receipt = await (await fetch(`${explored.instance.url}/log/proofs/${id}`)).text();
    await event.page.setInputFiles("#dropped", [{ name: "a.tlog-proof", mimeType: "text/plain", buffer: Buffer.from(receipt) }]);
    await event.page.getByRole("dialog", { name: "All of it verifies" }).waitFor();
    const checkpoints = await explored.open("/checkpoints", { context });
    await checkpoints.page.getByRole("heading", { name: "Verified in this browser" }).waitFor();
    const fresh = await explored.open("/checkpoints");
    await fresh.page.getByRole("heading", { name: "Verified in this browser" }).waitFor();
    await fresh.context.close();
    await context.close();
    expect(explored.elsewhere).toEqual([]);
  });
});

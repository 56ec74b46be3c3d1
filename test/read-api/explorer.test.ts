/** The explorer in a browser: the log leafed through, one event proven, checkpoints compared; and what a lie looks like there. */
import { generateKeyPairSync, sign } from "node:crypto";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cosign, formatCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { parseNote } from "../../domain/log/verify/note.ts";
import { keepCosignature } from "../../projections/cosignatures.ts";
import { fits, orSayNotRun, shoot, views } from "../support/browser.ts";
import type { TestInstance } from "../support/instance.ts";
import { until } from "../support/receiver.ts";
import { type Explored, openExplored } from "./explored.ts";

const withBrowser = orSayNotRun("the explorer in a browser");

const hostile = `<img src=x onerror="document.title='stolen'"><script>document.title="stolen"</script> & "quoted"`;
describe.skipIf(!withBrowser)("the explorer", () => {
  let explored: Explored;
  let instance: TestInstance;
  let drafted: string;
  let decided: string;

  beforeAll(async () => {
    explored = await openExplored();
    ({ instance } = explored);
    decided = await explored.decideOne();
    for (let n = 1; n <= 60; n++) await explored.must("draft-proposal", { title: n === 60 ? hostile : `Roof ${n}` });
    await explored.covered();
    drafted = await explored.idOf("ProposalDrafted");
  });
  afterAll(() => explored?.close());

  const open: Explored["open"] = (path, options) => explored.open(path, options);
  const verdict = (page: Page, text: string) => page.getByRole("status").getByRole("heading", { name: text }).waitFor();
  const leaves = async (page: Page) => (await page.locator(".events li").evaluateAll((items) => items.map((item) => item.id))) as string[];

  it.each(views)("shows the log, an event and the checkpoints at $width px, $colorScheme", async ({ width, colorScheme }) => {
    for (const [name, path, says] of [
      ["events", "/events", undefined],
      ["event", `/events/${drafted}`, "Verified in this browser"],
      ["event-before", `/events/${await explored.idOf("RoleGranted")}`, "Verified in this browser"],
      ["checkpoints", "/checkpoints", "Verified in this browser"],
    ] as const) {
      const { context, page } = await open(path, { width, colorScheme });
      if (says !== undefined) await verdict(page, says);
      await shoot(page, `explorer-${name}-${width}-${colorScheme}`);
      await fits(page);
      await context.close();
    }
  });

  it("lists the newest first, and turns pages both ways", async () => {
    const { context, page } = await open("/events");
    const newest = await leaves(page);
    const { size } = (await instance.log.head())!;
    expect([newest.length, newest[0]]).toEqual([50, `leaf-${size! - 1}`]);
    await page.getByRole("link", { name: "Older" }).click();
    await page.waitForURL(/before=/);
    const older = await leaves(page);
    expect(older.at(0)).toBe(`leaf-${size! - 51}`);
    await page.getByRole("link", { name: "Newer" }).click();
    await page.waitForURL(/after=/);
    expect(await leaves(page)).toEqual(newest);
    await context.close();
  });

  it("picks by type, stream and actor, in the address, also without a script", async () => {
    const { context, page } = await open("/events", { script: false });
    await page.getByLabel("Type").selectOption("RoleGranted");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/type=RoleGranted/);
    expect(new Set(await page.locator(".events b").allTextContents())).toEqual(new Set(["RoleGranted"]));
    await page.locator(".events .stream").first().click();
    await page.waitForURL(/stream=roles/);
    expect(await page.getByLabel("Stream").inputValue()).toBe("roles");
    await page.goto(`${instance.url}/events?by=${explored.ids.ana}&type=ProposalDrafted`);
    expect((await leaves(page)).length).toBe(50);
    await page.getByRole("link", { name: "Older" }).click();
    await page.waitForURL(/before=/);
    expect((await leaves(page)).length).toBe(11);
    for (const nothing of ["stream=%00", "by=%27--", "type=%3Cimg%3E", "stream=none&stream=two&type=Nothing"]) {
      await page.goto(`${instance.url}/events?${nothing}`);
      await page.getByText("There are none.").waitFor();
    }
    await context.close();
  });

  it("puts names to actors for members alone", async () => {
    const { context, page } = await open("/events", { as: "cem" });
    await page.locator(".events .by").getByText("ana").first().waitFor();
    await page.getByText("Look as a member").click();
    await page.getByRole("button", { name: "Forget it" }).waitFor();
    await context.close();
    const other = await open("/events");
    await other.page
      .locator(".events .by")
      .getByText(`member ${explored.ids.ana.slice(0, 8)}`)
      .first()
      .waitFor();
    expect(await other.page.content()).not.toMatch(/>@?ana</);
    await other.context.close();
  });

  it("proves an event to a guest, and names what is withheld", async () => {
    const { context, page } = await open(`/events/${drafted}`);
    await verdict(page, "Verified in this browser");
    await page.getByText("the browser's own Ed25519").waitFor();
    await page.getByText("It names the hash of the entry before it").or(page.getByText("It is the first of its stream")).waitFor();
    const field = (name: string) => page.locator("#fields .facts > div", { has: page.getByText(name, { exact: true }) });
    expect(await field("title").locator("dd").textContent()).toBe(hostile);
    await field(".command").getByText("withheld").waitFor();
    expect(await page.locator("#fields img, #fields script").count()).toBe(0);
    expect(await page.title()).toBe("ProposalDrafted");
    const size = await explored.signedSize();
    await page.getByRole("img", { name: new RegExp(`lead up to the root over ${size} leaves`) }).waitFor();
    await page.getByText("The hashes, from the leaf upwards").click();
    const receipt = await (await fetch(`${instance.url}/log/proofs/${drafted}`)).text();
    const hashes = receipt.split("\n\n")[0]!.split("\n").slice(3);
    const listed = await page.locator("#proof ol li").allTextContents();
    expect(listed.map((line) => line.split(": ")[1])).toEqual(hashes.map((hash) => Buffer.from(hash, "base64").toString("hex")));
    expect(await page.locator("code.key").textContent()).toBe((await (await fetch(`${instance.url}/log/key`)).text()).trim());
    await context.close();
  });

  it("shows an auditor what was asked for, and by which authority", async () => {
    const { context, page } = await open(`/events/${drafted}`, { as: "ben" });
    await verdict(page, "Verified in this browser");
    await page.locator("#why").getByText("draft-proposal").waitFor();
    await page.locator("#fields").getByText("opened for you by the instance").first().waitFor();
    await context.close();
  });

  it("checks a signature also where the browser knows no Ed25519", async () => {
    const { context, page } = await open(`/events/${drafted}`, {
      before: (page) => page.addInitScript("Object.defineProperty(crypto, 'subtle', { value: undefined })"),
    });
    await verdict(page, "Verified in this browser");
    await page.getByText("Ed25519 in JavaScript").waitFor();
    await context.close();
  });

  const extraOf = (receipt: string) => JSON.parse(Buffer.from(/^extra (.+)$/m.exec(receipt)![1]!, "base64").toString());
  const withExtra = (receipt: string, extra: object) =>
    receipt.replace(/^extra .+$/m, `extra ${Buffer.from(JSON.stringify(extra)).toString("base64")}`);
  const inSignature = (receipt: string) => receipt.replace(/(— \S+ .{20})(.)/, (_, head, letter) => head + (letter === "A" ? "B" : "A"));
  const inPath = (receipt: string) => receipt.replace(/^(index \d+\n)(.)/m, (_, head, letter) => head + (letter === "A" ? "B" : "A"));
  const inField = (receipt: string) => {
    const extra = extraOf(receipt);
    const at = extra.disclosures.findIndex((each: string) => JSON.parse(Buffer.from(each, "base64url").toString())[1] === "title");
    const [salt, name] = JSON.parse(Buffer.from(extra.disclosures[at], "base64url").toString());
    extra.disclosures[at] = Buffer.from(JSON.stringify([salt, name, "Another roof"])).toString("base64url");
    return withExtra(receipt, extra);
  };
  const inEntry = (receipt: string) => {
    const extra = extraOf(receipt);
    return withExtra(receipt, { ...extra, entry: extra.entry.replace(explored.ids.ana, explored.ids.cem) });
  };
  it.each([
    ["a bit of the signature", inSignature, "the signature does not verify"],
    ["a hash of the path", inPath, "not at this place of the signed tree"],
    ["a field", inField, "not what the entry commits to"],
    ["the actor", inEntry, "not at this place of the signed tree"],
  ] as const)("turns red when %s is another", async (_, change, why) => {
    const { context, page } = await open(`/events/${drafted}`, {
      before: (page) =>
        page.route("**/log/proofs/*", async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: change(await response.text()) });
        }),
    });
    await verdict(page, "This does not verify");
    await page.getByRole("status").getByText(why).waitFor();
    expect(await page.locator("#proof svg").count()).toBe(0);
    if (change === inPath) await shoot(page, "explorer-event-1280-light-tampered");
    await context.close();
  });

  it("turns red for the receipt of another event, and for a chain that does not hold", async () => {
    const other = await explored.idOf("RoleGranted");
    const wrong = await open(`/events/${drafted}`, {
      before: (page) =>
        page.route("**/log/proofs/*", async (route) =>
          route.fulfill({ response: await route.fetch({ url: `${instance.url}/log/proofs/${other}` }) }),
        ),
    });
    await verdict(wrong.page, "This does not verify");
    await wrong.page.getByText("The receipt is that of another event").waitFor();
    await wrong.context.close();
    const chain = await open(`/events/${other}`, {
      before: (page) =>
        page.route("**/log/events/*", async (route) =>
          route.fulfill({ response: await route.fetch({ url: `${instance.url}/log/events/${drafted}` }) }),
        ),
    });
    await verdict(chain.page, "This does not verify");
    await chain.page.getByRole("status").getByText("is not the one that it names").waitFor();
    await shoot(chain.page, "explorer-event-1280-light-chain");
    await chain.context.close();
  });

  it("compares checkpoints, and turns red for a signature or a proof that is false", async () => {
    const { context, page } = await open("/checkpoints");
    await verdict(page, "Verified in this browser");
    const sizes = await page.locator("tr[data-size]").evaluateAll((rows) => rows.map((row) => Number(row.getAttribute("data-size"))));
    expect(sizes.length).toBeGreaterThanOrEqual(2);
    expect(await page.locator("tr .badge.good").count()).toBe(sizes.length);
    await page
      .getByLabel(/^from /)
      .nth(1)
      .focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText(`The first ${sizes[1]} of the ${sizes[0]} entries`).waitFor();
    await context.close();
    const forged = await open("/checkpoints", {
      before: (page) =>
        page.route("**/log/consistency*", async (route) => {
          const response = await route.fetch();
          const answer = await response.json();
          await route.fulfill({ response, json: { ...answer, hashes: [...answer.hashes].reverse().concat(answer.hashes) } });
        }),
    });
    await verdict(forged.page, "The later tree does not begin with the earlier one");
    await shoot(forged.page, "explorer-checkpoints-1280-light-fork");
    await forged.context.close();
    const unsigned = await open("/checkpoints", {
      before: (page) =>
        page.route("**/checkpoints", async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: (await response.text()).replace(/(<pre data-note>[^\n]+\n)\d+/, "$199999") });
        }),
    });
    await verdict(unsigned.page, "A signature does not verify");
    await unsigned.context.close();
  });

  it.each(views)("counts a vote again at $width px, $colorScheme", async ({ width, colorScheme }) => {
    const { context, page } = await open(`/proposals/${decided}`, { width, colorScheme });
    await page.getByRole("button", { name: "Recount here" }).click();
    await verdict(page, "Counted in this browser: it holds");
    for (const text of ["for: 2 ballots of weight 2", "against: 1 ballot of weight 1", "These 3 ballots, and no others, were counted"])
      await page.locator("#checks").getByText(text).waitFor();
    expect(await page.locator("#checks .bad").count()).toBe(0);
    await shoot(page, `explorer-proposal-${width}-${colorScheme}`);
    await fits(page);
    await context.close();
  });

  it.each([
    ["a choice", (text: string) => text.replace('"choice":"against"', '"choice":"for"'), "and no others, were counted"],
    ["a ballot less", (text: string) => text.replace('"state":"cast"', '"state":"retracted"'), "and no others, were counted"],
  ] as const)("does not hold with %s that was not counted", async (_, change, why) => {
    const { context, page } = await open(`/proposals/${decided}`, {
      before: (page) =>
        page.route("**/graphql", async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: change(await response.text()) });
        }),
    });
    await page.getByRole("button", { name: "Recount here" }).click();
    await verdict(page, "The count does not hold");
    await page.getByRole("status").getByText(why).waitFor();
    await context.close();
  });

  it("shows the figures that were proven, whatever the page said before", async () => {
    const { context, page } = await open(`/events/${await explored.idOf("TallyComputed")}`, {
      before: (page) =>
        page.route("**/proposals/*", async (route) => {
          const response = await route.fetch();
          await route.fulfill({
            response,
            body: (await response.text()).replace("<td>against</td><td>1</td>", "<td>against</td><td>7</td>"),
          });
        }),
    });
    await page.getByRole("link", { name: "how it was decided" }).click();
    await page.getByRole("cell", { name: "7" }).waitFor();
    await page.getByRole("button", { name: "Recount here" }).click();
    await verdict(page, "Counted in this browser: it holds");
    expect(await page.locator("#counts tr").allTextContents()).toEqual(["for202", "against101", "abstain000"]);
    await context.close();
  });

  it("does not count with a receipt that is false, nor what was not counted", async () => {
    const tally = await explored.idOf("TallyComputed");
    const { context, page } = await open(`/proposals/${decided}`, {
      before: (page) =>
        page.route(`**/log/proofs/${tally}`, async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: inPath(await response.text()) });
        }),
    });
    await page.getByRole("button", { name: "Recount here" }).click();
    await verdict(page, "It could not be counted");
    await context.close();
    const { proposalId } = await explored.must("draft-proposal", { title: hostile, body: hostile });
    await explored.covered();
    const draft = await open(`/proposals/${proposalId}`);
    await verdict(draft.page, "There is nothing to count yet");
    expect([await draft.page.locator("h1").textContent(), await draft.page.locator("main img").count()]).toEqual([hostile, 0]);
    expect(await draft.page.getByRole("button", { name: "Recount here" }).count()).toBe(0);
    await draft.context.close();
  });

  it("says what is not there, and what has no proof yet", async () => {
    const { context, page } = await open("/");
    const missing = await page.request.get(`${instance.url}/events/00000000-0000-4000-8000-000000000000`);
    expect([missing.status(), await missing.text()]).toEqual([404, expect.stringContaining("There is nothing of this id")]);
    expect((await page.request.get(`${instance.url}/events/%00`)).status()).toBe(404);
    await context.close();
    const waiting = await open(`/events/${drafted}`, {
      before: (page) => page.route("**/log/proofs/*", async (route) => route.fulfill({ status: 202, body: "promise" })),
    });
    await verdict(waiting.page, "Not signed yet");
    await waiting.context.close();
  });

  it("is linked from the start page, and needs nothing but its own origin", async () => {
    const { context, page } = await open("/");
    await page.getByRole("link", { name: /Read the log/ }).click();
    await page.getByRole("link", { name: "ProposalDrafted" }).first().click();
    await verdict(page, "Verified in this browser");
    await page.getByRole("link", { name: "Checkpoints", exact: true }).click();
    await verdict(page, "Verified in this browser");
    expect(await page.evaluate("document.querySelectorAll('script:not([src]),[onclick],[onerror],[onload]').length")).toBe(0);
    for (const name of ["events", "event", "checkpoints", "proposal"]) {
      const script = await fetch(`${instance.url}/explorer/${name}.js`);
      expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
      expect((await script.text()).length).toBeLessThan(45_000);
    }
    await context.close();
    expect(explored.elsewhere).toEqual([]);
    expect(explored.said).toEqual([]);
  });

  // Comes last: what a cosigner said stays in the table for good, lies too.
  it("names cosigners, and turns red for a line that is not theirs", async () => {
    const { query } = instance.database;
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const raw = new Uint8Array(Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url"));
    const [newest, older] = await query<{ size: number; note: string }>("select size, note from log.checkpoint order by size desc limit 2");
    const keep = async (name: string, time: number, text: string, size: number) => {
      const line = await cosign({ name, publicKey: raw, time, text, sign: (message) => new Uint8Array(sign(null, message, privateKey)) });
      await keepCosignature(instance.vault.query, { size, cosigner: formatCosignerKey(name, raw), time, line });
    };
    const now = Math.floor(Date.now() / 1_000);
    await keep("cosigner.example/<i>", now - 120, parseNote(newest!.note).text, newest!.size);
    const { context, page } = await open("/checkpoints", { width: 360 });
    await verdict(page, "Verified in this browser");
    const row = page.locator(`tr[data-size="${newest!.size}"]`);
    await row.getByText("cosigner.example/<i>, 2 minutes ago good").waitFor();
    await shoot(page, "explorer-checkpoints-360-light-cosigned");
    await fits(page);
    await context.close();
    await keep("liar.example", now, parseNote(newest!.note).text, older!.size);
    const lied = await open("/checkpoints");
    await verdict(lied.page, "A signature does not verify");
    await lied.page
      .locator(`tr[data-size="${older!.size}"]`)
      .getByText(/liar\.example, .* wrong/)
      .waitFor();
    await lied.context.close();
    expect([explored.elsewhere, explored.said]).toEqual([[], []]);
  });
});

/** The page of deliveries in a browser: what a person sees and does there, with nothing loaded from browser.elsewhere. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { found } from "../../ops/founding.ts";
import { fits, openBrowser, orSayNotRun, shoot, type TabOptions, type TestBrowser, views } from "../support/browser.ts";
import { everything, openTestInstance, type TestInstance } from "../support/instance.ts";
import { echo, openReceiver, type Receiver, until } from "../support/receiver.ts";

const withBrowser = orSayNotRun("the page of deliveries in a browser");

/** What a receiver may answer to whoever looks at its answers. */
const hostile = `<img src=x onerror="document.title='stolen'"><script>document.title="stolen"</script>\u202egnp.exe\u0007 & "quoted"`;

describe.skipIf(!withBrowser)("the page of deliveries", () => {
  let instance: TestInstance;
  let receiver: Receiver;
  let browser: TestBrowser;
  const tokens: Record<string, string> = {};
  let webhookId: string;
  let markovId: string;

  const must = async (command: string, input: object) => {
    const { status, body } = await instance.post(command, input, { token: tokens["ana"]! });
    if (status !== 201) throw new Error(`${command}: ${JSON.stringify(body)}`);
    return body;
  };
  const ledger = async (path: string) =>
    (await (await fetch(instance.url + path, { headers: { authorization: `Bearer ${tokens["ana"]}` } })).json()) as any;
  const webhook = async () => (await ledger("/webhooks")).webhooks.find((each: any) => each.webhookId === webhookId);
  const states = async (): Promise<string[]> =>
    (await ledger(`/webhooks/${webhookId}/deliveries?limit=100`)).deliveries.map(({ state }: { state: string }) => state);

  beforeAll(async () => {
    receiver = await openReceiver();
    instance = await openTestInstance({ roles: [...everything, "deliverer"], env: { MINUTEBOOK_WEBHOOK_ALLOW: "127.0.0.0/8" } });
    const founded = await found(instance, "The Well", "ana");
    if ("problem" in founded) throw new Error(founded.problem.detail);
    tokens["ana"] = await instance.identity.issue(founded.memberId);
    const { memberId } = await must("admit-member", { displayName: "cem" });
    tokens["cem"] = await instance.identity.issue(memberId);
    await must("grant-role", { memberId, role: "auditor" });
    ({ webhookId } = await must("register-webhook", { url: receiver.url, profile: "standard", types: ["ProposalDrafted"] }));
    ({ webhookId: markovId } = await must("register-webhook", { url: `${receiver.url}/markov`, profile: "markov" }));
    await until(async () => (await webhook())?.status === "active");
    for (let n = 1; n <= 28; n++) await must("draft-proposal", { title: `Roof ${n}` });
    await until(async () => (await states()).filter((state) => state === "delivered").length === 28);
    receiver.answers = (_, response) => void response.writeHead(422, { "content-type": "text/html" }).end(hostile);
    await must("draft-proposal", { title: "Roof 29" });
    await until(async () => (await states()).includes("dead"));
    await instance.settled();
    browser = await openBrowser(() => instance.url);
  });
  afterAll(async () => {
    await browser?.close();
    await instance?.close();
    await receiver?.close();
  });

  const open = (path = "/deliveries", options?: TabOptions) => browser.open(path, options);
  async function opened(name = "ana", more = {}) {
    const tab = await open("/deliveries", more);
    await tab.page.getByLabel("A bearer token").fill(tokens[name]!);
    await tab.page.getByRole("button", { name: "Look" }).click();
    await tab.page.getByRole("link", { name: /standard/ }).waitFor();
    return tab;
  }
  const choose = async (page: Page) => {
    await page.getByRole("link", { name: /standard/ }).click();
    await page.getByRole("heading", { name: "Secrets" }).waitFor();
  };
  const status = (page: Page, text: string | RegExp) => page.getByRole("status").filter({ hasText: text }).first().waitFor();

  it("asks for a token, keeps it in its tab alone, and forgets it", async () => {
    const { context, page } = await open();
    await page.getByLabel("A bearer token").fill("nonsense");
    await page.getByRole("button", { name: "Look" }).click();
    await status(page, "The token was refused");
    browser.said.length = 0; // A browser tells of every 401 by itself.
    await page.getByLabel("A bearer token").fill(`Bearer ${tokens["ana"]}`);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: /standard/ }).waitFor();
    await page.reload();
    await page.getByRole("link", { name: /standard/ }).waitFor();
    // The log's key and checkpoint are remembered for good; the token is not.
    const kept = await page.evaluate("[Object.keys(localStorage), JSON.stringify(localStorage), sessionStorage.length, document.cookie]");
    expect(kept).toEqual([["minutebook-log"], expect.not.stringContaining(tokens["ana"]!), 1, ""]);
    const other = await context.newPage();
    await other.goto(`${instance.url}/deliveries`);
    await other.getByLabel("A bearer token").waitFor();
    await page.getByRole("button", { name: "Forget the token" }).click();
    await page.getByLabel("A bearer token").waitFor();
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
    expect(await page.getByText("standard").count()).toBe(0);
    await context.close();
  });

  it.each([
    [360, "light"],
    [360, "dark"],
    [1280, "light"],
    [1280, "dark"],
  ] as const)("shows itself at %i px, %s", async (width, colorScheme) => {
    const { context, page } = await opened("ana", { width, colorScheme });
    await shoot(page, `deliveries-${width}-${colorScheme}-webhooks`);
    await choose(page);
    await page.getByRole("link", { name: "29", exact: true }).click();
    await page.getByRole("heading", { name: "One attempt" }).waitFor();
    await shoot(page, `deliveries-${width}-${colorScheme}-delivery`);
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    await context.close();
  });

  it("shows what a receiver answered as the text that it is", async () => {
    const { context, page } = await opened();
    await choose(page);
    await page.getByRole("link", { name: "29", exact: true }).click();
    const answer = page.locator("pre");
    await answer.waitFor();
    expect(await answer.textContent()).toBe(hostile.replace("\u202e", "\ufffd").replace("\u0007", "\ufffd"));
    expect(await page.locator("pre *").count()).toBe(0);
    expect(await page.title()).toBe("Deliveries");
    for (const text of ["422", "unprocessable", "signed with", "anchored by"]) await page.getByText(text).first().waitFor();
    await context.close();
  });

  it("picks by state and turns pages", async () => {
    const { context, page } = await opened();
    await choose(page);
    const first = () => page.locator("#list tbody tr").first().locator("a").textContent();
    expect(await page.locator("#list tbody tr").count()).toBe(25);
    await page.getByRole("button", { name: "Older" }).click();
    await page.getByRole("link", { name: "1", exact: true }).waitFor();
    expect([await first(), await page.getByRole("button", { name: "Older" }).count()]).toEqual(["4", 0]);
    await page.getByRole("button", { name: "Newer" }).click();
    await page.getByRole("link", { name: "29", exact: true }).waitFor();
    await page.getByLabel("State").selectOption("dead");
    await until(async () => (await page.locator("#list tbody tr").count()) === 1);
    await page.getByLabel("State").selectOption("erased");
    await page.getByText("There are none.").waitFor();
    await context.close();
  });

  it("can be used with a keyboard alone", async () => {
    const { context, page } = await opened();
    await page.getByRole("link", { name: /standard/ }).focus();
    await page.keyboard.press("Enter");
    await until(() => page.evaluate("document.activeElement?.id === 'webhook-title'") as Promise<boolean>);
    await page.getByRole("link", { name: "28", exact: true }).focus();
    await page.keyboard.press("Enter");
    await until(() => page.evaluate("document.activeElement?.id === 'delivery-title'") as Promise<boolean>);
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement?.textContent")).toBe("Deliver it again");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await page.evaluate("document.activeElement?.textContent")).toBe("Leave it");
    await page.keyboard.press("Escape");
    await until(() => page.evaluate("document.activeElement?.textContent === 'Deliver it again'") as Promise<boolean>);
    await page.goBack();
    await until(async () => (await page.getByRole("heading", { name: "Delivery 28" }).count()) === 0);
    await context.close();
  });

  it("pauses, resumes, tests, and puts dead deliveries back", async () => {
    const { context, page } = await opened();
    await choose(page);
    await page.getByRole("button", { name: "Pause" }).click();
    await status(page, "Deliveries wait.");
    await page.getByRole("button", { name: "Resume" }).click();
    await status(page, "Deliveries go on.");
    await page.getByRole("button", { name: "Pause" }).waitFor();
    receiver.answers = echo;
    await page.getByRole("button", { name: "Send a test event" }).click();
    await status(page, "A test event is on its way.");
    await page.getByRole("link", { name: "30", exact: true }).waitFor();
    await page.getByRole("button", { name: "Put 1 dead back" }).click();
    await status(page, "Dead deliveries are put back");
    await until(async () => (await states()).every((state) => state === "delivered"));
    await page.getByRole("button", { name: "Put 1 dead back" }).waitFor({ state: "detached" });
    await context.close();
  });

  it("delivers one again, under the same id", async () => {
    const { context, page } = await opened();
    await choose(page);
    await page.getByRole("link", { name: "29", exact: true }).click();
    await page.getByRole("button", { name: "Deliver it again" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Deliver it again" }).click();
    await status(page, "It is delivered once more.");
    await page.getByText("replay 1").first().waitFor();
    const again = await until(() => receiver.heard.find(({ headers }) => headers["webhook-replay"] === "1"));
    const first = receiver.heard.find(({ headers }) => headers["webhook-seq"] === "29")!;
    expect([again.headers["webhook-id"], again.body]).toEqual([first.headers["webhook-id"], first.body]);
    await context.close();
  });

  it("stages a secret, shows it once, and signs with it when it is told to", async () => {
    const { context, page } = await opened();
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await choose(page);
    await page.getByRole("button", { name: "Stage a v1 secret" }).click();
    const dialog = page.getByRole("dialog", { name: "The secret, shown this once" });
    const secret = (await dialog.locator("code.secret").textContent())!;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    await shoot(page, "deliveries-1280-light-secret");
    await dialog.getByRole("button", { name: "Copy" }).click();
    await dialog.getByText("copied").waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(secret);
    await dialog.getByRole("button", { name: "Done" }).click();
    await status(page, "A v1 secret is staged.");
    expect(await page.content()).not.toContain(secret);
    await page.getByRole("button", { name: "Activate", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Activate" }).click();
    await status(page, "Deliveries are signed with");
    await page.getByText("retiring").first().waitFor();
    await context.close();
  });

  it("warns of a circuit that is open and of a secret that is too old", async () => {
    const { query } = instance.database;
    const days = (count: number) => new Date(Date.now() - count * 86_400_000).toISOString();
    await query("insert into webhook.breaker (webhook_id) values ($1) on conflict do nothing", [markovId]);
    await query(
      "update webhook.breaker set state = 'open', cause = 'unauthorized', probe_at = now() + interval '210 seconds' where webhook_id = $1",
      [markovId],
    );
    const { context, page } = await opened();
    for (const [age, says] of [
      [75, "fresh"],
      [76, "to be changed soon"],
      [90, "due for a change"],
      [97, "overdue for a change"],
    ] as const) {
      await query("update webhook.secret set active_at = $2 where webhook_id = $1", [markovId, days(age)]);
      await page.goto(`${instance.url}/deliveries#/${markovId}`);
      await page.reload();
      await page
        .locator("#webhook .badge")
        .filter({ hasText: new RegExp(`^${says}$`) })
        .waitFor();
      await page.getByText(`${age} days`).waitFor();
    }
    await page
      .getByRole("link", { name: /markov/ })
      .getByText("circuit open")
      .waitFor();
    for (const text of ["unauthorized", "in 3 minutes"]) await page.locator("#webhook").getByText(text).waitFor();
    await shoot(page, "deliveries-1280-light-warnings");
    // Markov knows no handshake: whoever runs the instance speaks for it.
    await page.getByRole("button", { name: "Let it be told" }).click();
    await page
      .locator("#webhook .badge")
      .filter({ hasText: /^active$/ })
      .first()
      .waitFor();
    await page.getByRole("button", { name: "Let it be told" }).waitFor({ state: "detached" });
    await context.close();
  });

  it("says why something was refused", async () => {
    const { context, page } = await opened();
    await choose(page);
    await must("pause-webhook", { webhookId });
    await page.getByRole("button", { name: "Pause" }).click();
    await status(page, "The webhook is paused or disabled already.");
    browser.said.length = 0;
    await must("resume-webhook", { webhookId });
    await context.close();
  });

  it("shows an auditor everything but the address, and nothing to press", async () => {
    const { context, page } = await opened("cem");
    await choose(page);
    await page.getByText("shown to whoever may change it").waitFor();
    expect(await page.content()).not.toContain(receiver.url);
    await page.getByRole("link", { name: "28", exact: true }).click();
    await page.getByRole("heading", { name: "One attempt" }).waitFor();
    for (const name of [/Pause/, /Stage/, /again/, /test event/]) expect(await page.getByRole("button", { name }).count()).toBe(0);
    await context.close();
  });

  it("is linked from the start page, and needs nothing but its own origin", async () => {
    const { context, page } = await open("/");
    await page.getByRole("link", { name: /See who is told/ }).click();
    await page.getByLabel("A bearer token").waitFor();
    expect(await page.evaluate("[...document.scripts].map((script) => script.src)")).toEqual(
      ["everywhere", "deliveries"].map((name) => `${instance.url}/explorer/${name}.js`),
    );
    expect(await page.evaluate("document.querySelectorAll('[onclick],[onerror],[onload]').length")).toBe(0);
    const script = await fetch(`${instance.url}/explorer/deliveries.js`);
    expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect((await script.text()).length).toBeLessThan(20_000);
    await context.close();
    expect(browser.elsewhere).toEqual([]);
    expect(browser.said).toEqual([]);
    expect(markovId).not.toBe(webhookId);
  });
});

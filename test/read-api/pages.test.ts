import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventTypes, versionsOf } from "../../event-schemas/json-schema.ts";
import { problemPath, problems } from "../../domain/problem.ts";
import { commands } from "../../ops/commands.ts";
import { ana, community, member, openRig, type Rig } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
  await community(rig);
  await rig.must(member(ana), "DraftProposal", { title: "A <b>roof</b>" });
});
afterAll(() => rig?.close());

const get = (path: string, accept = "*/*") => fetch(rig.url + path, { headers: { accept } });

describe("documents", () => {
  it("are served", async () => {
    expect(await (await get("/schema.graphql")).text()).toContain("type Proposal");
    expect(await (await get("/openapi.json")).json()).toMatchObject({ openapi: "3.1.0" });
    const asyncApi = (await (await get("/asyncapi.json")).json()) as { asyncapi: string; components: { messages: object } };
    expect(asyncApi.asyncapi).toBe("3.0.0");
    expect(Object.keys(asyncApi.components.messages)).toEqual(eventTypes);
  });

  it("have a schema for every version of every event", async () => {
    for (const type of eventTypes)
      for (const version of versionsOf(type)) {
        const schema = await (await get(`/schemas/${type}/${version}`)).json();
        expect(schema).toMatchObject({ title: type, type: "object", additionalProperties: false });
      }
    for (const { name } of rig.deps.toldBodies) {
      const response = await get(`/schemas/webhooks/${name}`);
      expect(response.headers.get("content-type")).toContain("application/schema+json");
      expect(await response.json()).toMatchObject({ title: name, $id: `/schemas/webhooks/${name}` });
    }
    for (const path of [
      "/schemas/webhooks/nothing",
      "/schemas/Nothing/1",
      "/schemas/RoleGranted/3",
      "/schemas/RoleGranted/01",
      "/schemas/__proto__/1",
    ])
      expect((await get(path)).status, path).toBe(404);
  });

  it("have a page for every code that an answer may carry, as HTML and as JSON", async () => {
    const codes = [...Object.keys(problems), ...commands.flatMap(({ decider }) => Object.keys(decider.rules))];
    for (const code of new Set(codes)) {
      expect(await (await get(problemPath(code))).json(), code).toMatchObject({ code });
      expect(await (await get(problemPath(code), "text/html")).text()).toContain(`<h1>${code}</h1>`);
    }
    expect((await get("/problems/no-such-code")).status).toBe(404);
  });
});

const browserPath = process.env["MINUTEBOOK_TEST_CHROMIUM"] ?? "/usr/bin/chromium";
const withBrowser = existsSync(browserPath);
if (!withBrowser) console.warn("pages in a browser: NOT RUN, no chromium here (set MINUTEBOOK_TEST_CHROMIUM)");

describe.skipIf(!withBrowser)("in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  });
  afterAll(() => browser?.close());

  const shots = process.env["MINUTEBOOK_TEST_SHOTS"];
  const pages: readonly (readonly [path: string, shows: string])[] = [
    ["/graphql", "turnout"],
    ["/reference", "Commands append events"],
    ["/problems", "ALREADY_VOTED"],
    ["/problems/already-voted", "ALREADY_VOTED"],
    ["/schemas", "BallotCast"],
  ];
  const views = [
    { width: 360, colorScheme: "light" },
    { width: 1280, colorScheme: "dark" },
  ] as const;

  it.each(pages.flatMap(([path, shows]) => views.map((view) => ({ path, shows, ...view }))))(
    "$path shows itself at $width px, $colorScheme, without the network",
    async ({ path, shows, width, colorScheme }) => {
      const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme });
      const tab = await context.newPage();
      const elsewhere: string[] = [];
      const said: string[] = [];
      tab.on("request", (request) => {
        if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(rig.url)) elsewhere.push(request.url());
      });
      tab.on("console", (message) => message.type() === "error" && said.push(message.text()));
      tab.on("pageerror", (error) => said.push(String(error)));
      await tab.goto(rig.url + path);
      await tab.getByText(shows).first().waitFor();
      if (shots) await tab.screenshot({ path: `${shots}/${path.replaceAll("/", "_")}-${width}-${colorScheme}.png` });
      expect(elsewhere).toEqual([]);
      expect(said).toEqual([]);
      const wide = await tab.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect(wide).toBeLessThanOrEqual(0);
      await context.close();
    },
  );
});

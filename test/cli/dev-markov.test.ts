import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { serveStandIn } from "../../ops/markov/serve.ts";
import { Usage } from "../../ops/terminal.ts";

const main = join(import.meta.dirname, "../../ops/main.ts");
const golden = readFileSync(join(import.meta.dirname, "../webhooks/golden/markov-vouch-submitted.json"), "utf8");

it.each([
  [["--misbehave", "nice"]],
  [["reset"]],
  [["--misbehave", "reset:0"]],
  [["--secret", "too short"]],
  [["--port", "65536"]],
  [["--port", "x"]],
])("refuses %j", async (args) => {
  await expect(serveStandIn(args)).rejects.toThrow(Usage);
});

it("serves a stand-in that shows what comes, misbehaves as it is told, and ends when it is told to", async () => {
  const secret = "0123456789abcdef".repeat(4);
  const child = spawn(process.execPath, [main, "dev", "markov", "--port", "0", "--secret", secret, "--misbehave", "gone:1"]);
  const said = createInterface(child.stderr)[Symbol.asyncIterator]();
  const printed = createInterface(child.stdout)[Symbol.asyncIterator]();
  let url: string | undefined;
  while (url === undefined) url = /MINUTEBOOK_MARKOV_URL=(\S+)/.exec((await said.next()).value as string)?.[1];
  const headers = {
    "content-type": "application/json",
    "x-request-id": JSON.parse(golden).request_id,
    "x-gr-signature": `sha256=${createHmac("sha256", secret).update(golden).digest("hex")}`,
  };
  const statuses = [];
  for (let nth = 0; nth < 2; nth++) statuses.push((await fetch(url, { method: "POST", headers, body: golden })).status);
  expect(statuses).toEqual([410, 200]);
  expect((await printed.next()).value).toMatch(/^gone  vouch_submitted  evt_/);
  expect((await printed.next()).value).toMatch(/^200  vouch_submitted  evt_[0-9a-f]{16}  [0-9a-f-]{36}  accepted$/);
  const ended = once(child, "exit");
  child.kill("SIGINT");
  expect(await ended).toEqual([0, null]);
  let last = "";
  for (let line = await said.next(); !line.done; line = await said.next()) last = line.value;
  expect(last).toBe("  1 events taken in; 0 ids under which other bytes came, 0 out of order");
});

/** An instance gives the verifiers away under a policy at least as strict as their own. */
import { createHash } from "node:crypto";
import { pino } from "pino";
import { expect, it } from "vitest";
import { readHere } from "../../ops/generate.ts";
import { httpServer } from "../../ops/http/server.ts";
import { pagePath, scriptPath, verifiers } from "../../ops/verifiers.ts";
import { verifierRoutes } from "../../read-api/pages/verifier.ts";

const page = readHere(pagePath)!;
const script = readHere(scriptPath)!;

it("what is served is what the sources make, to the byte", async () => {
  const made = await verifiers();
  expect([made.get(pagePath) === page, made.get(scriptPath) === script], "run npm run generate").toEqual([true, true]);
  const app = await httpServer(
    pino({ level: "silent" }),
    () => {},
    (scope) => verifierRoutes(scope, { page, script }),
  );
  const [ofPage, ofScript] = [await app.inject("/verifier.html"), await app.inject("/minutebook-verify.mjs")];
  await app.close();
  expect([ofPage.statusCode, ofPage.body === page, ofScript.statusCode, ofScript.body === script]).toEqual([200, true, 200, true]);
  expect(ofScript.headers["content-type"]).toBe("text/javascript; charset=utf-8");
  const policy = String(ofPage.headers["content-security-policy"]);
  expect(policy).toContain("default-src 'none'");
  for (const [element, directive] of [
    ["script", "script-src"],
    ["style", "style-src"],
  ] as const) {
    const [, text] = new RegExp(`<${element}[^>]*>(.*?)</${element}>`, "s").exec(page)!;
    expect(policy).toContain(`${directive} 'sha256-${createHash("sha256").update(text!).digest("base64")}'`);
  }
});

it("the page names no address, and the script takes nothing but Node's own", () => {
  expect(page.match(/(?:src|href)="(?!data:)[^"]*"/g)).toBeNull();
  const imports = [...script.matchAll(/^import .* from "([^"]+)";$/gm)].map(([, from]) => from);
  expect(imports.length).toBeGreaterThan(0);
  expect(imports.filter((from) => !from!.startsWith("node:"))).toEqual([]);
  expect(script).not.toMatch(/\bimport\(|\brequire\(|\bfetch\(/);
});

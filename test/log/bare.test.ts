import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { vectors } from "./vectors.ts";

/** One script of the module and all it imports, with no import left. */
async function scriptOf(path: string): Promise<string> {
  const bundle = await rolldown({ input: fileURLToPath(new URL(path, import.meta.url)), platform: "neutral", logLevel: "silent" });
  const { output } = await bundle.generate({ format: "iife", name: "log" });
  await bundle.close();
  return output[0].code;
}

test("the verifier runs in a bare context: no Node, no TextEncoder, no btoa", { timeout: 60_000 }, async () => {
  const context = createContext({}, { codeGeneration: { strings: false, wasm: false } });
  const names = ["process", "Buffer", "TextEncoder", "TextDecoder", "btoa", "crypto", "require", "setTimeout"];
  expect(runInContext(`${JSON.stringify(names)}.filter((name) => name in globalThis)`, context)).toEqual([]);
  runInContext(await scriptOf("../../domain/log/verify.ts"), context);
  const { manifest, checkpoint, entriesJsonl } = vectors.bundles[0]!;
  // Texts and bytes cross over as JSON and numbers, so that nothing of this realm is used in the other one.
  context["input"] = JSON.stringify({ manifest: JSON.stringify(manifest), checkpoint, bytes: [...Buffer.from(entriesJsonl)] });
  context["receipt"] = vectors.receipts[0]!.text;
  context["vkey"] = vectors.vkey;
  context["verify"] = (key: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
    verifyEd25519(Uint8Array.from(key), Uint8Array.from(message), Uint8Array.from(signature));
  const run = (change: string) =>
    runInContext(
      `(async () => {
        const { manifest, checkpoint, bytes } = JSON.parse(input);
        const entries = Uint8Array.from(bytes);
        ${change}
        return JSON.stringify(await log.verifyBundle({ manifest, checkpoint, entries: [entries] }, { verify, vkey }));
      })()`,
      context,
    ) as Promise<string>;
  expect(JSON.parse(await run(""))).toMatchObject({
    exit: 0,
    counts: { verified: 8, sealed: 1, declaredErased: 1, withheld: 0, tampered: 0 },
  });
  expect(JSON.parse(await run("entries[400] ^= 1;"))).toMatchObject({ exit: 3, problem: { leaf: 0 } });
  const receipt = await (runInContext("log.verifyReceipt(receipt, { verify, vkey })", context) as Promise<object>);
  expect(receipt).toMatchObject({ exit: 0, receipt: { shown: { choice: "no" } } });
});

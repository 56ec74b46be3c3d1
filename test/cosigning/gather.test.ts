/** The signer among cosigners that misbehave: each is asked, none is believed, and none holds up the signing. */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { parseAddCheckpoint } from "../../domain/log/signed/add-checkpoint.ts";
import { cosign, formatCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { parsePolicy, standingInWords, standingOf } from "../../domain/log/signed/policy.ts";
import { signEd25519, verifyEd25519 as verify } from "../../ops/crypto.ts";
import { reach } from "../../ops/sending/addresses.ts";
import { shownCheckpoint } from "../../projections/cosignatures.ts";
import { type Signer, SigningRig } from "../signing/rig.ts";
import { until } from "./peers.ts";

let rig: SigningRig;
let server: Server;
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rig.close();
});

type Answer = readonly [status: number, body: string, type?: string];
type Asked = { readonly nth: number; readonly line: (name: string, time?: number) => Promise<string> };

const seconds = () => Math.floor(Date.now() / 1000);
const names = ["good", "silent", "garbled", "other", "future", "huge", "ahead", "endless", "sizeless"] as const;
const keyOf = (name: string) => signEd25519(new Uint8Array(32).fill(40 + names.indexOf(name as never)));

const answers: Readonly<Record<(typeof names)[number], (asked: Asked) => Promise<Answer>>> = {
  good: async ({ line }) => [200, `${await line("other")}${await line("good")}`],
  silent: () => Promise.resolve([200, ""]),
  garbled: () => Promise.resolve([200, "— no line at all\n"]),
  other: async ({ line }) => [200, (await line("other")).replace(/.{8}==\n$/, "AAAAAAA=\n")],
  future: async ({ line }) => [200, await line("future", seconds() + 3_600)],
  huge: () => Promise.resolve([200, "x".repeat(100_000)]),
  ahead: () => Promise.resolve([409, "999999\n", "text/x.tlog.size"]),
  endless: ({ nth }) => Promise.resolve([409, `${nth % 2}\n`, "text/x.tlog.size"]),
  sizeless: () => Promise.resolve([409, "01\n", "text/x.tlog.size"]),
};

const says = {
  good: "cosigned",
  silent: "refused: its answer holds no cosignature of its key",
  garbled: "refused: its answer: a malformed signature line",
  other: "refused: its answer: ",
  future: "refused: its cosignature is of the future",
  huge: "refused: its answer",
  ahead: "refused: it cosigned a tree of 999999 entries, and this log's last checkpoint has",
  endless: "away: ",
  sizeless: "refused: answers 409 with no size",
} as const satisfies Record<(typeof names)[number], string>;

async function open(): Promise<string> {
  const counts = new Map<string, number>();
  server = createServer((request, response) => {
    const name = request.url!.split("/")[1] as (typeof names)[number];
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { checkpoint } = parseAddCheckpoint(Buffer.concat(chunks).toString());
      const text = checkpoint.slice(0, checkpoint.lastIndexOf("\n\n") + 1);
      const nth = (counts.get(name) ?? 0) + 1;
      counts.set(name, nth);
      const line = (by: string, time = seconds()) => cosign({ name: `${by}.example/c`, ...keyOf(by), time, text });
      void answers[name]({ nth, line }).then(([status, body, type = "text/plain"]) =>
        response.writeHead(status, { "content-type": type }).end(body),
      );
    });
  });
  while (!server.listening)
    await new Promise<void>((resolve) => {
      server.once("error", () => resolve());
      server.listen(randomInt(20_000, 32_000), "127.0.0.1", resolve);
    });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const said = (signer: Signer) => () => Promise.resolve(signer.said);

it("keeps the one line that verifies, says what is wrong with each other answer, and signs on", async () => {
  const url = await open();
  rig = await SigningRig.open();
  const witnesses = names.map((name) => `witness ${name} ${formatCosignerKey(`${name}.example/c`, keyOf(name).publicKey)} ${url}/${name}`);
  const policy = parsePolicy(`${witnesses.join("\n")}\nquorum good\n`);
  const signer = rig.sign({ cosigners: { policy, reach: reach(["127.0.0.0/8"]) } });
  await rig.signedTo(await rig.append(5));
  for (const name of names)
    await until(said(signer), (lines) => lines.some((line) => line.startsWith(`the cosigner ${name}: ${says[name]}`)));
  const believed = signer.said.filter((line) => line.endsWith(": cosigned"));
  expect([...new Set(believed)]).toEqual(["the cosigner good: cosigned"]);
  const kept = await rig.vault.query<{ cosigner: string }>("select distinct cosigner from log.cosignature");
  expect(kept.map(({ cosigner }) => cosigner.split("+")[0])).toEqual(["good.example/c"]);
  const size = await rig.append(7);
  await rig.signedTo(size);
  const shown = await until(
    () => shownCheckpoint(rig.vault.query, policy),
    (checkpoint) => checkpoint!.size === size && checkpoint!.note.includes("good.example/c"),
  );
  expect(standingInWords(await standingOf(shown!.note, policy, verify))).toBe("cosigned by 1 of 9");
});

it("asks nobody in a network that was not opened", async () => {
  const url = await open();
  rig = await SigningRig.open();
  const policy = parsePolicy(`witness good ${formatCosignerKey("good.example/c", keyOf("good").publicKey)} ${url}/good\nquorum good\n`);
  const signer = rig.sign({ cosigners: { policy, reach: reach([]) } });
  await rig.signedTo(await rig.append(2));
  await until(said(signer), (lines) => lines.some((line) => line.startsWith("the cosigner good: away: forbidden-address")));
  expect(await rig.vault.query("select 1 from log.cosignature")).toEqual([]);
});

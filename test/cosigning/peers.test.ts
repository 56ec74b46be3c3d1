/** Three instances over HTTP: they cosign each other, one lies, and one is away. */
import { createHash } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import { openCheckpoint } from "../../domain/log/checkpoint.ts";
import { parseVkey } from "../../domain/log/note.ts";
import { standingInWords, standingOf } from "../../domain/log/signed/policy.ts";
import { openFork } from "../../domain/log/signed/fork.ts";
import { cosignersOf } from "../../ops/diagnosis/cosigners.ts";
import { cosignedNow } from "../../ops/cosigning/newest.ts";
import { verifyEd25519 as verify } from "../../ops/crypto.ts";
import { followLog } from "../../ops/verification/remote/follow.ts";
import { openRemote } from "../../ops/verification/remote/source.ts";
import { found } from "../../ops/founding.ts";
import type { TestInstance } from "../support/instance.ts";
import { cosignerVkeyOf, Federation, textOf, until, vkeyOf, type Peer } from "./peers.ts";

let federation: Federation;
afterEach(async () => federation?.close());

const sizeOf = (note: string) => Number(note.split("\n")[1]);
const shown = ({ url }: TestInstance) => textOf(`${url}/log/checkpoint`);
const logSize = async ({ log }: TestInstance) => (await log.head())!.size!;

async function wordsOf(instance: TestInstance, peer: Peer): Promise<string> {
  const note = await shown(instance);
  return note === "" ? "nothing" : standingInWords(await standingOf(note, federation.policy(peer), verify));
}

/** What is scraped, by series. */
const metrics = async ({ url }: TestInstance): Promise<ReadonlyMap<string, number>> =>
  new Map(
    (await textOf(`${url}/metrics`)).split("\n").map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
  );

const told = (instance: TestInstance, pattern: RegExp) =>
  until(
    () => Promise.resolve(instance.logged.findLast((line) => pattern.test(line))),
    (line) => line !== undefined,
  );

it("each publishes the word of the others, as it grows, and the others show what they cosigned last", async () => {
  federation = await Federation.open(3, 2);
  const { peers } = federation;
  const instances = await Promise.all(peers.map((peer) => federation.start(peer)));
  for (const [at, instance] of instances.entries())
    await until(
      () => wordsOf(instance, peers[at]!),
      (words) => words === "cosigned by 2 of 2",
    );
  const [first] = instances;
  await found(first!, "The Well", "ana");
  const size = await logSize(first!);
  const note = await until(
    () => shown(first!),
    (text) => sizeOf(text) === size,
  );
  expect(await openCheckpoint(note, parseVkey(vkeyOf(peers[0]!)), verify)).toMatchObject({ size });
  await until(
    () => wordsOf(first!, peers[0]!),
    (words) => words === "cosigned by 2 of 2",
  );
  const { origin } = peers[0]!;
  for (const [at, instance] of instances.entries()) {
    expect(await textOf(`${instance.url}/cosigner/key`)).toBe(`${cosignerVkeyOf(peers[at]!)}\n`);
    if (at === 0) continue;
    const kept = await textOf(`${instance.url}/cosigner/checkpoint?origin=${encodeURIComponent(origin)}`);
    expect(sizeOf(kept)).toBe(size);
    expect(await textOf(`${instance.url}/cosigner/${createHash("sha256").update(origin).digest("hex")}/checkpoint`)).toBe(kept);
    expect(await openCheckpoint(kept, parseVkey(vkeyOf(peers[0]!)), verify)).toMatchObject({ size });
  }
});

it("one that lies - another history under its name and key - is refused by the others, says so, and stays log-signed only", async () => {
  federation = await Federation.open(3, 1);
  const { peers } = federation;
  const [honest, other] = [await federation.start(peers[0]!), await federation.start(peers[1]!)];
  await federation.start(peers[2]!);
  await found(honest, "The Well", "ana");
  const size = await logSize(honest);
  await until(
    async () => [await wordsOf(honest, peers[0]!), sizeOf(await shown(honest))],
    ([words, at]) => words === "cosigned by 2 of 2" && at === size,
  );
  // The same origin, the same keys, another database: it begins with fewer entries than were cosigned.
  const liar = await federation.start(peers[0]!);
  const refused = await told(liar, /the cosigner p1: refused/);
  expect(refused).toMatch(new RegExp(`it cosigned a tree of ${size} entries, and this log's last checkpoint has \\d+|another root`));
  expect(await wordsOf(liar, peers[0]!)).toBe("log-signed only: cosigned by 0 of 2, below the quorum");
  // The very checkpoint of the same size, and one that goes back: refused by those who saw the other one, whoever brings it.
  await found(liar, "Another Well", "eve");
  const fork = await until(
    () => shown(liar),
    (text) => sizeOf(text) === size,
  );
  const ask = (old: number, note: string) =>
    fetch(`${other.url}/cosigner/add-checkpoint`, { method: "POST", body: `old ${old}\n\n${note}` });
  const onlyLog = fork.split("\n").slice(0, 5).join("\n") + "\n";
  const same = await ask(size, onlyLog);
  expect([same.status, await same.text()]).toEqual([422, "another root than the one that was cosigned of this size\n"]);
  const back = await ask(0, onlyLog);
  expect([back.status, back.headers.get("content-type"), await back.text()]).toEqual([409, "text/x.tlog.size", `${size}\n`]);
  await told(other, /a log asks for a cosignature of another history/);
  expect(await wordsOf(honest, peers[0]!)).toBe("cosigned by 2 of 2");
  // Whoever is shown the fork for the first time learns of it from what the cosigners show, and of the honest log that it is one.
  const policy = federation.policy(peers[0]!);
  const look = ({ url }: TestInstance) => followLog({ remote: openRemote(url), seen: {}, vkey: vkeyOf(peers[0]!), policy });
  const followed = await look(liar);
  expect([followed.exit, followed.problem!.reason]).toEqual([3, expect.stringMatching(/^FORK: .* \(p[12]\)/) as string]);
  const proven = await openFork(followed.fork!.text, verify);
  expect([proven.first.size, proven.second.size, proven.key]).toEqual([size, size, vkeyOf(peers[0]!)]);
  expect(await look(honest)).toMatchObject({ exit: 0, size, notes: [] });
});

it("while cosigners are away checkpoints are published below the quorum, and are cosigned when they are back", async () => {
  federation = await Federation.open(2, 1);
  const { peers } = federation;
  const [instance, other] = [await federation.start(peers[0]!), await federation.start(peers[1]!)];
  await until(
    () => wordsOf(instance, peers[0]!),
    (words) => words === "cosigned by 1 of 1",
  );
  peers[1]!.relay.target = undefined;
  await found(instance, "The Well", "ana");
  const size = await logSize(instance);
  await until(
    () => shown(instance),
    (note) => sizeOf(note) === size,
  );
  expect(await wordsOf(instance, peers[0]!)).toBe("log-signed only: cosigned by 0 of 1, below the quorum");
  await told(instance, /the cosigner p1: away: answers 503/);
  const doctor = () => cosignersOf(instance.config, instance.attached.connections);
  expect(await doctor()).toMatchObject({
    isQuorum: false,
    words: `the newest of ${size} entries: log-signed only: cosigned by 0 of 1, below the quorum`,
    each: [{ name: "p1", away: "answers 503" }],
  });
  peers[1]!.relay.target = other.url;
  await until(
    () => wordsOf(instance, peers[0]!),
    (words) => words === "cosigned by 1 of 1",
  );
  expect(sizeOf(await shown(instance))).toBe(size);
  expect(await cosignedNow(instance.database.query, instance.policy)).toEqual({
    words: `the newest of ${size} entries: cosigned by 1 of 1`,
    isQuorum: true,
  });
  expect(await doctor()).toMatchObject({ isQuorum: true, each: [{ name: "p1", ageSeconds: expect.any(Number) as number }] });
  expect((await doctor())!.each[0]).not.toHaveProperty("away");
  await until(
    async () => (await metrics(instance)).get("minutebook_cosigned_entries"),
    (cosigned) => cosigned === size,
  );
  const figures = await metrics(instance);
  expect(figures.get('minutebook_cosigner_entries{cosigner="p1"}')).toBe(size);
  expect(figures.get('minutebook_cosigner_age_seconds{cosigner="p1"}')).toBeLessThan(60);
  for (const answer of ['answer="cosigned",status="200"', 'answer="away",status="503"'])
    expect(figures.get(`minutebook_cosigner_answers_total{cosigner="p1",${answer}}`), answer).toBeGreaterThan(0);
  const asCosigner = await metrics(other);
  expect(asCosigner.get(`minutebook_cosigning_entries{log="${peers[0]!.origin}"}`)).toBe(size);
  expect(asCosigner.get(`minutebook_cosigning_age_seconds{log="${peers[0]!.origin}"}`)).toBeLessThan(60);
  expect(asCosigner.get('minutebook_http_requests_total{method="POST",route="/cosigner/add-checkpoint",status="200"}')).toBeGreaterThan(0);
  // A line of a cosigner that it never wrote is no missing one.
  await instance.vault.query(
    "insert into log.cosignature (size, cosigner, time, line) select size, cosigner, time + 1, overlay(line placing 'AAAA' from length(line) - 20) from log.cosignature where size = $1",
    [size],
  );
  expect(await cosignedNow(instance.database.query, instance.policy)).toEqual({
    reason: expect.stringMatching(/the cosignature of .* does not verify/) as string,
  });
});

import { describe, expect, it } from "vitest";
import { readAddress } from "../domain/administration/address.ts";
import { anchoring, attempts, deliveries, delivering } from "../domain/administration/deliveries.ts";
import { changing, registering } from "../domain/administration/registration.ts";
import { redelivering } from "../domain/administration/replay.ts";
import { administrationTimers, rotating } from "../domain/administration/rotation.ts";
import { fitsScheme, publicKeyIn, secretOf } from "../domain/administration/secret.ts";
import { standingOf, webhook, type WebhookState } from "../domain/administration/webhook.ts";
import { isRejection } from "../domain/decider.ts";
import { fromB64, fromHex } from "../domain/log/hash.ts";
import { attemptEvents, deliveryEvents, webhookEvents } from "../event-schemas/administration.ts";
import { streamPart } from "../domain/log/ids.ts";
import { membershipEvents } from "../event-schemas/membership.ts";
import { signEd25519, verifyEd25519 } from "../ops/crypto.ts";
import { callOf, decisionOf, made, noon, scenariosOf, stateAfter } from "./support/scenario.ts";

const hook = "77777777-0000-4000-8000-000000000001";
const ana = "00000000-0000-4000-8000-000000000001";
const deliverer = "system:deliverer";
const url = "https://receiver.example/in?token=t0ken";
const usual = {
  types: [] as string[],
  filter: [] as { field: string; equals: string }[],
  order: "subject" as const,
  payload: "full" as const,
  batchMax: 1,
  awaitCheckpoint: false,
  onDead: "continue" as const,
};
/** Parts as an instance has them: fingerprints and secrets are made of them. */
const part = (context: string, text: string) => streamPart(new Uint8Array(32).fill(7), context, text);
const inSevenDays = "2030-01-08T12:00:00.000Z";

const { WebhookRegistered, WebhookVerified, WebhookPaused, WebhookDisabled, WebhookRemoved, WebhookResumed } = webhookEvents;
const { WebhookSecretStaged, WebhookSecretActivated, WebhookSecretRevoked } = webhookEvents;
const registered = WebhookRegistered({ webhookId: hook, profile: "standard", url, ...usual });
const markov = WebhookRegistered({ webhookId: hook, profile: "markov", url, ...usual });
const verified = WebhookVerified({ webhookId: hook, method: "echo" });
const paused = WebhookPaused({ webhookId: hook });
const disabled = WebhookDisabled({ webhookId: hook, reason: "failing" });
const resumed = WebhookResumed({ webhookId: hook });
const removed = WebhookRemoved({ webhookId: hook });
const staged = (kid: string, scheme: "gr" | "v1" | "v1a" = "v1") =>
  WebhookSecretStaged({ webhookId: hook, kid, scheme, fingerprint: "A".repeat(22), secret: `whsec_${"A".repeat(32)}` });
const activated = (kid: string, retiring?: string) =>
  WebhookSecretActivated({ webhookId: hook, kid, ...(retiring && { retiring, retiresAt: inSevenDays }) });
const revoked = (kid: string) => WebhookSecretRevoked({ webhookId: hook, kid });
const after = (...events: Parameters<typeof stateAfter>[1]) => ({ webhook: events });

describe("registering a webhook", () => {
  const scenario = scenariosOf(registering, { by: ana, asOf: 500_000 });
  const ask = (input: object) => ["RegisterWebhook", { webhookId: hook, url, profile: "standard", ...input }] as any;

  it("makes its first secret in the same append, and reveals it", () => {
    const decision = decisionOf(registering, { when: ["RegisterWebhook", { url, profile: "standard" }, { by: ana, part }] });
    if (!Array.isArray(decision)) throw new Error(JSON.stringify(decision));
    expect(decision.map(({ type }) => type)).toEqual(["WebhookRegistered", "WebhookSecretStaged", "WebhookSecretActivated"]);
    expect(decision[0].data).toEqual({ webhookId: made(0), profile: "standard", url, ...usual });
    const { kid, secret } = decision[1].data;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(registering.reveals!.RegisterWebhook!.of(callOf({ url, profile: "standard" }, ana), decision)).toEqual({ kid, secret });
    const given = { url, profile: "standard" as const, secret };
    expect(registering.reveals!.RegisterWebhook!.of(callOf(given, ana), decision)).toEqual({ kid });
  });

  it("takes the secret that a receiver dictates, in the form of its profile's first scheme", () => {
    const secret = "0123456789abcdef".repeat(4);
    const decision = decisionOf(registering, {
      when: ["RegisterWebhook", { url, profile: "markov", secret }, { by: "system:markov", part }],
    });
    expect(Array.isArray(decision) && decision[1].data).toMatchObject({ scheme: "gr", secret });
  });

  const name = [membershipEvents.MemberAdmitted({ memberId: hook })];
  scenario("happens once", { given: after(registered), when: ask({}), then: "WEBHOOK_EXISTS" });
  scenario("happens once for good", { given: after(registered, removed), when: ask({}), then: "WEBHOOK_EXISTS" });
  scenario("takes no member's id", { given: { namesake: name }, when: ask({}), then: "ID_OF_A_MEMBER" });
  scenario("takes no address that is none", { when: ask({ url: "receiver.example" }), then: "ADDRESS_NOT_A_URL" });
  scenario("takes no address without TLS", { when: ask({ url: "http://receiver.example/" }), then: "ADDRESS_NEEDS_HTTPS" });
  scenario("takes no password", { when: ask({ url: "https://u:p@receiver.example/" }), then: "ADDRESS_NAMES_A_USER" });
  scenario("takes no fragment", { when: ask({ url: "https://receiver.example/#a" }), then: "ADDRESS_HAS_A_FRAGMENT" });
  scenario("knows the types of events", {
    when: ask({ types: ["BallotCats"] }),
    then: { rejected: "UNKNOWN_TYPE", figures: { type: "BallotCats" } },
  });
  scenario("tells nobody of what telling causes", {
    when: ask({ types: ["DeliveriesDied"] }),
    then: { rejected: "NEVER_TOLD", figures: { type: "DeliveriesDied" } },
  });
  scenario("batches only what is in order", { when: ask({ order: "none", batchMax: 2 }), then: "BATCH_NEEDS_ORDER" });
  scenario("has one proof in a request", { when: ask({ awaitCheckpoint: true, batchMax: 2 }), then: "PROOF_IS_SINGLE" });
  scenario("tells Markov whole events", { when: ask({ profile: "markov", payload: "thin" }), then: "WHOLE_AND_SINGLE" });
  scenario("tells Markov single events", { when: ask({ profile: "markov", batchMax: 2 }), then: "WHOLE_AND_SINGLE" });
  scenario("begins in the log", { when: ask({ from: 500_001 }), then: { rejected: "BEYOND_THE_LOG", figures: { size: 500_000 } } });
  scenario("does not let Markov count again what it forgot", {
    when: [...ask({ profile: "markov", from: 1 }), { facts: "2029-12-01T00:00:00.000Z" }] as any,
    then: "REPLAY_TOO_OLD",
  });
  scenario("takes no secret of another form", { when: ask({ secret: "A".repeat(40) }), then: "SECRET_UNFIT" });
});

describe("an address", () => {
  const read = (text: string) => {
    const answer = readAddress(text, { anyHttp: false });
    return "fault" in answer ? answer.fault : answer.url;
  };
  it.each([
    ["https://receiver.example", "https://receiver.example/"],
    ["https://RECEIVER.example:8443/a?b=c", "https://receiver.example:8443/a?b=c"],
    ["http://127.0.0.1:8080/in", "http://127.0.0.1:8080/in"],
    ["http://localhost/in", "http://localhost/in"],
    ["http://2130706433/", "http://127.0.0.1/"],
    ["http://[::1]:9/", "http://[::1]:9/"],
    ["http://[fd00::1]/", "http://[fd00::1]/"],
    ["http://172.31.255.255/", "http://172.31.255.255/"],
    ["http://172.32.0.1/", "ADDRESS_NEEDS_HTTPS"],
    ["http://8.8.8.8/", "ADDRESS_NEEDS_HTTPS"],
    ["http://localhost.example/", "ADDRESS_NEEDS_HTTPS"],
    ["https://@receiver.example/", "ADDRESS_NAMES_A_USER"],
    ["https://receiver.example/#", "ADDRESS_HAS_A_FRAGMENT"],
    ["https:/receiver.example", "ADDRESS_NOT_A_URL"],
    ["https:\\\\receiver.example", "ADDRESS_NOT_A_URL"],
    ["https://receiver.example/\t", "ADDRESS_NOT_A_URL"],
    [" https://receiver.example/", "ADDRESS_NOT_A_URL"],
    ["https://receiver.example\\@evil.example/", "ADDRESS_NOT_A_URL"],
    ["ftp://receiver.example/", "ADDRESS_NOT_A_URL"],
    ["https://", "ADDRESS_NOT_A_URL"],
    ["https://receiver.example:99999/", "ADDRESS_NOT_A_URL"],
    [`https://receiver.example/${"a".repeat(2_000)}`, "ADDRESS_NOT_A_URL"],
  ])("%j is %s", (text, expected) => expect(read(text)).toBe(expected));
  it("may have plain http anywhere only where it is configured", () =>
    expect(readAddress("http://markov:8080/", { anyHttp: true })).toEqual({ url: "http://markov:8080/" }));
});

describe("a secret", () => {
  const call = callOf<{ secret?: string }>({}, ana, { part });
  it("is the same again for the same command, in each scheme's form, and another for each scheme", () => {
    const texts = (["gr", "v1", "v1a"] as const).map((scheme) => secretOf(call, scheme));
    expect(texts).toEqual((["gr", "v1", "v1a"] as const).map((scheme) => secretOf(call, scheme)));
    const [gr, v1, v1a] = texts.map(({ text }) => text) as [string, string, string];
    expect(fromHex(gr)).toHaveLength(32);
    expect(fromB64(v1.slice("whsec_".length))).toHaveLength(32);
    expect(new Set(texts.map(({ kid }) => kid)).size).toBe(3);
    for (const { kid, fingerprint, text, scheme } of texts) {
      expect(kid).toMatch(/^[0-9a-f]{12}$/);
      expect(text).not.toContain(fingerprint);
      expect(fitsScheme(call, scheme, text)).toBe(true);
    }
    const key = fromB64(v1a.slice("whsk_".length))!;
    expect(publicKeyIn({ scheme: "v1a", text: v1a })).toMatch(/^whpk_/);
    const message = new Uint8Array([1, 2, 3]);
    const signature = signEd25519(key.subarray(0, 32)).sign(message) as Uint8Array;
    expect(verifyEd25519(key.subarray(32), message, signature)).toBe(true);
  });
  it.each([
    ["gr", "a".repeat(31), false],
    ["gr", `${"a".repeat(31)} `, false],
    ["v1", `whsec_${"A".repeat(28)}`, false],
    ["v1", `whsec_${"A".repeat(32)}`, true],
    ["v1", "A".repeat(32), false],
    ["v1a", `whsk_${"A".repeat(86)}==`, false],
    ["v1a", "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==", true],
  ] as const)("of %s may be given as %s: %s", (scheme, text, fits) => expect(fitsScheme(call, scheme, text)).toBe(fits));
});

describe("changing a webhook", () => {
  const scenario = scenariosOf(changing, { by: ana });
  scenario("keeps what is not said", {
    given: after(registered),
    when: ["ChangeWebhook", { webhookId: hook, order: "none", perMinuteMax: 60 }],
    then: [webhookEvents.WebhookChanged({ webhookId: hook, ...usual, order: "none", perMinuteMax: 60 })],
  });
  scenario("can lift a limit", {
    given: after(WebhookRegistered({ webhookId: hook, profile: "standard", url, ...usual, perMinuteMax: 60 })),
    when: ["ChangeWebhook", { webhookId: hook, perMinuteMax: null }],
    then: [webhookEvents.WebhookChanged({ webhookId: hook, ...usual })],
  });
  scenario("takes only an address", {
    given: after(registered),
    when: ["ChangeWebhook", { webhookId: hook, url: "x" }],
    then: "ADDRESS_NOT_A_URL",
  });
  scenario("leads to settings that fit", {
    given: after(registered),
    when: ["ChangeWebhook", { webhookId: hook, types: ["CircuitOpened"] }],
    then: { rejected: "NEVER_TOLD", figures: { type: "CircuitOpened" } },
  });
  for (const command of ["ChangeWebhook", "PauseWebhook", "ResumeWebhook", "RemoveWebhook", "VerifyWebhook"] as const) {
    scenario(`${command} needs one`, { when: [command, { webhookId: hook }], then: "NO_SUCH_WEBHOOK" });
    scenario(`${command} needs one that was not removed`, {
      given: after(registered, removed),
      when: [command, { webhookId: hook }],
      then: "WEBHOOK_REMOVED",
    });
  }
  scenario("pauses it once", { given: after(registered, paused), when: ["PauseWebhook", { webhookId: hook }], then: "NOT_RUNNING" });
  scenario("resumes what rests", { given: after(registered), when: ["ResumeWebhook", { webhookId: hook }], then: "IS_RUNNING" });
  scenario("resumes what was disabled", {
    given: after(registered, disabled),
    when: ["ResumeWebhook", { webhookId: hook }],
    then: [resumed],
  });
  scenario("disables it once", {
    given: after(registered, disabled),
    when: ["DisableWebhook", { webhookId: hook, reason: "gone" }, deliverer],
    then: "DISABLED_ALREADY",
  });

  const heard = { webhookId: hook, method: "echo", address: 1 } as const;
  scenario("hears its address", { given: after(registered), when: ["VerifyWebhook", heard, deliverer], then: [verified] });
  scenario("takes nobody's word for an address that can answer", {
    given: after(registered),
    when: ["VerifyWebhook", { webhookId: hook }],
    then: "ADDRESS_MUST_ANSWER",
  });
  scenario("takes an operator's word for Markov", {
    given: after(markov),
    when: ["VerifyWebhook", { webhookId: hook }],
    then: [WebhookVerified({ webhookId: hook, method: "operator" })],
  });
  scenario("has nobody say what only the machine hears", {
    given: after(registered),
    when: ["VerifyWebhook", heard],
    then: "ONLY_THE_MACHINE_HEARS",
  });
  scenario("is proved once", { given: after(registered, verified), when: ["VerifyWebhook", heard, deliverer], then: "VERIFIED_ALREADY" });
  scenario("is not proved by an address that it had", {
    given: after(registered, webhookEvents.WebhookChanged({ webhookId: hook, url, ...usual })),
    when: ["VerifyWebhook", heard, deliverer],
    then: "ADDRESS_CHANGED",
  });

  it("stands as its events say", () => {
    const standing = (...events: Parameters<typeof stateAfter>[1]) => standingOf(stateAfter(webhook, events) as WebhookState);
    expect(standing(registered)).toBe("unverified");
    expect(standing(registered, verified)).toBe("active");
    expect(standing(registered, verified, paused)).toBe("paused");
    expect(standing(registered, verified, paused, resumed)).toBe("active");
    expect(standing(registered, verified, disabled)).toBe("disabled");
    expect(standing(registered, verified, disabled, resumed)).toBe("unverified");
    expect(standing(registered, verified, webhookEvents.WebhookChanged({ webhookId: hook, url, ...usual }))).toBe("unverified");
    expect(standing(registered, verified, webhookEvents.WebhookChanged({ webhookId: hook, ...usual }))).toBe("active");
    expect(standing(registered, removed)).toBe("removed");
    expect(standing()).toBe("removed");
  });
});

describe("rotating secrets", () => {
  const scenario = scenariosOf(rotating, { by: ana });
  const one = after(registered, staged("a"), activated("a"));
  const { webhook: begun } = one;
  const kid = (name: string) => ({ webhookId: hook, kid: name });
  scenario("overlaps for a week", {
    given: after(...begun, staged("b")),
    when: ["ActivateWebhookSecret", kid("b")],
    then: [activated("b", "a")],
  });
  scenario("retires nothing of another scheme", {
    given: after(...begun, staged("b", "v1a")),
    when: ["ActivateWebhookSecret", kid("b")],
    then: [activated("b")],
  });
  scenario("goes back", {
    given: after(...begun, staged("b"), activated("b", "a")),
    when: ["ActivateWebhookSecret", kid("a")],
    then: [activated("a", "b")],
  });
  scenario("knows its secrets", { given: one, when: ["ActivateWebhookSecret", kid("c")], then: "NO_SUCH_SECRET" });
  scenario("activates once", { given: one, when: ["ActivateWebhookSecret", kid("a")], then: "NOT_WAITING" });
  scenario("brings nothing back that was revoked", {
    given: after(...begun, staged("b"), revoked("b")),
    when: ["ActivateWebhookSecret", kid("b")],
    then: "NOT_WAITING",
  });
  scenario("keeps what signs", { given: one, when: ["RevokeWebhookSecret", kid("a")], then: "SECRET_IN_USE" });
  scenario("revokes what retires", {
    given: after(...begun, staged("b"), activated("b", "a")),
    when: ["RevokeWebhookSecret", kid("a"), "system:timers"],
    then: [revoked("a")],
  });
  scenario("revokes once", {
    given: after(...begun, staged("b"), revoked("b")),
    when: ["RevokeWebhookSecret", kid("b")],
    then: "REVOKED_ALREADY",
  });
  scenario("speaks its profile's schemes", {
    given: one,
    when: ["StageWebhookSecret", { webhookId: hook, scheme: "gr" }],
    then: "SCHEME_NOT_SPOKEN",
  });
  scenario("takes a secret in its scheme's form", {
    given: one,
    when: ["StageWebhookSecret", { webhookId: hook, secret: "A".repeat(40) }],
    then: "SECRET_UNFIT",
  });
  scenario("has an end", {
    given: after(registered, ..."abcdefghij".split("").map((name) => staged(name))),
    when: ["StageWebhookSecret", { webhookId: hook }],
    then: "TOO_MANY_SECRETS",
  });

  it("knows a secret again", () => {
    const secret = `whsec_${"B".repeat(32)}`;
    const when = ["StageWebhookSecret", { webhookId: hook, secret }, { by: ana, part }] as const;
    const first = decisionOf(rotating, { given: one, when });
    if (!Array.isArray(first)) throw new Error(JSON.stringify(first));
    const again = decisionOf(rotating, { given: after(...begun, ...first), when });
    expect(isRejection(again) && again.rejected).toBe("SECRET_KNOWN");
  });
  it("reveals of a key pair the public half alone", () => {
    const decision = decisionOf(rotating, {
      given: one,
      when: ["StageWebhookSecret", { webhookId: hook, scheme: "v1a" }, { by: ana, part }],
    });
    if (!Array.isArray(decision)) throw new Error(JSON.stringify(decision));
    const { kid, publicKey } = decision[0].data;
    expect(rotating.reveals!.StageWebhookSecret!.of(callOf({ webhookId: hook }, ana), decision)).toEqual({ kid, publicKey });
  });
  it("is ended by a timer", () => {
    expect(administrationTimers("WebhookSecretActivated", activated("b", "a").data)).toEqual({
      due: inSevenDays,
      command: "RevokeWebhookSecret",
      input: kid("a"),
      about: "a",
    });
    expect(administrationTimers("WebhookSecretActivated", activated("b").data)).toBeUndefined();
  });
});

describe("telling again", () => {
  const scenario = scenariosOf(redelivering, { by: ana, asOf: 300_000, facts: noon });
  const span = { webhookId: hook, from: 100_000, to: 200_000 };
  const replayed = (more: object = {}) => [webhookEvents.ReplayRequested({ ...span, generation: 1, acceptDoubleCount: false, ...more })];
  scenario("takes a span", { given: after(registered), when: ["ReplayWebhook", span], then: replayed() });
  scenario("counts", { given: after(registered, ...replayed()), when: ["ReplayWebhook", span], then: replayed({ generation: 2 }) });
  scenario("takes no empty span", { given: after(registered), when: ["ReplayWebhook", { ...span, to: span.from }], then: "EMPTY_SPAN" });
  scenario("tells of what is there", {
    given: after(registered),
    when: ["ReplayWebhook", { ...span, to: 300_001 }],
    then: { rejected: "BEYOND_THE_LOG", figures: { size: 300_000 } },
  });
  const old = { ...span, from: 99_999 };
  scenario("reaches back for Markov 200,000 events", { given: after(markov), when: ["ReplayWebhook", span], then: replayed() });
  scenario("reaches no further", { given: after(markov), when: ["ReplayWebhook", old], then: "REPLAY_TOO_OLD" });
  scenario("reaches back for Markov seven days", {
    given: after(markov),
    when: ["ReplayWebhook", span, { facts: "2029-12-25T12:00:00.000Z" }],
    then: replayed(),
  });
  scenario("reaches no longer", {
    given: after(markov),
    when: ["ReplayWebhook", span, { facts: "2029-12-25T11:59:59.999Z" }],
    then: "REPLAY_TOO_OLD",
  });
  scenario("reaches as far as somebody takes upon himself", {
    given: after(markov),
    when: ["ReplayWebhook", { ...old, acceptDoubleCount: true }],
    then: replayed({ from: 99_999, acceptDoubleCount: true }),
  });
  scenario("reaches as far as it likes for others", {
    given: after(registered),
    when: ["ReplayWebhook", { ...span, from: 0 }],
    then: replayed({ from: 0 }),
  });
  scenario("puts back what died", {
    given: after(registered),
    when: ["RedriveDeliveries", { webhookId: hook, filter: { fault: "timeout" } }],
    then: [webhookEvents.RedriveRequested({ webhookId: hook, filter: { fault: "timeout" } })],
  });
  scenario("puts back a span in order", {
    given: after(registered),
    when: ["RedriveDeliveries", { webhookId: hook, filter: { fromSeq: 2, toSeq: 1 } }],
    then: "EMPTY_SPAN",
  });
  scenario("tests", {
    given: after(registered),
    when: ["TestWebhook", { webhookId: hook }],
    then: [webhookEvents.WebhookTestRequested({ webhookId: hook })],
  });
  scenario("does not test what counts everything", {
    given: after(markov),
    when: ["TestWebhook", { webhookId: hook }],
    then: "NO_TEST_EVENT",
  });
});

describe("what becomes of deliveries", () => {
  const scenario = scenariosOf(delivering, { by: deliverer });
  const opened = deliveryEvents.CircuitOpened({ webhookId: hook, cause: "timeout", probeAt: noon });
  const open = { webhookId: hook, cause: "timeout", probeAt: noon };
  scenario("opens a circuit once", { given: { [deliveries.name]: [opened] }, when: ["OpenCircuit", open], then: "CIRCUIT_IS_OPEN" });
  scenario("opens a circuit", { when: ["OpenCircuit", open], then: [opened] });
  scenario("closes what is open", { when: ["CloseCircuit", { webhookId: hook }], then: "CIRCUIT_IS_CLOSED" });
  scenario("closes a circuit", {
    given: { [deliveries.name]: [opened] },
    when: ["CloseCircuit", { webhookId: hook }],
    then: [deliveryEvents.CircuitClosed({ webhookId: hook })],
  });
  const died = [{ seq: 1, leafIndex: 7, generation: 0, fault: "too-large", status: 413 }];
  scenario("records deaths", {
    when: ["RecordDeaths", { webhookId: hook, deliveries: died }],
    then: [deliveryEvents.DeliveriesDied({ webhookId: hook, deliveries: died })],
  });

  const anchor = scenariosOf(anchoring, { by: deliverer });
  const root = "A".repeat(43);
  const anchored = attemptEvents.AttemptsAnchored({ from: 0, to: 5, root });
  anchor("anchors attempts", { when: ["AnchorAttempts", { from: 0, to: 5, root }], then: [anchored] });
  anchor("leaves no gap", {
    given: { [attempts.name]: [anchored] },
    when: ["AnchorAttempts", { from: 6, to: 7, root }],
    then: { rejected: "NOT_THE_NEXT", figures: { next: 5 } },
  });
  anchor("anchors something", { when: ["AnchorAttempts", { from: 0, to: 0, root }], then: "EMPTY_SPAN" });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Placed, Sealed } from "../../domain/log/event-log.ts";
import { Broken, Unavailable } from "../../domain/log/event-log.ts";
import { ownServer, testDatabase, type TestServer } from "../support/postgres.ts";
import { openPostgresLog } from "../../ops/event-log/postgres.ts";
import { chain, revisionOf } from "./chain.ts";
import { contract } from "./contract.ts";
import { postgresRig, queryOn, type PostgresRig } from "./postgres-rig.ts";
import { assertWhole, followed, orderDigest, until } from "./writers.ts";

let server: TestServer;
beforeAll(async () => void (server = await ownServer({ durable: true })));
afterAll(() => server.discard());

contract("postgres", () => postgresRig(server));

describe("the log in Postgres", () => {
  const onPostgres = (text: string, body: (rig: PostgresRig) => Promise<void>): void => {
    it(text, async () => {
      const rig = await postgresRig(server);
      try {
        await body(rig);
      } finally {
        await rig.close();
      }
    });
  };

  onPostgres("counts positions in 16 digits and takes them unpadded", async ({ log }) => {
    await log.append("one", -1, chain({ stream: "one", key: "command-0", count: 4 }));
    const whole = await followed(log, undefined, (entries) => entries.length === 4);
    expect(whole.map(({ position }) => position)).toEqual(["0", "1", "2", "3"].map((digit) => digit.padStart(16, "0")));
    const rest = await followed(log, { position: "1", size: 2 }, (entries) => entries.length === 2);
    expect(orderDigest(rest)).toBe(orderDigest(whole.slice(2)));
    expect(await log.head()).toEqual({ position: "0000000000000003", size: 4 });
    await expect(followed(log, { position: "4", size: 5 }, () => true)).rejects.toBeInstanceOf(Broken);
    await expect(followed(log, { position: "1", size: 1 }, () => true)).rejects.toBeInstanceOf(Broken);
    await expect(followed(log, { position: "-1", size: 0 }, () => true)).rejects.toThrow(RangeError);
  });

  onPostgres("serves five followers of its own appends without a query", async ({ log, proxy }) => {
    const first = chain({ stream: "first", key: "command-first" });
    await log.append("first", -1, first);
    const stop = new AbortController();
    const followers = Array.from({ length: 5 }, () => log.follow(undefined, stop.signal)[Symbol.asyncIterator]());
    for (const follower of followers) await follower.next();
    const pages = proxy.sent("log-page");
    const started = performance.now();
    let appended = 0;
    for (; performance.now() - started < 1_000 || appended < 100; appended++) {
      await log.append(`stream-${appended}`, -1, chain({ stream: `stream-${appended}`, key: `command-${appended}` }));
      const batches = await Promise.all(followers.map((follower) => follower.next()));
      for (const { value } of batches) expect((value as readonly Placed[])[0]!.leafIndex).toBe(appended + 1);
    }
    expect(proxy.sent("log-page")).toBe(pages);
    expect(proxy.sent("log-size")).toBe(1);
    expect(proxy.sent("log-lock")).toBe(1);
    stop.abort();
  });

  onPostgres("puts what comes together into two statements", async ({ log, proxy }) => {
    await log.append("first", -1, chain({ stream: "first", key: "command-first" }));
    const before = proxy.sent("log-append");
    const appends = Array.from({ length: 200 }, (_, n) =>
      log.append(`stream-${n}`, -1, chain({ stream: `stream-${n}`, key: `command-${n}` })),
    );
    for (const answer of await Promise.all(appends)) expect(answer.kind).toBe("appended");
    expect(proxy.sent("log-append")).toBe(before + 2);
  });

  onPostgres("appends to one stream that name each other's revisions go in together", async ({ log }) => {
    const first = chain({ stream: "line", key: "command-0", count: 2 });
    const second = chain({ stream: "line", key: "command-1", after: first.at(-1) });
    const third = chain({ stream: "line", key: "command-2", after: second.at(-1) });
    const answers = await Promise.all([log.append("line", -1, first), log.append("line", 1, second), log.append("line", 2, third)]);
    expect(answers.map((answer) => answer.kind)).toEqual(["appended", "appended", "appended"]);
    expect((await log.read("line")).map(({ text }) => text)).toEqual([...first, ...second, ...third].map(({ text }) => text));
  });

  onPostgres("one that the server will never take does not spoil its batch", async ({ log, query }) => {
    await query("alter table log.entry add constraint planted check (stream <> 'poison')");
    const streams = ["left", "poison", "right"];
    const answers = await Promise.allSettled(streams.map((stream) => log.append(stream, -1, chain({ stream, key: `command-${stream}` }))));
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await query("select position::int, stream from log.entry order by position")).toEqual([
      { position: 0, stream: "left" },
      { position: 1, stream: "right" },
    ]);
  });

  onPostgres("says that nothing happened while the server cannot be reached, and goes on when it can", async ({ log, proxy }) => {
    const entries = chain({ stream: "down", key: "command-0" });
    await log.append("other", -1, chain({ stream: "other", key: "command-other" }));
    proxy.down();
    await expect(log.read("down")).rejects.toBeInstanceOf(Unavailable);
    // The first one may still have found the old connection, and cannot know; its deadline ends it.
    const stop = new AbortController();
    const doubtful = log.append("down", -1, entries, stop.signal).catch((fault: unknown) => fault);
    stop.abort();
    expect(await doubtful).toBeInstanceOf(Unavailable);
    await expect(log.append("down", -1, entries)).rejects.toMatchObject({ fate: "nothing-happened" });
    proxy.up();
    expect(await log.append("down", -1, entries)).toMatchObject({ kind: "appended" });
  });

  onPostgres("what was told that nothing happened is not sent later", async ({ log }) => {
    await log.append("first", -1, chain({ stream: "first", key: "command-first" }));
    const stop = new AbortController();
    const given = [0, 1, 2].map((n) =>
      log.append(`given-up-${n}`, -1, chain({ stream: `given-up-${n}`, key: `given-up-${n}` }), stop.signal),
    );
    stop.abort();
    for (const one of given) await expect(one).rejects.toMatchObject({ fate: "nothing-happened" });
    await log.append("next", -1, chain({ stream: "next", key: "command-next" }));
    expect(await log.head()).toEqual({ position: "0000000000000001", size: 2 });
  });

  onPostgres("a follower outlives its database", async ({ log, proxy, another }) => {
    const other = await another();
    const stop = new AbortController();
    const follower = log.follow(undefined, stop.signal)[Symbol.asyncIterator]();
    let last: Sealed | undefined;
    for (let n = 0; n < 3; n++) {
      const next = follower.next();
      proxy.down();
      const [sealed] = chain({ stream: "through", key: `command-${n}`, after: last });
      await other.append("through", revisionOf(last), [sealed!]);
      proxy.up();
      expect(((await next).value as readonly Placed[]).map(({ text }) => text)).toEqual([sealed!.text]);
      last = sealed;
    }
    stop.abort();
  });

  onPostgres("a full tail sends slow followers to the table, and nobody misses anything", async ({ another }) => {
    const log = await another({ tailEntriesMax: 10 });
    const slow = log.follow(undefined, new AbortController().signal)[Symbol.asyncIterator]();
    const seen: Placed[] = [];
    for (let n = 0; n < 60; n++) {
      await log.append(`stream-${n}`, -1, chain({ stream: `stream-${n}`, key: `command-${n}` }));
      if (n % 20 === 5) seen.push(...((await slow.next()).value as readonly Placed[]));
    }
    while (seen.length < 60) seen.push(...((await slow.next()).value as readonly Placed[]));
    await slow.return!(undefined);
    assertWhole(seen, []);
    expect(orderDigest(seen)).toBe(orderDigest(await followed(await another(), undefined, until(seen.at(-1)!.position))));
  });

  onPostgres("names what is broken in the tables", async ({ log, another, query }) => {
    await log.append("sound", -1, chain({ stream: "sound", key: "command-0", count: 3 }));
    await log.append("broken", -1, chain({ stream: "broken", key: "command-1", count: 3 }));
    await query("alter table log.entry disable trigger all");
    await query("update log.entry set text = text || ' ' where position = 4");
    const other = await another();
    await expect(other.read("broken")).rejects.toThrow(/^broken revision 1: /);
    expect(await other.read("sound")).toHaveLength(3);
    await expect(followed(other, undefined, () => false)).rejects.toThrow(/^position 0000000000000004: /);
    await query("delete from log.entry where position = 4");
    await expect(other.read("broken")).rejects.toThrow("broken: revision 1 is missing");
    await expect(followed(other, undefined, () => false)).rejects.toThrow("position 0000000000000004 is missing");
    await expect(followed(other, undefined, () => false)).rejects.toBeInstanceOf(Broken);
  });

  onPostgres("the tables refuse to be changed, and the app's role can only add", async ({ log, query }) => {
    await log.append("kept", -1, chain({ stream: "kept", key: "command-0" }));
    const refused = [
      "update log.entry set text = ''",
      "delete from log.entry",
      "truncate log.entry",
      "delete from log.head",
      "truncate log.head",
      "update log.head set size = size - 1",
      "insert into log.head (size) values (7)",
      "set session_replication_role = replica; delete from log.entry",
    ];
    for (const sql of refused) await expect(query(sql), sql).rejects.toThrow();
    const rights = await query<{ may: boolean }>(
      `select has_table_privilege('minutebook_app', 'log.entry', kind) as may from unnest(array['insert', 'select', 'update', 'delete', 'truncate']) as kind`,
    );
    expect(rights.map(({ may }) => may)).toEqual([true, true, false, false, false]);
    expect(await query("select has_column_privilege('minutebook_app', 'log.head', 'size', 'update') as may")).toEqual([{ may: true }]);
    expect(await log.read("kept")).toHaveLength(1);
  });

  it("refuses a server that does not keep what it acknowledges", async () => {
    const database = await testDatabase();
    try {
      const connection = { ...database.config, options: "-c synchronous_commit=off" };
      await expect(openPostgresLog({ connection })).rejects.toThrow(/synchronous_commit/);
    } finally {
      await database.drop();
    }
  });
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lockHome, type HomeLock } from "../../ops/postgres/home-lock.ts";
import { guardedHome } from "../support/postgres.ts";
import { anotherProcess } from "./another-process.ts";

let home: string;
let discard: () => Promise<void>;
beforeEach(async () => ({ home, discard } = await guardedHome()));
afterEach(() => discard());

const hold = (url?: string) => anotherProcess<"held" | { pid: number; url?: string }>("hold-lock.ts", url ? [home, url] : [home]);

async function taken(): Promise<HomeLock> {
  const lock = await lockHome(home);
  if (lock.taken) throw new Error(`taken by ${lock.taken.pid}`);
  return lock;
}

describe("the lock of a home", () => {
  test("a second process learns who holds it and where it is reached", async () => {
    const first = await hold("http://127.0.0.1:4100");
    expect(first.said).toBe("held");
    expect(await lockHome(home)).toEqual({ taken: { pid: first.pid, url: "http://127.0.0.1:4100" } });
    await first.kill();
  });

  test("before the holder has a URL, only its process is named", async () => {
    const first = await hold();
    expect(await lockHome(home)).toEqual({ taken: { pid: first.pid } });
    await first.kill();
  });

  test("after kill -9 of the holder it is free", async () => {
    await (await hold("http://127.0.0.1:4100")).kill();
    const lock = await taken();
    expect(JSON.parse(readFileSync(join(home, "lock"), "utf8"))).toMatchObject({ pid: process.pid });
    lock.release();
  });

  test("a process that was given a dead holder's number does not hold it", async () => {
    const unrelated = spawn("sleep", ["60"]);
    writeFileSync(join(home, "lock"), JSON.stringify({ pid: unrelated.pid, startedAt: "another time", token: "x" }));
    (await taken()).release();
    unrelated.kill();
    await once(unrelated, "exit");
  });

  test("released, it is free; a release that comes late takes nothing from the next holder", async () => {
    const early = await taken();
    early.release();
    const next = await taken();
    early.release();
    expect(await lockHome(home)).toEqual({ taken: { pid: process.pid } });
    next.release();
    (await taken()).release();
  });

  test("of many that start at once one gets it", async () => {
    await (await hold()).kill();
    const all = await Promise.all(Array.from({ length: 6 }, () => hold()));
    expect(all.filter(({ said }) => said === "held")).toHaveLength(1);
    await Promise.all(all.map(({ kill }) => kill()));
  });

  test("a torn file and a gate that a killed process left behind stop nobody", async () => {
    writeFileSync(join(home, "lock"), '{"pid":');
    const gate = join(home, "lock.gate");
    mkdirSync(gate);
    utimesSync(gate, new Date(0), new Date(0));
    (await taken()).release();
  });
});

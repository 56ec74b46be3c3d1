import { spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Runs a program of this folder until it has said its one line; `kill` is kill -9, and waits until it is gone. */
export async function anotherProcess<T>(program: string, args: string[], options: SpawnOptions = {}) {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let complaints = "";
  child.stderr!.on("data", (chunk) => (complaints += chunk));
  const exited = once(child, "exit");
  const line = once(createInterface(child.stdout!), "line") as Promise<[string]>;
  const said = await Promise.race([line, exited.then(() => undefined)]);
  if (!said) throw new Error(`${program} ended before it said anything: ${complaints}`);
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  return { said: JSON.parse(said[0]!) as T, pid: child.pid!, kill };
}

import { arch, cpus, platform, release, totalmem } from "node:os";

export type Sample = { readonly perSecond: number; readonly p50: number; readonly p95: number; readonly p99: number };

/** Runs `count` operations from so many callers, each waiting for its answer before it asks again. Milliseconds. */
export async function measure(callers: number, count: number, operation: (n: number) => Promise<unknown>): Promise<Sample> {
  const latencies: number[] = [];
  let next = 0;
  const started = performance.now();
  const caller = async () => {
    while (next < count) {
      const n = next++;
      const asked = performance.now();
      await operation(n);
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))]!;
  return { perSecond: count / seconds, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) };
}

export const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
export const whole = (number: number) => Math.round(number).toLocaleString("en");

/** Median and range of several runs. */
export const spread = (samples: readonly Sample[]) => {
  const rates = samples.map(({ perSecond }) => perSecond);
  return `${whole(median(rates)).padStart(7)}/s (${whole(Math.min(...rates))}–${whole(Math.max(...rates))})`;
};

export const describeMachine = () =>
  `${cpus().length} × ${cpus()[0]?.model ?? "unknown processor"}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${release()} ${arch()}, Node ${process.version}; server and load generator share it`;

/** One line of the comparison: what is promised, what was measured, whether it holds. */
export function budget(what: string, measured: number, atLeast: number, unit: string): boolean {
  const met = measured >= atLeast;
  const shown = (number: number) => (number < 100 ? number.toFixed(2) : whole(number));
  console.log(`  ${met ? "met   " : "MISSED"}  ${what}: ${shown(measured)} ${unit} (budget: at least ${shown(atLeast)})`);
  return met;
}

/** Data on stdout, talk on stderr; colour and moving bars only on a terminal. */

/** Exit statuses of every command. */
export const exits = { done: 0, failed: 1, usage: 2, verificationFailed: 3, unavailable: 4, badConfiguration: 5 } as const;

/** A command line that does not say what to do: exit status 2. */
export class Usage extends Error {}
/** Something that a command needs is not there now: exit status 4. */
export class NotThere extends Error {}
/** A setting that cannot be used: exit status 5. */
export class BadConfiguration extends Error {}

export const say = (line: string) => void process.stderr.write(`${line}\n`);
export const print = (line: string) => void process.stdout.write(`${line}\n`);
export const printJson = (value: unknown) => print(JSON.stringify(value, null, 2));

const isTerminal = () => process.stderr.isTTY === true;
const coloured = () => isTerminal() && !process.env["NO_COLOR"];
const paint = (code: number) => (text: string) => (coloured() ? `\u001b[${code}m${text}\u001b[0m` : text);
export const green = paint(32);
export const red = paint(31);
export const bold = paint(1);
export const dim = paint(2);

const redrawMs = 100;
const barWidth = 24;

export type Progress = { readonly at: (done: number, total?: number) => void; readonly end: () => void };

/** A bar with rate and time left on a terminal; elsewhere a line each tenth of the way. */
export function progress(what: string, unit: string): Progress {
  const startedAt = performance.now();
  let drawnAt = -Infinity;
  let tenth = 0;
  const line = (done: number, total: number | undefined) => {
    const seconds = (performance.now() - startedAt) / 1000;
    const rate = done / Math.max(seconds, 0.001);
    const of = total === undefined ? "" : ` of ${total.toLocaleString("en")}`;
    const left = total === undefined ? "" : `, ${formatSeconds((total - done) / Math.max(rate, 0.001))} left`;
    return `${what}: ${done.toLocaleString("en")}${of} ${unit}, ${Math.round(rate).toLocaleString("en")}/s${left}`;
  };
  return {
    at(done, total) {
      if (!isTerminal()) {
        const reached = total ? Math.floor((10 * done) / total) : 0;
        if (reached > tenth) say(line(done, total));
        tenth = Math.max(tenth, reached);
        return;
      }
      if (performance.now() - drawnAt < redrawMs) return;
      drawnAt = performance.now();
      const filled = total ? Math.floor((barWidth * done) / total) : 0;
      process.stderr.write(`\r\u001b[2K${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ${line(done, total)}`);
    },
    end() {
      if (isTerminal() && drawnAt > -Infinity) process.stderr.write("\r\u001b[2K");
    },
  };
}

export const formatSeconds = (seconds: number) =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;

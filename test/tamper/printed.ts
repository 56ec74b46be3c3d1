/** What a command of this process prints on stdout, and its exit status. */
export async function printedBy(command: () => Promise<number>): Promise<{ readonly exit: number; readonly out: string }> {
  const { write } = process.stdout;
  let out = "";
  process.stdout.write = ((text: string | Uint8Array) => {
    out += typeof text === "string" ? text : Buffer.from(text).toString();
    return true;
  }) as typeof process.stdout.write;
  try {
    return { exit: await command(), out };
  } finally {
    process.stdout.write = write;
  }
}

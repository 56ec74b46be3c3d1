/** Just enough of a tar (POSIX ustar): a header for each file, its bytes, and zeros up to a whole block. */
import { utf8 } from "../domain/log/hash.ts";

const block = 512;

/** Two empty blocks end an archive. */
export const tarEnd = new Uint8Array(2 * block);
export const tarPadding = (length: number): Uint8Array => new Uint8Array((block - (length % block)) % block);

/** For a plain file that anybody may read; its times are zero, so that the same bundle is the same archive. */
export function tarHeader(name: string, length: number): Uint8Array {
  const header = new Uint8Array(block);
  const put = (at: number, text: string) => header.set(utf8(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(0, name);
  put(100, `${octal(0o644, 7)}\0`);
  put(108, `${octal(0, 7)}\0`);
  put(116, `${octal(0, 7)}\0`);
  // A file beyond 8 GiB does not fit the octal field: GNU's form is the number itself behind a set bit.
  if (length < 8 ** 11) put(124, `${octal(length, 11)}\0`);
  else new DataView(header.buffer).setBigUint64(128, BigInt(length));
  if (length >= 8 ** 11) header[124] = 0x80;
  put(136, `${octal(0, 11)}\0`);
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\0" + "00");
  put(
    148,
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\0 `,
  );
  return header;
}

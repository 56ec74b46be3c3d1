import { crc32, deflateSync } from "node:zlib";

const width = 800;
const height = 600;

/** A picture of a green hill under the sky (PNG, 800 × 600), another one for each seed. */
export function photo(seed: Uint8Array): Buffer {
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0, at = 0; y < height; y++) {
    at++;
    for (let x = 0; x < width; x++) {
      const isHill = y > height * (0.65 - 0.25 * Math.sin((Math.PI * x) / width));
      rows[at++] = isHill ? 40 : 120 + (seed[0]! & 63);
      rows[at++] = isHill ? 110 + (seed[x % seed.length]! & 31) : 170;
      rows[at++] = isHill ? 50 : 240 - (y >> 3);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits of each of three colours.
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(type: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const whole = Buffer.alloc(named.length + 8);
  whole.writeUInt32BE(content.length, 0);
  whole.set(named, 4);
  whole.writeUInt32BE(crc32(named), named.length + 4);
  return whole;
}

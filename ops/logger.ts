import pino, { type Logger } from "pino";

/** Structured lines on stderr, so that stdout stays for data. Whoever logs passes ids and codes: never a token, a key, or what tells about a person. */
export const openLogger = (level: string): Logger =>
  pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: ["*.authorization", "*.password", "*.token", "*.key"] },
    pino.destination({ fd: 2, sync: false }),
  );

/** Lets many wait until one rings. */
export type Bell = {
  ring(): void;
  /** Resolves at the next ring or when the signal aborts. */
  heard(signal: AbortSignal): Promise<void>;
  readonly waiting: number;
};

export function bell(): Bell {
  const waiting = new Set<() => void>();
  return {
    ring() {
      for (const wake of [...waiting]) wake();
    },
    heard(signal) {
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = (): void => {
          waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        waiting.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    },
    get waiting() {
      return waiting.size;
    },
  };
}

/** Who may work now. Whoever waits is let in one endpoint after the other, so that the one with a hundred thousand waiting is one of many. */
export class Turns {
  readonly #most: number;
  #working = 0;
  /** In the order in which endpoints are next. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(most: number) {
    this.#most = most;
  }

  async take<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
    if (this.#working >= this.#most) await new Promise<void>((resolve) => this.#queue(endpoint, resolve));
    else this.#working++;
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  #queue(endpoint: string, resolve: () => void): void {
    const queue = this.#waiting.get(endpoint);
    if (queue) queue.push(resolve);
    else this.#waiting.set(endpoint, [resolve]);
  }

  /** Hands the place on. The endpoint that got it goes to the end of the row. */
  #next(): void {
    const [first] = this.#waiting;
    if (!first) return void this.#working--;
    const [endpoint, queue] = first;
    this.#waiting.delete(endpoint);
    const resolve = queue.shift()!;
    if (queue.length > 0) this.#waiting.set(endpoint, queue);
    resolve();
  }
}

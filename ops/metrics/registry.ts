/** Counters, gauges and histograms in the text that Prometheus reads (exposition format 0.0.4). Counting is an addition in memory, nothing more. */

export type Labels = Readonly<Record<string, string | number>>;
type Kind = "counter" | "gauge" | "histogram";

/** Trap: every value of a label is a series for ever. What is beyond this many of one metric is counted as one, `other`. */
const seriesMax = 500;
const other = "other";

class Metric<V> {
  readonly name: string;
  readonly kind: Kind;
  readonly help: string;
  readonly #names: readonly string[];
  readonly #series = new Map<string, V>();

  constructor(name: string, kind: Kind, help: string, names: readonly string[]) {
    this.name = name;
    this.kind = kind;
    this.help = help;
    this.#names = names;
  }

  /** The series of these labels. */
  at(labels: Labels, made: () => V): V {
    const key = this.#keyOf((name) => String(labels[name] ?? ""));
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= seriesMax) return this.#rest(made);
    return this.#add(key, made());
  }

  get series(): ReadonlyMap<string, V> {
    return this.#series;
  }

  forget(): void {
    this.#series.clear();
  }

  #rest(made: () => V): V {
    const key = this.#keyOf(() => other);
    return this.#series.get(key) ?? this.#add(key, made());
  }

  #add(key: string, series: V): V {
    this.#series.set(key, series);
    return series;
  }

  #keyOf(valueOf: (name: string) => string): string {
    return this.#names.map((name) => `${name}="${escaped(valueOf(name))}"`).join(",");
  }
}

const escaped = (value: string) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

export type Counter = { readonly add: (labels?: Labels, by?: number) => void };
/** `replace`: what it does not name is gone. */
export type Gauge = {
  readonly set: (value: number, labels?: Labels) => void;
  readonly replace: (values: readonly (readonly [value: number, labels: Labels])[]) => void;
};
export type Histogram = { readonly observe: (value: number, labels?: Labels) => void };

type Buckets = { readonly counts: number[]; sum: number; count: number };

export class Registry {
  readonly #lines: (() => string)[] = [];

  counter(name: string, help: string, names: readonly string[] = []): Counter {
    const metric = new Metric<{ value: number }>(name, "counter", help, names);
    this.#lines.push(() => single(metric));
    // One without labels is there from the beginning: a rate needs a zero to start from.
    if (names.length === 0) metric.at({}, () => ({ value: 0 }));
    return { add: (labels = {}, by = 1) => void (metric.at(labels, () => ({ value: 0 })).value += by) };
  }

  gauge(name: string, help: string, names: readonly string[] = []): Gauge {
    const metric = new Metric<{ value: number }>(name, "gauge", help, names);
    this.#lines.push(() => single(metric));
    const set = (value: number, labels: Labels = {}) => void (metric.at(labels, () => ({ value })).value = value);
    return {
      set,
      replace(values) {
        metric.forget();
        for (const [value, labels] of values) set(value, labels);
      },
    };
  }

  /** `bounds`: upper ends of the buckets, ascending. */
  histogram(name: string, help: string, bounds: readonly number[], names: readonly string[] = []): Histogram {
    const metric = new Metric<Buckets>(name, "histogram", help, names);
    this.#lines.push(() => bucketed(metric, bounds));
    return {
      observe(value, labels = {}) {
        const buckets = metric.at(labels, () => ({ counts: bounds.map(() => 0), sum: 0, count: 0 }));
        const place = bounds.findIndex((bound) => value <= bound);
        if (place >= 0) buckets.counts[place]!++;
        buckets.sum += value;
        buckets.count++;
      },
    };
  }

  text(): string {
    return this.#lines.map((lines) => lines()).join("");
  }
}

const head = ({ name, kind, help }: Metric<unknown>) => `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
const braced = (labels: string) => (labels === "" ? "" : `{${labels}}`);

function single(metric: Metric<{ value: number }>): string {
  const lines = [...metric.series].map(([labels, { value }]) => `${metric.name}${braced(labels)} ${value}\n`);
  return head(metric) + lines.join("");
}

function bucketed(metric: Metric<Buckets>, bounds: readonly number[]): string {
  const lines = [...metric.series].map(([labels, { counts, sum, count }]) => {
    const before = labels === "" ? "" : `${labels},`;
    let upTo = 0;
    const buckets = bounds.map((bound, place) => `${metric.name}_bucket{${before}le="${bound}"} ${(upTo += counts[place]!)}\n`);
    const all = `${metric.name}_bucket{${before}le="+Inf"} ${count}\n`;
    return `${buckets.join("")}${all}${metric.name}_sum${braced(labels)} ${sum}\n${metric.name}_count${braced(labels)} ${count}\n`;
  });
  return head(metric) + lines.join("");
}

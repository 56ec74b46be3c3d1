/** What an instance counts while it works. What is looked up when somebody asks stands in `looked-up.ts`. */
import type { Request } from "../../commands/handle.ts";
import type { Answer } from "../../commands/answer.ts";
import type { EventLog } from "../../domain/log/event-log.ts";
import type { DeliveryWorld } from "../../webhooks/delivery/world.ts";
import type { Gathering } from "../processes/gather.ts";
import { Registry } from "./registry.ts";

const secondsUpTo = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const msUpTo = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 15_000];

export type Metrics = ReturnType<typeof openMetrics>;

export function openMetrics() {
  const registry = new Registry();
  const commands = registry.counter("minutebook_commands_total", "Commands answered, by name and HTTP status.", ["command", "status"]);
  const batches = registry.counter("minutebook_append_batches_total", "Appends to the log, each of one or more events of a stream.");
  const events = registry.counter("minutebook_appended_events_total", "Events appended to the log.");
  const requests = registry.counter("minutebook_http_requests_total", "HTTP requests answered.", ["method", "route", "status"]);
  const durations = registry.histogram("minutebook_http_request_duration_seconds", "Time to the end of an answer.", secondsUpTo, ["route"]);
  const deliveries = registry.counter("gotong_worker_webhook_delivery_total", "Requests to receivers of webhooks.", [
    "result",
    "status_code",
  ]);
  const took = registry.histogram("gotong_worker_webhook_delivery_duration_ms", "Milliseconds to a receiver's answer.", msUpTo, ["result"]);
  const dead = registry.counter("gotong_worker_webhook_dead_letter_total", "Deliveries given up, as they are recorded in the log.");
  const skew = registry.gauge("minutebook_webhook_clock_skew_seconds", "How far a receiver's clock was ahead at its last answer.", [
    "webhook",
  ]);
  const cosigners = registry.counter("minutebook_cosigner_answers_total", "Questions to cosigners, by what came of them and HTTP status.", [
    "cosigner",
    "answer",
    "status",
  ]);
  return {
    registry,
    cosigned: ((told) => cosigners.add({ ...told, status: told.status ?? "none" })) satisfies Gathering["told"],
    commanded: ({ command }: Pick<Request, "command">, answer: Answer) =>
      commands.add({ command: command.name, status: answer.kind === "refused" ? answer.problem.status : answer.replayed ? 200 : 201 }),
    answered(told: { readonly method: string; readonly route: string; readonly status: number; readonly ms: number }) {
      requests.add(told);
      durations.observe(told.ms / 1_000, told);
    },
    attempted: (({ webhookId, result, status, tookMs, skewMs }) => {
      deliveries.add({ result, status_code: status ?? "none" });
      took.observe(tookMs, { result });
      if (skewMs !== undefined) skew.set(Math.round(skewMs / 1_000), { webhook: webhookId });
    }) satisfies DeliveryWorld["attempted"],
    died: (count: number) => dead.add({}, count),
    /** The log, with its appends counted. */
    counting: (log: EventLog): EventLog => ({
      engine: log.engine,
      read: (...asked) => log.read(...asked),
      follow: (...asked) => log.follow(...asked),
      head: () => log.head(),
      close: () => log.close(),
      async append(stream, expected, entries, deadline) {
        const answer = await log.append(stream, expected, entries, deadline);
        if (answer.kind === "appended") {
          batches.add();
          events.add({}, entries.length);
        }
        return answer;
      },
    }),
  };
}

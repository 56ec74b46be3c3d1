import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Benches are programs with their own entry; nothing in them is a test.
    globalSetup: ["test/support/global-postgres.ts"],
    exclude: ["test/bench/**"],
    // A process of its own for each file: a test that kills, leaks or floods stays alone with that.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import { defineConfig } from "vitest/config";

export default defineConfig({
  // Trap: graphql comes in two forms, and vitest would take the one that neither Node nor its plugins take.
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
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

import { defineConfig } from "vitest/config"

/** Two cores: test files in two processes; a native addon needs processes of its own, not threads. */
export default defineConfig({
  test: { include: ["tests/**/*.test.ts"], pool: "forks", maxWorkers: 2, testTimeout: 60_000, hookTimeout: 60_000 }
})

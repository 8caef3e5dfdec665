import { defineConfig } from "vitest/config"

/** A native addon needs processes of its own, not threads. */
const limits = { pool: "forks", testTimeout: 60_000, hookTimeout: 60_000 } as const

/** Two cores: test files in two processes. `npm test` takes the first project. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { name: "tests", include: ["tests/*.test.ts"], ...limits } },
      { test: { name: "faults", include: ["tests/faults/*.test.ts"], ...limits } }
    ]
  }
})

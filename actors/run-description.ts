/** What run.json says of a run, or of a whole study, when it begins or goes on. */
import { createHash } from "node:crypto"
import * as Environment from "./engine-environment.ts"
import type { Loaded } from "./engine-protocol.ts"
import type { RunJson } from "./run-json.ts"
import type { PlannedVariant, RunPlan } from "./run-plan.ts"

type Facts = Pick<Loaded, "libtorch" | "precision" | "step" | "steps">

const common = (plan: RunPlan, { libtorch, precision, step, steps }: Facts, previous: RunJson | null) => ({
  schema: 1, config_file: plan.configFile, profile: plan.profile, sets: [...plan.sets], data: plan.data, device: plan.device, precision, random_weights: plan.randomWeights,
  created_at: previous?.created_at ?? new Date().toISOString(), environment: Environment.forEngine(plan.device), libtorch,
  state: "running", step: previous?.step ?? step, steps, restarts: previous?.restarts ?? 0, result: previous?.result ?? null
} as const)

export const describeRun = (plan: RunPlan, variant: PlannedVariant, loaded: Facts): RunJson => ({
  ...common(plan, loaded, variant.previous), name: variant.run, kind: "run", config_hash: variant.hash, variants: [], config: variant.config
})

export const describeStudy = (plan: RunPlan, loaded: Facts): RunJson => ({
  ...common(plan, loaded, plan.previous), name: plan.name, kind: "study", variants: plan.variants.map(({ run }) => run), config: null,
  config_hash: createHash("sha256").update(plan.variants.map(({ hash }) => hash).join("\n")).digest("hex")
})

/**
 * The configuration of one run. `ConfigFile` is what YAML files say once merged: most keys may be left out. `RunConfig` is the same
 * resolved: every value present, every network's sizes known. It is what the rest of the program takes.
 */
import * as Schema from "effect/Schema"
import { Architecture, architectureBlock } from "./blocks/architecture.ts"
import { gan, resolvedGan } from "./blocks/gan.ts"
import { checkpoint, data, divergence, evaluation, eventLog, featureCache, lpips, resolvedData, supervision, weights } from "./blocks/running.ts"
import { stage1 } from "./blocks/stage-1.ts"
import { resolvedTraining, training } from "./blocks/training.ts"

const running = { eval: evaluation, data, weights, lpips, checkpoint, feature_cache: featureCache, event_log: eventLog, supervision, divergence }

export const ConfigFile = Schema.Struct({ stage_1: stage1, training, gan, ...running, architecture: architectureBlock })
export type ConfigFile = typeof ConfigFile.Type

export const RunConfig = Schema.Struct({ stage_1: stage1, training: resolvedTraining, gan: resolvedGan, ...running, data: resolvedData, architecture: Architecture })
export type RunConfig = typeof RunConfig.Type

/** Layers of configuration: who wins, and that merging keeps what no later layer says. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { diffConfigs } from "../src/config/hash.ts"
import { loadStudy } from "../src/config/load.ts"
import { readSetting } from "../src/config/settings.ts"
import { emptyMap, mergeMaps, toPlain, type Branch } from "../src/config/tree.ts"

const base = resolve(import.meta.dirname, "../configs/base.yaml")
const dir = mkdtempSync(join(tmpdir(), "rae-layers-"))
afterAll(() => rmSync(dir, { recursive: true }))

/** Keys at several depths, with where a resolved run keeps them. */
const keys = ["training.epochs", "training.optimizer.lr", "training.optimizer.eps", "gan.loss.disc_weight", "gan.disc.optimizer.lr", "checkpoint.keep_last"] as const
const Layer = Schema.Struct(Object.fromEntries(keys.map((name) => [name, Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })))])))
type Layer = Readonly<Record<string, number>>

const at = (config: unknown, key: string) => key.split(".").reduce<unknown>((inner, name) => (inner as Readonly<Record<string, unknown>>)[name], config)
const yaml = (layer: Layer, indent: string) => Object.entries(layer).map(([key, value]) => `${indent}${key}: ${value}\n`).join("")
const overrides = (name: string, layer: Layer, indent: string) => Object.keys(layer).length === 0 ? `${indent}${name}: {}\n` : `${indent}${name}:\n${yaml(layer, `${indent}  `)}`

describe("precedence", () => {
  it.effect.prop("extended file < file < profile < variant < --set", [Schema.Tuple([Layer, Layer, Layer, Layer, Layer])], ([layers]) =>
    Effect.gen(function*() {
      const [below, file, profile, variant, sets] = layers as ReadonlyArray<Layer> as [Layer, Layer, Layer, Layer, Layer]
      writeFileSync(join(dir, "below.yaml"), `extends: ${base}\n${yaml(below, "")}`)
      writeFileSync(join(dir, "run.yaml"), `extends: below.yaml\n${yaml(file, "")}profiles:\n${overrides("p", profile, "  ")}study:\n  variants:\n${overrides("v", variant, "    ")}`)
      const plain = yield* loadStudy(base)
      const study = yield* loadStudy(join(dir, "run.yaml"), { profile: "p", sets: Object.entries(sets).map(([key, value]) => `${key}=${value}`) })
      for (const key of keys) {
        const wanted = [below, file, profile, variant, sets].reduce<unknown>((value, layer) => layer[key] ?? value, at(plain.variants[0].config, key))
        assert.strictEqual(at(study.variants[0].config, key), wanted, key)
      }
    }), { arbitrary: { runs: 40 } })

  it.effect("a file's variants replace those that it extends; its profiles add to them", () =>
    Effect.gen(function*() {
      writeFileSync(join(dir, "parent.yaml"), `extends: ${base}\nprofiles: { tiny: { training.epochs: 3 } }\nstudy: { variants: { a: {}, b: {} } }\n`)
      writeFileSync(join(dir, "child.yaml"), "extends: parent.yaml\nprofiles: { tiny: { training.batch_size: 1, training.global_batch_size: 1 } }\nstudy: { variants: { c: } }\n")
      const study = yield* loadStudy(join(dir, "child.yaml"), { profile: "tiny" })
      assert.deepStrictEqual(study.variants.map(({ name }) => name), ["c"])
      assert.deepStrictEqual(study.profiles, ["paper", "tiny"])
      const { training, data } = study.variants[0].config
      assert.deepStrictEqual([training.epochs, training.batch_size, data.image_size], [3, 1, 64])
    }))

  it.effect("the same key dotted and nested: the later one wins", () =>
    Effect.gen(function*() {
      writeFileSync(join(dir, "both.yaml"), `extends: ${base}\ntraining:\n  epochs: 2\ntraining.epochs: 3\n`)
      assert.strictEqual((yield* loadStudy(join(dir, "both.yaml"))).variants[0].config.training.epochs, 3)
    }))

  it.effect("--data and --random-weights are settings", () =>
    Effect.gen(function*() {
      const { config } = (yield* loadStudy(base, { data: "/a: b", randomWeights: true })).variants[0]
      assert.deepStrictEqual([config.data.path, config.weights.source], ["/a: b", "random"])
    }))
})

describe("merging", () => {
  const nothing = emptyMap({ source: { name: "", text: "" }, from: 0, to: 0 })
  const tree = (layer: Layer): Branch =>
    Object.entries(layer).reduce((done, [key, value]) => {
      const read = readSetting(`${key}=${value}`)
      return read.ok ? mergeMaps(done, read.value) : done
    }, nothing)
  const leaves = (value: unknown, under = ""): ReadonlyArray<string> =>
    typeof value === "object" && value !== null ? Object.entries(value).flatMap(([name, inner]) => leaves(inner, under === "" ? name : `${under}.${name}`)) : [`${under}=${String(value)}`]

  it.prop("keeps every key of both, and the later value of common ones", [Layer, Layer], ([a, b]) => {
    const merged = leaves(toPlain(mergeMaps(tree(a as Layer), tree(b as Layer))))
    assert.sameMembers([...merged], Object.entries({ ...a, ...b }).map(([key, value]) => `${key}=${String(value)}`))
  })
  it.prop("nothing changes nothing", [Layer], ([a]) => {
    assert.deepStrictEqual(toPlain(mergeMaps(tree(a as Layer), nothing)), toPlain(tree(a as Layer)))
    assert.deepStrictEqual(toPlain(mergeMaps(tree(a as Layer), tree(a as Layer))), toPlain(tree(a as Layer)))
  })
})

describe("difference and hash", () => {
  it.effect("name the innermost keys that changed", () =>
    Effect.gen(function*() {
      const was = (yield* loadStudy(base, { profile: "tiny" })).variants[0]
      const is = (yield* loadStudy(base, { profile: "tiny", sets: ["training.optimizer.betas=[0.5, 0.95]", "data.synthetic=", "gan.loss.disc_weight=0.75"] })).variants[0]
      assert.deepStrictEqual(diffConfigs(was.config, is.config), [
        { key: "training.optimizer.betas", was: [0.9, 0.95], is: [0.5, 0.95] },
        { key: "data.synthetic", was: { images: 600, seed: 0 }, is: null }
      ])
      assert.notStrictEqual(was.hash, is.hash)
    }))

  it.effect("do not see how a value was written", () =>
    Effect.gen(function*() {
      writeFileSync(join(dir, "flow.yaml"), `{ "profiles": {}, "training": { "epochs": 1.0, "optimizer": { "lr": 0.0002 } }, "extends": ${JSON.stringify(base)} }`)
      assert.strictEqual((yield* loadStudy(join(dir, "flow.yaml"))).variants[0].hash, (yield* loadStudy(base)).variants[0].hash)
    }))
})

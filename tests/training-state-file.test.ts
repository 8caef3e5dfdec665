/** What a PyTorch file must hold to be a training state of a config: every difference is named, before anything is copied. */
import { assert, describe, it } from "vitest"
import { crc32 } from "node:zlib"
import { NoTrainingState, readPublished } from "../src/checkpoint/published-file.ts"
import { inRegistrationOrder, numberedParameters } from "../src/checkpoint/published-state.ts"
import { OrderedDict, type Saved, SavedFloat, SavedTuple, savedTensor } from "../src/formats/pickle-writer.ts"
import { layOutTorchValue } from "../src/formats/torch-writer.ts"

const expected = [
  ...["decoder.", "ema."].flatMap((own) => [{ name: `${own}decoder_pos_embed`, shape: [2, 3] }, { name: `${own}decoder_pred.weight`, shape: [3] }]),
  { name: "disc.heads.0.2.bias", shape: [1] }, { name: "disc.heads.0.2.weight_u", shape: [2] },
  ...["m.", "v."].flatMap((moment) => [{ name: `optimizer.decoder.${moment}decoder_pred.weight`, shape: [3] }, { name: `optimizer.disc.${moment}heads.0.2.bias`, shape: [1] }])
]

const floats = (...shape: ReadonlyArray<number>) => savedTensor("F32", shape)
const map = (entries: Readonly<Record<string, Saved>>) => new Map(Object.entries(entries))
const decoder = (...others: ReadonlyArray<readonly [string, Saved]>) =>
  new OrderedDict(new Map<string, Saved>([["encoder.w", floats(1)], ["decoder.decoder_pos_embed", floats(2, 3)], ["decoder.decoder_pred.weight", floats(3)], ...others]))
const optimizer = (state: ReadonlyMap<number, Saved>, count: number) =>
  map({ state, param_groups: [map({ lr: new SavedFloat(0.5), betas: new SavedTuple([new SavedFloat(0.9), new SavedFloat(0.95)]), params: Array.from({ length: count }, (_, i) => i) })] })
const moments = (step: Saved, ...shape: ReadonlyArray<number>) => map({ step, exp_avg: floats(...shape), exp_avg_sq: floats(...shape) })

/** As the PyTorch implementation saves it; the position embedding has moments there. */
const whole = (): Record<string, Saved> => ({
  step: 7, epoch: 2, model: decoder(), ema: decoder(),
  optimizer: optimizer(new Map([[0, moments(7, 2, 3)], [1, moments(7, 3)]]), 2), scheduler: map({ last_epoch: 7 }),
  disc: new OrderedDict(map({ "heads.0.2.bias": floats(1), "heads.0.2.weight_u": floats(2) })), disc_optimizer: optimizer(new Map(), 1), disc_scheduler: null
})

const bytesOf = (value: Saved) => {
  const { rest, storages } = layOutTorchValue(value, crc32)
  const pieces = [...rest(storages.map(({ begin, end }) => crc32(new Uint8Array(end - begin)))), ...storages.map(({ begin, end }) => ({ at: begin, bytes: new Uint8Array(end - begin) }))]
  const file = new Uint8Array(Math.max(...pieces.map(({ at, bytes }) => at + bytes.length)))
  for (const { at, bytes } of pieces) file.set(bytes, at)
  return { size: file.length, read: (offset: number, length: number) => file.subarray(offset, offset + length) }
}
const read = (value: Readonly<Record<string, Saved>>) => readPublished(bytesOf(map(value)), "ep.pt", expected)

describe("the order of named_parameters", () => {
  it("is that of registration: a module's own before its children's, bias before the weight of spectral norm, layers by number", () => {
    const names = [
      "decoder_pos_embed", "trainable_cls_token", "decoder_embed.weight", "decoder_embed.bias", "decoder_layers.2.attention.attention.query.weight", "decoder_layers.2.attention.attention.value.bias",
      "decoder_layers.2.attention.output.dense.weight", "decoder_layers.2.intermediate.dense.bias", "decoder_layers.2.output.dense.weight", "decoder_layers.2.layernorm_before.weight",
      "decoder_layers.2.layernorm_after.weight", "decoder_layers.10.attention.attention.query.weight", "decoder_norm.weight", "decoder_norm.bias", "decoder_pred.weight"
    ]
    assert.deepStrictEqual(inRegistrationOrder(names.toReversed()), names)
    const heads = ["heads.0.0.0.bias", "heads.0.0.0.weight_orig", "heads.0.0.1.weight", "heads.0.0.1.bias", "heads.0.1.fn.0.bias", "heads.0.1.fn.1.weight", "heads.0.2.bias", "heads.1.0.0.bias"]
    assert.deepStrictEqual(numberedParameters([...heads, "heads.0.0.0.weight_u", "heads.0.0.0.weight_v"].toReversed()), heads)
  })
})

describe("a training state in a PyTorch file", () => {
  it("is found under the names that it has here", () => {
    const { counters, epoch, hyperparameters, leftOut, own, step, tensors } = read(whole())
    assert.deepStrictEqual([step, epoch, own, counters], [7, 2, null, { "optimizer.decoder.step": 7, "optimizer.disc.step": 0 }])
    assert.deepStrictEqual([...tensors.keys()].toSorted(), expected.map(({ name }) => name).toSorted())
    assert.isNull(tensors.get("optimizer.disc.m.heads.0.2.bias"), "an optimiser without updates has no moments")
    assert.deepStrictEqual(hyperparameters.optimizer, { betas: [0.9, 0.95] })
    assert.deepStrictEqual(leftOut, [
      "`encoder.…` in model and ema (1 tensors): the encoder is the config's, and frozen", "optimizer: moments of decoder_pos_embed, which stays as it is here"
    ])
  })

  it("says where a schedule is elsewhere than its optimiser, and which keys it does not know", () => {
    const { leftOut } = read({ ...whole(), scheduler: map({ last_epoch: 9 }), scaler: map({}) })
    assert.deepStrictEqual(leftOut.slice(2), ["scheduler at 9: the rate goes by the 7 updates of its optimiser", "unknown keys: `scaler`"])
  })

  it.each<readonly [string, Readonly<Record<string, Saved>>, ReadonlyArray<string>]>([
    ["another key than `model`", { ...whole(), model: null }, ["missing: `model`"]],
    ["no step", { ...whole(), step: null }, ["missing: `step`, a count"]],
    ["a tensor missing, another too many", { ...whole(), ema: new OrderedDict(map({ "decoder.decoder_pos_embed": floats(2, 3), "decoder.mask_token": floats(1) })) },
      ["missing: ema: decoder.decoder_pred.weight", "unexpected: ema: decoder.mask_token"]],
    ["another shape and dtype", { ...whole(), disc: new OrderedDict(map({ "heads.0.2.bias": savedTensor("BF16", [1]), "heads.0.2.weight_u": floats(4) })) },
      ["wrong shape or dtype: disc: heads.0.2.bias (expected F32 [1], got BF16 [1]), disc: heads.0.2.weight_u (expected F32 [2], got F32 [4])"]],
    ["parameters numbered otherwise", { ...whole(), optimizer: optimizer(new Map([[0, moments(7, 3)]]), 1) }, ["optimizer: expected 2 parameters, got 1"]],
    ["moments of another shape", { ...whole(), optimizer: optimizer(new Map([[1, moments(7, 4)]]), 2) },
      ["wrong shape or dtype: optimizer: 1 (decoder_pred.weight) exp_avg (expected F32 [3], got F32 [4]), optimizer: 1 (decoder_pred.weight) exp_avg_sq (expected F32 [3], got F32 [4])"]],
    ["no moments of one parameter", { ...whole(), optimizer: optimizer(new Map([[0, moments(7, 2, 3)]]), 2) }, ["missing: optimizer: 1 (decoder_pred.weight)"]],
    ["a step that is no count", { ...whole(), optimizer: optimizer(new Map([[1, moments(new SavedFloat(1.5), 3)]]), 2) }, ["optimizer: 1 (decoder_pred.weight) step: expected a count of updates"]]
  ])("%s: named", (_, value, problems) => {
    const error = (() => { try { read(value) } catch (cause) { return cause } })()
    assert.instanceOf(error, NoTrainingState)
    assert.deepStrictEqual(error.problems, problems)
  })
})

/** The frozen encoder of an exported training state: its file's tensors under the names that the autoencoder of the PyTorch implementation gives them. */
import { assert, it } from "vitest"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { encoderWeights } from "../actors/published-training.ts"
import { loadStudy } from "../src/config/load.ts"

const golden = join(import.meta.dirname, "golden")
const weightsOf = async (params: ReadonlyArray<string>) => {
  const { variants: [{ config }] } = await Effect.runPromise(loadStudy(join(import.meta.dirname, "../configs/base.yaml"), { profile: "paper", sets: params.map((param) => `stage_1.params.${param}`) }))
  return encoderWeights(config)
}

it.each([
  { name: "dinov2", cls: "Dinov2withNorm", key: "dinov2_path", size: [], inside: "encoder.encoder.embeddings.register_tokens", layer: "encoder.encoder.encoder.layer.0.norm1.weight" },
  { name: "mae", cls: "MAEwNorm", key: "model_name", size: ["encoder_input_size=256"], inside: "encoder.model.embeddings.cls_token", layer: "encoder.model.encoder.layer.0.layernorm_before.weight" },
  { name: "siglip", cls: "SigLIP2wNorm", key: "model_name", size: ["encoder_input_size=256"], inside: "encoder.model.embeddings.position_embedding.weight", layer: "encoder.model.encoder.layers.0.layer_norm1.weight" }
])("$name: without its last norm, and without what is no encoder", async ({ cls, inside, key, layer, name, size }) => {
  const directory = join(golden, name)
  const names = (await weightsOf([`encoder_cls=${cls}`, `encoder_config_path=${directory}`, "encoder_params.dinov2_path=null", `encoder_params.${key}=${directory}`, ...size])).map((weight) => weight.name)
  assert.includeMembers(names, [inside, layer])
  assert.deepStrictEqual(names.filter((each) => !/^encoder\.(encoder|model)\./.test(each) || /^encoder\.\w+\.(post_)?layernorm\.|text_model|logit_|\.decoder\.|vit\./.test(each)), [])
})

/** What a published key cannot mean here, or not yet: said at the start of a run, so that nothing is passed over in silence. */
import type { RunConfig } from "./schema.ts"

export interface Note {
  readonly key: string
  readonly note: string
}

const notesOnOne = ({ eval: evaluation, stage_1, training }: RunConfig): ReadonlyArray<Note> => [
  ...(evaluation.eval_model ? [{ key: "eval.eval_model", note: "the moving average alone is evaluated, not the weights under training" }] : []),
  ...(evaluation.reference_npz_path === null ? [] : [{ key: "eval.reference_npz_path", note: "`rae eval` compares with it; during training rfid compares with the held-out images themselves" }]),
  ...(training.sample_every === null ? [] : [{ key: "training.sample_every", note: "pictures come with each evaluation: `eval.eval_interval`, `eval.samples`" }]),
  ...(stage_1.ckpt !== null && stage_1.params.pretrained_decoder_path !== null
    ? [{ key: "stage_1.params.pretrained_decoder_path", note: "not read: `stage_1.ckpt` gives the decoder's weights, as in the published program, which loads it last" }] : [])
]

/** Of a study's variants, each key once. */
export const notesOn = (configs: ReadonlyArray<RunConfig>): ReadonlyArray<Note> =>
  [...new Map(configs.flatMap(notesOnOne).map((note) => [note.key, note])).values()]

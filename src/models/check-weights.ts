/** Loaded weights are compared with the specification before anything is read: every difference is listed at once. */
import type { Spec } from "../nn/parameters.ts"

/** As its file has it. */
export interface FoundTensor {
  readonly shape: readonly number[]
  readonly dtype: string
}

/** Dtypes that are converted to float32 on loading without losing anything. */
const floating = new Set(["F32", "F16", "BF16", "F64"])

const listed = (title: string, items: ReadonlyArray<string>): string =>
  items.length === 0 ? "" : `\n  ${title}: ${items.slice(0, 5).join(", ")}${items.length > 5 ? ` and ${items.length - 5} more` : ""}`

export class InvalidWeights extends Error {
  readonly _tag = "InvalidWeights"
  override readonly name = "InvalidWeights"
  readonly model: string
  readonly file: string
  readonly missing: ReadonlyArray<string>
  readonly unexpected: ReadonlyArray<string>
  readonly shapes: ReadonlyArray<{ readonly name: string; readonly expected: readonly number[]; readonly got: readonly number[] }>
  readonly dtypes: ReadonlyArray<{ readonly name: string; readonly got: string }>

  constructor(model: string, file: string, found: Pick<InvalidWeights, "missing" | "unexpected" | "shapes" | "dtypes">) {
    super(`weights do not fit ${model}: ${file}` +
      listed("missing", found.missing) +
      listed("unexpected", found.unexpected) +
      listed("wrong shape", found.shapes.map(({ name, expected, got }) => `${name} (expected [${expected}], got [${got}])`)) +
      listed("wrong dtype", found.dtypes.map(({ name, got }) => `${name} (expected a floating-point dtype, got ${got})`)))
    this.model = model
    this.file = file
    this.missing = found.missing
    this.unexpected = found.unexpected
    this.shapes = found.shapes
    this.dtypes = found.dtypes
  }
}

const sameShape = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((n, i) => n === b[i])

/** Throws InvalidWeights that lists all differences between a file's tensors and what the model needs. */
export const checkWeights = (spec: Spec, found: ReadonlyMap<string, FoundTensor>, file: string): void => {
  const missing = [...spec.parameters.keys()].filter((name) => !found.has(name))
  const unexpected = [...found.keys()].filter((name) => !spec.parameters.has(name) && !spec.ignored.some((pattern) => pattern.test(name)))
  const known = [...spec.parameters].flatMap(([name, { shape }]) => {
    const tensor = found.get(name)
    return tensor === undefined ? [] : [{ name, expected: shape, got: tensor.shape, dtype: tensor.dtype }]
  })
  const shapes = known.filter(({ expected, got }) => !sameShape(expected, got)).map(({ name, expected, got }) => ({ name, expected, got }))
  const dtypes = known.filter(({ dtype }) => !floating.has(dtype)).map(({ name, dtype }) => ({ name, got: dtype }))
  if (missing.length + unexpected.length + shapes.length + dtypes.length > 0) throw new InvalidWeights(spec.model, file, { missing, unexpected, shapes, dtypes })
}

/** The name that a file's tensor has in the model, whichever of the published layouts the file is in. */
export const nameInModel = ({ aliases = [], parameters }: Spec, name: string): string =>
  parameters.has(name) ? name : aliases.reduce((renamed, [pattern, stands]) => renamed.replace(pattern, stands), name)

/** What weights a model has: names, shapes, what they are for, and how they are drawn when nothing is loaded. */

export type Init =
  | { readonly kind: "normal"; readonly std: number; readonly mean?: number }
  | { readonly kind: "uniform"; readonly to: number }
  | { readonly kind: "unit" }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "values"; readonly values: () => Float32Array }

export interface Parameter {
  readonly shape: readonly number[]
  /** `product`: multiplies activations in linear layers and convolutions, the only weights that bf16 keeps working copies of. */
  readonly use: "product" | "other"
  readonly init: Init
  /** Not trained and not updated; part of the published state all the same (fixed position embeddings). */
  readonly constant?: true
}

export interface Spec {
  readonly model: string
  readonly parameters: ReadonlyMap<string, Parameter>
  /** Published files hold these too; they are not read. */
  readonly ignored: ReadonlyArray<RegExp>
  /** Other layouts that the same weights are published in: what their names begin with, and what stands for it here. */
  readonly aliases?: ReadonlyArray<readonly [RegExp, string]>
}

/** Collects parameters under a path, so that a specification reads like the layers that use it. */
export class SpecBuilder {
  readonly parameters = new Map<string, Parameter>()

  add(name: string, shape: readonly number[], init: Init, use: Parameter["use"] = "other"): void {
    this.parameters.set(name, { shape, use, init })
  }

  linear(name: string, outputs: number, inputs: number, std = 1 / Math.sqrt(inputs)): void {
    this.add(`${name}.weight`, [outputs, inputs], { kind: "normal", std }, "product")
    this.add(`${name}.bias`, [outputs], { kind: "constant", value: 0 }, "product")
  }

  conv(name: string, outputs: number, inputs: number, kernel: readonly number[], std: number): void {
    this.add(`${name}.weight`, [outputs, inputs, ...kernel], { kind: "normal", std }, "product")
    this.add(`${name}.bias`, [outputs], { kind: "constant", value: 0 }, "product")
  }

  norm(name: string, width: number): void {
    this.add(`${name}.weight`, [width], { kind: "constant", value: 1 })
    this.add(`${name}.bias`, [width], { kind: "constant", value: 0 })
  }
}

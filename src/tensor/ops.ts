/** Every operation as a free function: `import * as T from "../tensor/ops.ts"`. */
export * from "./ops-create.ts"
export * from "./ops-pointwise.ts"
export * from "./ops-reduce.ts"
export * from "./ops-shape.ts"
export * from "./ops-linear.ts"
export * from "./ops-linalg.ts"

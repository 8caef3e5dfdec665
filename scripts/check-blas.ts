/**
 * Which BLAS libtorch uses here, and how fast it is: `libtorch-dev` alone brings the reference BLAS, 4 GFLOP/s where an optimised one
 * reaches hundreds. Exit 1 where it is that slow.
 */
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"

const n = 1024
/** Twice the reference BLAS; a busy machine with an optimised one is still above it. */
const least = 10

const seconds = (): number => scope(() => {
  const a = T.randomNormal([1, 0, 0, 0], [n, n])
  const started = performance.now()
  T.matmul(a, a)
  return (performance.now() - started) / 1000
})

const best = Math.min(...Array.from({ length: 4 }, seconds))
const rate = (2 * n ** 3) / best / 1e9
const libraries = new Set(readFileSync("/proc/self/maps", "utf8").split("\n").map((line) => line.slice(line.indexOf("/"))).filter((path) => /lib(blas|openblas|mkl)[^/]*\.so/.test(path)))
const name = [...libraries].map((path) => (path.includes("openblas") ? path : basename(path))).join(", ") || "inside libtorch"
process.stderr.write(`setup: BLAS ${name}, ${rate.toFixed(0)} GFLOP/s in fp32\n`)
if (rate < least) {
  process.stderr.write("error: libtorch uses an unoptimised BLAS\n  = help: apt-get install libopenblas0-openmp, and see update-alternatives --display libblas.so.3-x86_64-linux-gnu\n")
  process.exitCode = 1
}

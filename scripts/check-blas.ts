/**
 * Which BLAS libtorch uses here, and how fast it is: `libtorch-dev` alone brings the reference BLAS, 4 GFLOP/s where an optimised one
 * reaches hundreds. Exit 1 where it is that slow.
 */
import { basename } from "node:path"
import { probeMachine } from "../actors/probe-machine.ts"

/** Twice the reference BLAS; a busy machine with an optimised one is still above it. */
const least = 10

const probed = await probeMachine()
if (!probed.ok) {
  process.stderr.write(`error: the addon does not load: ${probed.reason}\n`)
  process.exitCode = 1
} else {
  const { blas, gflops } = probed.probe
  const name = blas.map((path) => (path.includes("openblas") ? path : basename(path))).join(", ") || "inside libtorch"
  process.stderr.write(`setup: BLAS ${name}, ${gflops.toFixed(0)} GFLOP/s in fp32\n`)
  if (gflops < least) {
    process.stderr.write("error: libtorch uses an unoptimised BLAS\n  = help: apt-get install libopenblas0-openmp, and see update-alternatives --display libblas.so.3-x86_64-linux-gnu\n")
    process.exitCode = 1
  }
}

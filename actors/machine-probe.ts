/**
 * Entry of a short-lived process that loads the addon and says what it found, as JSON: a libtorch that crashes on load crashes this process, and
 * whoever asked has its last words.
 */
import { readFileSync } from "node:fs"
import sharp from "sharp"
import { deviceAvailable, libtorchVersion, threads } from "../src/tensor/device.ts"
import { mappedLibtorch } from "../src/tensor/native.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"

export interface MachineProbe {
  readonly libtorch: string
  /** Files of libc10 in memory: exactly one. */
  readonly libraries: ReadonlyArray<string>
  /** Libraries of BLAS in memory; none where it is inside libtorch. */
  readonly blas: ReadonlyArray<string>
  readonly threads: number
  /** Of a product of two square matrices in float32. */
  readonly gflops: number
  readonly cuda: boolean
  readonly libvips: string
}

const n = 1024
const seconds = (): number => scope(() => {
  const a = T.randomNormal([1, 0, 0, 0], [n, n])
  const started = performance.now()
  T.matmul(a, a)
  return (performance.now() - started) / 1000
})
/** The first product of a process warms its threads up. */
const best = Math.min(...Array.from({ length: 4 }, seconds))

const maps = readFileSync("/proc/self/maps", "utf8")
const mapped = (pattern: RegExp) => [...new Set(maps.split("\n").map((line) => line.slice(line.indexOf("/"))).filter((path) => pattern.test(path)))]
const probe: MachineProbe = {
  libtorch: libtorchVersion(), libraries: mappedLibtorch(maps), blas: mapped(/lib(blas|openblas|mkl)[^/]*\.so/), threads: threads(), gflops: (2 * n ** 3) / best / 1e9,
  cuda: deviceAvailable("cuda:0"), libvips: sharp.versions.vips
}
process.stdout.write(JSON.stringify(probe))

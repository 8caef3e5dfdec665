/** `rae doctor`: what it makes of machines that are in order and of those that are not; a libtorch that does not load is a finding. */
import { assert, it } from "vitest"
import { probeMachine, type Probed } from "../actors/probe-machine.ts"
import { assertDocument } from "./cli-json-shapes.ts"
import { say } from "./cli-collecting-terminal.ts"
import { addonFindings, diskFindings, type Finding, limitFindings, nodeFinding } from "../src/cli/doctor-checks.ts"

const good: Extract<Probed, { readonly ok: true }> = {
  ok: true, environment: { OMP_NUM_THREADS: "2" },
  probe: { libtorch: "1.13.0", libraries: ["/usr/lib/libc10.so"], blas: ["/usr/lib/libopenblas.so"], threads: 2, gflops: 100, cuda: false, libvips: "8.18" }
}
const worse = (findings: ReadonlyArray<Finding>) => findings.filter(({ state }) => state !== "ok").map(({ name, state }) => `${state} ${name}`)
const disk = { path: "/", type: "ext4", free: 1e12, bytesPerSecond: 5e8, fsyncSeconds: 0.002 }
const limits = { openFiles: 1024, fileBytes: null, memory: 16e9 }

it("finds nothing wrong where nothing is", () => {
  assert.deepStrictEqual(worse([nodeFinding("v24.1.0"), ...addonFindings(good, 2, false), ...diskFindings(disk), ...limitFindings(limits)]), [])
})

it("tells what is broken from what is slow, each with what to do", () => {
  const { probe } = good
  const findings = [
    nodeFinding("v20.0.0"), ...addonFindings({ ...good, probe: { ...probe, libraries: ["/a/libc10.so", "/b/libc10.so"], gflops: 4 } }, 1, true),
    ...diskFindings({ ...disk, type: "tmpfs", free: 1e9, bytesPerSecond: 1e7 }), ...limitFindings({ openFiles: 64, fileBytes: 1e6, memory: 1e9 })
  ]
  assert.deepStrictEqual(worse(findings), [
    "fail node", "fail libtorch", "warn blas", "warn threads", "warn cuda", "warn disk", "warn disk speed", "warn file system", "warn memory", "warn open files", "warn file size"
  ])
  assert.deepStrictEqual(findings.filter(({ help, state }) => state !== "ok" && help === null), [])
})

it("survives an addon that does not load", async () => {
  const probed = await probeMachine({ ...process.env, LIBTORCH: "/no/libtorch/here" })
  assert.deepStrictEqual(worse(addonFindings(probed, 2, false)), ["fail addon"])
  assert.match(probed.ok ? "" : probed.reason, /^exit 1: .*not built for LIBTORCH=\/no\/libtorch\/here/)
})

it("prints its findings as a document", async () => {
  const { out } = await say(["doctor", "--json"])
  const { findings } = assertDocument("doctor", out.join("")) as { readonly findings: ReadonlyArray<Finding> }
  assert.includeMembers(findings.map(({ name }) => name), ["node", "addon", "memory", "disk"])
})

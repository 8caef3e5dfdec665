/** What the addon does to and for its process: heartbeat, death with the parent, one libtorch, one thread, which build is loaded. */
import { assert, afterAll, describe, it } from "vitest"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { deviceAvailable, libtorchVersion, peakBytes, requireDevice, setThreads, threads } from "../src/tensor/device.ts"
import { TensorError } from "../src/tensor/errors.ts"
import { opNames } from "../src/tensor/heartbeat.ts"
import { mappedLibtorch, native, refuseOtherLibtorch } from "../src/tensor/native.ts"

const root = resolve(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "rae-native-"))
afterAll(() => rmSync(folder, { recursive: true }))
const tensor = (file: string) => JSON.stringify(join(root, "src/tensor", file))

/** Runs a program in a process of its own, without this one's environment of tests. */
const run = (program: string, env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, ["--input-type=module", "-e", program], { env: { ...process.env, ...env }, encoding: "utf8", timeout: 30_000 })

const alive = (pid: number) => {
  try {
    // a zombie is dead; its stat says so
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

describe("heartbeat", () => {
  it("writes frames from a thread, telling a blocked loop, an operation in flight and rest apart", () => {
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", `
      import { block, startHeartbeat } from ${tensor("heartbeat.ts")}
      const stop = startHeartbeat(1, 10)
      await new Promise((done) => setTimeout(done, 100))
      block(150)
      const until = performance.now() + 150
      while (performance.now() < until);
      await new Promise((done) => setTimeout(done, 100))
      stop()
      process.exit(0)`], { timeout: 30_000 })
    assert.strictEqual(stdout.length % 32, 0)
    const frames = Array.from({ length: stdout.length / 32 }, (_, i) => {
      const at = i * 32
      return { op: opNames()[stdout.readUInt32LE(at)], reserved: stdout.readUInt32LE(at + 4), done: Number(stdout.readBigUInt64LE(at + 8)),
        age: Number(stdout.readBigUInt64LE(at + 24) - stdout.readBigUInt64LE(at + 16)), now: Number(stdout.readBigUInt64LE(at + 24)) }
    })
    assert.isAbove(frames.length, 15)
    assert.isTrue(frames.every(({ reserved }) => reserved === 0))
    assert.isTrue(frames.every(({ now, done }, i) => i === 0 || (now >= frames[i - 1]!.now && done >= frames[i - 1]!.done)))
    assert.isTrue(frames.some(({ op, age }) => op === "block" && age > 50), "an operation in flight, the loop waits")
    assert.isTrue(frames.some(({ op, age }) => op === "none" && age > 120), "no operation, the loop is blocked")
    assert.isTrue(frames.some(({ op, age }) => op === "none" && age < 60), "at rest")
  })

  it("goes on without a listener", () => {
    const { status } = run(`
      import { closeSync } from "node:fs"
      import { startHeartbeat } from ${tensor("heartbeat.ts")}
      startHeartbeat(77, 1)
      await new Promise((done) => setTimeout(done, 50))
      process.exit(3)`)
    assert.strictEqual(status, 3)
  })
})

describe("dieWithParent", () => {
  it("ends with a parent that is killed", async () => {
    const parent = spawn(process.execPath, ["--input-type=module", "-e", `
      import { spawn } from "node:child_process"
      const child = spawn(process.execPath, ["--input-type=module", "-e", 'import { dieWithParent } from ${tensor("heartbeat.ts")}; dieWithParent(process.ppid); console.log(process.pid); setInterval(() => {}, 1000)'],
        { stdio: ["ignore", "inherit", "inherit"] })
      setInterval(() => {}, 1000)`], { stdio: ["ignore", "pipe", "inherit"] })
    const pid = await new Promise<number>((done) => parent.stdout.once("data", (data) => done(Number(String(data)))))
    assert.isTrue(alive(pid))
    parent.kill("SIGKILL")
    for (let i = 0; i < 100 && alive(pid); i++) await new Promise((done) => setTimeout(done, 20))
    assert.isFalse(alive(pid))
  })

  it("ends at once where the parent is already another", () => {
    assert.strictEqual(run(`import { dieWithParent } from ${tensor("heartbeat.ts")}; dieWithParent(1 << 22); console.log("alive")`).signal, "SIGKILL")
  })
})

describe("one libtorch", () => {
  it("is counted in the memory map", () => {
    const own = readFileSync("/proc/self/maps", "utf8")
    assert.strictEqual(mappedLibtorch(own).length, 1)
    const mine = mappedLibtorch(own)[0] ?? ""
    refuseOtherLibtorch(own, mine)
    assert.throws(() => refuseOtherLibtorch(`${own}\n7f00-7f01 r-xp 00000000 00:00 1 /opt/other/lib/libc10.so\n`, mine), /two libtorch in one process: .*libc10.* and \/opt\/other/)
  })

  it("is enforced: with another libc10 in the process the addon does not load", () => {
    // another release: the linker takes libraries for the same by the name inside them
    const copy = join(folder, "libc10.so.other"), mine = mappedLibtorch(readFileSync("/proc/self/maps", "utf8"))[0]!
    writeFileSync(copy, readFileSync(mine, "latin1").replaceAll("\0libc10.so", "\0libcXX.so"), "latin1")
    const stay = 0x1000 // RTLD_NODELETE: Node closes what turns out to be no addon
    const { status, stderr } = run(`
      try { process.dlopen({ exports: {} }, ${JSON.stringify(copy)}, ${constants.dlopen.RTLD_NOW | stay}) } catch {}
      await import(${tensor("ops.ts")})`)
    assert.notStrictEqual(status, 0)
    assert.match(stderr, /two libtorch in one process/)
  })

  it("is looked for where LIBTORCH says, with a clear error where no build is for it", () => {
    const { status, stderr } = run(`await import(${tensor("ops.ts")})`, { LIBTORCH: folder })
    assert.notStrictEqual(status, 0)
    assert.match(stderr, /not built for LIBTORCH=.*; run scripts\/build-addon/)
    const built = spawnSync(join(root, "scripts/build-addon"), { env: { ...process.env, LIBTORCH: folder }, encoding: "utf8" })
    assert.strictEqual(built.status, 2)
    assert.match(built.stderr, /^error: LIBTORCH=.* has no include\/ATen/m)
  })

  it("belongs to one JavaScript thread", () => {
    const { stdout } = run(`
      import { Worker } from "node:worker_threads"
      await import(${tensor("ops.ts")})
      new Worker('import(${tensor("ops.ts")}).catch((error) => console.log(error.message))', { eval: true })`)
    assert.match(stdout, /already loaded in another thread/)
  })
})

describe("device", () => {
  it("says what it is", () => {
    assert.match(libtorchVersion(), /^[12]\.\d+\.\d+/)
    assert.isAbove(peakBytes(), 10_000_000)
    const before = threads()
    setThreads(1)
    assert.strictEqual(threads(), 1)
    setThreads(before)
    assert.isTrue(deviceAvailable("cpu"))
    assert.match(native.buildInfo(), /PyTorch|OpenMP/)
  })

  it.skipIf(deviceAvailable("cuda:0"))("gives a typed error where there is no GPU", () => {
    try {
      requireDevice("cuda:0")
    } catch (error) {
      assert.instanceOf(error, TensorError)
      assert.strictEqual(error.code, "no_device")
      assert.match(error.message, /cuda:0 cannot be used: (this addon is built without its CUDA side|this build has CUDA [\d.]+, but no device or driver is found: \S)/)
      return
    }
    assert.fail("no error")
  })
})

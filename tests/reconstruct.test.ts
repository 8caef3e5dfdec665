/** `rae reconstruct`: the pixels that evaluation sees, names, npz and picture, going on after any end, and wrong input. */
import { assert, beforeAll, describe, it } from "vitest"
import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import type { ReconstructionRequest } from "../actors/image-reconstruction-request.ts"
import { failureOf, type ProcessFailure } from "../actors/process-failure.ts"
import { findPlace } from "../actors/reconstruction-place.ts"
import type { TargetFlags } from "../src/cli/autoencoder-flags.ts"
import { findAutoencoder } from "../src/cli/autoencoder-target.ts"
import { tell } from "../src/cli/errors.ts"
import { readNpz } from "../src/formats/npz-reader.ts"
import { decodePng, encodePng } from "../src/formats/png.ts"
import { smallDisk } from "./checkpoint-tmpfs.ts"
import { assertDocument } from "./cli-json-shapes.ts"
import { eventually, makeWorkplace } from "./rae-processes.ts"

const size = 32
const gap = 2
const place = makeWorkplace()
const at = (...path: ReadonlyArray<string>) => join(place.root, ...path)
const words = (...more: ReadonlyArray<string>) => ["reconstruct", ...more]
interface Document {
  readonly images: number
  readonly written: number
  readonly kept: number
  readonly signal: string | null
  readonly skipped: ReadonlyArray<{ readonly path: string }>
  readonly [field: string]: unknown
}
const json = (stdout: string) => assertDocument("reconstruct", stdout) as Document
/** Every file below a folder with its bytes. */
const contents = (dir: string) => new Map(readdirSync(dir, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).toSorted().map((path) => [path.slice(dir.length + 1), readFileSync(path)]))
const pixels = (path: string) => Buffer.from(decodePng(readFileSync(path)).rgb)
const noise = (i: number, width: number, height: number) =>
  sharp(Uint8Array.from({ length: 3 * width * height }, (_, p) => (p * (2 * i + 3) + 31 * i) % 251), { raw: { width, height, channels: 3 } })

const noFlags: TargetFlags = { weights: undefined, step: undefined, set: [], profile: undefined, "random-weights": false, "models-dir": undefined, device: undefined, "runs-dir": place.runsDir }
const request = async (changed: Partial<ReconstructionRequest>): Promise<ReconstructionRequest> => {
  const { source, step } = await findAutoencoder("run", noFlags)
  return { autoencoder: source, from: { name: "run", step }, images: { kind: "folder", path: at("images") }, output: at("none"), grid: null, npz: null, batchSize: 16, device: "cpu", fresh: false, ...changed }
}

/** Tiles of a picture of the evaluator: column by column, `row` 0 the originals, 1 the reconstructions. */
const tile = (picture: { readonly width: number; readonly rgb: Uint8Array }, row: number, column: number): Uint8Array => {
  const rgb = new Uint8Array(size * size * 3)
  for (let y = 0; y < size; y++) {
    const from = ((row * (size + gap) + y) * picture.width + column * (size + gap)) * 3
    rgb.set(picture.rgb.subarray(from, from + size * 3), y * size * 3)
  }
  return rgb
}

beforeAll(async () => {
  await place.done(place.runWords("run", "--set", "eval.eval_interval=3", "--stop-after", "6"))
  for (let i = 0; i < 6; i++) place.write(`images/${i % 2 === 0 ? "n01" : "n02"}/${i}.png`, await noise(i, 45, 38 + i).png().toBuffer())
  await place.done(["ckpt", "export", "run", "-o", "decoder.safetensors"])
  place.write("images/n01/0.jpg", await noise(9, 60, 70).jpeg().toBuffer())
})

describe("rae reconstruct", () => {
  it("gives the pixels that the evaluator saw at that checkpoint", async () => {
    const picture = decodePng(readFileSync(at("runs/run/eval/step-000000003.png")))
    for (let i = 0; i < 4; i++) place.write(`seen/${i}.png`, encodePng({ width: size, height: size, rgb: tile(picture, 0, i) }))
    const { stdout } = await place.done(words("run", "seen", "-o", "seen-out", "--step", "3", "--batch", "4"))
    assert.strictEqual(stdout, `${at("seen-out")}\n`)
    for (let i = 0; i < 4; i++) assert.deepStrictEqual(pixels(at(`seen-out/${i}.png`)), Buffer.from(tile(picture, 1, i)), `image ${i}`)

  })

  it("takes the checkpoint's own path, and the same decoder from a config's file", async () => {
    await place.done(words("runs/run/checkpoints/step-000000006", "images", "-o", "by-path"))
    await place.done(words(place.small, "images", "-o", "by-config", "--profile", "tiny", "--set", `stage_1.params.pretrained_decoder_path=${at("decoder.safetensors")}`))
    const [path, config] = [contents(at("by-path")), contents(at("by-config"))]
    assert.deepStrictEqual([...path.keys()], ["n01/0.jpg.png", "n01/0.png.png", "n01/2.png", "n01/4.png", "n02/1.png", "n02/3.png", "n02/5.png", "reconstruct.json"])
    for (const [name, bytes] of path) if (name !== "reconstruct.json") assert.deepStrictEqual(config.get(name), bytes, name)
  })

  it("writes an npz of all and a picture of rows, says what it skips and what it renames, and exits 1", async () => {
    place.write("images/n02/broken.png", "no picture")
    try {
      const { code, stderr, stdout } = await place.rae(words("run", "images", "-o", "all", "--batch", "4", "--npz", "all/all.npz", "--grid", "all-grid.png", "--json"))
      assert.strictEqual(code, 1, stderr)
      const document = json(stdout)
      assert.deepInclude(document, {
        output: at("all"), size, images: 8, written: 7, kept: 0, signal: null, npz: { path: at("all/all.npz"), images: 7 }, grid: { path: at("all-grid.png"), images: 7 },
        renamed: [{ path: "n01/0.jpg", output: "n01/0.jpg.png" }, { path: "n01/0.png", output: "n01/0.png.png" }]
      })
      assert.deepStrictEqual(document.skipped.map(({ path }) => path), [at("images/n02/broken.png")])
      assert.match(stderr, /Z {2}skipped: .*n02\/broken\.png: not an image/)
      assert.match(stderr, /shares its name: n01\/0\.jpg becomes n01\/0\.jpg\.png/)

      const names = [...contents(at("all")).keys()].filter((name) => name.endsWith(".png"))
      const bytes = readFileSync(at("all/all.npz"))
      const npz = readNpz({ size: bytes.length, read: (from, length) => bytes.subarray(from, from + length) })
      const array = await npz.array("arr_0")
      assert.deepStrictEqual([npz.names, array.dtype, array.shape], [["arr_0"], "uint8", [7, size, size, 3]])
      const held: Array<Uint8Array> = []
      for await (const one of array.batches(1)) held.push(one)
      for (const [i, name] of names.entries()) assert.deepStrictEqual(Buffer.from(held[i]!), pixels(at("all", name)), name)

      const grid = decodePng(readFileSync(at("all-grid.png")))
      assert.deepStrictEqual([grid.width, grid.height], [3 * size + 2 * gap, 7 * size + 6 * gap])
      for (const [row, name] of names.entries()) {
        const [original, reconstruction, difference] = [0, 1, 2].map((column) => tile(grid, row, column)) as [Uint8Array, Uint8Array, Uint8Array]
        assert.deepStrictEqual(Buffer.from(reconstruction), pixels(at("all", name)))
        assert.deepStrictEqual(difference, original.map((value, i) => Math.min(255, 4 * Math.abs(value - reconstruction[i]!))))
      }

    } finally {
      rmSync(at("images/n02/broken.png"))
    }
  })

  it("interrupted, then killed, goes on where it was and ends with the bytes of an undisturbed call", async () => {
    const count = 200
    mkdirSync(at("many"))
    for (let i = 0; i < count; i++) linkSync(at(`images/n02/${1 + 2 * (i % 3)}.png`), at(`many/${String(i).padStart(3, "0")}.png`))
    const call = (output: string) => words("run", "many", "-o", output, "--batch", "2", "--json")
    await place.done(call("undisturbed"))
    const writtenIn = () => (existsSync(at("disturbed")) ? readdirSync(at("disturbed")).filter((name) => name.endsWith(".png")).length : 0)
    const moreThan = (least: number) => eventually(`more than ${least} of ${count} images`, () => (writtenIn() > least ? true : undefined))

    const first = place.start(call("disturbed"))
    await moreThan(3)
    first.kill("SIGINT")
    const { code, stderr, stdout } = await first.ended
    assert.strictEqual(code, 130, stderr)
    assert.match(stderr, /SIGINT: finishes the images at hand; again: stops now[\s\S]*interrupted after \d+ of 200 images\n {2}= help: the same command goes on from there/)
    const interrupted = json(stdout)
    assert.strictEqual(interrupted.signal, "SIGINT")
    assert.strictEqual(interrupted.written, writtenIn())
    assert.isBelow(interrupted.written, count)

    const second = place.start(call("disturbed"))
    await moreThan(interrupted.written + 3)
    second.kill("SIGKILL")
    await second.ended
    assert.isBelow(writtenIn(), count)
    // as a power loss may leave one
    const cut = at("disturbed", readdirSync(at("disturbed")).find((name) => name.endsWith(".png"))!)
    truncateSync(cut, 50)

    const last = json((await place.done(call("disturbed"))).stdout)
    assert.strictEqual(last.written + last.kept, count)
    assert.isAtLeast(last.kept, interrupted.written)
    const [disturbed, undisturbed] = [contents(at("disturbed")), contents(at("undisturbed"))]
    assert.deepStrictEqual([...disturbed.keys()], [...undisturbed.keys()])
    for (const [name, bytes] of undisturbed) assert.isTrue(bytes.equals(disturbed.get(name)!), name)
  })

  it("goes on with nothing but the same, and overwrites with --fresh", async () => {
    const first = json((await place.done(words("run", "images", "-o", "kept", "--step", "3", "--weights", "model", "--json"))).stdout)
    assert.deepInclude(first, { from: { name: "run", step: 3, weights: "model" }, written: 7, kept: 0 })
    const before = contents(at("kept"))
    const { code, stderr } = await place.rae(words("run", "images", "-o", "kept", "--batch", "2"))
    assert.strictEqual(code, 2)
    assert.match(stderr, /error: \S*kept holds reconstructions made otherwise\n {2}weights: was run at step 3, model \(\w{8}\), is run at step 6, ema \(\w{8}\)\n {2}batch: was 16, is 2\n {2}= help: --fresh overwrites them/)
    assert.deepStrictEqual(contents(at("kept")), before)
    assert.strictEqual(json((await place.done(words("run", "images", "-o", "kept", "--fresh", "--json"))).stdout).written, 7)
    const after = contents(at("kept"))
    assert.deepStrictEqual([...after.keys()], [...before.keys()])
    for (const [name, bytes] of after) assert.notDeepEqual(bytes, before.get(name), name)
  })

  it("says that the disk is full, and goes on once there is room", async (context) => {
    const blocks = 40
    const made = smallDisk((blocks + 3) * 4096)
    if (typeof made === "string") return context.skip(`no mount here: ${made}`)
    using disk = made
    writeFileSync(join(disk.path, "filler"), new Uint8Array(3 * 4096))
    mkdirSync(at("some"))
    for (let i = 0; i < blocks; i++) linkSync(at("images/n01/2.png"), at(`some/${i}.png`))
    // every image takes a block, and reconstruct.json one more
    const call = words("run", "some", "-o", join(disk.path, "out"))
    const full = await place.rae(call)
    assert.strictEqual(full.code, 1, full.stderr)
    assert.match(full.stderr, /error: disk full: write \S+\.png: ENOSPC, \d+ bytes free\n {2}= help: make room; the same command goes on from where it was\n {2}= more: rae explain DiskFull/)
    assert.isEmpty([...contents(disk.path).keys()].filter((name) => name.endsWith(".new")))
    const failure = await findPlace(await request({ images: { kind: "folder", path: at("some") }, output: join(disk.path, "other") })).catch(failureOf)
    assert.match((failure as ProcessFailure).message, /no room for \S+other: \d+ bytes free, at least 163840 needed/)

    rmSync(join(disk.path, "filler"))
    assert.deepInclude(json((await place.done([...call, "--json"])).stdout), { images: blocks, signal: null })
  })

  it("refuses weights that cannot be taken, and makes nothing", async () => {
    const checkpoint = at("runs/cut/checkpoints/step-000000006")
    mkdirSync(checkpoint, { recursive: true })
    copyFileSync(at("runs/run/run.json"), at("runs/cut/run.json"))
    for (const name of readdirSync(at("runs/run/checkpoints/step-000000006"))) copyFileSync(at("runs/run/checkpoints/step-000000006", name), join(checkpoint, name))
    const saved = readFileSync(join(checkpoint, "ema.safetensors"))
    writeFileSync(join(checkpoint, "ema.safetensors"), saved.subarray(0, saved.length / 2))
    place.write("text/file.txt.png", "no picture")
    const before = readdirSync(place.root).toSorted()
    const refuses = async (more: ReadonlyArray<string>, pattern: RegExp) => {
      const { code, stderr, stdout } = await place.rae(words(...more))
      assert.match(stderr, pattern)
      assert.deepStrictEqual([code, stdout], [2, ""], stderr)
    }
    await refuses(["cut", "images", "-o", "none"], /damaged checkpoint \S*step-000000006: ema\.safetensors: /)
    await refuses([place.small, "images", "-o", "none", "--profile", "tiny", "--set", `stage_1.ckpt=${at("decoder.safetensors")}`, "--set", "architecture.decoder.decoder_hidden_size=16"], /weights do not fit vit-decoder: \S*decoder\.safetensors\n[\s\S]*wrong shape: /)
    await refuses(["run", "text", "-o", "none"], /skipped: \S*file\.txt\.png: not an image[\s\S]*error: none of the 1 images can be read/)
    assert.deepStrictEqual(readdirSync(place.root).toSorted(), before)
  })

  it("refuses names of weights that lead nowhere", async () => {
    const refuses = async (target: string, flags: Partial<TargetFlags>, pattern: RegExp, exitCode = 2) => {
      const error: unknown = await findAutoencoder(target, { ...noFlags, ...flags }).then(() => assert.fail(`${target} was taken`), (cause: unknown) => cause)
      const told = tell(error)
      assert.match([told.message, ...told.help].join("\n"), pattern)
      assert.strictEqual(told.exitCode, exitCode)
    }
    await refuses("runn", {}, /no run `runn` in [\s\S]*did you mean `run`/, 4)
    await refuses("none.yaml", {}, /none\.yaml/)
    await refuses(place.small, {}, /names no decoder weights[\s\S]*--random-weights/)
    await refuses(place.small, { profile: "tiny", set: ["stage_1.ckpt=none.pt"] }, /decoder weights: no file \S*none\.pt \(stage_1\.ckpt\)/)
    await refuses(place.small, { profile: "tiny", step: 3 }, /--step goes with a run/)
    await refuses("run", { step: 5 }, /run has no checkpoint of step 5\nthere are 3, 6/)
    await refuses("run", { profile: "tiny" }, /--profile goes with a config/)
    await refuses("run", { device: "tpu" }, /unknown device `tpu`/)
  })

  it("refuses images that are not there, and places where nothing can be written", async () => {
    place.write("file.txt", "no folder")
    mkdirSync(at("empty"))
    place.write("foreign/n01/2.png", "someone's")
    symlinkSync(at("images"), at("linked"))
    const refuses = async (changed: Partial<ReconstructionRequest>, pattern: RegExp) => {
      const failure = failureOf(await findPlace(await request(changed)).then(() => assert.fail("it was taken"), (cause: unknown) => cause))
      assert.match(failure.message, pattern)
      assert.strictEqual(failure.exitCode, 2)
    }
    await refuses({ images: { kind: "folder", path: at("nowhere") } }, /data folder \S*nowhere: missing/)
    await refuses({ images: { kind: "folder", path: at("empty") } }, /data folder \S*empty: empty/)
    await refuses({ images: { kind: "files", paths: [at("images/n02/1.png"), at("nothing.png")] } }, /no image \S*nothing\.png/)
    await refuses({ output: at("file.txt/out") }, /file\.txt is a file, expected a folder/)
    await refuses({ output: at("images") }, /lies in the folder of the images/)
    await refuses({ output: at("linked/out") }, /lies in the folder of the images/)
    await refuses({ images: { kind: "files", paths: [at("images/n02/1.png")] }, output: at("images/n02") }, /1\.png is one of the images, and would be overwritten/)
    await refuses({ output: at("foreign") }, /n01\/2\.png is there already, and not from an earlier call/)
    await refuses({ npz: at("no/where.npz") }, /--npz: no folder \S*no/)
    await refuses({ grid: at("empty") }, /--grid: \S*empty is a folder/)
    await refuses({ npz: at("none/n02/1.png") }, /--npz: no folder/)
    await refuses({ npz: at("one"), grid: at("one") }, /--grid and --npz both name one/)
    assert.isFalse(existsSync(at("none")))
  })
})

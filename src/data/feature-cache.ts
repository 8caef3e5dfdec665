/**
 * Features on disk, one file each under `dir`, bounded in bytes.
 *
 * Nothing here can end a run: a damaged file is dropped and reported, a disk that cannot be written to pauses the writing.
 * Two runs may share a folder: entries are named by their content and appear by a rename, so that either can only find the
 * other's entries or not find them.
 */
import * as Data from "effect/Data"
import { mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"
import { headerBytes, packEntry, unpackEntry } from "./feature-entry.ts"

/** A damaged entry; it is dropped already. */
export class CacheCorrupt extends Data.TaggedError("CacheCorrupt")<{ readonly path: string; readonly reason: string }> {
  override get message(): string {
    return `feature cache entry ${this.path}: ${this.reason}`
  }
}

/** Why entries are not written for now. */
export class CachePaused extends Data.TaggedError("CachePaused")<{ readonly dir: string; readonly code: string; readonly reason: string }> {
  override get message(): string {
    return `feature cache ${this.dir}: ${this.reason}`
  }
}

export type Lookup =
  | { readonly kind: "hit"; readonly features: ReadonlyArray<Uint8Array> }
  | { readonly kind: "miss"; readonly corrupt: ReadonlyArray<CacheCorrupt> }

export interface Stored {
  readonly written: number
  /** Not written: no room within the bound, or writing is paused. */
  readonly refused: number
  /** Set when this call began a pause, so that it is reported once. */
  readonly paused: CachePaused | null
}

export interface CacheStatus {
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
  readonly hits: number
  readonly misses: number
  readonly corrupt: number
  readonly refused: number
  readonly paused: CachePaused | null
}

export interface FeatureCache {
  /** All features or a miss: a batch with any miss is encoded whole. Never rejects. */
  readonly read: (keys: ReadonlyArray<string>) => Promise<Lookup>
  /** Never rejects. */
  readonly write: (entries: ReadonlyArray<{ readonly key: string; readonly feature: Uint8Array }>) => Promise<Stored>
  /** Frees at least `bytes` if there are as many, least recently used first; resolves with the bytes freed. Never rejects. */
  readonly evict: (bytes: number) => Promise<number>
  readonly evictAll: () => Promise<number>
  readonly status: () => CacheStatus
}

export interface FeatureCacheOptions {
  readonly dir: string
  readonly maxBytes: number
  /** Space that is left to others (checkpoints) on the same disk. */
  readonly keepFree?: number
  readonly pauseMs?: number
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

/** `$XDG_CACHE_HOME/rae/features`; a relative value is ignored, as the XDG specification has it. */
export const defaultFeatureDir = (env: Readonly<Record<string, string | undefined>>): string => {
  const base = env["XDG_CACHE_HOME"]
  return join(base !== undefined && isAbsolute(base) ? base : join(env["HOME"] ?? homedir(), ".cache"), "rae", "features")
}

const keyPattern = /^[0-9a-f]{32}$/
const temporaryPattern = /^tmp-/
/** A temporary file older than this belongs to a process that died. */
const staleMs = 3_600_000

const codeOf = (cause: unknown): string => (cause instanceof Error && "code" in cause ? String(cause.code) : "unknown")

interface Known {
  readonly bytes: number
  /** Read or written since the cache was opened. */
  readonly used: boolean
}

/** The entries on disk, least recently used first; removes what dead processes left. */
const scan = async (dir: string): Promise<Map<string, Known>> => {
  const found: Array<{ readonly key: string; readonly bytes: number; readonly at: number }> = []
  for (const shard of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, shard.name)
    if (shard.isFile() && temporaryPattern.test(shard.name)) {
      const info = await stat(path).catch(() => null)
      if (info !== null && Date.now() - info.mtimeMs > staleMs) await rm(path, { force: true }).catch(() => undefined)
    }
    if (!shard.isDirectory()) continue
    for (const key of await readdir(path).catch(() => [])) {
      if (!keyPattern.test(key)) continue
      const info = await stat(join(path, key)).catch(() => null)
      if (info !== null) found.push({ key, bytes: info.size, at: info.mtimeMs })
    }
  }
  found.sort((a, b) => a.at - b.at)
  return new Map(found.map(({ key, bytes }) => [key, { bytes, used: false }]))
}

/** Opens or makes the cache. Never rejects: where the folder cannot be used, the cache begins paused. */
export const openFeatureCache = async (options: FeatureCacheOptions): Promise<FeatureCache> => {
  const { dir, maxBytes, keepFree = 0, pauseMs = 60_000, now = () => performance.now() } = options
  const index = new Map<string, Known>()
  const shards = new Set<string>()
  const counts = { hits: 0, misses: 0, corrupt: 0, refused: 0 }
  let bytes = 0
  let paused: { readonly error: CachePaused; readonly until: number } | null = null
  let serial = 0

  const pathOf = (key: string) => join(dir, key.slice(0, 2), key)
  const note = (key: string, size: number, used: boolean): void => {
    forget(key)
    index.set(key, { bytes: size, used })
    bytes += size
  }
  const forget = (key: string): void => {
    bytes -= index.get(key)?.bytes ?? 0
    index.delete(key)
  }
  const pause = (code: string, reason: string): CachePaused => {
    const error = new CachePaused({ dir, code, reason })
    paused = { error, until: now() + pauseMs }
    return error
  }
  const remove = async (key: string): Promise<number> => {
    const size = index.get(key)?.bytes ?? 0
    forget(key)
    await rm(pathOf(key), { force: true }).catch(() => undefined)
    return size
  }

  try {
    await mkdir(dir, { recursive: true })
    for (const [key, known] of await scan(dir)) note(key, known.bytes, false)
  } catch (cause) {
    pause(codeOf(cause), `cannot be opened: ${codeOf(cause)}`)
  }

  const readOne = async (key: string): Promise<Uint8Array | CacheCorrupt | null> => {
    const path = pathOf(key)
    try {
      await using file = await open(path)
      const { size } = await file.stat()
      if (size > maxBytes + headerBytes) return new CacheCorrupt({ path, reason: `${size} bytes, more than the cache may hold` })
      const content = Buffer.allocUnsafeSlow(size)
      const { bytesRead } = await file.read(content, 0, size, 0)
      const feature = unpackEntry(key, content.subarray(0, bytesRead))
      if (typeof feature === "string") return new CacheCorrupt({ path, reason: feature })
      note(key, size, true)
      return feature
    } catch (cause) {
      if (codeOf(cause) === "ENOENT") return forget(key), null
      return new CacheCorrupt({ path, reason: codeOf(cause) })
    }
  }

  const writeOne = async (key: string, feature: Uint8Array): Promise<void> => {
    const shard = key.slice(0, 2)
    if (!shards.has(shard)) {
      await mkdir(join(dir, shard), { recursive: true })
      shards.add(shard)
    }
    const temporary = join(dir, `tmp-${process.pid}-${serial++}`)
    try {
      {
        await using file = await open(temporary, "wx", 0o644)
        for (let parts = [...packEntry(key, feature)]; parts.length > 0;) {
          const { bytesWritten } = await file.writev(parts)
          parts = rest(parts, bytesWritten)
        }
      }
      await rename(temporary, pathOf(key))
    } catch (cause) {
      shards.delete(shard)
      await rm(temporary, { force: true }).catch(() => undefined)
      throw cause
    }
    note(key, headerBytes + feature.byteLength, true)
  }

  /**
   * Makes room by evicting entries of earlier runs only. Training reads in cycles: to evict what this run has used, for what
   * it will use once more in as long a time, would leave it no hit at all.
   */
  const makeRoom = async (needed: number): Promise<boolean> => {
    if (needed > maxBytes) return false
    for (const [key, { used }] of index) {
      if (bytes + needed <= maxBytes) break
      if (!used) await remove(key)
    }
    return bytes + needed <= maxBytes
  }

  const evict = async (wanted: number): Promise<number> => {
    let freed = 0
    for (const key of Array.from(index.keys())) {
      if (freed >= wanted) break
      freed += await remove(key)
    }
    return freed
  }

  return {
    read: async (keys) => {
      const found = await Promise.all(keys.map(readOne))
      const corrupt = found.filter((one) => one instanceof CacheCorrupt)
      await Promise.all(keys.filter((_, at) => found[at] instanceof CacheCorrupt).map(remove))
      counts.corrupt += corrupt.length
      const features = found.filter((one) => one instanceof Uint8Array)
      const hit = features.length === keys.length
      counts[hit ? "hits" : "misses"] += keys.length
      return hit ? { kind: "hit", features } : { kind: "miss", corrupt }
    },
    write: async (entries) => {
      const refuse = (written: number, error: CachePaused | null): Stored => {
        counts.refused += entries.length - written
        return { written, refused: entries.length - written, paused: error }
      }
      if (paused !== null && now() < paused.until) return refuse(0, null)
      let written = 0
      try {
        const needed = entries.reduce((sum, { feature }) => sum + headerBytes + feature.byteLength, 0)
        if (paused !== null) await mkdir(dir, { recursive: true })
        const { bavail, bsize } = await statfs(dir)
        if (bavail * bsize < needed + keepFree) return refuse(0, pause("ENOSPC", `${bavail * bsize} bytes free, ${needed + keepFree} wanted`))
        for (const { key, feature } of entries) {
          if (!index.has(key) && !(await makeRoom(headerBytes + feature.byteLength))) break
          await writeOne(key, feature)
          written++
        }
        paused = null
        return refuse(written, null)
      } catch (cause) {
        return refuse(written, pause(codeOf(cause), `cannot be written: ${codeOf(cause)}`))
      }
    },
    evict,
    evictAll: () => evict(Infinity),
    status: () => ({ entries: index.size, bytes, maxBytes, ...counts, paused: paused?.error ?? null })
  }
}

/** What is left of `parts` after their first `written` bytes: writev may write less than asked for. */
const rest = (parts: ReadonlyArray<Uint8Array>, written: number): Array<Uint8Array> => {
  let skip = written
  return parts.flatMap((part) => {
    const left = part.subarray(Math.min(skip, part.byteLength))
    skip = Math.max(skip - part.byteLength, 0)
    return left.byteLength === 0 ? [] : [left]
  })
}

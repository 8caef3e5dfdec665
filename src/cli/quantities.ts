/** Numbers as people read them. */

export const count = (n: number): string => n.toLocaleString("en-US")

/** `0.2 s`, `24 s`, `1m 37s`, `1h 46m`, `3d 4h`. */
export const span = (seconds: number): string => {
  if (!Number.isFinite(seconds)) return "–"
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const s = Math.round(seconds)
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`
  if (s < 86_400) return `${Math.floor(s / 3600)}h ${Math.floor(s / 60) % 60}m`
  return `${Math.floor(s / 86_400)}d ${Math.floor(s / 3600) % 24}h`
}

/** What is left, as a clock shows it: `0:41`, `12:05`, `3:07:09`. */
export const countdown = (seconds: number): string => {
  const s = Math.max(0, Math.round(seconds))
  const two = (n: number) => String(n).padStart(2, "0")
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`
}

/** Decimal units, as disks are sold and `df -H` counts. */
export const size = (bytes: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"]
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`
}

/** Three significant digits: `0.204`, `12.4`, `2.0e-4` where a plain number would be all zeros. */
export const figure = (n: number): string => {
  if (!Number.isFinite(n)) return String(n)
  const magnitude = Math.abs(n)
  if (magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e6)) return n.toExponential(1)
  return magnitude >= 100 ? n.toFixed(0) : magnitude >= 10 ? n.toFixed(1) : magnitude >= 1 ? n.toFixed(2) : n.toFixed(3)
}

/** A step's phases are told in whole milliseconds below ten seconds. */
export const milliseconds = (seconds: number): string => (seconds < 10 ? `${Math.round(seconds * 1000)}` : count(Math.round(seconds * 1000)))

/** `12:04:11` in local time, for someone who watches. */
export const clock = (time: Date): string => time.toTimeString().slice(0, 8)
/** `2026-01-31T12:04:11Z`, for a log that someone else reads. */
export const utc = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`

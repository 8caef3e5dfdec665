/**
 * Whom the dashboard answers: this machine's own browser, asking for this very page.
 *
 * It listens on the loopback alone, yet any page that a browser has open may send requests there. A foreign name that was made to point here
 * (DNS rebinding) shows in `Host`; another origin shows in `Origin` or in the browser's `Sec-Fetch-Site`. Ports may differ: a tunnel changes them.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"

export interface Refusal {
  readonly status: number
  readonly reason: string
}

const localNames: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"])
const nameOf = (host: string): string => host.replace(/:\d+$/, "").toLowerCase()

/** Null where the request may be answered. */
export const refusal = (method: string | undefined, headers: IncomingHttpHeaders): Refusal | null => {
  const { host, origin } = headers
  if (host === undefined || !localNames.has(nameOf(host))) return { status: 421, reason: "expected to be asked as localhost or 127.0.0.1" }
  if (origin !== undefined && origin !== `http://${host}`) return { status: 403, reason: "another origin may not read this" }
  const site = headers["sec-fetch-site"]
  // A link to the page is followed; nothing of it is embedded or fetched from elsewhere.
  const followed = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document"
  if ((site === "cross-site" || site === "same-site") && !followed) return { status: 403, reason: "another site may not read this" }
  if (method !== "GET" && method !== "HEAD") return { status: 405, reason: "the dashboard only shows: expected GET" }
  return null
}

/** Nothing inline, nothing from elsewhere, in no frame. */
export const headers: OutgoingHttpHeaders = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store"
}

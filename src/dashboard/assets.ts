/**
 * The page's files by their paths, and no other file of the disk. Modules that the report has in TypeScript are served with their types
 * stripped, so that page and report compute alike; there is no build step.
 */
import { readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"

export interface Asset {
  readonly type: string
  readonly body: string
}

const here = import.meta.dirname
const types: Readonly<Record<string, string>> = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml", js: "text/javascript; charset=utf-8", ts: "text/javascript; charset=utf-8" }

/** Path below the page's root, and where the file is. */
const files: Readonly<Record<string, string>> = {
  "/": "page/index.html",
  "/page/style.css": "page/style.css",
  "/page/icon.svg": "page/icon.svg",
  ...Object.fromEntries(["app", "chart", "curves-view", "elements", "events-view", "overview", "pictures-view", "record-view"].map((name) => [`/page/${name}.js`, `page/${name}.js`])),
  ...Object.fromEntries(["curves", "fields", "plot-scale"].map((name) => [`/report/${name}.ts`, `../report/${name}.ts`]))
}

export const loadAssets = (): ReadonlyMap<string, Asset> => new Map(Object.entries(files).map(([path, file]) => {
  const extension = file.slice(file.lastIndexOf(".") + 1)
  const text = readFileSync(join(here, file), "utf8")
  return [path, { type: types[extension] ?? "text/plain", body: extension === "ts" ? stripTypeScriptTypes(text) : text }]
}))

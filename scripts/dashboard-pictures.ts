/**
 * Opens a run's dashboard in a headless Chromium, clicks through its views and keeps a picture of each:
 *
 *     node scripts/dashboard-pictures.ts RUN_DIRECTORY OUT_DIRECTORY
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { serveDashboard } from "../src/dashboard/server.ts"
import { findChromium, openChromium } from "./chromium.ts"

const [home, out] = process.argv.slice(2)
if (home === undefined || out === undefined) throw new Error("usage: node scripts/dashboard-pictures.ts RUN_DIRECTORY OUT_DIRECTORY")
const path = findChromium()
if (path === null) throw new Error("no chromium: apt-get install chromium")

const dashboard = await serveDashboard({ home, port: 0 })
const page = await openChromium(path, { width: 1200, height: 860 })
try {
  mkdirSync(out, { recursive: true })
  await page.open(`http://127.0.0.1:${dashboard.port}/`)
  await page.until("document.querySelector('#overview table') !== null")
  for (const view of ["overview", "curves", "pictures", "incidents", "events", "config"]) {
    await page.evaluate(`document.getElementById('tab-${view}').click()`)
    await page.until(`!document.getElementById('${view}').hidden && [...document.images].every((image) => image.complete)`)
    writeFileSync(join(out, `dashboard-${view}.png`), await page.screenshot())
  }
  for (const complaint of page.complaints) console.error(complaint)
} finally {
  await page.close()
  await dashboard.close()
}

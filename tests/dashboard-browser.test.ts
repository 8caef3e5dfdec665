/** The dashboard in a headless Chromium, clicked through. Without one installed it is skipped. */
import { afterAll, assert, it } from "vitest"
import { appendFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findChromium, openChromium } from "../scripts/chromium.ts"
import { serveDashboard } from "../src/dashboard/server.ts"
import { makeRecordedStudy } from "./report-recorded-study.ts"

const path = findChromium()
if (path === null) console.log("skipped: no chromium is installed")
const root = mkdtempSync(join(tmpdir(), "rae-browser-"))
afterAll(() => rmSync(root, { recursive: true }))

it.skipIf(path === null)("shows every view, live, and what a run says as text", { timeout: 120_000 }, async () => {
  const { lines, study } = makeRecordedStudy(root)
  const dashboard = await serveDashboard({ home: study, port: 0 })
  const page = await openChromium(path!, { width: 1200, height: 800 })
  const open = async (view: string, until: string) => {
    await page.evaluate(`document.getElementById('tab-${view}').click()`)
    await page.until(`!document.getElementById('${view}').hidden && (${until})`)
  }
  const textOf = (id: string) => page.evaluate<string>(`document.getElementById('${id}').innerText`)
  try {
    await page.open(`http://127.0.0.1:${dashboard.port}/`)
    await page.until("document.querySelectorAll('#overview table tbody tr').length === 2")
    assert.match(await textOf("state"), /stopped, not done/)

    await open("curves", "document.querySelectorAll('figure.curve').length >= 8")
    const curve = "document.querySelector('figure.curve .line path:last-child').getAttribute('d')"
    const before = await page.evaluate<string>(curve)
    await page.evaluate("{ const slider = document.getElementById('smoothing'); slider.value = 0; slider.dispatchEvent(new Event('input', { bubbles: true })) }")
    await page.until(`${curve} !== ${JSON.stringify(before)}`)
    assert.match(await page.evaluate<string>("document.querySelector('.restart title').textContent"), /engine restarted at step 28/)

    await open("pictures", "[...document.images].length === 2 && [...document.images].every((image) => image.complete && image.naturalWidth === 70)")
    await page.evaluate("{ const slider = document.getElementById('picture-step'); slider.value = 0; slider.dispatchEvent(new Event('input')) }")
    await page.until("document.images.length === 1")
    assert.match(await textOf("pictures"), /b step 40/)

    await open("incidents", "document.querySelectorAll('#incidents tbody tr').length === 4")
    assert.include(await textOf("incidents"), "<img src=x onerror=alert(1)>")

    await open("events", "document.querySelectorAll('#events tbody tr').length > 5")
    appendFileSync(join(study, "events", "0000000001.ndjson"), `${JSON.stringify({ ...JSON.parse(lines.at(-1)!) as object, seq: lines.length + 1, type: "live.arrived" })}\n`)
    await page.until("document.querySelector('#events tbody tr').innerText.includes('live.arrived')")

    await open("config", "document.getElementById('config').innerText.includes('perceptual_weight')")
    assert.deepStrictEqual(page.complaints, [])
  } finally {
    await page.close()
    await dashboard.close()
  }
})

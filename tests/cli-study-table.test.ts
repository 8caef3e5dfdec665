/** The study's table in its three shapes: the snapshots are the contract. */
import { assert, describe, expect, it } from "vitest"
import { lossText, renderJson, renderMarkdown, renderText, type StudyTable } from "../src/formats/study-table.ts"
import { displayWidth, truncate } from "../src/formats/text-table.ts"

const table: StudyTable = {
  schema: 1,
  study: "ablation_lpips",
  profile: "tiny",
  random_weights: true,
  rows: [
    { variant: "lpips-0.5", total: 0.81234, rec: 0.2041, lpips: 0.5412, gan: 0.61, disc: 0.94, steps: 1000, of: 1000, restarts: 0, state: "done" },
    { variant: "lpips-1.0", total: 12.5, rec: NaN, lpips: 0, gan: null, disc: null, steps: 520, of: 1000, restarts: 2, state: "unfinished" },
    { variant: "lpips-2.0", total: null, rec: null, lpips: null, gan: null, disc: null, steps: 0, of: 1000, restarts: 0, state: "not started" }
  ]
}

describe("study table", () => {
  it("as text", () => {
    expect(`\n${renderText(table, 80).join("\n")}\n`).toMatchInlineSnapshot(`
      "
      variant     total     rec   lpips     gan    disc        steps  restarts
      lpips-0.5  0.8123  0.2041  0.5412  0.6100  0.9400        1,000         0
      lpips-1.0   12.50     NaN   0.000     n/a     n/a  520/1,000 *         2
      lpips-2.0     n/a     n/a     n/a     n/a     n/a    0/1,000 –         0

      * unfinished: losses so far
      – not started
      random weights instead of pretrained ones: a trial, not a result
      "
    `)
  })

  it("gives up the variants' names, never the figures, when narrow", () => {
    const lines = renderText({ ...table, rows: table.rows.map((row) => ({ ...row, variant: `${row.variant}-with-a-very-long-name` })) }, 72)
    assert.isAtMost(Math.max(...lines.slice(0, 4).map(displayWidth)), 72)
    assert.match(lines[1] ?? "", /^lpips-0\S*…\s+0\.8123/)
  })

  it("as Markdown", () => {
    expect(`\n${renderMarkdown(table)}`).toMatchInlineSnapshot(`
      "
      # ablation_lpips

      Profile: tiny. Losses are means over the last epoch.

      | variant | total | rec | lpips | gan | disc | steps | restarts |
      | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
      | lpips-0.5 | 0.8123 | 0.2041 | 0.5412 | 0.6100 | 0.9400 | 1,000 | 0 |
      | lpips-1.0 | 12.50 | NaN | 0.000 | n/a | n/a | 520/1,000 \\* | 2 |
      | lpips-2.0 | n/a | n/a | n/a | n/a | n/a | 0/1,000 – | 0 |

      \\* unfinished: losses so far  
      – not started  
      random weights instead of pretrained ones: a trial, not a result  
      "
    `)
  })

  it("as JSON, with what is not finite as null", () => {
    const read = JSON.parse(renderJson(table)) as StudyTable
    assert.strictEqual(read.rows[1]?.rec, null)
    assert.deepStrictEqual(read.rows[0], table.rows[0])
  })

  it("shows losses with four significant digits", () => {
    assert.deepStrictEqual([0.204123, 1.23456, 12.3456, 123456.7, 0.00012345, 1e-9, 0, -0.5, Infinity, null].map(lossText),
      ["0.2041", "1.235", "12.35", "123457", "0.0001", "1.00e-9", "0.000", "-0.5000", "Infinity", "n/a"])
  })
})

describe("text on a terminal", () => {
  it("counts wide characters twice, marks and colours not at all", () => {
    assert.strictEqual(displayWidth("\x1b[32m日本e\u0301\x1b[0m"), 5)
    assert.strictEqual(truncate("日本語", 4), "日…")
    assert.strictEqual(truncate("short", 5), "short")
  })
})

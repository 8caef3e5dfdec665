/** `rae report RUN…`: one self-contained HTML file, from what the runs left on disk. */
import { renameSync, writeFileSync } from "node:fs"
import { basename, dirname, resolve } from "node:path"
import packageJson from "../../package.json" with { type: "json" }
import { reportPage, type Subject } from "../report/page.ts"
import { onlyRun, readHome } from "../report/record.ts"
import { askControl } from "../runtime/control-client.ts"
import type { ReportInput } from "./commands.ts"
import { size } from "./quantities.ts"
import { resumeCommand } from "./resume-command.ts"
import { findRun, runsDirectory, type RunDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

/** Whatever is wrong with its answer, it is no reason to have no report. */
const isLive = (home: string): Promise<boolean> => askControl({ dir: home, path: "/status" }).then(() => true, () => false)

const subject = async ({ home, name, variant }: RunDirectory): Promise<Subject> => {
  const [whole, live] = await Promise.all([readHome(home), isLive(home)])
  const { config_file: configFile } = whole.description
  return { record: variant === null ? whole : onlyRun(whole, name), live, resume: configFile === null ? null : resumeCommand(configFile, basename(home), dirname(home)) }
}

export const report = async ({ operands, values }: ReportInput, terminal: Terminal): Promise<number> => {
  const runsDir = runsDirectory(values["runs-dir"])
  const found = (operands.length === 0 ? [undefined] : operands).map((operand) => findRun(operand, runsDir))
  const page = reportPage(await Promise.all(found.map(subject)), packageJson.version, new Date())
  const path = values.output ?? `${found.map(({ name }) => name.replaceAll("/", "-")).join("-vs-").slice(0, 100)}-report.html`
  if (path === "-") {
    terminal.out(page.trimEnd())
    return 0
  }
  try {
    writeFileSync(`${path}.new`, page)
    renameSync(`${path}.new`, path)
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`, "choose another file with -o FILE; -o - writes to standard output")
  }
  terminal.out(resolve(path))
  terminal.err(`${size(Buffer.byteLength(page))}, one file, nothing outside it is loaded`)
  return 0
}

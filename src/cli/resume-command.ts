/** The command that makes a run go on, as it is to be typed here. */
import { basename, extname, isAbsolute, relative, resolve } from "node:path"

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)
/** Relative where that leads downwards from here. */
const shorter = (path: string): string => {
  const here = relative(process.cwd(), path)
  return here === "" || here.startsWith("..") || !isAbsolute(path) ? path : here
}

export const resumeCommand = (configFile: string, name: string, runsDir: string): string => [
  "rae run", quoted(shorter(configFile)),
  ...(name === basename(configFile, extname(configFile)) ? [] : ["--name", quoted(name)]),
  ...(resolve(runsDir) === resolve(process.env["RAE_RUNS_DIR"] || "runs") ? [] : ["--runs-dir", quoted(shorter(runsDir))])
].join(" ")

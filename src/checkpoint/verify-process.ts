/**
 * Entry of the short-lived process that verifies a large checkpoint: `node verify-process.ts DIRECTORY DEPTH` prints a
 * Verification as JSON. It ends with its parent, whose end of standard input closes.
 */
import { setPriority } from "node:os"
import { verifyDirectory } from "./verify.ts"

const [directory, depth] = process.argv.slice(2)
if (directory === undefined || (depth !== "full" && depth !== "quick")) throw new Error("usage: verify-process DIRECTORY full|quick")

setPriority(10) // training comes first
process.stdin.on("end", () => process.exit(1)).resume()
const verification = await verifyDirectory(directory, depth)
process.stdout.write(JSON.stringify(verification), () => process.exit(0))

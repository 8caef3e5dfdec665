/** Under which names reconstructions are written: a function of the sources' names alone. */
import { dirname, extname } from "node:path"

/** The name of a reconstruction whose name no other asks for. */
export const plainName = (source: string): string => `${source.slice(0, source.length - extname(source).length)}.png`

/**
 * `bird/a.JPEG` becomes `bird/a.png`. Of several that would have one name, or the name of a folder, each keeps its own ending before the new
 * one (`a.jpg.png`, `a.png.png`), and a number where that is taken too. In the order of `sources`, which differ.
 */
export const outputNames = (sources: ReadonlyArray<string>): ReadonlyArray<string> => {
  const asked = Map.groupBy(sources, plainName)
  const folders = new Set<string>()
  for (const source of sources) {
    for (let folder = dirname(source); folder !== "." && !folders.has(folder); folder = dirname(folder)) folders.add(folder)
  }
  const isOwn = (source: string) => asked.get(plainName(source))!.length === 1 && !folders.has(plainName(source))
  const taken = new Set([...folders, ...sources.filter(isOwn).map(plainName)])
  return sources.map((source) => {
    if (isOwn(source)) return plainName(source)
    let name = `${source}.png`
    for (let n = 2; taken.has(name); n++) name = `${source}-${n}.png`
    taken.add(name)
    return name
  })
}

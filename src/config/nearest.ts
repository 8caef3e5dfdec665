/** The known name that a mistyped one probably meant. */

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. */
export const editDistance = (a: string, b: string): number => {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => new Float64Array(b.length + 1).fill(i))
  rows[0]?.set(Array.from({ length: b.length + 1 }, (_, j) => j))
  const cell = (i: number, j: number) => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replace = cell(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? cell(i - 2, j - 2) + 1 : Infinity
      rows[i]?.fill(Math.min(cell(i - 1, j) + 1, cell(i, j - 1) + 1, replace, swap), j, j + 1)
    }
  }
  return cell(a.length, b.length)
}

/** Edits that a typing mistake may have: two, or a third of a long name's letters; one where the name has just two. */
const tolerance = (name: string) => name.length < 3 ? 1 : Math.max(2, Math.floor(name.length / 3))

/** The closest of `names`, where it is close enough to be meant. */
export const nearest = (name: string, names: Iterable<string>): string | undefined => {
  let best: string | undefined
  let least = tolerance(name) + 1
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

/** The help line for an unknown name: the nearest, or all that there are. */
export const didYouMean = (name: string, names: ReadonlyArray<string>): string => {
  const near = nearest(name, names)
  if (near !== undefined) return `did you mean \`${near}\`?`
  return names.length === 0 ? "there are none" : `known: ${names.map((known) => `\`${known}\``).join(", ")}`
}

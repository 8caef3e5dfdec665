/**
 * A look over JSON text before and after `JSON.parse`: how deep it nests, and whether an object names a key twice.
 * `JSON.parse` keeps the last of two equal keys and says nothing, so that two readers could see two different files.
 */
const quote = 0x22, backslash = 0x5c, colon = 0x3a, openBrace = 0x7b, closeBrace = 0x7d, openBracket = 0x5b, closeBracket = 0x5d

/** Index of the closing quote of the string that opens at `at`, or -1. */
const endOfString = (text: string, at: number): number => {
  for (let i = at + 1; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === backslash) i++
    else if (c === quote) return i
  }
  return -1
}

/** How many keys the text writes in all its objects; undefined where it nests deeper than `maxDepth` or does not close. */
export const writtenKeys = (text: string, maxDepth: number): number | undefined => {
  let depth = 0
  let keys = 0
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at)
    if (c === quote) {
      at = endOfString(text, at)
      if (at < 0) return undefined
    } else if (c === openBrace || c === openBracket) {
      if (++depth > maxDepth) return undefined
    } else if (c === closeBrace || c === closeBracket) {
      if (--depth < 0) return undefined
    } else if (c === colon) keys++
  }
  return depth === 0 ? keys : undefined
}

/** How many keys a parsed value has in all its objects: less than were written where one was written twice. */
export const parsedKeys = (value: unknown): number => {
  if (typeof value !== "object" || value === null) return 0
  const inner = Object.values(value).reduce((sum: number, item) => sum + parsedKeys(item), 0)
  return Array.isArray(value) ? inner : inner + Object.keys(value).length
}

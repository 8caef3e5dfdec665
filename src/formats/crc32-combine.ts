/** CRC-32 of two stretches of bytes, one after the other, from that of each: for a head that is known last. */

/** The polynomial of zip and PNG, bits reversed; so x⁰ is the highest bit. */
const polynomial = 0xedb88320
const one = 0x80000000

/** a · b modulo the polynomial. */
const times = (a: number, b: number): number => {
  let product = 0
  for (let bit = one, power = b; bit !== 0; bit >>>= 1, power = (power & 1) === 0 ? power >>> 1 : (power >>> 1) ^ polynomial) if ((a & bit) !== 0) product ^= power
  return product >>> 0
}

/** Appending `length` bytes multiplies the first CRC by x^(8 · length). */
export const combineCrc32 = (first: number, second: number, length: number): number => {
  let shift = one
  // x⁸, x¹⁶, x³², …
  for (let square = one >>> 8, rest = length; rest > 0; rest = Math.floor(rest / 2), square = times(square, square)) if (rest % 2 === 1) shift = times(shift, square)
  return (times(shift, first) ^ second) >>> 0
}

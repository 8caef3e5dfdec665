/**
 * A closed reader of Python's pickles (protocols 0 to 5): it builds numbers, strings, lists, tuples and dicts, and hands names, calls and
 * persistent ids to a vocabulary that says what each means. A pickle is a program that names functions to call; a name that the vocabulary
 * does not have is refused where it stands, so nothing of the file's choosing ever runs.
 *
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */
import * as Schema from "effect/Schema"

/** A pickle of a training checkpoint takes some 100,000; each may cost a hundred bytes of memory. */
const maxOperations = 2_000_000
/** The longest integer in use is a magic number of ten bytes. */
const maxIntegerBytes = 32

export class InvalidPickle extends Schema.TaggedError<InvalidPickle>()("InvalidPickle", {
  /** Byte at which reading stopped. */
  at: Schema.Int,
  problem: Schema.String
}) {
  override get message() {
    return `invalid pickle at byte ${this.at}: ${this.problem}`
  }
}

/** A tuple; lists are arrays, dicts are maps. */
export class Tuple<T> {
  readonly items: ReadonlyArray<Value<T>>
  constructor(items: ReadonlyArray<Value<T>>) {
    this.items = items
  }
}
/** A name that may be mentioned: `torch.FloatStorage`. */
export class Name {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}
export type Key = string | number | boolean | null
export type Dict<T> = Map<Key, Value<T>>
/** `T`: what the vocabulary's calls and persistent ids make. */
export type Value<T> = Key | bigint | Uint8Array | Name | Tuple<T> | Dict<T> | Array<Value<T>> | T

export interface Vocabulary<T> {
  /** Whether `module.name` may be mentioned. */
  readonly knows: (name: string) => boolean
  /** What calling it gives, or in words what is wrong with the call. */
  readonly call: (name: string, args: ReadonlyArray<Value<T>>) => { readonly value: Value<T> } | string
  readonly persistent: (id: Value<T>) => { readonly value: Value<T> } | string
}

const latin1 = new TextDecoder("latin1")
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Marks where the arguments of an operation begin on the stack. */
const mark = Symbol("mark")

const shown = (text: string) => text.length > 80 ? `${text.slice(0, 80)}…` : text

class Machine<T> {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #vocabulary: Vocabulary<T>
  readonly #stack: Array<Value<T> | typeof mark> = []
  readonly #memo = new Map<number, Value<T>>()
  /** Operations so far, and elements that calls have walked through. */
  #charged = 0
  at: number

  constructor(bytes: Uint8Array, at: number, vocabulary: Vocabulary<T>) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#vocabulary = vocabulary
    this.at = at
  }

  refuse(problem: string): never {
    throw new InvalidPickle({ at: this.at, problem })
  }

  /** Moves over `count` bytes; gives where they begin. */
  #take(count: number): number {
    const from = this.at
    if (!Number.isSafeInteger(count) || count < 0 || count > this.#bytes.length - from) this.refuse(`${count} bytes wanted, ${this.#bytes.length - from} left`)
    this.at += count
    return from
  }
  #u8(): number { return this.#view.getUint8(this.#take(1)) }
  #u16(): number { return this.#view.getUint16(this.#take(2), true) }
  #u32(): number { return this.#view.getUint32(this.#take(4), true) }
  #u64(): number { return Number(this.#view.getBigUint64(this.#take(8), true)) }
  #slice(count: number): Uint8Array {
    const from = this.#take(count)
    return this.#bytes.subarray(from, from + count)
  }
  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at)
    if (end === -1) this.refuse("a line that does not end")
    const text = latin1.decode(this.#slice(end - this.at))
    this.at++
    return text
  }
  #text(count: number): string {
    const bytes = this.#slice(count)
    try {
      return utf8.decode(bytes)
    } catch {
      return this.refuse("text that is not UTF-8")
    }
  }
  /** Little-endian two's complement. */
  #integer(count: number): number | bigint {
    if (count > maxIntegerBytes) this.refuse(`an integer of ${count} bytes, at most ${maxIntegerBytes} are read`)
    const bytes = this.#slice(count)
    const unsigned = bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
    const value = count > 0 && bytes[count - 1]! >= 0x80 ? unsigned - (1n << BigInt(8 * count)) : unsigned
    return this.#plain(value)
  }
  #plain(value: bigint): number | bigint {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }
  #decimal(text: string): number | bigint {
    if (!/^-?\d{1,77}$/.test(text)) this.refuse(`expected a whole number, got ${JSON.stringify(shown(text))}`)
    return this.#plain(BigInt(text))
  }

  #push(value: Value<T>): void { this.#stack.push(value) }
  #pop(): Value<T> {
    const value = this.#stack.pop()
    if (value === undefined || value === mark) return this.refuse("an operation without its arguments")
    return value
  }
  #top(): Value<T> {
    const value = this.#stack.at(-1)
    if (value === undefined || value === mark) return this.refuse("an operation without its arguments")
    return value
  }
  /** Everything above the last mark. */
  #marked(): Array<Value<T>> {
    const from = this.#stack.lastIndexOf(mark)
    if (from === -1) this.refuse("an operation without its mark")
    return this.#stack.splice(from).slice(1) as Array<Value<T>>
  }
  #key(value: Value<T>): Key {
    if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value as Key
    return this.refuse("a dict key that is no text, number or bool")
  }
  #setAll(into: Value<T>, pairs: ReadonlyArray<Value<T>>): void {
    if (!(into instanceof Map)) this.refuse("items set on what is no dict")
    if (pairs.length % 2 !== 0) this.refuse("a dict key without a value")
    for (let i = 0; i < pairs.length; i += 2) (into as Dict<T>).set(this.#key(pairs[i]!), pairs[i + 1]!)
  }
  #appendAll(into: Value<T>, items: ReadonlyArray<Value<T>>): void {
    if (!Array.isArray(into)) return this.refuse("items added to what is no list")
    for (const item of items) into.push(item)
  }
  #name(module: string, name: string): Name {
    const full = `${module}.${name}`
    if (!this.#vocabulary.knows(full)) this.refuse(`it wants \`${shown(full)}\`, which is none of the names that tensors need`)
    return new Name(full)
  }
  #settled(result: { readonly value: Value<T> } | string): void {
    if (typeof result === "string") this.refuse(result)
    else this.#push(result.value)
  }
  #call(): void {
    const args = this.#pop()
    const name = this.#pop()
    if (!(name instanceof Name) || !(args instanceof Tuple)) return this.refuse("a call of what is no name, or without a tuple of arguments")
    // One list, recalled again and again, would be copied by each of a million calls.
    for (const arg of args.items) if (Array.isArray(arg)) this.#charged += arg.length
    this.#settled(this.#vocabulary.call(name.name, args.items))
  }
  /** What `__setstate__` would do: only dicts have any here (OrderedDict's `_metadata`), and it holds no tensors. */
  #build(): void {
    const state = this.#pop()
    if (!(this.#top() instanceof Map) || !(state instanceof Map || state instanceof Tuple || state === null)) this.refuse("state set on what is no dict")
  }
  #remember(index: number): void { this.#memo.set(index, this.#top()) }
  #recall(index: number): void {
    const value = this.#memo.get(index)
    if (value === undefined) return this.refuse(`nothing was remembered as ${index}`)
    this.#push(value)
  }
  #tuple(count: number): void {
    const items: Array<Value<T>> = []
    for (let i = 0; i < count; i++) items.unshift(this.#pop())
    this.#push(new Tuple(items))
  }
  #quoted(text: string): string {
    const body = /^'((?:[^'\\])*)'$|^"((?:[^"\\])*)"$/.exec(text)
    return body === null ? this.refuse("text with escapes or without quotes") : body[1] ?? body[2]!
  }
  #float(text: string): number {
    if (!/^[-+0-9.eEinfa]{1,40}$/.test(text) || Number.isNaN(Number(text)) && text !== "nan") this.refuse(`expected a number, got ${JSON.stringify(shown(text))}`)
    return Number(text)
  }
  #double(): number { return this.#view.getFloat64(this.#take(8), false) }
  #pair(): void {
    const value = this.#pop()
    const key = this.#pop()
    this.#setAll(this.#top(), [key, value])
  }
  #item(): void {
    const item = this.#pop()
    this.#appendAll(this.#top(), [item])
  }

  /** To the end of one pickle. */
  run(): Value<T> {
    for (; this.#charged < maxOperations; this.#charged++) {
      const opcode = this.#u8()
      switch (String.fromCharCode(opcode)) {
        case ".": {
          const value = this.#pop()
          if (this.#stack.length > 0) this.refuse(`${this.#stack.length} values left over at the end`)
          return value
        }
        case "(": this.#stack.push(mark); break
        case "0": this.#pop(); break
        case "1": this.#marked(); break
        case "2": this.#push(this.#top()); break
        case "N": this.#push(null); break
        case "I": {
          const text = this.#line()
          this.#push(text === "01" ? true : text === "00" ? false : this.#decimal(text))
          break
        }
        case "J": this.#push(this.#view.getInt32(this.#take(4), true)); break
        case "K": this.#push(this.#u8()); break
        case "M": this.#push(this.#u16()); break
        case "L": this.#push(this.#decimal(this.#line().replace(/L$/, ""))); break
        case "F": this.#push(this.#float(this.#line())); break
        case "G": this.#push(this.#double()); break
        case "S": this.#push(this.#quoted(this.#line())); break
        case "T": this.#push(latin1.decode(this.#slice(this.#u32()))); break
        case "U": this.#push(latin1.decode(this.#slice(this.#u8()))); break
        case "V": this.#push(this.#line()); break
        case "X": this.#push(this.#text(this.#u32())); break
        case "B": this.#push(this.#slice(this.#u32())); break
        case "C": this.#push(this.#slice(this.#u8())); break
        case "]": this.#push([]); break
        case "a": this.#item(); break
        case "e": {
          const items = this.#marked()
          this.#appendAll(this.#top(), items)
          break
        }
        case "l": this.#push(this.#marked()); break
        case ")": this.#push(new Tuple<T>([])); break
        case "t": this.#push(new Tuple(this.#marked())); break
        case "}": this.#push(new Map()); break
        case "d": {
          const pairs = this.#marked()
          const dict: Dict<T> = new Map()
          this.#setAll(dict, pairs)
          this.#push(dict)
          break
        }
        case "s": this.#pair(); break
        case "u": {
          const pairs = this.#marked()
          this.#setAll(this.#top(), pairs)
          break
        }
        case "c": {
          const module = this.#line()
          this.#push(this.#name(module, this.#line()))
          break
        }
        case "i": {
          const module = this.#line()
          this.#name(module, this.#line())
          return this.refuse("an instance made in a way that tensors are not")
        }
        case "R": case "\x81": this.#call(); break
        case "b": this.#build(); break
        case "P": this.#settled(this.#vocabulary.persistent(this.#line())); break
        case "Q": this.#settled(this.#vocabulary.persistent(this.#pop())); break
        case "p": this.#remember(Number(this.#decimal(this.#line()))); break
        case "q": this.#remember(this.#u8()); break
        case "r": this.#remember(this.#u32()); break
        case "g": this.#recall(Number(this.#decimal(this.#line()))); break
        case "h": this.#recall(this.#u8()); break
        case "j": this.#recall(this.#u32()); break
        case "\x80": {
          const protocol = this.#u8()
          if (protocol > 5) this.refuse(`protocol ${protocol}, expected at most 5`)
          break
        }
        case "\x85": case "\x86": case "\x87": this.#tuple(opcode - 0x84); break
        case "\x88": this.#push(true); break
        case "\x89": this.#push(false); break
        case "\x8a": this.#push(this.#integer(this.#u8())); break
        case "\x8b": this.#push(this.#integer(this.#u32())); break
        case "\x8c": this.#push(this.#text(this.#u8())); break
        case "\x8d": this.#push(this.#text(this.#u64())); break
        case "\x8e": case "\x96": this.#push(this.#slice(this.#u64())); break
        case "\x93": {
          const name = this.#pop()
          const module = this.#pop()
          if (typeof name !== "string" || typeof module !== "string") return this.refuse("a name that is no text")
          this.#push(this.#name(module, name))
          break
        }
        case "\x94": this.#remember(this.#memo.size); break
        // a frame only says how much to read ahead
        case "\x95": this.#take(8); break
        default: this.refuse(`opcode 0x${opcode.toString(16).padStart(2, "0")}, which tensors do not need`)
      }
    }
    return this.refuse(`more than ${maxOperations} operations`)
  }
}

/** Reads the pickle that begins at `at`; `end` is the byte after it. Throws InvalidPickle. */
export const readPickle = <T>(bytes: Uint8Array, vocabulary: Vocabulary<T>, at = 0): { readonly value: Value<T>; readonly end: number } => {
  const machine = new Machine(bytes, at, vocabulary)
  const value = machine.run()
  return { value, end: machine.at }
}

/**
 * How a configuration key is written down: its kind of value (a schema and the words that an error and the documentation use for it),
 * its default, a description and a unit. Everything else reads these from the schema.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A schema and what it takes, in words that follow "expected". */
export interface Kind<S extends Schema.Top> {
  readonly schema: S
  readonly expected: string
}
const kind = <S extends Schema.Top>(schema: S, expected: string): Kind<S> => ({ schema, expected })

const between = (minimum: number, maximum: number) => Schema.isBetween({ minimum, maximum })

export const count = kind(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)), "a whole number, 1 or more")
export const natural = kind(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)), "a whole number, 0 or more")
export const uint32 = kind(Schema.Int.check(between(0, 2 ** 32 - 1)), "a whole number from 0 to 4294967295")
export const nonNegative = kind(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)), "a number, 0 or more")
export const positive = kind(Schema.Finite.check(Schema.isGreaterThan(0)), "a number above 0")
export const fraction = kind(Schema.Finite.check(between(0, 1)), "a number from 0 to 1")
export const belowOne = kind(
  Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true })),
  "a number from 0 to below 1"
)
export const switchKind = kind(Schema.Boolean, "true or false")
export const text = kind(Schema.String.check(Schema.isMinLength(1)), "text that is not empty")
export const path = kind(Schema.String.check(Schema.isMinLength(1)), "a path")

/** The one value that is available of those that a published key may have. */
export const only = <const L extends number | boolean>(value: L, why: string) => kind(Schema.Literal(value), `${value} (${why})`)

export const oneOf = <const L extends ReadonlyArray<string>>(...literals: L) =>
  kind(Schema.Literals(literals), literals.length === 1 ? `\`${literals[0]}\`` : `one of ${literals.map((name) => `\`${name}\``).join(", ")}`)

export const orNull = <S extends Schema.Top>(of: Kind<S>) => kind(Schema.NullOr(of.schema), `${of.expected}, or null`)

export const listOf = <S extends Schema.Top>(of: Kind<S>, each: string) =>
  kind(Schema.Array(of.schema), `a list of ${each}`)

export const pairOf = <S extends Schema.Top>(of: Kind<S>) =>
  kind(Schema.Tuple([of.schema, of.schema]), `a list of two, each ${of.expected}`)

/** What the schema's key annotations carry. */
export type KeyNotes = {
  readonly description: string
  readonly expected: string
  readonly unit?: string | undefined
}
const notes = (expected: string, description: string, unit?: string): KeyNotes => ({ description, expected, unit })

/** A key that may be left out. */
export const key = <S extends Schema.Top>(of: Kind<S>, byDefault: S["Encoded"], description: string, unit?: string) =>
  of.schema.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault)),
    Schema.annotateKey({ ...notes(of.expected, description, unit), byDefault })
  )

/** A key that every configuration states. */
export const required = <S extends Schema.Top>(of: Kind<S>, description: string, unit?: string) =>
  of.schema.pipe(Schema.annotateKey(notes(of.expected, description, unit)))

/** A block of keys that all have defaults, so that it may be left out as a whole. */
export const block = <const F extends Schema.Struct.Fields>(fields: F, description: string) =>
  Schema.Struct(fields).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed({} as Schema.Struct<F>["Encoded"])),
    Schema.annotateKey(notes("a map of keys", description))
  )

/** A block with keys that must be stated, so that it must be there. */
export const requiredBlock = <const F extends Schema.Struct.Fields>(fields: F, description: string) =>
  Schema.Struct(fields).pipe(Schema.annotateKey(notes("a map of keys", description)))

/** A block, or null for none. */
export const optionalBlock = <const F extends Schema.Struct.Fields>(fields: F, description: string) =>
  Schema.NullOr(Schema.Struct(fields)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(null)),
    Schema.annotateKey({ ...notes("a map of keys, or null", description), byDefault: null })
  )

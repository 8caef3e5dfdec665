/** Random access to a file's bytes, for readers that know no file system. Offsets and lengths are the reader's to check against `size`. */
export interface ByteSource {
  readonly size: number
  /** Exactly `length` bytes from `offset`; throws where the file gives fewer. */
  readonly read: (offset: number, length: number) => Uint8Array
}

/** How the values of one of Postgres' types are written in its binary form. */
export interface BinaryType<Value> {
  readonly oid: number;
  /** The most bytes that a value may take. */
  readonly room: (value: Value) => number;
  /** Writes a value at a place and returns how many bytes it took. */
  readonly write: (bytes: Bytes, at: number, value: Value) => number;
}

/** The same memory twice: a Buffer for texts, a DataView for numbers. */
interface Bytes {
  readonly buffer: Buffer;
  readonly view: DataView;
}

/** Dimensions, whether there are nulls, the type, how many elements, and the number of the first. */
const HEADER = 20;
const LENGTH = 4;
const NULL = -1;

/**
 * The values as a binary array, a parameter that the driver sends as it is; null when all of them
 * are. Text would be searched for what to escape here and read letter by letter there.
 */
export function toBinaryArray<Value>(
  type: BinaryType<Value>,
  values: readonly (Value | null)[],
): Buffer | null {
  let room = HEADER;
  let nulls = 0;
  // By index: where several kinds of arrays come by, for…of makes an object for each element.
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as Value | null;
    room += LENGTH + (value === null ? 0 : type.room(value));
    nulls += value === null ? 1 : 0;
  }
  if (nulls === values.length) return null;
  const buffer = Buffer.allocUnsafe(room);
  const view = new DataView(buffer.buffer, buffer.byteOffset, room);
  const bytes = { buffer, view };
  [1, nulls > 0 ? 1 : 0, type.oid, values.length, 1].forEach((field, i) => {
    view.setInt32(4 * i, field);
  });
  let at = HEADER;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as Value | null;
    const length = value === null ? NULL : type.write(bytes, at + LENGTH, value);
    view.setInt32(at, length);
    at += LENGTH + Math.max(length, 0);
  }
  return buffer.subarray(0, at);
}

export const TEXT: BinaryType<string> = {
  oid: 25,
  room: (text) => 3 * text.length,
  write: ({ buffer }, at, text) => buffer.write(text, at),
};

/** Of a value's JSON. */
export const JSONB: BinaryType<string> = {
  oid: 3802,
  room: (json) => 1 + TEXT.room(json),
  write(bytes, at, json) {
    // The only version that there is.
    bytes.view.setUint8(at, 1);
    return 1 + TEXT.write(bytes, at + 1, json);
  },
};

export const BIGINT: BinaryType<number> = {
  oid: 20,
  room: () => 8,
  write({ view }, at, value) {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`);
    view.setInt32(at, Math.floor(value / 2 ** 32));
    view.setUint32(at + 4, value >>> 0);
    return 8;
  },
};

export const SMALLINT: BinaryType<number> = {
  oid: 21,
  room: () => 2,
  write({ view }, at, value) {
    view.setInt16(at, value);
    if (view.getInt16(at) !== value) throw new RangeError(`${value} is not a smallint`);
    return 2;
  },
};

/** Of milliseconds since 1970. */
export const TIMESTAMPTZ: BinaryType<number> = {
  oid: 1184,
  room: () => 8,
  write({ view }, at, milliseconds) {
    view.setBigInt64(at, BigInt(milliseconds - START_OF_2000) * 1000n);
    return 8;
  },
};

const START_OF_2000 = Date.UTC(2000, 0, 1);

/** Of hexadecimal digits. */
export const BYTEA: BinaryType<string> = {
  oid: 17,
  room: (hex) => hex.length / 2,
  write: ({ buffer }, at, hex) => buffer.write(hex, at, 'hex'),
};

/** Of the texts that `randomUUID` makes: other ones are not found out here. */
export const UUID: BinaryType<string> = {
  oid: 2950,
  room: () => 16,
  // Not by Buffer.write, for which the hyphens must be taken out first: that costs more than this.
  write({ view }, at, uuid) {
    let length = 0;
    for (let i = 0; i < uuid.length; i += 2) {
      if (uuid[i] === '-') i += 1;
      view.setUint8(at + length, 16 * digitOf(uuid, i) + digitOf(uuid, i + 1));
      length += 1;
    }
    return length;
  },
};

function digitOf(hex: string, i: number): number {
  const code = hex.charCodeAt(i);
  // Of the letters, in either case, the last four bits count from 1.
  return (code & 15) + (code > 57 ? 9 : 0);
}

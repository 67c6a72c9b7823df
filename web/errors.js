// The errors of this package, by the names that codec/errors.py gives them.

/** Base of all errors of this package. */
export class CodecError extends Error {
  constructor(message, value) {
    super(message);
    this.name = new.target.name;
    /** First bad byte of a FormatError, what is not known of an UnsupportedError. */
    this.value = value;
  }
}

/** What was handed in is not what the function takes. */
export class InputError extends CodecError {}

/** The file is damaged or is not an `.aec` file. */
export class FormatError extends CodecError {}

/** The file is sound but needs a newer version or another model. */
export class UnsupportedError extends CodecError {}

/** The picture is larger than a limit, or than the memory. */
export class LimitError extends CodecError {}

/** A model is incomplete, altered or senseless. */
export class ModelError extends CodecError {}

const KINDS = { InputError, FormatError, UnsupportedError, LimitError, ModelError };

/** An error as a worker sends it. */
export function packed({ name, message, value }) {
  return { name, message, value };
}

/** The error that a worker sent. */
export function unpacked({ name, message, value }) {
  return KINDS[name] ? new KINDS[name](message, value) : new Error(message);
}

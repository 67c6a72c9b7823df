/** What holds a file. */
export type Source = ArrayBuffer | ArrayBufferView | Blob | Response;

/** Base of all errors of this package. */
export class CodecError extends Error {
  /** First bad byte of a FormatError; what is not known of an UnsupportedError. */
  value?: number | string;
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

export interface Header {
  width: number;
  height: number;
  colour: 'grey' | 'rgb';
  /** 1..100, a multiple of 0.01 */
  quality: number;
  /** id: 16 hexadecimal digits */
  model: string;
  symbolCrc: number;
  version: number;
  /** types, in the order of the file; a picture with `ALPH` has alpha */
  sections: string[];
  payloadLength: number;
  blend: number;
}

export interface DecodeOptions {
  /** Larger pictures are a LimitError; 89,478,485 unless said otherwise. */
  maxPixels?: number;
  /** Called now and then with the share that is done, 0..1. */
  progress?: (share: number) => void;
}

export interface EncodeOptions extends DecodeOptions {
  /** 1..100; what `models()` says unless said otherwise */
  quality?: number;
  /** name or id; the default of the folder of models */
  model?: string;
  /** ICC profile of the samples */
  icc?: Uint8Array;
  /** Exif, from its TIFF header on; its orientation becomes upright */
  exif?: Uint8Array;
  /** XMP; its orientation becomes upright */
  xmp?: Uint8Array;
}

/**
 * Say where things are, before the first call. URLs; folders end with a slash.
 * Without it they lie beside index.js, as `aecompress-web` puts them.
 */
export function configure(options: {
  /** folder that holds `ID/model.json` of each model, and `index.json` */
  models?: string | URL;
  /** core.wasm */
  core?: string | URL;
  /** folder of ort.wasm.bundle.min.mjs and its .wasm */
  engine?: string | URL;
  /** `webgpu`: pixels on the graphics card where there is one, with the files of
   *  `aecompress-web --webgpu`; symbols stay as they are. `wasm` if nothing is said */
  device?: 'wasm' | 'webgpu';
  /** threads of the networks; up to 4 where the page is isolated, else 1 */
  threads?: number;
}): void;

/**
 * Decode a picture. Display P3 gives a `display-p3` ImageData, all else `srgb`; where
 * there is no ImageData, as in Node, an object with the same fields.
 */
export function decode(source: Source, options?: DecodeOptions): Promise<ImageData>;

/** Decode a part: top, left, height and width, inside the picture. */
export function decodeRegion(source: Source,
  region: [top: number, left: number, height: number, width: number],
  options?: DecodeOptions): Promise<ImageData>;

/** The header; nothing else is read. */
export function info(source: Source): Promise<Header>;

/** A PNG file with the picture, its alpha, its ICC profile, Exif and XMP. */
export function toPng(source: Source, options?: DecodeOptions): Promise<Blob>;

/** Encode a picture as effort 1 of the command does. */
export function encode(image: ImageData | { width: number, height: number,
  data: Uint8ClampedArray }, options?: EncodeOptions): Promise<ArrayBuffer>;

/** The exact path alone: z (hz, wz, NZ), s (hy, wy, M), and the CRC-32 of both. */
export function symbols(source: Source, options?: DecodeOptions):
  Promise<{ z: Int16Array, s: Int16Array, crc: number }>;

/**
 * Load the engine and a model, for decoding and encoding, before they are needed. From
 * then on this needs no network, as far as the page itself does not.
 */
export function prepare(options?: { model?: string }): Promise<void>;

/** Names and ids of the models that are there, and what encoding takes by default. */
export function models(): Promise<{ default: string, quality: number,
  models: Record<string, string> }>;

/**
 * Show every `<img data-aec="URL">` below a node. One that cannot be shown gets an
 * `error` event and its reason as title.
 */
export function showImages(root?: ParentNode): Promise<void[]>;

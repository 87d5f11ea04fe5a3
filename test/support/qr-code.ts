import decodeQR from 'qr/decode.js';

/** Pixels of a module, as a camera would see it. */
const MODULE_PIXELS = 4;
/** The upper and the lower module of a character; true for a light one. */
const MODULES: Readonly<Record<string, readonly [boolean, boolean]>> = {
  '█': [true, true],
  '▀': [true, false],
  '▄': [false, true],
  ' ': [false, false],
};

/** Reads a QR code from the lines of a terminal, by another library than the one that draws it. */
export function readQrCode(lines: readonly string[]): string {
  const rows = lines.flatMap((line) => {
    const modules = [...line].map((character) => MODULES[character] ?? [false, false]);
    return [modules.map(([upper]) => upper), modules.map(([, lower]) => lower)];
  });
  const width = (rows[0]?.length ?? 0) * MODULE_PIXELS;
  const height = rows.length * MODULE_PIXELS;
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isLight = rows[Math.floor(y / MODULE_PIXELS)]?.[Math.floor(x / MODULE_PIXELS)] === true;
      data.set([...Array(3).fill(isLight ? 255 : 0), 255], (y * width + x) * 4);
    }
  }
  return decodeQR({ width, height, data });
}

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsConfig } from '../../config/config.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

const DAY = 24 * 60 * 60 * 1000;
const VALID_DAYS = 365;

/** By file: two ports of one server would make two of it. */
const underWay = new Map<string, Promise<TlsFiles>>();

/** Certificate and key as configured; `auto` makes a self-signed one for localhost and keeps it in `dataDir`. */
export async function loadTls(tls: TlsConfig, dataDir: string): Promise<TlsFiles> {
  if (tls !== 'auto') return { cert: readFileSync(tls.certificate, 'utf8'), key: readFileSync(tls.privateKey, 'utf8') };
  const file = join(dataDir, 'localhost.json');
  const making = underWay.get(file) ?? keepSelfSigned(file);
  underWay.set(file, making);
  return making.finally(() => underWay.delete(file));
}

async function keepSelfSigned(file: string): Promise<TlsFiles> {
  const kept = readKept(file);
  if (kept !== undefined) return kept;
  const made = await makeSelfSigned();
  writeFileSync(file, JSON.stringify({ ...made, expires: Date.now() + VALID_DAYS * DAY }), { mode: 0o600 });
  return made;
}

/** The same certificate after a restart, so that a browser that was told to trust it still does. */
function readKept(file: string): TlsFiles | undefined {
  try {
    const { cert, key, expires } = JSON.parse(readFileSync(file, 'utf8')) as TlsFiles & { expires: number };
    return expires > Date.now() + DAY ? { cert, key } : undefined;
  } catch {
    // None yet, or not readable: another one is made.
    return undefined;
  }
}

async function makeSelfSigned(): Promise<TlsFiles> {
  // Loaded only here: it is needed once a year.
  const { generate } = await import('selfsigned');
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + VALID_DAYS * DAY),
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });
  return { cert, key };
}

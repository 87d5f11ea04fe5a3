import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { TlsConfig } from '../config/config.ts';
import { StartError } from '../config/files/diagnostic.ts';
import { diagnoseFile } from '../config/files/source.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const VALID_DAYS = 365;

/** Certificates that are being made, by file: two ports of one server would otherwise each make one. */
const pending = new Map<string, Promise<TlsFiles>>();

/**
 * Loads the configured certificate and key; `auto` makes a self-signed certificate for localhost and stores it in
 * `dataDir`. Throws the file system's error for a file that cannot be read, and StartError for one that does not fit.
 */
export async function loadTls(tls: TlsConfig, dataDir: string): Promise<TlsFiles> {
  if (tls !== 'auto') return readFiles(tls);
  const file = join(dataDir, 'localhost.json');
  const making = pending.get(file) ?? loadSelfSigned(file);
  pending.set(file, making);
  return making.finally(() => pending.delete(file));
}

/** Throws StartError for files that are no certificate with its private key. */
export function checkTls(tls: TlsConfig | false | undefined): void {
  if (typeof tls === 'object') readFiles(tls);
}

function readFiles({ certificate, privateKey }: Exclude<TlsConfig, 'auto'>): TlsFiles {
  const files = { cert: readFileSync(certificate, 'utf8'), key: readFileSync(privateKey, 'utf8') };
  try {
    createSecureContext(files);
    return files;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = `tls.certificate and tls.private_key are files in PEM format that belong together (${reason})`;
    throw new StartError([diagnoseFile(certificate, `cannot be used with ${privateKey}`, hint)]);
  }
}

async function loadSelfSigned(file: string): Promise<TlsFiles> {
  const stored = readStored(file);
  if (stored !== undefined) return stored;
  const made = await makeSelfSigned();
  writeFileSync(file, JSON.stringify({ ...made, expires: Date.now() + VALID_DAYS * DAY_MS }), { mode: 0o600 });
  return made;
}

/** Reads the certificate of an earlier start, so that browsers in which it is trusted accept it after a restart. */
function readStored(file: string): TlsFiles | undefined {
  try {
    const { cert, key, expires } = JSON.parse(readFileSync(file, 'utf8')) as TlsFiles & { expires: number };
    return expires > Date.now() + DAY_MS ? { cert, key } : undefined;
  } catch {
    // There is none yet, or it is not readable: another one is made.
    return undefined;
  }
}

async function makeSelfSigned(): Promise<TlsFiles> {
  // Loaded only here: it is needed once a year.
  const { generate } = await import('selfsigned');
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + VALID_DAYS * DAY_MS),
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

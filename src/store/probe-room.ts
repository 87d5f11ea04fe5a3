import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Size of the probe (1 MiB): as much as a commit of the largest records may need. */
const PROBE_BYTES = 1024 ** 2;

/** Writes a file and removes it. Throws the error of the file system. */
export async function probeRoom(dir: string): Promise<void> {
  const path = join(dir, 'probe.tmp');
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(Buffer.alloc(PROBE_BYTES));
    // Some file systems report a lack of space only then.
    await file.datasync();
  } finally {
    await file.close();
    await unlink(path);
  }
}

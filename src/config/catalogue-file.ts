import { readFileSync, statSync } from 'node:fs';

/** The file that is read, relative to the working directory, when no other is named. */
export const DEFAULT_FILE = 'purser.catalogue.json';
const NO_PRICES = '{"prices": {}}';
/** The largest file that is read, in bytes. */
const SIZE_LIMIT = 1024 * 1024;

/** The text of the catalogue file, or what keeps it from being read. */
export type CatalogueFileText =
  | { readonly ok: true; readonly json: string }
  | { readonly ok: false; readonly problem: string };

/** @param named the file that was asked for; the default one may be missing, a named one not */
export function readCatalogueFile(named: string | null): CatalogueFileText {
  const path = named ?? DEFAULT_FILE;
  try {
    if (statSync(path).size > SIZE_LIMIT) {
      return { ok: false, problem: `names a file that is larger than ${SIZE_LIMIT} bytes` };
    }
    return { ok: true, json: readFileSync(path, 'utf8') };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT')
      return { ok: false, problem: `names a file that cannot be read: ${code}` };
    if (named === null) return { ok: true, json: NO_PRICES };
    return { ok: false, problem: 'names a file that is not there' };
  }
}

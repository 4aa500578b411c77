import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where this program lies. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

export const DEFAULT_FOLDER = join(ROOT, '.purser');

/** Where a developer's machine keeps its data and secrets: `--folder`, else `.purser`. */
export function folderOf(options: { readonly folder?: string | undefined }): string {
  return options.folder === undefined ? DEFAULT_FOLDER : resolve(options.folder);
}

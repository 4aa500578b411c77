import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const DEFAULT = fileURLToPath(new URL('../../.purser', import.meta.url));

/** Where a developer's machine keeps its data and secrets: `--folder`, else `.purser`. */
export function folderOf(options: { readonly folder?: string | undefined }): string {
  return options.folder === undefined ? DEFAULT : resolve(options.folder);
}

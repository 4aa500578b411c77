import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { median } from './figures.ts';

/** What the figures depend on beside the code: one fact a line. */
export function describeMachine(folder: string): readonly string[] {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return [
    `${cpu?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ${memory} GiB of memory`,
    `one write of 8 KiB with fdatasync: ${syncLatency(folder).toFixed(2)} ms (median)`,
    `load average when it began: ${loadavg()[0]?.toFixed(2)}`,
    `Node ${process.version}`,
  ];
}

/** How long the disk of `folder` takes to make a write last, in milliseconds. */
function syncLatency(folder: string): number {
  const file = join(folder, 'sync');
  const page = Buffer.alloc(8192, 1);
  const descriptor = openSync(file, 'w');
  const times = Array.from({ length: 100 }, () => {
    const before = performance.now();
    writeSync(descriptor, page, 0, page.length, 0);
    fdatasyncSync(descriptor);
    return performance.now() - before;
  });
  closeSync(descriptor);
  rmSync(file);
  return median(times);
}

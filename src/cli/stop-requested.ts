/** How long a shutdown may take, in milliseconds; platforms kill what takes longer. */
const SHUTDOWN_TIMEOUT = 9_500;

/**
 * Resolves at SIGTERM, at Ctrl-C, and when the terminal is closed. From then on the process ends in
 * time, whatever hangs. To be called before anything starts: the first process of a container has
 * no other answer to a signal. Further signals change nothing, because npm passes on a Ctrl-C that
 * the terminal has sent us as well.
 */
export async function stopRequested(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, resolve);
  await promise;
  setTimeout(() => {
    console.error('purser: the shutdown took too long and was cut off');
    process.exit(1);
  }, SHUTDOWN_TIMEOUT).unref();
}

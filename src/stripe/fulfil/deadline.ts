/** Whether `work` ends before `until`, in milliseconds since 1970. What takes longer goes on. */
export async function endsBefore(until: number, work: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), until - Date.now());
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

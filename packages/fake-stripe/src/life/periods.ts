import type { Recurring } from '../objects/price.ts';

/** The end of a period that begins at `start` (seconds since 1970), by the calendar in UTC. */
export function periodEnd(start: number, { interval, intervalCount }: Recurring): number {
  const date = new Date(start * 1000);
  switch (interval) {
    case 'day':
    case 'week':
      date.setUTCDate(date.getUTCDate() + intervalCount * (interval === 'week' ? 7 : 1));
      break;
    case 'month':
    case 'year': {
      const months = intervalCount * (interval === 'year' ? 12 : 1);
      const day = date.getUTCDate();
      date.setUTCDate(1);
      date.setUTCMonth(date.getUTCMonth() + months);
      // The 31st renews on the 30th, or on the last of February.
      date.setUTCDate(Math.min(day, daysInMonth(date)));
    }
  }
  return Math.floor(date.getTime() / 1000);
}

function daysInMonth(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

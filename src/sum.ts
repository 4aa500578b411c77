/** The sum of whole amounts, in their own unit; 0 of none. */
export function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}

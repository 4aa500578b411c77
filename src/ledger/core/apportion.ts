/**
 * The share `part ÷ whole` of amounts: ⌊their sum × part ÷ whole⌋ in all, spread over them in
 * proportion, by largest remainder. Exact: products of credits and cents pass 2^53.
 * @param part from 0 on; more than `whole`, which is above 0, counts as the whole
 */
export function apportion(
  amounts: readonly number[],
  part: number,
  whole: number,
): readonly number[] {
  const [share, all] = [BigInt(Math.min(part, whole)), BigInt(whole)];
  const shares = amounts.map((amount, i) => {
    const product = BigInt(amount) * share;
    return { i, whole: Number(product / all), remainder: product % all };
  });
  const sum = amounts.reduce((total, amount) => total + BigInt(amount), 0n);
  const total = Number((sum * share) / all);
  let missing = total - shares.reduce((given, one) => given + one.whole, 0);
  const spread = shares.map((one) => one.whole);
  const byRemainder = shares.toSorted((a, b) =>
    a.remainder === b.remainder ? a.i - b.i : a.remainder > b.remainder ? -1 : 1,
  );
  for (const one of byRemainder) {
    if (missing === 0) break;
    spread[one.i] = one.whole + 1;
    missing -= 1;
  }
  return spread;
}

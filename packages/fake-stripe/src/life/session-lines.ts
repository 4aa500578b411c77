import type { CouponRecord } from '../objects/coupon.ts';
import { grossOf, type SessionLine, type SessionRecord } from '../objects/session.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';

/** The buyer chooses how many; only where the shop lets them. */
export function changeQuantities(
  world: World,
  session: SessionRecord,
  quantities: Readonly<Record<string, number>>,
): SessionRecord {
  const lines = session.lines.map((line) => {
    const quantity = quantities[line.id] ?? line.quantity;
    if (quantity === line.quantity) return line;
    const { minimum, maximum } = line.adjustable ?? { minimum: 1, maximum: 0 };
    if (!Number.isInteger(quantity) || quantity < minimum || quantity > maximum) {
      throw new Refusal(`The quantity of ${line.description} cannot be ${quantity}.`);
    }
    return { ...line, quantity };
  });
  const changed = world.change(session, { lines });
  return session.coupon === null ? changed : applyCoupon(world, changed, session.coupon);
}

/** Takes a coupon off the lines, in proportion to what they cost. */
export function applyCoupon(world: World, session: SessionRecord, id: string): SessionRecord {
  const coupon = world.store.need('coupon', id);
  const lines = discounted(session.lines, coupon);
  return world.change(session, { lines, coupon: id });
}

function discounted(lines: readonly SessionLine[], coupon: CouponRecord): SessionLine[] {
  const total = lines.reduce((all, line) => all + grossOf(line), 0);
  const off =
    coupon.percentOff === null
      ? Math.min(coupon.amountOff ?? 0, total)
      : Math.round((total * coupon.percentOff) / 100);
  let [before, given] = [0, 0];
  return lines.map((line) => {
    before += grossOf(line);
    const discount = (total === 0 ? 0 : Math.round((off * before) / total)) - given;
    given += discount;
    return { ...line, discount };
  });
}

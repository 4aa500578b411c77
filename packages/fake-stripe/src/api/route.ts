import type { StripeObject, View } from '../objects/object.ts';
import { type AnyRecord, render } from '../objects/render.ts';
import type { World } from '../world.ts';
import type { Form } from './form.ts';

/** A request to one of Stripe's routes. */
export interface Call {
  readonly world: World;
  readonly view: View;
  /** The shape of the account's own API version, in which its events are kept. */
  readonly accountView: View;
  /** The form that was posted, or the query. */
  readonly form: Form;
  readonly path: string;
  /** What stands in the path for `:id`. */
  readonly id: string;
}

/** What a route answers, before it is expanded. */
export type Answer = StripeObject | ListAnswer;

export interface ListAnswer {
  readonly object: 'list';
  readonly data: readonly StripeObject[];
  readonly has_more: boolean;
  readonly url: string;
}

type Handler = (call: Call) => Answer;

/** Routes by method and path below /v1/, such as `GET customers/:id`. */
export type Routes = Readonly<Record<string, Handler>>;

/** The object in the shape that the request asks for. */
export const show = ({ view }: Call, record: AnyRecord): StripeObject => render(record, view);

import type { TestApp } from '../support/app.ts';

/** What came back over a connection, in the order in which it came. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The bytes of a signed request: its own lines, then the headers as they are given. */
export async function rawRequest(
  { tokenOf }: TestApp,
  userId: string,
  { line = 'POST /api/v1/credits/debit HTTP/1.1', headers = [] as readonly string[], body = '' },
): Promise<string> {
  const own = ['Host: purser', `Authorization: Bearer ${await tokenOf(userId)}`];
  return `${[line, ...own, ...headers].join('\r\n')}\r\n\r\n${body}`;
}

/** Reads the answers, each as long as its Content-Length says. */
export function readAnswers(text: string): readonly RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = text; rest !== ''; ) {
    const [head = '', ...others] = rest.split('\r\n\r\n');
    const [line = '', ...lines] = head.split('\r\n');
    const headers = Object.fromEntries(
      lines.map((one) => {
        const [name = '', ...value] = one.split(':');
        return [name.toLowerCase(), value.join(':').trim()];
      }),
    );
    const after = others.join('\r\n\r\n');
    const length = Number(headers['content-length'] ?? after.length);
    answers.push({
      status: Number(line.split(' ')[1]),
      headers,
      body: Buffer.from(after.slice(0, length), 'latin1').toString(),
    });
    rest = after.slice(length);
  }
  return answers;
}

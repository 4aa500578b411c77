import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Load, LoadCommand } from './load.ts';

/** wrk (https://github.com/wg/wrk) with a script, written into `folder`, that signs in. */
export const wrkCommand =
  (folder: string): LoadCommand =>
  async (load) => {
    const script = join(folder, 'load.lua');
    await writeFile(script, luaFor(load));
    const { connections, seconds, origin, request } = load;
    return [
      'wrk',
      // One thread is never the bottleneck, and leaves the most to the server.
      ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`],
      // wrk would count slow answers (2 s) as errors.
      ...['--timeout', '60s', '--script', script, `${origin}${request.path}`],
    ];
  };

/** With one token the request never changes, and wrk sends it without calling Lua. */
const luaFor = ({ request, tokensFile }: Load): string => `
wrk.method = ${quote(request.method)}
wrk.body = ${request.body === null ? 'nil' : quote(request.body)}
wrk.headers["Content-Type"] = ${request.body === null ? 'nil' : '"application/json"'}

local tokens = {}
for token in io.lines(${quote(tokensFile)}) do tokens[#tokens + 1] = token end

if #tokens == 1 then
  wrk.headers["Authorization"] = "Bearer " .. tokens[1]
else
  local requests, turn = {}, 0
  function init(args)
    for i, token in ipairs(tokens) do
      wrk.headers["Authorization"] = "Bearer " .. token
      requests[i] = wrk.format()
    end
  end
  function request()
    turn = turn % #requests + 1
    return requests[turn]
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers":%d,"failures":%d,"seconds":%f,"p50":%f,"p99":%f}\\n',
    summary.requests,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
`;

/** A JSON string of plain characters is a Lua string too. */
const quote = (text: string): string => JSON.stringify(text);

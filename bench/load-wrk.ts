import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadCommand } from './load.ts';
import { TURN } from './scenarios.ts';

/** wrk (https://github.com/wg/wrk) with a script, written into `folder`. */
export const wrkCommand =
  (folder: string): LoadCommand =>
  async ({ origin, connections, seconds, requestsFile }) => {
    const script = join(folder, 'load.lua');
    await writeFile(script, luaFor(requestsFile));
    return [
      'wrk',
      // One thread is never the bottleneck, and leaves the most to the server.
      ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`],
      // wrk would count slow answers (2 s) as errors.
      ...['--timeout', '60s', '--script', script, origin],
    ];
  };

/** A single request that never changes is sent by wrk without calling Lua. */
const luaFor = (requestsFile: string): string => `
local all, heads, tails = {}, {}, {}
-- wrk asks for one before the first, looks at it, and never sends it.
local sent = -1
for line in io.lines(${quote(requestsFile)}) do
  local method, path, token, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
  local headers = { ["Authorization"] = "Bearer " .. token }
  if body == "" then body = nil else headers["Content-Type"] = "application/json" end
  all[#all + 1] = { method, path, headers, body }
end

local function prepare(i)
  local text = wrk.format(unpack(all[i], 1, 4))
  local first, last = text:find(${quote(TURN)}, 1, true)
  heads[i] = first and text:sub(1, first - 1) or text
  tails[i] = first and text:sub(last + 1) or nil
end

if #all == 1 and not (all[1][2] .. (all[1][4] or "")):find(${quote(TURN)}, 1, true) then
  wrk.method, wrk.path, wrk.headers, wrk.body = unpack(all[1], 1, 4)
else
  function init(args)
    -- As wrk's own init does, before which it knows no Host.
    wrk.headers["Host"] = wrk.host .. ":" .. wrk.port
    for i = 1, #all do
      all[i][3]["Host"] = wrk.headers["Host"]
      prepare(i)
    end
  end
  function request()
    local i, turn = sent % #all + 1, math.floor(sent / #all)
    sent = sent + 1
    if tails[i] == nil then return heads[i] end
    return heads[i] .. string.format("%0${TURN.length}d", turn) .. tails[i]
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

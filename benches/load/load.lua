-- What wrk does under the bench. The job is a table in the file that BENCH_JOB names:
--   method, headers, body   of every request; or
--   tokens                  a file of tokens, one a line: each request shows the next one; or
--   chain                   as many refresh tokens as there are threads, each with one connection: every request
--                           has `body` followed by the token of the answer before.
-- At the end it prints one line of JSON.

local job = dofile(os.getenv("BENCH_JOB"))

wrk.method = job.method
wrk.headers = job.headers or {}
wrk.body = job.body

if job.tokens then
  local requests, at = {}, 0

  function init()
    local head = string.format("%s %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer ", job.method, wrk.path, wrk.host, wrk.port)
    for token in io.lines(job.tokens) do
      requests[#requests + 1] = head .. token .. "\r\n\r\n"
    end
  end

  function request()
    at = at % #requests + 1
    return requests[at]
  end
end

if job.chain then
  local started = 0

  function setup(thread)
    started = started + 1
    thread:set("token", job.chain[started])
  end

  function request()
    return wrk.format(nil, nil, nil, job.body .. token)
  end

  function response(status, headers, body)
    token = status == 200 and body:match('"refresh_token":%s*"([^"]+)"') or "none"
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'BENCH {"requests": %d, "seconds": %.6f, "broken": %d, "refused": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99)))
end

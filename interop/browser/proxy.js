// A proxy that strips a prefix and says nothing of it, as many stand in front of an API.

import { createServer, request } from 'node:http';

/** Starts one in front of `target`; resolves to where it listens, with the prefix, and how to stop it. */
export async function strip(prefix, target) {
  const asked = [];
  const server = createServer((incoming, answer) => {
    asked.push(incoming.url);
    if (!incoming.url.startsWith(`${prefix}/`)) return answer.writeHead(404).end();
    const { host, ...headers } = incoming.headers;
    const options = { method: incoming.method, headers };
    const outgoing = request(target + incoming.url.slice(prefix.length), options, (inner) => {
      answer.writeHead(inner.statusCode, inner.rawHeaders);
      inner.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    incoming.pipe(outgoing);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { base: origin + prefix, origin, asked, stop };
}

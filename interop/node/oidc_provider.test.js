// oidc-provider issues, and the example `resource_server` believes it: an issuer in another language.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import Provider from 'oidc-provider';
import { start } from '../running.js';

const AUDIENCE = 'https://items.example.com';
const PATIENCE = 60_000; // milliseconds; every request ends by then

const KEYS = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

const makeKey = (alg) => ({ ...KEYS[alg]().privateKey.export({ format: 'jwk' }), alg, use: 'sig' });

/** An issuer on a free port, whose keys, algorithm and token format a test may change; and whose the tokens are: alice's,
 * or without a subject the client's own. */
async function issue() {
  const issuer = { alg: 'ES256', format: 'jwt', subject: 'alice' };
  const server = createServer((request, response) => issuer.handle(request, response));
  // Making keys may take longer than a connection is kept by default, and then a request on it would fail.
  server.keepAliveTimeout = PATIENCE;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  issuer.url = `http://127.0.0.1:${server.address().port}`;
  const client = (id, grants) => ({
    client_id: id,
    client_secret: `the secret of ${id}: 100% & more`,
    grant_types: grants,
    redirect_uris: [],
    response_types: [],
  });
  const clients = [client('app', ['client_credentials']), client('items', [])];
  issuer.secret = clients[1].client_secret;
  /** The same issuer with new keys, as after a restart. */
  issuer.rotate = (algs) => {
    const provider = new Provider(issuer.url, {
      clients,
      jwks: { keys: algs.map(makeKey) },
      scopes: ['read:items', 'write:items'],
      // A token of a client's own has no subject here, unless somebody says so (RFC 9068 section 2.2).
      extraTokenClaims: (context, token) =>
        issuer.format === 'opaque' ? { sub: issuer.subject ?? token.clientId } : undefined,
      formats: {
        customizers: {
          jwt: (context, token, { payload }) => {
            payload.sub = issuer.subject ?? token.clientId;
          },
        },
      },
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        introspection: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (context, resource) => ({
            audience: resource,
            scope: 'read:items write:items',
            accessTokenFormat: issuer.format,
            accessTokenTTL: 600,
            jwt: { sign: { alg: issuer.alg } },
          }),
        },
      },
    });
    issuer.handle = provider.callback();
  };
  issuer.rotate(Object.keys(KEYS));

  const post = async (path, form) => {
    const [{ client_id: id, client_secret: secret }] = clients;
    const basic = btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`);
    const answer = await fetch(issuer.url + path, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams(form),
      signal: AbortSignal.timeout(PATIENCE),
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return text && JSON.parse(text);
  };
  issuer.token = async (scope = 'read:items', resource = AUDIENCE) => {
    const form = { grant_type: 'client_credentials', resource, scope };
    return (await post('/token', form)).access_token;
  };
  issuer.revoke = (token) => post('/token/revocation', { token });
  issuer.close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return issuer;
}

/** The example, believing that issuer. */
function believe(issuer, environment) {
  const facts = {
    program: 'examples/resource_server',
    environment: { LISTEN: '127.0.0.1:0', ISSUER: issuer.url, AUDIENCE, ...environment },
    password: issuer.secret,
  };
  return start('resource_server', 'oidc_provider', facts);
}

/** What is answered once it is known. The example waits five seconds for its issuer, which may be too few on a busy machine. */
async function known(ask) {
  const until = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer.status !== 503 || Date.now() > until) return answer;
    await pause(100);
  }
}

const header = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));

describe('resource_server believes oidc-provider by its keys', () => {
  let issuer;
  let api;
  before(async () => {
    issuer = await issue();
    api = await believe(issuer);
  });
  after(async () => {
    await issuer?.close();
    assert.equal(await api?.stop(), 0);
  });

  const call = async (path, token) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetch(api.base + path, { headers, signal: AbortSignal.timeout(PATIENCE) });
    return { status: answer.status, challenge: answer.headers.get('www-authenticate'), body: await answer.text() };
  };
  const expect = async (status, path, token) => {
    const answer = await known(() => call(path, token));
    assert.equal(answer.status, status, `${answer.challenge} ${answer.body}`);
    return answer;
  };

  test('without a token 401, and what is public is public', async () => {
    await expect(401, '/items');
    await expect(200, '/status');
    await expect(404, '/token');
  });

  for (const alg of Object.keys(KEYS)) {
    test(`c22 a token signed with ${alg} opens`, async () => {
      issuer.alg = alg;
      const token = await issuer.token();
      assert.equal(header(token).alg, alg);
      assert.equal(header(token).typ, 'at+jwt');
      assert.deepEqual(JSON.parse((await expect(200, '/items', token)).body), ['Foo', 'Bar']);
      const user = JSON.parse((await expect(200, '/whoami', token)).body);
      assert.equal(user.sub, 'alice');
      assert.deepEqual(user.scopes, ['read:items']);
    });
  }

  test('h9 a token of a client\'s own opens what needs no user, and is none', async () => {
    issuer.subject = undefined;
    const token = await issuer.token();
    issuer.subject = 'alice';
    await expect(200, '/items', token);
    await expect(401, '/whoami', token);
  });

  test('c9 a token for another API is refused', async () => {
    issuer.alg = 'ES256';
    const answer = await expect(401, '/items', await issuer.token('read:items', 'https://other.example.com'));
    assert.match(answer.challenge, /error="invalid_token"/);
  });

  test('b6 a token with fewer scopes is refused with 403', async () => {
    const answer = await expect(403, '/items', await issuer.token('write:items'));
    assert.match(answer.challenge, /error="insufficient_scope", scope="read:items"/);
  });

  test('c23 new keys of the issuer are picked up, and old ones are forgotten', async () => {
    const old = await issuer.token();
    await expect(200, '/items', old);
    issuer.rotate(Object.keys(KEYS));
    const token = await issuer.token();
    assert.notEqual(header(token).kid, header(old).kid);
    await expect(200, '/items', token);
    await expect(401, '/items', old);
  });

  test('an issuer that went away is not missed while its keys are kept', async () => {
    const token = await issuer.token();
    const { handle } = issuer;
    issuer.handle = (request) => request.socket.destroy();
    await expect(200, '/items', token);
    issuer.handle = handle;
  });
});

describe('resource_server asks oidc-provider for each token', () => {
  let issuer;
  let api;
  before(async () => {
    issuer = await issue();
    issuer.format = 'opaque';
    api = await believe(issuer, { CLIENT_ID: 'items', CLIENT_SECRET: issuer.secret });
  });
  after(async () => {
    await issuer?.close();
    assert.equal(await api?.stop(), 0);
  });

  const call = (path, token) => {
    const headers = { authorization: `Bearer ${token}` };
    return fetch(api.base + path, { headers, signal: AbortSignal.timeout(PATIENCE) });
  };
  const status = async (path, token) => (await known(() => call(path, token))).status;

  test('an opaque token opens until it is revoked', async () => {
    const token = await issuer.token();
    assert.ok(!token.includes('.'), 'it is opaque');
    assert.equal(await status('/items', token), 200);
    assert.equal(await status('/whoami', token), 200);
    await issuer.revoke(token);
    assert.equal(await status('/items', token), 401);
  });

  test('an invented token, one for another API and one with fewer scopes do not', async () => {
    assert.equal(await status('/items', 'invented'), 401);
    assert.equal(await status('/items', await issuer.token('read:items', 'https://other.example.com')), 401);
    assert.equal(await status('/items', await issuer.token('write:items')), 403);
  });

  test('503 while the issuer is away, and 200 once it is back', async () => {
    const token = await issuer.token();
    assert.equal(await status('/items', token), 200);
    const { handle } = issuer;
    issuer.handle = (request) => request.socket.destroy();
    assert.equal((await call('/items', token)).status, 503);
    issuer.handle = handle;
    assert.equal(await status('/items', token), 200);
  });
});

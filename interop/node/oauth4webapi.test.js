// oauth4webapi: strict readings of the metadata, the answers of the endpoints, the challenges, and RFC 9068.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { ARTIFACTS, PROGRAMS, start } from '../running.js';

const insecure = { [oauth.allowInsecureRequests]: true };

async function discover(server) {
  const issuer = new URL(server.base);
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
  return oauth.processDiscoveryResponse(issuer, answer);
}

/** The grants of a client, the end of what it has, and what it hears of a token. */
class Asking {
  constructor(metadata, id, authentication) {
    Object.assign(this, { metadata, client: { client_id: id }, authentication });
  }

  get who() {
    return [this.metadata, this.client, this.authentication];
  }

  async renew(token, additionalParameters = {}) {
    const options = { ...insecure, additionalParameters };
    const answer = await oauth.refreshTokenGrantRequest(...this.who, token, options);
    return oauth.processRefreshTokenResponse(this.metadata, this.client, answer);
  }

  async end(token, additionalParameters = {}) {
    const answer = await oauth.revocationRequest(...this.who, token, { ...insecure, additionalParameters });
    return oauth.processRevocationResponse(answer);
  }

  async introspect(token, additionalParameters = {}) {
    const answer = await oauth.introspectionRequest(...this.who, token, { ...insecure, additionalParameters });
    return oauth.processIntrospectionResponse(this.metadata, this.client, answer);
  }

  async ownToken(parameters = {}) {
    const answer = await oauth.clientCredentialsGrantRequest(...this.who, parameters, insecure);
    return oauth.processClientCredentialsResponse(this.metadata, this.client, answer);
  }
}

const isRefused = (code) => (error) => {
  assert.ok(error instanceof oauth.ResponseBodyError, error);
  assert.equal(error.error, code);
  return true;
};

for (const name of Object.keys(PROGRAMS)) {
  describe(`oauth4webapi against ${name}`, () => {
    const client = { client_id: 'any' };
    let server;
    let metadata;
    before(async () => {
      server = await start(name, 'oauth4webapi');
      metadata = await discover(server);
    });
    after(async () => assert.equal(await server?.stop(), 0));

    const logIn = async (more = {}, authentication = oauth.None()) => {
      const form = { username: server.username, password: server.password, ...more };
      const answer = await oauth.genericTokenEndpointRequest(
        metadata,
        client,
        authentication,
        'password',
        form,
        insecure,
      );
      return oauth.processGenericTokenEndpointResponse(metadata, client, answer);
    };
    const call = (token) => oauth.protectedResourceRequest(token, 'GET', server.protected, undefined, null, insecure);

    test('reads the metadata, which tells of what was asked for here', () => {
      assert.equal(metadata.issuer, server.base);
      assert.ok(metadata.grant_types_supported.includes('password'));
      assert.deepEqual([...metadata.scopes_supported].sort(), [...server.scopes].sort());
    });

    for (const method of metadataMethods()) {
      test(`logs in and calls a protected route (${method.name})`, async () => {
        const tokens = await logIn({ scope: server.scopes.join(' ') }, method.make());
        assert.equal(tokens.token_type, 'bearer');
        const answer = await call(tokens.access_token);
        assert.equal(answer.status, 200);
        assert.equal((await answer.json()).username, server.username);
      });
    }

    test('names a wrong password', async () => {
      await assert.rejects(logIn({ password: 'not the password' }), (error) => {
        assert.ok(error instanceof oauth.ResponseBodyError, error);
        assert.equal(error.error, 'invalid_grant');
        assert.equal(error.error_description, 'Incorrect username or password');
        return true;
      });
    });

    test('takes a narrowed scope from the answer', async () => {
      const tokens = await logIn({ scope: 'me nonesuch' });
      assert.equal(tokens.scope, 'me');
    });

    test('e1 renews a login, and e10 gets no more scope by it', async () => {
      const asking = new Asking(metadata, 'any', oauth.None());
      const first = await logIn({ scope: 'me' });
      const second = await asking.renew(first.refresh_token);
      assert.notEqual(second.refresh_token, first.refresh_token);
      assert.equal((await call(second.access_token)).status, 200);
      await assert.rejects(asking.renew(second.refresh_token, { scope: 'me items' }), isRefused('invalid_scope'));
      assert.ok((await asking.renew(second.refresh_token, { scope: 'me' })).access_token);
    });

    for (const hint of ['refresh_token', 'access_token', 'nonesuch']) {
      test(`f4, f11 ends a login with the hint ${hint}, as often as it says so`, async () => {
        const asking = new Asking(metadata, 'any', oauth.None());
        const tokens = await logIn({ scope: 'me' });
        const next = await asking.renew(tokens.refresh_token);
        for (const _ of [1, 2]) await asking.end(next.refresh_token, { token_type_hint: hint });
        await assert.rejects(asking.renew(next.refresh_token), isRefused('invalid_grant'));
        for (const token of [tokens.access_token, next.access_token]) {
          await assert.rejects(call(token), { status: 401 });
        }
      });
    }

    test('reads the challenges: no scope, a bad token', async () => {
      const { access_token: token } = await logIn({ scope: 'items' });
      if (name === 'fastapi_twin') {
        await assert.rejects(call(token), (error) => {
          assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, error);
          assert.equal(error.status, 403);
          assert.equal(error.cause[0].parameters.error, 'insufficient_scope');
          assert.equal(error.cause[0].parameters.scope, 'me');
          return true;
        });
      }
      await assert.rejects(call(`${token}x`), (error) => {
        assert.equal(error.status, 401);
        assert.equal(error.cause.length, 1);
        assert.equal(error.cause[0].parameters.error, 'invalid_token');
        return true;
      });
    });

    test('c22 takes our token as a JWT access token of RFC 9068', async () => {
      const { access_token: token } = await logIn({ scope: 'me items' });
      const request = new Request(server.protected, { headers: { authorization: `Bearer ${token}` } });
      const claims = await oauth.validateJwtAccessToken(metadata, request, server.base, {
        signingAlgorithms: [server.algorithm],
        ...insecure,
      });
      assert.equal(claims.iss, server.base);
      assert.ok(claims.jti);
      assert.deepEqual(claims.scope.split(' ').sort(), ['items', 'me']);
      const again = new Request(server.protected, { headers: { authorization: `Bearer ${token}` } });
      await assert.rejects(oauth.validateJwtAccessToken(metadata, again, 'https://elsewhere.example', insecure));
    });
  });
}

describe('oauth4webapi as a registered client', () => {
  const OWN = ['--grant-type', 'client_credentials', '--scope', 'items'];
  let server;
  let metadata;
  before(async () => {
    server = await start('countersign_registry', 'oauth4webapi');
    metadata = await discover(server);
  });
  after(async () => assert.equal(await server?.stop(), 0));

  for (const [method, flag] of [['client_secret_basic', 'basic'], ['client_secret_post', 'post']]) {
    test(`gets a token of its own, and ends it (${method})`, async () => {
      assert.ok(metadata.token_endpoint_auth_methods_supported.includes(method));
      const { client_secret: secret } = server.addClient(method, '--auth', flag, ...OWN);
      const authentication = flag === 'basic' ? oauth.ClientSecretBasic : oauth.ClientSecretPost;
      await assert.rejects(new Asking(metadata, method, authentication('wrong')).ownToken(), { status: 401 });
      const asking = new Asking(metadata, method, authentication(secret));
      const tokens = await asking.ownToken({ scope: 'items' });
      assert.equal(tokens.token_type, 'bearer');
      assert.equal(tokens.refresh_token, undefined);
      const request = () => new Request(server.base, { headers: { authorization: `Bearer ${tokens.access_token}` } });
      const claims = await oauth.validateJwtAccessToken(metadata, request(), server.base, insecure);
      assert.equal(claims.sub, method);
      assert.equal(claims.client_id, method);
      assert.equal(claims.scope, 'items');
      assert.equal(await asking.end(tokens.access_token), undefined);
      await assert.rejects(asking.ownToken({ scope: 'me' }), isRefused('invalid_scope'));
    });
  }

  test('h7 gets a token of its own with a key of each kind (private_key_jwt)', async () => {
    for (const algorithm of ['ES256', 'EdDSA', 'RS256', 'PS256']) {
      if (algorithm !== 'EdDSA') {
        assert.ok(metadata.token_endpoint_auth_signing_alg_values_supported.includes(algorithm), algorithm);
      }
      const { privateKey, publicKey } = await oauth.generateKeyPair(algorithm === 'EdDSA' ? 'Ed25519' : algorithm);
      const file = join(ARTIFACTS, `oauth4webapi.${algorithm}.jwks.json`);
      writeFileSync(file, JSON.stringify({ keys: [await globalThis.crypto.subtle.exportKey('jwk', publicKey)] }));
      server.addClient(algorithm, '--jwks', file, ...OWN);
      // Some libraries call it by the name that RFC 9864 took back.
      const named = { [oauth.modifyAssertion]: (header) => Object.assign(header, { alg: algorithm }) };
      const asking = new Asking(metadata, algorithm, oauth.PrivateKeyJwt(privateKey, named));
      assert.ok((await asking.ownToken()).access_token, algorithm);
      assert.ok((await asking.ownToken()).access_token, algorithm);
    }
  });

  for (const [method, flag] of [['client_secret_basic', 'basic'], ['client_secret_post', 'post']]) {
    test(`f7 asks what a token is, as the API that it is for (${method})`, async () => {
      assert.ok(metadata.introspection_endpoint_auth_methods_supported.includes(method));
      const authentication = flag === 'basic' ? oauth.ClientSecretBasic : oauth.ClientSecretPost;
      const add = (id, ...more) => {
        const { client_secret: secret } = server.addClient(id, '--auth', flag, ...more);
        return new Asking(metadata, id, authentication(secret));
      };
      const [robot, stranger] = [add(`robot-${flag}`, ...OWN), add(`stranger-${flag}`)];
      const api = add(`items-${flag}`, '--serves', server.base);
      const { access_token: token, expires_in: lifetime } = await robot.ownToken({ scope: 'items' });
      const wrong = new Asking(metadata, `items-${flag}`, authentication('wrong'));
      await assert.rejects(wrong.introspect(token), { status: 401 });
      assert.deepEqual(await stranger.introspect(token), { active: false });
      const request = new Request(server.base, { headers: { authorization: `Bearer ${token}` } });
      const claims = await oauth.validateJwtAccessToken(metadata, request, server.base, insecure);
      for (const asking of [api, robot]) {
        const told = await asking.introspect(token, { token_type_hint: 'access_token' });
        // What the token says of itself, and no name of a user: there is none.
        assert.deepEqual(told, { active: true, token_type: 'Bearer', ...claims });
        assert.equal(told.exp - told.iat, lifetime);
        assert.equal(told.sub, `robot-${flag}`);
      }
      await robot.end(token);
      for (const asking of [api, robot]) assert.deepEqual(await asking.introspect(token), { active: false });
    });
  }

  test('a client that may not is told so', async () => {
    const { client_secret: secret } = server.addClient('idle');
    const asking = new Asking(metadata, 'idle', oauth.ClientSecretBasic(secret));
    await assert.rejects(asking.ownToken(), isRefused('unauthorized_client'));
    await assert.rejects(asking.renew('cs_refresh_x'), isRefused('unauthorized_client'));
  });
});

function metadataMethods() {
  return [
    { name: 'none', make: () => oauth.None() },
    { name: 'client_secret_basic', make: () => oauth.ClientSecretBasic('thing') },
    { name: 'client_secret_post', make: () => oauth.ClientSecretPost('thing') },
  ];
}

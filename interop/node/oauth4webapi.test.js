// oauth4webapi: strict readings of the metadata, the token answer, the challenges, and RFC 9068.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { PROGRAMS, start } from '../running.js';

const insecure = { [oauth.allowInsecureRequests]: true };

for (const name of Object.keys(PROGRAMS)) {
  describe(`oauth4webapi against ${name}`, () => {
    const client = { client_id: 'any' };
    let server;
    let metadata;
    before(async () => {
      server = await start(name, 'oauth4webapi');
      const issuer = new URL(server.base);
      const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
      metadata = await oauth.processDiscoveryResponse(issuer, answer);
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

function metadataMethods() {
  return [
    { name: 'none', make: () => oauth.None() },
    { name: 'client_secret_basic', make: () => oauth.ClientSecretBasic('thing') },
    { name: 'client_secret_post', make: () => oauth.ClientSecretPost('thing') },
  ];
}

// jose: a token of ours, verified with nothing but our JWK set.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { calculateJwkThumbprint, createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { SIGNERS, assertTellsNoSecret, start } from '../running.js';

// RFC 9068 §2.2: the claims that an access token must have.
const REQUIRED = ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'];
const PATIENCE = 60_000; // milliseconds; a debug build on a busy machine

for (const name of Object.keys(SIGNERS)) {
  describe(`jose against ${name}`, () => {
    let server;
    let token;
    let keys;
    before(async () => {
      server = await start(name, 'jose');
      const answer = await fetch(`${server.base}/token`, {
        method: 'POST',
        body: new URLSearchParams({ username: server.username, password: server.password, scope: 'me items' }),
      });
      assert.equal(answer.status, 200);
      token = (await answer.json()).access_token;
      keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', server.base), { timeoutDuration: PATIENCE });
    });
    after(async () => assert.equal(await server?.stop(), 0));

    const rules = (more) => ({
      issuer: server.base,
      audience: server.base,
      typ: 'at+jwt',
      algorithms: [server.algorithm],
      requiredClaims: REQUIRED,
      ...more,
    });

    test('c22 jose verifies', async () => {
      const { payload, protectedHeader } = await jwtVerify(token, keys, rules());
      assert.equal(protectedHeader.alg, server.algorithm);
      assert.equal(payload.exp - payload.iat, 900);
    });

    test('c22 jose refuses another audience, issuer, type and signature', async () => {
      const claim = errors.JWTClaimValidationFailed;
      await assert.rejects(jwtVerify(token, keys, rules({ audience: `${server.base}/other` })), claim);
      await assert.rejects(jwtVerify(token, keys, rules({ issuer: 'https://elsewhere.example' })), claim);
      await assert.rejects(jwtVerify(token, keys, rules({ typ: 'JWT' })), claim);
      const [head, payload, signature] = token.split('.');
      const turned = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1);
      const forged = [head, payload, turned].join('.');
      await assert.rejects(jwtVerify(forged, keys, rules()), errors.JWSSignatureVerificationFailed);
    });

    test('c22 a key is named by its thumbprint and keeps its secret', async () => {
      const answer = await fetch(`${server.base}/.well-known/jwks.json`);
      const { keys: published } = await answer.json();
      assert.ok(published.length > 0);
      for (const key of published) {
        assert.equal(key.d, undefined);
        assert.equal(key.kid, await calculateJwkThumbprint(key));
      }
    });

    test('l1 the log holds no token and no password', () => {
      assertTellsNoSecret(server.log(), server);
    });
  });
}

// Starts Swagger UI on this API's document. Nothing is kept in web storage, and nothing is asked of another host.
"use strict";

(() => {
  const RAN_OUT = "Your login ran out. Authorize again.";
  const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds; browsers take more for zero
  const OF_OPERATION = "x-of-operation";

  const documentUrl = document.querySelector("link[rel=service-desc]").href;
  const files = document.currentScript.src;
  const status = document.getElementById("login-status");

  /** When each login runs out, in milliseconds, and what looks at it then; by the name of its security scheme. */
  const logins = new Map();
  /** The scopes that were last asked for in the dialog of the whole API, by the name of the security scheme. */
  const chosen = new Map();

  /** Says that these logins ran out, and forgets their tokens: the padlocks open, and nothing is sent any more. */
  function end(system, names) {
    if (names.length === 0) return;
    system.getSystem().authActions.logout(names);
    status.textContent = RAN_OUT;
  }

  function look(system) {
    const over = [...logins].filter(([, { until }]) => until <= Date.now()).map(([name]) => name);
    end(system, over);
  }

  function forget(name) {
    clearTimeout(logins.get(name)?.timer);
    logins.delete(name);
  }

  /** RFC 6749 §5.1: `expires_in` is "the lifetime in seconds". Without one the first refusal tells. */
  function watch(system, name, lifetime) {
    forget(name);
    if (!(lifetime > 0)) return;
    const until = Date.now() + lifetime * 1000;
    const wait = () => {
      const timer = setTimeout(() => {
        look(system);
        if (logins.get(name)?.until === until) wait();
      }, Math.min(Math.max(until - Date.now(), 0), LONGEST_TIMER));
      logins.set(name, { until, timer });
    };
    wait();
  }

  /** The logins whose token this request carried. One that was made since has another token, and stays. */
  function carried(system, request) {
    const header = request?.headers?.Authorization ?? "";
    const authorized = system.getSystem().authSelectors.authorized()?.toJS() ?? {};
    const names = Object.keys(authorized);
    return names.filter((name) => {
      const token = authorized[name].token?.access_token ?? authorized[name].value;
      return typeof token === "string" && header === `Bearer ${token}`;
    });
  }

  /** RFC 6750 §3.1: a token that is "expired, revoked, malformed, or invalid for other reasons". */
  function refusesToken({ err, ...answer }) {
    const response = err?.response ?? answer;
    return response.status === 401 && /\berror="?invalid_token\b/.test(response.headers?.["www-authenticate"] ?? "");
  }

  const login = (system) => ({
    statePlugins: {
      auth: {
        wrapActions: {
          authorize: (authorize) => (payload) => {
            status.textContent = "";
            return authorize(payload);
          },
          authorizeOauth2: (authorize) => (payload) => {
            status.textContent = "";
            const done = authorize(payload);
            watch(system, payload.auth.name, Number(payload.token.expires_in));
            return done;
          },
          logout: (logout) => (names) => {
            names.forEach(forget);
            return logout(names);
          },
        },
        wrapSelectors: {
          // Marks what the padlock of an operation asks for, so that its dialog can tell.
          definitionsForRequirements: (select) => (state, ...others) =>
            select(...others).map((schemes) => schemes.map((scheme) => scheme.set(OF_OPERATION, true))),
        },
      },
      oas3: {
        wrapSelectors: {
          // A relative server is relative to the document (OpenAPI 3.1 §4.8.5); Swagger UI takes it for the page's.
          serverEffectiveValue: (select, { specSelectors }) => (state, ...others) => {
            const server = select(...others) || specSelectors.servers()?.first()?.get("url") || "/";
            return new URL(server, documentUrl).href;
          },
        },
      },
      spec: {
        wrapActions: {
          setResponse: (set) => (path, method, response) => {
            if (refusesToken(response)) {
              end(system, carried(system, system.getSystem().specSelectors.requestFor(path, method)?.toJS()));
            }
            return set(path, method, response);
          },
        },
      },
    },
    wrapComponents: {
      // The scopes of the operation whose padlock it was are ticked; else those that were asked for last.
      oauth2: (Oauth2) =>
        class extends Oauth2 {
          constructor(props, context) {
            super(props, context);
            const { schema, name } = props;
            if (schema.has(OF_OPERATION)) {
              this.state.scopes = schema.get("scopes")?.keySeq().toArray() ?? [];
              return;
            }
            if (chosen.has(name)) this.state.scopes = chosen.get(name);
            const authorize = this.authorize;
            this.authorize = () => {
              chosen.set(name, this.state.scopes);
              authorize();
            };
          }
        },
      // One server, this one, is no choice.
      ServersContainer: (Servers, { React, specSelectors }) =>
        function (props) {
          return specSelectors.servers().size > 1 ? React.createElement(Servers, props) : null;
        },
    },
    // A machine that slept has slept through its timers.
    afterLoad: () => document.addEventListener("visibilitychange", () => look(system)),
  });

  window.ui = SwaggerUIBundle({
    url: documentUrl,
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [login],
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    persistAuthorization: false,
    oauth2RedirectUrl: new URL("oauth2-redirect.html", files).href,
  });

  // RFC 9700 section 2.1.1: where people log in elsewhere, by a code that is worth nothing to others.
  window.ui.initOAuth({ usePkceWithAuthorizationCodeGrant: true });
})();

// Starts Scalar on this API's document. Nothing of a login is kept, and nothing is asked of another host.
"use strict";

(async () => {
  const documentUrl = document.querySelector("link[rel=service-desc]").href;
  const content = await (await fetch(documentUrl)).json();
  // Scalar wants absolute URLs. A server is relative to the document, everything else to the server (OpenAPI 3.1 §4.6).
  const [server] = content.servers.map(({ url }) => new URL(url, documentUrl).href);
  const { origin, pathname } = new URL(server);
  const schemes = content.components.securitySchemes;
  for (const { flows = {} } of Object.values(schemes)) {
    for (const flow of Object.values(flows)) {
      for (const name of ["authorizationUrl", "tokenUrl", "refreshUrl"]) {
        if (flow[name]) flow[name] = new URL(flow[name], server).href;
      }
    }
  }
  Scalar.createApiReference("#scalar", {
    content,
    servers: [{ url: origin + pathname.replace(/\/$/, "") }],
    authentication: { preferredSecurityScheme: Object.keys(schemes)[0] },
    persistAuth: false,
    proxyUrl: "",
    withDefaultFonts: false,
    hideClientButton: true,
  });
})();

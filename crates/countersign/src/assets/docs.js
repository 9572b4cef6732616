// Starts Swagger UI on this API's document. Nothing is kept in web storage, and nothing is asked of another host.
"use strict";

window.ui = SwaggerUIBundle({
  url: document.querySelector("link[rel=service-desc]").href,
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  persistAuthorization: false,
  oauth2RedirectUrl: new URL("docs/oauth2-redirect.html", document.baseURI).href,
});

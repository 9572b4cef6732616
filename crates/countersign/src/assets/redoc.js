// Starts Redoc on this API's document. Without its search, which needs a worker out of a text.
"use strict";

Redoc.init(
  document.querySelector("link[rel=service-desc]").href,
  { disableSearch: true },
  document.getElementById("redoc"),
);

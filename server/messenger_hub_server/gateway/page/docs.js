// Shows the calls of this hub, and nothing from anywhere else: no validator, and keys are forgotten when the page is left.
window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#calls",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});

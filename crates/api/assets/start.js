// Starts whichever of the two the page has loaded.
if (window.SwaggerUIBundle) {
  SwaggerUIBundle({ url: "/api/schema", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false, validatorUrl: null });
} else {
  Redoc.init("/api/schema", { hideDownloadButton: false }, document.getElementById("redoc"));
}

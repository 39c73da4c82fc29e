// A program as a consumer of the API would write it, with the client that openapi.json makes (tests/e2e/typescript.rs).
// It must type-check, and what the types promise must come true.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./openapi.js";

type Schemas = components["schemas"];

function setting(name: string): string {
  const value = process.env[name];
  assert(value !== undefined, `${name} is not set`);
  return value;
}

/** What a call gave, if it succeeded; its problem is thrown otherwise, as the document types it. */
function data<T>(answer: { data?: T; error?: Schemas["Problem"] }): NonNullable<T> {
  if (answer.error) throw new Error(`${answer.error.code}: ${answer.error.detail}`);
  assert(answer.data !== undefined && answer.data !== null);
  return answer.data;
}

/** What is asked for; lists also come as CSV and NDJSON, for those who say so in `Accept`. */
type Media = "application/json" | "application/problem+json" | "*/*";

const api = createClient<paths, Media>({ baseUrl: setting("TENANTRY_URL") });

const credentials = { username: setting("TENANTRY_USERNAME"), password: setting("TENANTRY_PASSWORD") };
const token: Schemas["TokenView"] = data(await api.POST("/api/v1/auth/token", { body: credentials }));
api.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `${token.token_type} ${token.access}`);
    return request;
  },
});

const project = data(await api.POST("/api/v1/projects", { body: { name: "Website relaunch" } }));
const body = { project: project.id, title: "Write the imprint", due: "2028-02-29" } satisfies Schemas["TaskBody"];
const task = data(await api.POST("/api/v1/tasks", { body }));
const status: "todo" | "in_progress" | "blocked" | "done" | "cancelled" = task.status;
const assignee: string | null = task.assignee;
assert.deepEqual([status, assignee, task.due, task.version], ["todo", null, "2028-02-29", 1]);

const page = data(await api.GET("/api/v1/tasks", { params: { query: { status: "todo", limit: 10 } } }));
const cursor: string | null = page.next_cursor;
assert.deepEqual([page.data.map((it) => it.title), cursor], [["Write the imprint"], null]);

const path = { id: task.id };
const shown = await api.GET("/api/v1/tasks/{id}", { params: { path } });
const etag = shown.response.headers.get("etag");
assert(etag);
const header = { "If-Match": etag };
const changed = data(await api.PATCH("/api/v1/tasks/{id}", { params: { path, header }, body: { priority: "high" } }));
assert.deepEqual([changed.priority, changed.version], ["high", 2]);

const stale = await api.PATCH("/api/v1/tasks/{id}", { params: { path, header }, body: { priority: "low" } });
assert(stale.error);
const stalled: Schemas["Problem"] = stale.error;
assert.deepEqual([stale.response.status, stalled.code, stalled.status], [412, "precondition_failed", 412]);

const missing = await api.GET("/api/v1/projects/{id}", { params: { path: { id: crypto.randomUUID() } } });
assert(missing.error);
switch (missing.error.code) {
  case "not_found":
    break;
  default:
    assert.fail(missing.error.detail);
}

const refused = await api.POST("/api/v1/tasks", { body: { project: project.id, title: "" } });
const fields: string[] = refused.error?.errors.map((it) => it.field) ?? [];
assert.deepEqual(fields, ["title"]);

const document = data(
  await api.POST("/api/v1/documents", { body: { project: project.id, title: "Offer.txt" } }),
);
const content = { path: { id: document.id } };
const bytes = new TextEncoder().encode("Ten pages for ten pounds.");
const uploaded = data(
  await api.PUT("/api/v1/documents/{id}/content", {
    params: content,
    headers: { "Content-Type": "text/plain" },
    body: bytes,
    bodySerializer: () => bytes,
  }),
);
const size: number | null = uploaded.size;
assert.deepEqual([size, uploaded.content_type], [bytes.length, "text/plain"]);
const downloaded = await api.GET("/api/v1/documents/{id}/content", { params: content, parseAs: "text" });
assert.equal(downloaded.data, "Ten pages for ten pounds.");

console.log("every promise of the types came true");

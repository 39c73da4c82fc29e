// A backend for a frontend: browsers talk to this server only, and it talks to Tenantry for them.
// A browser holds an opaque cookie of this server. It sees neither a token of Tenantry nor a tenant's id.
//
//   API=http://127.0.0.1:8000 PORT=3000 node examples/bff/server.mjs
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";

const api = process.env.API ?? "http://127.0.0.1:8000";
const sessions = new Map(); // our cookie → the session at Tenantry; several servers would share a store

const call = (session, method, path, body) =>
  fetch(api + path, {
    method,
    headers: { "content-type": "application/json", ...(session && { authorization: `Session ${session}` }) },
    body: body && JSON.stringify(body),
  });

const escaped = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const form = (action, fields, label) => `<form method="post" action="${action}">${fields}<button>${label}</button></form>`;
const loginForm = form("/login", '<input name="username"><input name="password" type="password"><input name="tenant">', "Log in");

async function page(session) {
  if (!session) return loginForm;
  const answer = await call(session, "GET", "/api/v1/projects");
  if (!answer.ok) return loginForm;
  const { data } = await answer.json();
  const items = data.map(({ name }) => `<li>${escaped(name)}</li>`).join("");
  return `<ul>${items}</ul>${form("/projects", '<input name="name">', "Add")}${form("/logout", "", "Log out")}`;
}

async function read(request) {
  let body = "";
  for await (const chunk of request) if ((body += chunk).length > 65536) throw new Error("too long");
  return Object.fromEntries(new URLSearchParams(body));
}

// Only our own pages may change something: the browser says where a request comes from.
const isOwn = ({ headers }) => (headers["sec-fetch-site"] ?? "same-origin") === "same-origin" && headers.origin === `http://${headers.host}`;

const actions = {
  "POST /login": async (_, { username, password, tenant }) => {
    const answer = await call(null, "POST", "/api/v1/auth/session", { username, password, keeper: "backend", ...(tenant && { tenant }) });
    if (!answer.ok) return null;
    const cookie = randomBytes(32).toString("base64url");
    sessions.set(cookie, (await answer.json()).session);
    return `sid=${cookie}; Path=/; HttpOnly; SameSite=Strict`;
  },
  "POST /projects": async (cookie, { name }) => void (await call(sessions.get(cookie), "POST", "/api/v1/projects", { name })),
  "POST /logout": async (cookie) => {
    await call(sessions.get(cookie), "DELETE", "/api/v1/auth/session");
    sessions.delete(cookie);
    return "sid=; Path=/; Max-Age=0";
  },
};

const server = createServer(async (request, response) => {
  const cookie = /(?:^|; )sid=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];
  const action = actions[`${request.method} ${request.url}`];
  if (action) {
    if (!isOwn(request)) return response.writeHead(403).end();
    const changed = await action(cookie, await read(request)).catch(() => null);
    return response.writeHead(303, { location: "/", ...(changed && { "set-cookie": changed }) }).end();
  }
  if (request.method !== "GET" || request.url !== "/") return response.writeHead(404).end();
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(`<!doctype html><title>Projects</title>${await page(sessions.get(cookie)).catch(() => "Try again later.")}`);
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));

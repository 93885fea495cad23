// Fastify: schemas for what comes in and what goes out, its logger and request ids, its cookie and session plugins.
import { Readable } from "node:stream";
import cookie from "@fastify/cookie";
import session from "@fastify/session";
import Fastify from "fastify";
import helmet from "helmet";
import { chunks, items, orderSchema, port, redisStore, routes, secret, store, variant } from "./setting.js";

const text = { type: "string" };
const whole = { type: "integer" };
const answer = (properties, more = {}) => ({
  schema: { response: { 200: { type: "object", properties } }, ...more },
});

const app = Fastify({ logger: variant === "pipeline" });

function plain() {
  app.get("/json", answer({ hello: text }), async () => ({ hello: "world" }));
  app.decorate("items", items);
  const params = { type: "object", properties: { number: whole } };
  app.get("/items/:number", answer({ id: whole, name: text }, { params }), async (request) =>
    app.items.find(request.params.number),
  );
  app.post("/orders", answer(orderSchema.properties, { body: orderSchema }), async (request) => request.body);
  app.get("/stream", (request, reply) => reply.type("text/plain").send(Readable.from(chunks(), { objectMode: false })));
}

async function pipeline() {
  const noSniff = helmet.xContentTypeOptions();
  await app.register(cookie);
  app.addHook("onRequest", (request, reply, done) => {
    reply.header("X-Request-ID", request.id);
    noSniff(request.raw, reply.raw, done);
  });
  app.get("/theme", answer({ theme: text }), async (request) => ({ theme: request.cookies.theme }));
}

async function sessions() {
  const kept = store.startsWith("redis") ? { store: await redisStore() } : {};
  await app.register(cookie);
  await app.register(session, { secret, saveUninitialized: false, cookie: { secure: false }, ...kept });
  const person = answer({ user_id: whole });
  app.get("/login", person, async (request) => {
    request.session.user_id = 7;
    request.session.n = 0;
    return { user_id: 7 };
  });
  app.get("/read", person, async (request) => ({ user_id: request.session.user_id }));
  app.get("/change", person, async (request) => {
    request.session.n += 1;
    return { user_id: request.session.user_id };
  });
  app.get("/count", answer({ n: whole }), async (request) => ({ n: request.session.n }));
}

if (variant === "pipeline") await pipeline();
else if (variant === "session") await sessions();
else if (variant === "routes") {
  for (let number = 0; number < routes; number += 1)
    app.get(`/route${number}`, answer({ route: whole }), async () => ({ route: number }));
} else plain();

await app.listen({ port, host: "127.0.0.1" });

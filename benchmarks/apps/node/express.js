// Express: express.json(), ajv, morgan, helmet, cookie-parser, express-session.
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import Ajv from "ajv";
import cookieParser from "cookie-parser";
import express from "express";
import session from "express-session";
import helmet from "helmet";
import morgan from "morgan";
import { chunks, items, orderSchema, port, redisStore, routes, secret, store, variant } from "./setting.js";

const app = express();

function plain() {
  const isOrder = new Ajv().compile(orderSchema);
  app.get("/json", (req, res) => res.json({ hello: "world" }));
  app.get("/items/:number", (req, res) => {
    const number = Number(req.params.number);
    if (Number.isInteger(number)) res.json(items.find(number));
    else res.status(404).json({});
  });
  app.post("/orders", express.json(), (req, res) => {
    if (isOrder(req.body)) res.json(req.body);
    else res.status(422).json(isOrder.errors);
  });
  app.get("/stream", (req, res) => {
    res.type("text/plain");
    Readable.from(chunks()).pipe(res);
  });
}

function pipeline() {
  app.use(morgan("combined"));
  app.use((req, res, next) => {
    res.set("X-Request-ID", randomUUID());
    next();
  });
  app.use(helmet.xContentTypeOptions());
  app.use(cookieParser());
  app.get("/theme", (req, res) => res.json({ theme: req.cookies.theme }));
}

async function sessions() {
  const kept = store.startsWith("redis") ? { store: await redisStore() } : {};
  app.use(session({ secret, resave: false, saveUninitialized: false, ...kept }));
  app.get("/login", (req, res) => {
    Object.assign(req.session, { user_id: 7, n: 0 });
    res.json({ user_id: 7 });
  });
  app.get("/read", (req, res) => res.json({ user_id: req.session.user_id }));
  app.get("/change", (req, res) => {
    req.session.n += 1;
    res.json({ user_id: req.session.user_id });
  });
  app.get("/count", (req, res) => res.json({ n: req.session.n }));
}

if (variant === "pipeline") pipeline();
else if (variant === "session") await sessions();
else if (variant === "routes") {
  for (let number = 0; number < routes; number += 1)
    app.get(`/route${number}`, (req, res) => res.json({ route: number }));
} else plain();

app.listen(port, "127.0.0.1");

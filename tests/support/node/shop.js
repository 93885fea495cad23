// A shop that keeps its sessions as express-session and connect-redis do by themselves.
//
// Environment: REDIS_URL, SECRET, PREFIX (of connect-redis), MAX_AGE (of the cookie, in milliseconds; none if it is empty).
// The first line it writes is its URL.

import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { createClient } from "redis";

const client = createClient({ url: process.env.REDIS_URL });
client.on("error", (error) => console.error(error));
await client.connect();

const app = express();
app.use(
  session({
    store: new RedisStore({ client, prefix: process.env.PREFIX }),
    secret: process.env.SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: process.env.MAX_AGE ? { maxAge: Number(process.env.MAX_AGE) } : {},
  }),
);

app.post("/login", express.json(), (request, response, next) => {
  request.session.regenerate((error) => {
    if (error) return next(error);
    Object.assign(request.session, request.body);
    response.json({ id: request.session.id });
  });
});

app.get("/me", (request, response) => {
  response.json({ id: request.session.id, user_id: request.session.user_id ?? null });
});

app.post("/logout", (request, response, next) => {
  request.session.destroy((error) => (error ? next(error) : response.json({})));
});

// Reads the session, and writes it when somebody asks for /release.

let release;
let entered = false;
const released = new Promise((resolve) => (release = resolve));

app.post("/slow", async (request, response) => {
  request.session.late = true;
  entered = true;
  await released;
  response.json({});
});

app.get("/entered", (request, response) => response.json(entered));

app.post("/release", (request, response) => {
  release();
  response.json({});
});

const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));

// The same application on express-session, with its store in memory. The first line that it writes is its port.

import express from "express";
import session from "express-session";

const app = express();
app.use(session({ secret: "a secret of at least thirty-two bytes", resave: false, saveUninitialized: false }));

let waiting = 0;
let open;
let opened = new Promise((done) => { open = done; });

app.post("/login", (req, res, next) => {
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.user = "ada";
    res.json(null);
  });
});

app.post("/logout", (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.json(null)));
});

app.get("/read", (req, res) => {
  const { cookie, ...values } = req.session;
  res.json(values);
});

app.post("/set", async (req, res) => {
  waiting += 1;
  await opened;
  req.session[req.query.key] = 1;
  res.json(null);
});

app.post("/count", async (req, res) => {
  const n = req.session.n ?? 0;
  await null;
  req.session.n = n + 1;
  res.json(null);
});

app.get("/waiting", (req, res) => res.json(waiting));

app.post("/gate", (req, res) => {
  waiting = 0;
  open();
  opened = new Promise((done) => { open = done; });
  res.json(null);
});

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));

// Uses the `api` project as a client in TypeScript does. Its types are those that openapi-typescript makes.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

type Note = components["schemas"]["Note"];

const cookies = new Map<string, string>();

// What a browser does: it keeps cookies, and states where a request comes from.
async function asBrowser(request: Request): Promise<Response> {
  request.headers.set("cookie", [...cookies].map(([name, value]) => `${name}=${value}`).join("; "));
  request.headers.set("sec-fetch-site", "same-origin");
  const response = await fetch(request);
  for (const line of response.headers.getSetCookie()) {
    const [name = "", value = ""] = (line.split(";")[0] ?? "").split("=");
    cookies.set(name, value);
  }
  return response;
}

const client = createClient<paths>({ baseUrl: process.argv[2] ?? "", fetch: asBrowser });
const said: unknown[] = [];

const stranger = await client.GET("/notes");
said.push(stranger.response.status, stranger.error?.title);

const ada = { email: "ada@example.com", password: "correct horse battery" };
const registered = await client.POST("/auth/register", { body: ada });
said.push(registered.response.status, registered.data?.email);

const written = await client.POST("/notes", { body: { title: "Buy milk", text: "Two bottles." } });
const note: Note | undefined = written.data;
said.push(written.response.status, note?.title);

const shown = await client.GET("/notes/{note_id}", { params: { path: { note_id: note?.id ?? 0 } } });
said.push(shown.data?.text?.toUpperCase());

const listed = await client.GET("/notes");
said.push(listed.data?.map((each) => each.title));

// @ts-expect-error  a title is a text
const wrong = await client.POST("/notes", { body: { title: 7 } });
said.push(wrong.response.status, wrong.error?.errors?.map((each) => each.location).sort());

// @ts-expect-error  there is no such path
const nowhere = await client.GET("/nowhere");
said.push(nowhere.response.status);

// @ts-expect-error  an id is a number
await client.GET("/notes/{note_id}", { params: { path: { note_id: "seven" } } });

// A field with a default may be left out.
const short = await client.POST("/notes", { body: { title: "Call Ada" } });
said.push(short.response.status, short.data?.text);

const removed = await client.DELETE("/notes/{note_id}", { params: { path: { note_id: note?.id ?? 0 } } });
said.push(removed.response.status);

console.log(JSON.stringify(said));

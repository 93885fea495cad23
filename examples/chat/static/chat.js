const login = document.querySelector("#login");
const say = document.querySelector("#say");

const show = (text) => {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("#lines").append(line);
};

const enter = (room) => {
  const address = new URL(`/rooms/${encodeURIComponent(room)}`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.onopen = () => { login.hidden = true; say.hidden = false; };
  socket.onclose = (event) => { login.hidden = false; say.hidden = true; show(event.reason || "The connection has ended."); };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "told") show(`${message.by}: ${message.text}`);
    if (message.type === "error") show(message.detail);
    if (message.type === "present") {
      const others = message.more ? ` and ${message.more} more` : "";
      document.querySelector("#present").textContent = message.names.join(", ") + others;
    }
  };
  say.onsubmit = (event) => {
    event.preventDefault();
    socket.send(JSON.stringify({ type: "say", text: say.elements.text.value }));
    say.reset();
  };
};

login.onsubmit = async (event) => {
  event.preventDefault();
  const { name, room } = Object.fromEntries(new FormData(login));
  const response = await fetch("/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name }),
  });
  if (response.ok) enter(room);
  else show((await response.json()).detail);
};

document.querySelector("#logout").onclick = () => fetch("/logout", { method: "POST" });

// What a process of the benchmark is started with; see benchmarks/apps/setting.py.
export const variant = process.env.BENCH_VARIANT ?? "plain";
export const store = process.env.BENCH_STORE ?? "memory://";
export const port = Number(process.env.BENCH_PORT ?? 8765);
export const routes = Number(process.env.BENCH_ROUTES ?? 200);
export const secret = "a secret of the benchmark, 32 bytes";

export const orderSchema = {
  type: "object",
  required: ["customer", "quantity", "price", "express"],
  properties: {
    customer: { type: "string" },
    quantity: { type: "integer" },
    price: { type: "number" },
    express: { type: "boolean" },
  },
};

export const items = { find: (number) => ({ id: number, name: "a thing" }) };

const chunk = Buffer.alloc(1000, "x");

export async function* chunks() {
  for (let i = 0; i < 10; i += 1) yield chunk;
}

// connect-redis works for both frameworks. Memory is what each of them takes if it is given nothing.
export async function redisStore() {
  const { createClient } = await import("redis");
  const { RedisStore } = await import("connect-redis");
  const client = createClient({ url: store });
  await client.connect();
  return new RedisStore({ client });
}

// The reference flow on Restate: send, wait 1 s, send, for many users at once.
//
//   node flow.mjs FOLDER USERS
//
// FOLDER holds the sockets of a running server. Prints one line of JSON, then stays until its standard input ends, so
// that its memory can still be read.

import http from "node:http";
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import * as restate from "@restatedev/restate-sdk";

// The SDK calls it, and Node has it since 22.
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const folder = process.argv[2];
const users = Number(process.argv[3]);

// The provider: it only counts.
let sends = 0;
const send = () => {
  sends += 1;
};

let first;
const pair = restate.service({
  name: "pair",
  handlers: {
    run: async (ctx, _user) => {
      first ??= performance.now();
      await ctx.run("send", send);
      await ctx.sleep(1000);
      await ctx.run("send", send);
    },
  },
});

// All flows are started from within, by one handler: ten thousand requests from outside would be measured too.
const start = restate.service({
  name: "start",
  handlers: {
    run: async (ctx, users) => {
      for (let user = 0; user < users; user += 1) {
        ctx.serviceSendClient(pair).run(`user-${user}`);
      }
    },
  },
});

// The server needs a port to reach the service; everything else goes over its sockets.
const service = http2.createServer(restate.createEndpointHandler({ services: [pair, start] }));
await new Promise((listening) => service.listen(0, "127.0.0.1", listening));

const uri = `http://127.0.0.1:${service.address().port}`;
for (let attempt = 0; ; attempt += 1) {
  try {
    await call("admin", "/deployments", { uri });
    break;
  } catch (error) {
    // The server has only just been started.
    if (attempt === 100) throw error;
    await sleep(300);
  }
}
// It settles first: leaders of its partitions are still being chosen.
await sleep(2000);

await call("ingress", "/start/run/send", users);
while (sends < 2 * users) await sleep(5);
// All is sent; finished is what the server has noted as such.
const query = { query: "SELECT status, count(*) AS n FROM sys_invocation GROUP BY status" };
for (;;) {
  const { rows } = await call("admin", "/query", query);
  if (rows.every(({ status, n }) => status === "completed" && n > users)) break;
}
console.log(JSON.stringify({ took: (performance.now() - first) / 1000, sends }));
process.stdin.on("end", () => process.exit()).resume();

function call(socket, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", accept: "application/json" };
    const request = http.request({ socketPath: `${folder}/${socket}.sock`, path, method: "POST", headers });
    request.on("error", reject).on("response", (response) => {
      let text = "";
      response.on("error", reject).on("data", (part) => (text += part));
      response.on("end", () => {
        if (response.statusCode < 300) resolve(JSON.parse(text));
        else reject(new Error(`${path} answered ${response.statusCode}: ${text}`));
      });
    });
    request.end(JSON.stringify(body));
  });
}

// Drives the public centrifuge client of npm by JSON lines: commands on standard input, events on standard output.
// It knows nothing of the server but its address. sdk.py has the commands and events.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { Centrifuge } from "centrifuge";
import { WebSocket } from "ws";

const RECONNECT = { minReconnectDelay: 50, maxReconnectDelay: 500 };

const say = (event, fields = {}) => process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");

let client;
let freshTokens = [];

function position(ctx) {
  return {
    recoverable: ctx.recoverable,
    was_recovering: ctx.wasRecovering,
    recovered: ctx.recovered,
    offset: ctx.streamPosition?.offset ?? null,
    epoch: ctx.streamPosition?.epoch ?? null,
    data: ctx.data ?? null,
  };
}

function nextToken() {
  say("token_asked");
  return Promise.resolve(freshTokens.shift() ?? "");
}

const operations = {
  connect({ url, token, fresh_tokens: tokens }) {
    freshTokens = tokens;
    client = new Centrifuge(url, { token, getToken: nextToken, websocket: WebSocket, ...RECONNECT });
    client
      .on("connecting", ({ code, reason }) => say("connecting", { code, reason }))
      .on("connected", ({ client: id, data }) => say("connected", { client: id, data: data ?? null }))
      .on("disconnected", ({ code, reason }) => say("disconnected", { code, reason }))
      .on("error", ({ error }) => say("error", { message: error.message }))
      .on("subscribed", (ctx) => say("subscribed", { channel: ctx.channel, ...position(ctx) }))
      .on("publication", ({ channel, offset, data }) => say("publication", { channel, offset: offset ?? 0, data }));
    client.connect();
  },

  subscribe({ channel, data, join_leave: joinLeave }) {
    const subscription = client.newSubscription(channel, { data, joinLeave, recoverable: true });
    subscription
      .on("subscribed", (ctx) => say("subscribed", { channel, ...position(ctx) }))
      .on("unsubscribed", ({ code, reason }) => say("unsubscribed", { channel, code, reason }))
      .on("publication", ({ offset, data: event }) => say("publication", { channel, offset: offset ?? 0, data: event }))
      .on("join", ({ info }) => say("join", { channel, user: info.user }))
      .on("leave", ({ info }) => say("leave", { channel, user: info.user }))
      .on("error", ({ error }) => say("error", { channel, message: error.message }));
    subscription.subscribe();
  },

  unsubscribe({ channel }) {
    client.getSubscription(channel).unsubscribe();
  },

  rpc({ number, method, data }) {
    client.rpc(method, data).then(
      (result) => say("reply", { number, data: result.data }),
      ({ code, message }) => say("reply", { number, error: { code, message } }),
    );
  },

  disconnect() {
    client.disconnect();
  },
};

function installedVersion() {
  const entry = createRequire(import.meta.url).resolve("centrifuge");
  return JSON.parse(readFileSync(new URL("../package.json", `file://${entry}`))).version;
}

say("started", { version: installedVersion() });
for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...command } = JSON.parse(line);
  operations[op](command);
}
client?.disconnect();

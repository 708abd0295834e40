// Holds a webhook against the vendor's own library: reads {"key", "signature", "timestamp", "body", "id"?}, prints {"verifies"}.
// node webhooks.mjs VENDOR < WEBHOOK
import { readFileSync } from "node:fs";

const { key, signature, timestamp, body, id } = JSON.parse(readFileSync(0, "utf8"));
const verify = {
  async sendgrid() {
    const { EventWebhook } = (await import("@sendgrid/eventwebhook")).default;
    const webhook = new EventWebhook();
    return webhook.verifySignature(webhook.convertPublicKeyToECDSA(key), body, signature, timestamp);
  },
  async resend() {
    const { Resend } = await import("resend");
    const headers = { id, timestamp, signature };
    new Resend("re_x").webhooks.verify({ payload: body, headers, webhookSecret: key });
    return true;
  },
};
console.log(JSON.stringify({ verifies: await verify[process.argv[2]]() }));

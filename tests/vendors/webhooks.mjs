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
  // Of Segflow's own: what receivers use.
  async standard() {
    const { Webhook } = await import("standardwebhooks");
    const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
    try {
      return new Webhook(key).verify(body, headers).type !== undefined;
    } catch {
      return false;
    }
  },
};
console.log(JSON.stringify({ verifies: await verify[process.argv[2]]() }));

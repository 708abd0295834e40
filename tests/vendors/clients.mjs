// Sends to recipients through the vendors' own libraries, and prints what these understood: one JSON object, by recipient.
// node clients.mjs VENDOR URL KEY RECIPIENT…
const [vendor, url, key, ...names] = process.argv.slice(2);
const from = "Shop <hello@shop.example>";
const subject = "Hello";
const html = "<p>Hello</p>";
const text = "Hello";

const send = {
  async postmark() {
    const { ServerClient } = await import("postmark");
    const client = new ServerClient(key, { requestHost: new URL(url).host, useHttps: false });
    return async (to) => {
      const email = { From: from, To: to, Subject: subject, HtmlBody: html, TextBody: text, MessageStream: "broadcast", Metadata: { segflow: `id-of-${to}` } };
      const one = await client.sendEmail(email);
      const [many] = await client.sendEmailBatch([email]);
      const search = async (id, more) => {
        const { TotalCount, Messages } = await client.getOutboundMessages({ count: 5, offset: 0, metadata_segflow: id, ...more });
        return [TotalCount, ...Messages.map((message) => `${message.MessageID} ${message.Status} ${message.Metadata.segflow}`)];
      };
      const found = await search(`id-of-${to}`, { messageStream: "broadcast" });
      const elsewhere = await search(`id-of-${to}`, { messageStream: "outbound" });
      const nowhere = await search(`id-of-${to}-too`);
      const refused = await search(`id-of-${to}`, { count: 501 }).catch((error) => error.name);
      return { id: one.MessageID, many: many.MessageID, found, elsewhere, nowhere, refused };
    };
  },
  async sendgrid() {
    const { default: mail } = await import("@sendgrid/mail");
    mail.setApiKey(key);
    mail.client.setDefaultRequest("baseUrl", url);
    return async (to) => {
      const [answer] = await mail.send({ from, to, subject, html, text });
      return { id: answer.headers["x-message-id"], status: answer.statusCode };
    };
  },
  async resend() {
    const { Resend } = await import("resend");
    const client = new Resend(key, { baseUrl: url });
    return async (to) => {
      const email = { from, to, subject, html, text };
      const { data, error } = await client.emails.send(email, { idempotencyKey: `key-of-${to}` });
      if (error) throw error;
      const again = await client.emails.send(email, { idempotencyKey: `key-of-${to}` });
      const other = await client.emails.send({ ...email, subject: "Other" }, { idempotencyKey: `key-of-${to}` });
      return { id: data.id, again: again.data?.id, other: other.error?.name };
    };
  },
};

const to = await send[vendor]();
const told = {};
for (const name of names) {
  try {
    told[name] = await to(`${name}@x.example`);
  } catch (error) {
    told[name] = {
      error: error.name,
      code: error.code ?? null,
      status: error.statusCode ?? error.response?.statusCode ?? null,
      message: error.response?.body?.errors?.[0]?.message ?? error.message,
    };
  }
}
console.log(JSON.stringify(told));

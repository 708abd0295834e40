// The pictures of docs/emails.md: `just pictures`. Of folders with HTML, as `segflow emails --out` and pictures.mjs write them.
// node docs.mjs COMPONENTS STOREFRONT LETTERS PICTURES
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { render } from "@react-email/render";
import { launch, open, shoot } from "./browser.mjs";
import { letters } from "./letters.mjs";

const [components, storefront, six, pictures] = process.argv.slice(2);
const data = JSON.parse(readFileSync(new URL("data.json", import.meta.url), "utf8"));
const browser = await launch();

// An email as high as it is.
async function email(html, { width, dark = false, scale = 2 }) {
  const page = await open(browser, html, { width, dark, scale });
  // The postal address at the end is the server's.
  await page.evaluate(() => {
    const last = document.body.lastElementChild;
    if (last.matches("div") && last.previousElementSibling) last.remove();
  });
  const height = await page.evaluate(() => document.body.firstElementChild.parentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.min(height, 60) });
  const png = await shoot(page);
  await page.context().close();
  return png.toString("base64");
}

// Several in a row, each with a caption or none.
async function row(file, shots, width) {
  const context = await browser.newContext({ viewport: { width: (width + 20) * shots.length + 20, height: 100 }, deviceScaleFactor: 1.25 });
  const page = await context.newPage();
  const figure = ({ png, caption }) =>
    `<figure>${caption ? `<figcaption>${caption}</figcaption>` : ""}<img src="data:image/png;base64,${png}" width="${width}"></figure>`;
  await page.setContent(`<!doctype html><style>body{margin:0;padding:20px;display:flex;gap:20px;align-items:flex-start;background:#fff;font:15px Inter,sans-serif;color:#444}
    figure{margin:0}figcaption{padding-bottom:8px}img{display:block;border-radius:12px;outline:1px solid #e2e2e2}</style>${shots.map(figure).join("")}`);
  await shoot(page, { path: path.join(pictures, file) });
  await context.close();
}

mkdirSync(path.join(pictures, "components"), { recursive: true });
for (const file of readdirSync(components).filter((file) => file.endsWith(".html"))) {
  const name = path.basename(file, ".html");
  const html = readFileSync(path.join(components, file), "utf8");
  if (name === "dark") {
    const [light, dark] = [await email(html, { width: 360 }), await email(html, { width: 360, dark: true })];
    await row("components/dark.png", [{ png: light }, { png: dark }], 360);
    continue;
  }
  writeFileSync(path.join(pictures, "components", `${name}.png`), Buffer.from(await email(html, { width: 400, scale: 1.5 }), "base64"));
}

const of = (name) => readFileSync(path.join(storefront, `${name}.html`), "utf8");
await row("storefront.png", [
  { png: await email(of("welcome-email"), { width: 360 }) },
  { png: await email(of("vip-email"), { width: 360 }) },
  { png: await email(of("order-confirmed"), { width: 360, dark: true }) },
  { png: await email(of("winback-email"), { width: 360, dark: true }) },
], 320);

const name = "vip";
const ours = readFileSync(path.join(six, `${name}.html`), "utf8");
const theirs = await render(letters[name](data.user, data.emails[name], true));
await row("react-email.png", [
  { caption: "Segflow", png: await email(ours, { width: 360 }) },
  { caption: "React Email", png: await email(theirs, { width: 360 }) },
  { caption: "Segflow, dark", png: await email(ours, { width: 360, dark: true }) },
  { caption: "React Email, dark", png: await email(theirs, { width: 360, dark: true }) },
], 320);
await browser.close();

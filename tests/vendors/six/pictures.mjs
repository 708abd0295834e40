// Lays ours and React Email's side by side, at three widths, in light and dark: one PNG for each email, and our HTML beside it.
// node pictures.mjs FOLDER [EMAIL…] < {"welcome": "<html>…", …}
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { render } from "@react-email/render";
import { launch, open, shoot } from "./browser.mjs";
import { letters } from "./letters.mjs";

const [folder, ...names] = process.argv.slice(2);
const ours = JSON.parse(readFileSync(0, "utf8"));
const data = JSON.parse(readFileSync(new URL("data.json", import.meta.url), "utf8"));
mkdirSync(folder, { recursive: true });

const browser = await launch();
for (const name of names.length ? names : Object.keys(letters)) {
  const theirs = await render(letters[name](data.user, data.emails[name], true));
  const shots = [];
  for (const width of [360, 600, 1200]) {
    for (const [whose, html] of Object.entries({ Segflow: ours[name], "React Email": theirs })) {
      for (const dark of [false, true]) {
        const page = await open(browser, html, { width, dark });
        const png = await shoot(page);
        await page.context().close();
        shots.push({ width, whose, dark, png: png.toString("base64") });
      }
    }
  }
  const figure = ({ width, whose, dark, png }) =>
    `<figure><figcaption>${whose}, ${width} px${dark ? ", dark" : ""}</figcaption><img src="data:image/png;base64,${png}" width="${width / (width > 700 ? 2 : 1)}"></figure>`;
  const rows = [360, 600, 1200].map((width) => `<div>${shots.filter((shot) => shot.width === width).map(figure).join("")}</div>`);
  const page = await browser.newPage({ viewport: { width: 2520, height: 800 } });
  await page.setContent(`<!doctype html><style>body{margin:16px;background:#c9ced6;font:14px sans-serif}div{display:flex;gap:16px;align-items:flex-start;margin-bottom:24px}
    figure{margin:0}figcaption{padding:4px 0}img{display:block}</style>${rows.join("")}`);
  await shoot(page, { path: path.join(folder, `${name}.png`) });
  await page.close();
  writeFileSync(path.join(folder, `${name}.html`), ours[name]);
}
await browser.close();

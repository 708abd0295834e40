// Renders the six emails with React Email and shows them and ours to Chromium: one JSON object, by email, of what each is made of.
// node compare.mjs < {"welcome": "<html>…", …}
import { readFileSync } from "node:fs";
import { render } from "@react-email/render";
import { launch, open } from "./browser.mjs";
import { letters } from "./letters.mjs";

const ours = JSON.parse(readFileSync(0, "utf8"));
const data = JSON.parse(readFileSync(new URL("data.json", import.meta.url), "utf8"));

// What a reader gets, whatever tags are around it.
const look = () => {
  const words = (text) => text.replace(/[\u00a0\u200b-\u200f\u034f\u2007\ufeff]/g, " ").split(/\s+/).filter(Boolean).join(" ");
  const shown = (element) => element.checkVisibility();
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const [preview] = document.querySelectorAll("body > div:first-of-type");
  const wide = all("body *").filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5);
  return {
    lang: document.documentElement.lang,
    preview: words(preview?.textContent ?? ""),
    headings: all("h1, h2, h3, h4, h5, h6").map((heading) => `${heading.localName} ${words(heading.innerText)}`),
    links: all("a").map((link) => `${words(link.innerText)} → ${link.getAttribute("href")}`),
    pictures: all("img").map((picture) => `${picture.alt} ← ${picture.getAttribute("src")}`),
    words: words(document.body.innerText),
    wider: wide.map((element) => `${element.localName} ${words(element.innerText ?? "").slice(0, 40)}`),
  };
};

const browser = await launch();
const seen = {};
for (const [name, letter] of Object.entries(letters)) {
  seen[name] = {};
  const theirs = await render(letter(data.user, data.emails[name], true));
  for (const [whose, html] of Object.entries({ ours: ours[name], theirs })) {
    const page = await open(browser, html, { width: 360 });
    // On a busy machine the whole of a long page is laid out a moment later.
    await page.waitForFunction(() => document.body.innerText.trim() !== "");
    seen[name][whose] = { ...(await page.evaluate(look)), bytes: html.length };
    await page.context().close();
  }
}
await browser.close();
console.log(JSON.stringify(seen));

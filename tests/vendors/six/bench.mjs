// How long React Email takes for each of the six, in milliseconds, half of the runs within: as written, with Tailwind's classes, and without.
import { readFileSync } from "node:fs";
import { render } from "@react-email/render";
import { letters } from "./letters.mjs";

const data = JSON.parse(readFileSync(new URL("data.json", import.meta.url), "utf8"));
const median = async (element) => {
  const times = [];
  const until = performance.now() + 1500;
  while (performance.now() < until || times.length < 20) {
    const began = performance.now();
    await render(element());
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
};
const all = {};
for (const [name, letter] of Object.entries(letters)) {
  const element = (tailwind) => () => letter(data.user, data.emails[name], tailwind);
  await render(element(true)());
  all[name] = { tailwind: await median(element(true)), plain: await median(element(false)) };
}
console.log(JSON.stringify(all));

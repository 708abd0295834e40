// A Chromium that came with npm: nothing has to be installed beside Node.
import os from "node:os";
import sparticuz from "@sparticuz/chromium";
import { chromium } from "playwright-core";

// Another one may be named: SEGFLOW_TEST_CHROMIUM=/usr/bin/chromium.
async function executable() {
  const named = process.env.SEGFLOW_TEST_CHROMIUM;
  if (named) return named;
  if (os.platform() !== "linux" || os.arch() !== "x64") {
    throw new Error("set SEGFLOW_TEST_CHROMIUM to a Chromium: npm has one for Linux on x64 only");
  }
  return sparticuz.executablePath();
}

export async function launch() {
  const args = ["--no-sandbox", "--headless=shell", "--hide-scrollbars", "--disable-dev-shm-usage", "--font-render-hinting=none", "--disable-gpu"];
  return chromium.launch({ executablePath: await executable(), args });
}

// A page as an email is shown: no scripts, no network, pictures as coloured areas.
export async function open(browser, html, { width, dark = false, scale = 1 }) {
  const context = await browser.newContext({
    viewport: { width, height: 700 }, deviceScaleFactor: scale, colorScheme: dark ? "dark" : "light",
  });
  const page = await context.newPage();
  await page.route("**/*", (route) => {
    const url = new URL(route.request().url());
    return route.fulfill({ contentType: "image/svg+xml", body: picture(url.pathname) });
  });
  await page.setContent(html, { waitUntil: "load" });
  return page;
}

// On a busy machine it sometimes cannot.
export async function shoot(page, options, tries = 3) {
  try {
    return await page.screenshot({ fullPage: true, ...options });
  } catch (error) {
    if (tries <= 1) throw error;
    return shoot(page, options, tries - 1);
  }
}

const hues = { "/mark.png": 18, "/studio.png": 35, "/tall-mug.png": 205, "/breakfast-bowl.png": 80, "/espresso-cup.png": 260 };

function picture(name) {
  const hue = hues[name] ?? 150;
  const wide = name.includes("studio") || name.includes("hills");
  const size = wide ? 'viewBox="0 0 480 220" width="480" height="220"' : 'viewBox="0 0 100 100" width="100" height="100"';
  const shapes = wide
    ? `<circle cx="380" cy="60" r="34" fill="hsl(${hue},80%,82%)"/><path d="M0 170 Q120 90 240 160 T480 140 V220 H0Z" fill="hsl(${hue - 12},45%,48%)"/><path d="M0 200 Q160 150 480 195 V220 H0Z" fill="hsl(${hue - 16},45%,34%)"/>`
    : name.includes("mark")
      ? `<path d="M28 30 h40 v22 a20 20 0 0 1 -40 0Z" fill="white"/><path d="M68 36 h8 a8 8 0 0 1 0 16 h-8" fill="none" stroke="white" stroke-width="6"/>`
      : `<ellipse cx="50" cy="78" rx="30" ry="6" fill="hsl(${hue},25%,62%)"/><path d="M26 34 h42 v22 a21 21 0 0 1 -42 0Z" fill="hsl(${hue},45%,42%)"/><path d="M68 40 h7 a8 8 0 0 1 0 16 h-7" fill="none" stroke="hsl(${hue},45%,42%)" stroke-width="5"/>`;
  const ground = name.includes("mark") ? "#b3441b" : `hsl(${hue},45%,${wide ? 72 : 86}%)`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} preserveAspectRatio="none"><rect width="100%" height="100%" fill="${ground}"/>${shapes}</svg>`;
}

// The preview. What is looked at stands in the address, so that a reload, a link and the back button keep it.
"use strict";

const tabs = [["preview", "Preview"], ["text", "Text"], ["source", "Source"], ["headers", "Headers"], ["data", "Data"], ["checks", "Checks"]];
const widths = { desktop: 720, phone: 390 };
let state = { version: -1, gallery: null };

const at = (id) => document.getElementById(id);

/** An element: its name, its properties, and what is in it. Text stays text. */
function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element[key] = value;
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function wanted() {
  const [id, query] = location.hash.slice(1).split("?");
  const said = new URLSearchParams(query || "");
  return {
    id: decodeURIComponent(id || ""),
    sample: said.get("sample") || "",
    tab: said.get("tab") || "preview",
    width: said.get("width") || (innerWidth > 1500 ? "both" : "desktop"),
    scheme: said.get("scheme") || "light",
    pictures: said.get("pictures") || "on",
  };
}

function go(change) {
  const { id, ...rest } = { ...wanted(), ...change };
  const query = new URLSearchParams();
  const usual = { sample: "", tab: "preview", scheme: "light", pictures: "on" };
  for (const [key, value] of Object.entries(rest)) if (value !== usual[key]) query.set(key, value);
  location.hash = encodeURIComponent(id) + (query.size ? "?" + query : "");
}

function counts(email) {
  const of = (level) => email.findings.filter((finding) => finding.level === level).length;
  return ["error", "warning"].filter(of).map((level) =>
    el("span", { class: "count " + level, title: of(level) + " " + level + (of(level) > 1 ? "s" : "") }, String(of(level))));
}

function chosen() {
  const all = state.gallery ? state.gallery.emails : [];
  const { id, sample } = wanted();
  return all.find((email) => email.id === id && (email.sample || "") === sample) || all.find((email) => email.id === id) || all[0];
}

/** Buttons of which one is pressed. */
function group(name, choices, current, key, extra = () => null) {
  return el("div", { class: "group", role: "group", "aria-label": name },
    choices.map(([value, label]) =>
      el("button", { "aria-pressed": String(value === current), onclick: () => go({ [key]: value }) }, label, extra(value))));
}

function list() {
  const { gallery } = state;
  const current = chosen();
  const section = (title, emails) => emails.length === 0 ? [] : [
    el("h2", {}, title),
    emails.map((email) =>
      el("button", {
        "aria-current": email === current || (current && email.id === current.id) ? "page" : undefined,
        onclick: () => go({ id: email.id, sample: "" }),
      }, el("span", { class: "id" }, el("span", {}, email.id), counts(email)),
        el("span", { class: "subject" }, email.content ? email.content.subject : "cannot be shown"))),
  ];
  const firsts = (gallery ? gallery.emails : []).filter((email, index, all) => all.findIndex((other) => other.id === email.id) === index);
  at("list").replaceChildren(
    el("h1", {}, gallery ? gallery.project : "…"),
    ...section("Campaigns", firsts.filter((email) => !email.transactional)).flat(),
    ...section("Transactions", firsts.filter((email) => email.transactional)).flat());
}

function bar(email) {
  const now = wanted();
  const samples = state.gallery.emails.filter((other) => other.id === email.id);
  at("bar").replaceChildren(
    group("View", tabs, now.tab, "tab", (tab) => tab === "checks" && email.findings.length ? counts(email)[0] : null),
    ...(samples.length > 1 ? [group("Sample", samples.map((other, n) => [other.sample || "", other.sample || "sample " + (n + 1)]), email.sample || "", "sample")] : []),
    el("span", { class: "grow" }),
    ...(now.tab === "preview" ? [
      group("Width", [["desktop", "Desktop"], ["phone", "Phone"], ["both", "Both"]], now.width, "width"),
      group("Scheme", [["light", "Light"], ["dark", "Dark"]], now.scheme, "scheme"),
      group("Pictures", [["on", "Pictures"], ["off", "None"]], now.pictures, "pictures"),
    ] : []));
}

function envelope(email) {
  const row = (key, ...value) => [el("span", { class: "key" }, key), el("span", { class: "value" }, ...value)];
  const subject = email.content ? [el("b", {}, email.content.subject), el("i", {}, email.preview ? " — " + email.preview : "")] : [el("i", {}, "none")];
  at("envelope").replaceChildren(...row("From", email.from || "nobody yet"), ...row("To", email.to || "the user has no address"), ...row("Subject", ...subject));
}

/** One screen. The email is as tall as it is: only the page scrolls. */
function screen(email, kind) {
  const now = wanted();
  const index = state.gallery.emails.indexOf(email);
  const query = new URLSearchParams({ scheme: now.scheme, pictures: now.pictures, version: state.version });
  const frame = el("iframe", { title: email.id + " on a " + kind, sandbox: "allow-same-origin allow-popups", src: "frame/" + index + "?" + query });
  frame.style.colorScheme = now.scheme;
  frame.height = 640;
  frame.onload = () => {
    const page = frame.contentDocument;
    if (!page || !page.body) return;
    const fit = () => { frame.height = Math.max(kind === "phone" ? 640 : 320, page.documentElement.offsetHeight, page.body.scrollHeight); };
    fit();
    new ResizeObserver(fit).observe(page.body);
    // A link leads out of the frame, or nowhere: those that the server fills in for each recipient.
    for (const link of page.links) {
      link.target = "_blank";
      if (!/^(https?|mailto|tel):/.test(link.getAttribute("href"))) link.onclick = (event) => event.preventDefault();
    }
  };
  const figure = el("figure", { class: kind + " " + now.scheme },
    el("figcaption", {}, (kind === "phone" ? "Phone" : "Desktop") + " · " + widths[kind] + " px"), el("div", { class: "screen" }, frame));
  figure.style.width = widths[kind] + (kind === "phone" ? 14 : 0) + "px";
  return figure;
}

/** HTML with its tags coloured. */
function source(html) {
  const pre = el("pre", { class: "wide" });
  for (const part of html.split(/(<!--[^]*?-->|<[^>]*>)/)) {
    if (part.startsWith("<!")) pre.append(el("span", { class: "note" }, part));
    else if (part.startsWith("<")) {
      const [, name, rest] = part.match(/^(<\/?[^\s>]*)([^]*)$/);
      pre.append(el("span", { class: "tag" }, name));
      for (const bit of rest.split(/("[^"]*")/)) pre.append(bit.startsWith('"') ? el("span", { class: "attr" }, bit) : bit);
    } else pre.append(part);
  }
  return pre;
}

function headers(email) {
  const { content } = email;
  const lines = [
    ["From", email.from || ""], ...(email.reply_to ? [["Reply-To", email.reply_to]] : []), ["To", email.to || ""], ["Subject", content.subject],
    ...email.headers,
    ["MIME-Version", "1.0"], ["Content-Type", "multipart/alternative"],
    ["", ""],
    ["text/plain; charset=utf-8", content.text.length + " characters"], ["text/html; charset=utf-8", content.html.length + " characters"],
  ];
  return el("pre", {}, lines.map(([key, value]) => key ? [el("span", { class: "attr" }, key), ": " + value + "\n"] : "\n").flat());
}

function data(email) {
  const made = email.made_up.length ? el("span", { class: "note" }, "\n\nMade up from types and names: " + email.made_up.join(", ") + ". Declare it in the code: #[email(\"" + email.id + "\", sample(" + email.made_up.map((name) => name + " = …").join(", ") + "))]") : "";
  return el("pre", {}, JSON.stringify({ user: email.user, ...email.args }, null, 2), made);
}

function checks(email) {
  if (!email.findings.length) return el("div", { class: "sheet" }, el("div", { class: "good" }, "Nothing found. Words can be read, pictures are described, and it is small enough."));
  return el("div", { class: "sheet" }, email.findings.map((finding) =>
    el("div", { class: "finding " + finding.level }, finding.message, " ", el("code", {}, finding.code))));
}

function stage(email) {
  const now = wanted();
  if (!email.content && now.tab !== "data") return [checks(email)];
  switch (now.tab) {
    case "text": return [el("pre", {}, email.content.text)];
    case "source": return [source(email.content.html)];
    case "headers": return [headers(email)];
    case "data": return [data(email)];
    case "checks": return [checks(email)];
    default: return (now.width === "both" ? ["desktop", "phone"] : [now.width]).map((kind) => screen(email, kind));
  }
}

function foot(email) {
  if (!email.content) return at("foot").replaceChildren();
  const bytes = new TextEncoder().encode(email.content.html).length;
  // The mark stands where Gmail clips; there is room beyond it.
  const share = Math.min(100, bytes / state.clipped_at / 1.25 * 100);
  const meter = el("span", { class: "meter" + (bytes > state.clipped_at ? " full" : "") }, el("i", { style: "width:" + share + "%" }), el("b", { style: "left:80%", title: "Gmail clips here" }));
  at("foot").replaceChildren(
    el("span", {}, (bytes / 1024).toFixed(1) + " KB of HTML"), meter, el("span", {}, "Gmail clips at 102 KB"), el("span", { class: "grow" }),
    el("span", {}, email.made_up.length ? "with made-up data: " + email.made_up.join(", ") : "with the project's sample"));
}

function draw() {
  const email = chosen();
  at("trouble").hidden = !state.trouble;
  at("trouble").textContent = state.trouble || "";
  list();
  if (!email) {
    for (const id of ["bar", "envelope", "foot"]) at(id).replaceChildren();
    at("stage").replaceChildren(el("div", { class: "good" }, state.gallery ? "The project has no emails yet." : "The project is being built …"));
    return;
  }
  document.title = email.id + " · " + state.gallery.project;
  bar(email);
  envelope(email);
  const place = at("stage").scrollTop;
  at("stage").replaceChildren(...stage(email));
  at("stage").scrollTop = place;
  foot(email);
}

async function follow() {
  for (;;) {
    try {
      state = await (await fetch("gallery.json")).json();
      draw();
      await fetch("changed?version=" + state.version);
    } catch {
      at("trouble").hidden = false;
      at("trouble").textContent = "segflow has ended. This page goes on when it is started again.";
      await new Promise((later) => setTimeout(later, 1000));
    }
  }
}

addEventListener("hashchange", draw);
follow();

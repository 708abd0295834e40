// The six emails of tests/plugins/six, as one writes them with React Email.
import {
  Body, Button, Column, Container, Head, Heading, Hr, Html, Img, Link, Preview, Row, Section, Tailwind, Text, pixelBasedPreset,
} from "@react-email/components";
import { Fragment, createElement } from "react";

// As JSX would become: h(Type, "classes", { props }, …children).
const h = (type, className, props, ...children) => createElement(type, { className, ...props }, ...children);

const colors = {
  ink: "#231d17", clay: "#b3441b", cream: "#faf6ef", line: "#e8dfd2", muted: "#6b6054",
  night: "#14110e", dusk: "#221d18", chalk: "#f4ede2", ash: "#b9ad9d", edge: "#3b332b", ember: "#fb9a5b",
};
const sans = ["-apple-system", "BlinkMacSystemFont", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"];
const config = { presets: [pixelBasedPreset], theme: { extend: { colors, fontFamily: { sans } } } };
const dollars = (cents) => `$${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;

const Letter = ({ tailwind, preview, reason, wide, children }) =>
  h(Html, undefined, { lang: "en" },
    h(...(tailwind ? [Tailwind, undefined, { config }] : [Fragment]),
      h(Head, undefined, {}, h("meta", undefined, { name: "color-scheme", content: "light dark" })),
      h(Preview, undefined, {}, preview),
      h(Body, "m-0 bg-cream px-3 py-10 font-sans dark:bg-night max-sm:py-4", {},
        h(Container, wide ? "max-w-[640px]" : "max-w-[560px]", {},
          h(Section, "px-2 pb-6", {},
            h(Row, undefined, {},
              h(Column, "w-[44px] align-middle", {},
                h(Img, "rounded-lg", { src: "https://kiln.example/mark.png", alt: "", width: 32, height: 32 })),
              h(Column, "align-middle", {}, h(Text, "m-0 text-lg font-semibold tracking-tight text-ink dark:text-chalk", {}, "Kiln & Cup")))),
          h(Section, "rounded-2xl border border-solid border-line bg-white p-10 dark:border-edge dark:bg-dusk max-sm:p-6", {}, children),
          h(Section, "px-2 pt-6", {},
            h(Text, "m-0 text-xs leading-5 text-muted dark:text-ash", {},
              reason, " ", h(Link, "text-muted underline dark:text-ash", { href: "segflow:unsubscribe" }, "Unsubscribe"), " or ",
              h(Link, "text-muted underline dark:text-ash", { href: "segflow:preferences" }, "choose what you get"), "."),
            h(Text, "m-0 mt-2 text-xs leading-5 text-muted dark:text-ash", {}, "Kiln & Cup · 7 Potters Row · Stoke ST1 4AA"))))));

const Title = ({ children }) =>
  h(Heading, "m-0 mb-4 text-3xl font-semibold tracking-tight text-ink dark:text-chalk max-sm:text-2xl", { as: "h1" }, children);
const Prose = ({ children }) => h(Text, "m-0 mb-5 text-base leading-7 text-ink dark:text-chalk", {}, children);
const Small = ({ children }) => h(Text, "m-0 text-sm leading-6 text-muted dark:text-ash", {}, children);
const Action = ({ to, children }) =>
  h(Button, "rounded-lg bg-clay px-6 py-3.5 text-base font-semibold text-white hover:bg-ink", { href: to }, children);
const Rule = () => h(Hr, "my-6 border-line dark:border-edge");

const Step = ({ number, title, children }) =>
  h(Row, "mb-6", {},
    h(Column, "w-[48px] align-top", {},
      h(Text, "m-0 w-8 rounded-full bg-cream text-center text-sm font-semibold leading-8 text-clay dark:bg-night dark:text-ember", {}, number)),
    h(Column, "align-top", {},
      h(Heading, "m-0 text-base font-semibold leading-6 text-ink dark:text-chalk", { as: "h2" }, title),
      h(Small, undefined, {}, children)));

const welcome = (user, _, tailwind) =>
  h(Letter, undefined, { tailwind, preview: "Three things worth knowing before your first cup.", reason: "You get this because you opened an account with us." },
    h(Img, "mb-8 w-full rounded-xl", { src: "https://kiln.example/studio.png", alt: "Our studio in the morning", width: 480, height: 220, style: { height: "auto" } }),
    h(Title, undefined, {}, "Welcome, ", user.name),
    h(Prose, undefined, {}, "We make cups and bowls by hand, in small batches, and send them to people who use them every day. It is good to have you here."),
    h(Rule),
    h(Step, undefined, { number: "1", title: "New things on Thursdays" }, "A kiln is opened every week. What comes out is in the shop by noon."),
    h(Step, undefined, { number: "2", title: "Thirty days to change your mind" }, "Send it back as it came. We pay the postage."),
    h(Step, undefined, { number: "3", title: "A person answers" }, "Reply to any of our emails and one of us reads it."),
    h(Action, undefined, { to: "https://kiln.example/new" }, "See what is new"));

const reset = (user, { code, link }, tailwind) =>
  h(Letter, undefined, { tailwind, preview: "The link is good for one hour.", reason: "You get this because somebody asked for a new password for this address." },
    h(Title, undefined, {}, "Set a new password"),
    h(Prose, undefined, {}, "Hello ", user.name, ", somebody asked for a new password for your account. If that was you, this button is good for one hour:"),
    h(Section, "mb-6", {}, h(Action, undefined, { to: link }, "Choose a new password")),
    h(Prose, undefined, {}, "Or type this code where you were asked for it:"),
    h(Section, "mb-6 rounded-xl bg-cream px-6 py-5 text-center dark:bg-night", {},
      h(Text, "m-0 font-mono text-3xl font-semibold tracking-widest text-ink dark:text-chalk", {}, code)),
    h(Small, undefined, {}, "If the button does nothing, open this address: ", h(Link, "break-all text-clay underline dark:text-ember", { href: link }, link)),
    h(Rule),
    h(Small, undefined, {}, "It was not you? Then there is nothing to do: your password stays as it is."));

const winback = (user, { products }, tailwind) =>
  h(Letter, undefined, { tailwind, preview: "The shelves have changed since you were here last.", reason: "You get this because you bought from us before." },
    h(Title, undefined, {}, "We kept your seat warm, ", user.name),
    h(Prose, undefined, {}, "The shelves have changed since you were here last. These came out of the kiln this week:"),
    h(Row, "mb-4", {}, products.map((product) =>
      h(Column, "w-1/3 px-2 pb-4 align-top max-[480px]:block max-[480px]:w-full max-[480px]:px-0", { key: product.link },
        h(Img, "mb-3 w-full rounded-xl", { src: product.picture, alt: product.name, width: 144, height: 144, style: { height: "auto" } }),
        h(Text, "m-0 text-sm font-semibold leading-6 text-ink dark:text-chalk", {},
          h(Link, "text-ink no-underline dark:text-chalk", { href: product.link }, product.name)),
        h(Small, undefined, {}, dollars(product.price))))),
    h(Section, "mb-8 border-0 border-l-4 border-solid border-clay bg-cream px-6 py-5 dark:bg-night", {},
      h(Text, "m-0 font-serif text-lg italic text-ink dark:text-chalk", {}, "“The blue one is my third, and the first that nobody has borrowed.”"),
      h(Text, "m-0 mt-2 text-sm leading-6 text-muted dark:text-ash", {}, "Rosa, Bristol")),
    h(Action, undefined, { to: "https://kiln.example/new" }, "Come back"));

const vip = (user, { code, percent }, tailwind) =>
  h(Letter, undefined, { tailwind, preview: "And new things a day earlier, every week.", reason: "You get this because you are one of our best customers." },
    h(Section, "mb-8 rounded-xl bg-ink px-6 py-10 text-center dark:bg-night", {},
      h(Text, "m-0 mb-2 text-xs font-semibold uppercase tracking-widest text-ember", {}, "The inner circle"),
      h(Text, "m-0 text-5xl font-semibold tracking-tight text-chalk max-sm:text-4xl", {}, percent, " % off"),
      h(Text, "m-0 mt-3 text-sm leading-6 text-ash", {}, "with the code ", h("strong", "text-chalk", {}, code))),
    h(Title, undefined, {}, "Thank you, ", user.name),
    h(Prose, undefined, {}, "You are one of the people who keep the kiln warm. From today on you have:"),
    h("ul", "m-0 mb-8 pl-6 text-ink dark:text-chalk", {},
      h("li", "mb-2 text-base leading-7", {}, "new things on Wednesdays, a day before anybody else"),
      h("li", "mb-2 text-base leading-7", {}, "free shipping on every order, however small"),
      h("li", "text-base leading-7", {}, "a person to write to: ",
        h(Link, "text-clay underline dark:text-ember", { href: "mailto:vip@kiln.example" }, "vip@kiln.example"))),
    h(Action, undefined, { to: "https://kiln.example/vip" }, "Your page"));

const Sum = ({ what, cents }) =>
  h(Row, undefined, {},
    h(Column, "align-top", {}, h(Small, undefined, {}, what)),
    h(Column, "w-[96px] text-right align-top", { align: "right" }, h(Small, undefined, {}, dollars(cents))));

const order = (user, { order }, tailwind) => {
  const goods = order.lines.reduce((sum, line) => sum + line.count * line.price, 0);
  return h(Letter, undefined, { tailwind, preview: `Thank you, ${user.name}. We write again when it is on its way.`, reason: "You get this because you ordered from us." },
    h(Title, undefined, {}, "Thank you, ", user.name),
    h(Prose, undefined, {}, "Your order ", h("strong", undefined, {}, order.number), " is paid. We wrap it tomorrow and write again when it is on its way."),
    h(Rule),
    order.lines.map((line) =>
      h(Row, "mb-3", { key: line.name },
        h(Column, "align-top", {},
          h(Text, "m-0 text-sm font-semibold leading-6 text-ink dark:text-chalk", {}, line.name),
          h(Text, "m-0 text-xs leading-5 text-muted dark:text-ash", {}, line.count, " × ", dollars(line.price), ", ", line.detail)),
        h(Column, "w-[96px] text-right align-top", { align: "right" },
          h(Text, "m-0 text-sm leading-6 text-ink dark:text-chalk", {}, dollars(line.count * line.price))))),
    h(Rule),
    h(Sum, undefined, { what: "Goods", cents: goods }),
    h(Sum, undefined, { what: "Shipping", cents: order.shipping }),
    h(Sum, undefined, { what: "Tax", cents: order.tax }),
    h(Row, "mb-8 mt-3", {},
      h(Column, "align-top", {}, h(Text, "m-0 text-lg font-semibold text-ink dark:text-chalk", {}, "Total")),
      h(Column, "w-[120px] text-right align-top", { align: "right" },
        h(Text, "m-0 text-lg font-semibold text-ink dark:text-chalk", {}, dollars(goods + order.shipping + order.tax)))),
    h(Section, "mb-8 rounded-xl bg-cream px-6 py-5 dark:bg-night", {},
      h(Heading, "m-0 mb-1 text-sm font-semibold text-ink dark:text-chalk", { as: "h2" }, "It goes to"),
      order.address.map((line) => h(Small, undefined, { key: line }, line))),
    h(Action, undefined, { to: "https://kiln.example/orders" }, "See your order"));
};

const digest = (user, { month, stories }, tailwind) =>
  h(Letter, undefined, { tailwind, wide: true, preview: `${stories.length} stories from the studio, and one recipe.`, reason: "You get this because you asked for our letter." },
    h(Title, undefined, {}, month, " in the studio"),
    h(Prose, undefined, {}, stories.length, " stories, the newest first. Read one with your coffee."),
    stories.map((story) =>
      h(Fragment, undefined, { key: story.link },
        h(Rule),
        h(Heading, "m-0 mb-1 text-lg font-semibold", { as: "h2" },
          h(Link, "text-ink no-underline dark:text-chalk", { href: story.link }, story.title)),
        h(Text, "m-0 mb-2 text-xs leading-5 text-muted dark:text-ash", {}, story.author, " · ", story.minutes, " min"),
        h(Text, "m-0 text-sm leading-6 text-ink dark:text-chalk", {}, story.words))),
    h(Rule),
    h(Action, undefined, { to: "https://kiln.example/stories" }, "All stories"));

export const letters = { welcome, winback, vip, order, reset, digest };

// Prints src/class/tailwind.txt: what Tailwind makes of classes, in px, hex and physical sides, as mail clients read them.
// In a folder with `npm i tailwindcss@4`: node classes.mjs > …/src/class/tailwind.txt
import fs from 'fs';
import { createRequire } from 'module';
import { pathToFileURL } from 'url';
const require = createRequire(process.cwd() + '/');
const tailwind = await import(pathToFileURL(require.resolve('tailwindcss')));
const compile = tailwind.compile ?? tailwind.default.compile;
const folder = 'node_modules/tailwindcss/';
const theme = fs.readFileSync(folder + 'theme.css', 'utf8');
const version = JSON.parse(fs.readFileSync(folder + 'package.json', 'utf8')).version;

const colors = ['black', 'white', 'transparent', 'inherit', '[#eaeaea]', '[#ABC]'];
for (const m of theme.matchAll(/--color-([a-z]+-\d+):/g)) colors.push(m[1]);
const steps = ['0', 'px', '0.5', '1', '1.5', '2', '3', '4', '5', '7', '10', '13', '24', '96', '[12px]', '[1.5rem]', '[10%]'];
const widths = ['3xs', '2xs', 'xs', 'sm', 'md', 'lg', 'xl', '2xl', '3xl', '4xl', '5xl', '6xl', '7xl', 'full', 'auto', '1/2', '1/3', '3/4'];
const all = [];
const each = (starts, values) => starts.forEach(s => values.forEach(v => all.push(v === '' ? s : `${s}-${v}`)));
each(['p', 'px', 'py', 'pt', 'pr', 'pb', 'pl'], steps);
each(['m', 'mx', 'my', 'mt', 'mr', 'mb', 'ml'], [...steps, 'auto']);
each(['w', 'min-w', 'max-w'], [...steps, ...widths, 'none']);
each(['h', 'min-h', 'max-h', 'size'], [...steps, 'full', 'auto', 'none', '1/2']);
each(['bg', 'text', 'border', 'border-t', 'border-x'], colors);
each(['border', 'border-x', 'border-y', 'border-t', 'border-r', 'border-b', 'border-l'], ['', '0', '2', '3', '8', '[5px]']);
each(['border'], ['solid', 'dashed', 'dotted', 'double', 'none', 'collapse', 'separate']);
each(['rounded', 'rounded-t', 'rounded-r', 'rounded-b', 'rounded-l', 'rounded-tl', 'rounded-tr', 'rounded-br', 'rounded-bl'],
  ['', 'none', 'xs', 'sm', 'md', 'lg', 'xl', '2xl', '3xl', '4xl', 'full', '[7px]']);
each(['text'], ['xs', 'sm', 'base', 'lg', 'xl', '2xl', '3xl', '4xl', '5xl', '6xl', '7xl', '8xl', '9xl', '[13px]', 'sm/6', '[13px]/5', 'left', 'center', 'right', 'justify']);
each(['leading'], ['none', 'tight', 'snug', 'normal', 'relaxed', 'loose', '5', '6', '10', '[18px]', '[1.4]']);
each(['tracking'], ['tighter', 'tight', 'normal', 'wide', 'wider', 'widest', '[1px]', '[0.2em]']);
each(['font'], ['sans', 'serif', 'mono', 'thin', 'extralight', 'light', 'normal', 'medium', 'semibold', 'bold', 'extrabold', 'black', '[550]']);
all.push(...'block inline-block inline hidden table table-cell table-row table-auto table-fixed overflow-hidden overflow-visible align-baseline align-top align-middle align-bottom italic not-italic underline overline line-through no-underline uppercase lowercase capitalize normal-case whitespace-normal whitespace-nowrap whitespace-pre whitespace-pre-line whitespace-pre-wrap break-all break-keep wrap-break-word break-words list-none list-disc list-decimal'.split(' '));
// Which of several wins.
all.push('p-4 px-2', 'px-2 p-4', 'p-10 p-4', 'text-lg text-sm', 'leading-8 text-sm', 'text-sm leading-8', 'border-b-2 border', 'rounded-t-lg rounded', 'mt-4 my-2 m-1', 'w-4 size-8', 'font-bold font-light', 'text-red-500 text-blue-500', 'underline no-underline', 'block hidden', 'bg-white bg-black', 'border-red-500 border-t-blue-500', 'text-[13px] text-sm', 'max-w-md max-w-[300px]', 'p-[3px] p-4', 'italic not-italic', 'text-center text-left', 'rounded-none rounded-full', 'border-dashed border-solid');
// And of any three: always the same ones. What is known to differ by itself is in differences.txt already.
let seed = 42;
const roll = n => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
const single = all.filter(name => !/ |^(max-[wh]-auto|(min-)?[wh]-none|size-none)$|rounded.*full|font-(sans|serif|mono)|^text-(\[?\d|xs|sm|base|lg|xl)/.test(name));
const start = name => name.replace(/-?(\[.*|[\d./]+|px|auto|full)$/, '');
for (let i = 0; i < 1500; i++) {
  const first = single[roll(single.length)];
  // Such as are likely to be about the same thing.
  const near = single.filter(name => name !== first && start(name)[0] === start(first)[0] && (roll(3) === 0 || start(name) === start(first)));
  all.push([first, near[roll(near.length)], single[roll(single.length)]].join(' '));
}

// And those that depend on something: the rule around is part of what they mean.
each(['hover:', 'dark:', 'sm:', 'md:', 'lg:', 'xl:', 'max-sm:', 'max-md:', 'max-lg:', 'max-xl:', 'min-[480px]:', 'max-[480px]:', 'dark:hover:', 'sm:dark:', 'sm:max-md:'].map(v => v + 'p'), ['4']);

const vars = {};
for (const m of theme.replace(/\/\*[^]*?\*\//g, '').matchAll(/(--[\w-]+):\s*([^;]+);/g)) vars[m[1]] = m[2].replace(/\s+/g, ' ').trim();
const initial = { '--tw-border-style': 'solid' };

const hex = (L, C, H) => {
  const h = H * Math.PI / 180, a = C * Math.cos(h), b = C * Math.sin(h);
  const l = (L + .3963377774 * a + .2158037573 * b) ** 3, m = (L - .1055613458 * a - .0638541728 * b) ** 3, s = (L - .0894841775 * a - 1.291485548 * b) ** 3;
  const rgb = [4.0767416621 * l - 3.3077115913 * m + .2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - .3413193965 * s, -.0041960863 * l - .7034186147 * m + 1.707614701 * s];
  return '#' + rgb.map(x => { x = Math.min(1, Math.max(0, x)); x = x <= .0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - .055; return Math.round(x * 255).toString(16).padStart(2, '0'); }).join('');
};
const round = n => String(+n.toFixed(4));
function value(v, own) {
  for (let i = 0; i < 9 && v.includes('var('); i++) v = v.replace(/var\((--[\w-]+)(?:,\s*([^()]*(?:\([^()]*\))*[^()]*))?\)/, (_, n, f) => own[n] ?? initial[n] ?? (n.startsWith('--tw-') ? f : vars[n]) ?? f);
  v = v.replace(/oklch\(([\d.]+)%\s+([\d.]+)\s+([\d.]+|none)\)/, (_, l, c, h) => hex(+l / 100, +c, h === 'none' ? 0 : +h));
  v = v.replace(/calc\(infinity \* 1px\)/, 'infinite');
  v = v.replace(/([\d.]+)rem/g, (_, n) => `${n * 16}px`);
  v = v.replace(/calc\(([^()]+)\)/g, (_, e) => { const unit = e.includes('px') ? 'px' : e.includes('%') ? '%' : e.includes('em') ? 'em' : ''; return eval(e.replace(/px|%|em/g, '')) + unit; });
  v = v.replace(/^#([0-9a-f])([0-9a-f])([0-9a-f])$/i, '#$1$1$2$2$3$3');
  if (/^#/.test(v)) v = v.toLowerCase();
  return v.replace(/^(-?[\d.e-]+)(px|%|em)$/, (_, n, u) => +n === 0 ? '0' : round(+n) + u);
}
const S = ['top', 'right', 'bottom', 'left'], C = ['top-left', 'top-right', 'bottom-right', 'bottom-left'];
function longhands(p) {
  const m = p.match(/^(margin|padding|border)(-inline|-block)?(-start|-end)?(-width|-style|-color)?$/);
  if (m) {
    const sides = m[2] === '-inline' ? ['left', 'right'] : m[2] === '-block' ? ['top', 'bottom'] : S;
    const these = m[3] === '-start' ? [sides[0]] : m[3] === '-end' ? [sides[1]] : sides;
    return these.map(s => `${m[1]}-${s}${m[4] ?? ''}`);
  }
  return p === 'border-radius' ? C.map(c => `border-${c}-radius`) : [p];
}
const rule = css => [...css.matchAll(/^\s*(-{0,2}[\w-]+):\s*([^;{}]+);/gm)].map(m => [m[1], m[2].replace(/\s+/g, ' ').trim()]);
console.log(`# Tailwind ${version}; made by tailwind/classes.mjs`);
for (const names of all) {
  const compiler = await compile(theme + '@tailwind utilities;');
  const css = compiler.build(names.split(' ')).replace(/@layer properties;/, '').replace(/@layer properties\s*\{[^]*$/, '').replace(/@property[^]*?\}/g, '').replace(/:root,\s*:host\s*\{[^]*?\n\}/g, '').replace(/@layer theme\s*\{[^]*?\n\}/g, '');
  const decls = rule(css);
  if (!decls.length) continue;
  const own = Object.fromEntries(decls.filter(([p]) => p.startsWith('--')));
  const out = {};
  for (const [p, v] of decls) if (!p.startsWith('--')) for (const l of longhands(p)) { delete out[l]; out[l] = value(v, own); }
  // Where the size of the text is known, the height of its lines is too.
  if (/^[\d.]+$/.test(out['line-height'] ?? '') && out['font-size'] && !own['--tw-leading']?.match(/^[\d.]+$/)) out['line-height'] = round(out['line-height'] * parseFloat(out['font-size'])) + 'px';
  // The questions as we ask them, those about widths first: from a width on is `min-width`, below it one px less.
  const px = w => w.endsWith('rem') ? parseFloat(w) * 16 : parseFloat(w);
  const asked = [...css.matchAll(/@media ([^{]+) \{/g)].map(m => m[1]).filter(q => q !== '(hover: hover)').map(q =>
    q.replace(/width >= ([\d.]+\w+)/, (_, w) => `min-width:${px(w)}px`).replace(/width < ([\d.]+\w+)/, (_, w) => `max-width:${px(w) - 1}px`).replace(': ', ':'));
  const when = (asked.length ? '@media ' + asked.sort((a, b) => a.includes('scheme') - b.includes('scheme') || b.includes('min-') - a.includes('min-')).join(' and ') + ' ' : '') + (/[^\\]:hover/.test(css) ? ':hover ' : '');
  console.log(names + '\t' + when + Object.entries(out).sort(([a], [b]) => a < b ? -1 : 1).map(([p, v]) => `${p}:${v}`).join(';'));
}

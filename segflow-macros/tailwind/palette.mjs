// Prints the rows of src/class/palette.rs. In a folder with `npm i tailwindcss@4`: node palette.mjs
import fs from 'fs';
const css=fs.readFileSync('node_modules/tailwindcss/theme.css','utf8');
const m=[...css.matchAll(/--color-([a-z]+)-(\d+):\s*oklch\(([\d.]+)%\s+([\d.]+)\s+([\d.]+|none)\)/g)];
const hex=(L,C,H)=>{L/=100;const h=H*Math.PI/180,a=C*Math.cos(h),b=C*Math.sin(h);
const l=(L+.3963377774*a+.2158037573*b)**3,mm=(L-.1055613458*a-.0638541728*b)**3,s=(L-.0894841775*a-1.291485548*b)**3;
const f=[4.0767416621*l-3.3077115913*mm+.2309699292*s,-1.2684380046*l+2.6097574011*mm-.3413193965*s,-.0041960863*l-.7034186147*mm+1.707614701*s];
return f.map(x=>{x=Math.min(1,Math.max(0,x));x=x<=.0031308?12.92*x:1.055*x**(1/2.4)-.055;return Math.round(x*255).toString(16).padStart(2,'0')}).join('')};
const out={};for(const [,n,s,L,C,H] of m)(out[n]??=[]).push([+s,hex(+L,+C,H==='none'?0:+H)]);
for(const n in out)console.log(`    ("${n}", [${out[n].map(x=>'0x'+x[1]).join(', ')}]),`);

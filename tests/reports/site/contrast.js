// The contrast of texts with what is behind them: selector to ratio (WCAG 2.1).
const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const light = (rgb) => { const [r, g, b] = rgb.match(/[\d.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
const ground = (node) => { for (let n = node; n; n = n.parentElement) { const c = getComputedStyle(n).backgroundColor; if (!/, 0\)$|transparent|color\(/.test(c)) return c; } return 'rgb(255,255,255)'; };
document.getElementById('board').classList.remove('shade');
return Object.fromEntries(['h1', '.lead', '.count', '.note', 'thead button', 'tbody th a', 'tbody td', '.badge', 'footer p', '.top a'].map((selector) => {
  const node = document.querySelector(selector); const a = light(getComputedStyle(node).color), b = light(ground(node));
  return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
}));

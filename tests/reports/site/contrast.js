// The contrast of texts with what is behind them, shades included: selector to the worst ratio (WCAG 2.1).
const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const paint = (colours) => { pen.clearRect(0, 0, 1, 1); for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); } return [...pen.getImageData(0, 0, 1, 1).data]; };
const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const grounds = (node) => { const found = []; for (let n = node; n; n = n.parentElement) found.unshift(getComputedStyle(n).backgroundColor); return ['white', ...found]; };
const ratio = (node) => { const behind = grounds(node), a = light(paint([...behind, getComputedStyle(node).color])), b = light(paint(behind)); return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
const selectors = ['h1', '.lead', '.count', '.note', 'thead button', 'thead a', 'tbody th a', 'tbody td', 'tbody td small', '.badge', 'footer p', '.top a'];
return Object.fromEntries(selectors.map((selector) => [selector, Math.min(...[...document.querySelectorAll(selector)].map(ratio))]));

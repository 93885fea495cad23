// Returns [text, place, contrast] of each visible text whose contrast with what is behind it is below 4.5 (WCAG 1.4.3).

const rgba = (text) => {
  const numbers = text.match(/[\d.]+/g).map(Number);
  return { rgb: numbers.slice(0, 3), alpha: numbers.length > 3 ? numbers[3] : 1 };
};
const over = (top, below, alpha) => top.map((value, index) => value * alpha + below[index] * (1 - alpha));
const luminance = (rgb) => {
  const [red, green, blue] = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

// Nearest first: the element and those around it, up to the page.
function* around(element) {
  for (let each = element; each; each = each.parentElement) yield each;
}

function behind(element) {
  const layers = [];
  for (const each of around(element)) {
    const { rgb, alpha } = rgba(getComputedStyle(each).backgroundColor);
    if (alpha > 0) layers.push([rgb, alpha]);
    if (alpha === 1) break;
  }
  return layers.reverse().reduce((below, [rgb, alpha]) => over(rgb, below, alpha), [255, 255, 255]);
}

function contrast(element, color) {
  const back = behind(element);
  let { rgb, alpha } = rgba(color);
  for (const each of around(element)) alpha *= Number(getComputedStyle(each).opacity);
  const [light, dark] = [luminance(over(rgb, back, alpha)), luminance(back)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function place(element) {
  return [...around(element)].slice(0, 3).reverse().map((each) => `${each.localName}.${each.className}`).join(" > ");
}

const found = [];
const check = (element, text, color) => {
  const box = element.getBoundingClientRect();
  if (!text.trim() || !box.width || !box.height || !element.checkVisibility({ visibilityProperty: true })) return;
  const value = contrast(element, color);
  if (value < 4.5) found.push([text.trim().slice(0, 30), place(element), value.toFixed(1)]);
};

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!element.closest("option, script, style, noscript, .kick-hidden")) {
    check(element, texts.currentNode.data, getComputedStyle(element).color);
  }
}
for (const field of document.querySelectorAll("input:not([type=checkbox], [type=radio]), textarea, select")) {
  check(field, field.type === "file" ? "file" : field.value || " ", getComputedStyle(field).color);
  if (field.placeholder) check(field, field.placeholder, getComputedStyle(field, "::placeholder").color);
}
return found;

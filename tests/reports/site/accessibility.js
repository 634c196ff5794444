// What is wrong with a page for readers who do not see it.
const found = [];
for (const table of document.querySelectorAll('table')) if (!table.caption) found.push('table without a caption');
for (const th of document.querySelectorAll('th')) if (!th.scope) found.push(`heading without a scope: ${th.textContent}`);
for (const field of document.querySelectorAll('input, select')) if (!field.labels.length) found.push(`field without a label: ${field.id}`);
for (const image of document.querySelectorAll('img')) if (!image.alt) found.push(`picture without words: ${image.src}`);
for (const button of document.querySelectorAll('button, a')) if (!(button.textContent.trim() || button.ariaLabel)) found.push('nameless control');
const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
for (const id of new Set(ids)) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`two elements are ${id}`);
for (const part of document.querySelectorAll('[aria-labelledby], [aria-describedby]'))
  for (const id of `${part.getAttribute('aria-labelledby') || ''} ${part.getAttribute('aria-describedby') || ''}`.split(' ').filter(Boolean))
    if (!document.getElementById(id)) found.push(`named by nothing: ${id}`);
for (const link of document.querySelectorAll('.metric')) if (link.offsetHeight && link.offsetHeight < 24) found.push(`small target: ${link.ariaLabel}`);
for (const part of document.querySelectorAll('[role=img]')) if (part.querySelector('a, button, [tabindex]')) found.push(`a picture with controls in it: ${part.id}`);
const names = [...document.querySelectorAll('[role=region], section[aria-labelledby]')].map(one => one.ariaLabel || one.getAttribute('aria-labelledby'));
for (const name of new Set(names)) if (names.indexOf(name) !== names.lastIndexOf(name)) found.push(`two landmarks are ${name}`);
if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
return found;

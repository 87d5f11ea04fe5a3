/** A copy of a `<template>` and its elements with `data-part`, by that name. */
export function instantiate(id) {
  const fragment = document.getElementById(id).content.cloneNode(true);
  const parts = {};
  for (const element of fragment.querySelectorAll('[data-part]')) parts[element.dataset.part] = element;
  return { fragment, parts };
}

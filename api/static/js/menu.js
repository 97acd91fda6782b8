// On a phone the menu is wider than the window: show the place where one is.

const list = document.querySelector(".top nav");
const here = /** @type {HTMLElement} */ (list?.querySelector('[aria-current="page"]'));
if (here) list.scrollLeft = here.offsetLeft - (list.clientWidth - here.offsetWidth) / 2;

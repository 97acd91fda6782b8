// Building and changing the page. Texts become text nodes only: nothing from a ticket is ever parsed as markup.

// An element. `props` are properties, except `data` (data-*), `attrs` (attributes) and `on` (listeners).
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  const { data, attrs, on, ...plain } = props;
  Object.assign(node, plain);
  for (const [name, value] of Object.entries(data ?? {})) if (value != null) node.dataset[name] = value;
  for (const [name, value] of Object.entries(attrs ?? {})) if (value != null) node.setAttribute(name, value);
  for (const [name, value] of Object.entries(on ?? {})) node.addEventListener(name, value);
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

// The same for SVG, where everything is an attribute.
export function svg(tag, attrs = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attrs)) if (value != null) node.setAttribute(name, value);
  node.append(...children.filter((child) => child != null));
  return node;
}

export const byId = (id) => document.getElementById(id);

// Change a text only when it differs, so that an unchanged page does no work.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Fill a container anew, keeping the focus on the element with the same data-key.
export function refill(container, ...children) {
  const focused = container.contains(document.activeElement)
    ? /** @type {HTMLElement} */ (document.activeElement).dataset.key
    : null;
  container.replaceChildren(...children.flat().filter((child) => child != null && child !== false));
  if (focused) container.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

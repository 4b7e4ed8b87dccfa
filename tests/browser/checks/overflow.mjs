// Content that is wider than the screen.

/** Returns what lies outside of the viewport, the outermost elements first; empty if nothing does. */
export function overflow(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const extent = document.documentElement.scrollWidth;
    if (extent <= width) return [];
    const describe = element => {
      const classes = [...element.classList].map(name => `.${name}`).join('');
      const { right } = element.getBoundingClientRect();
      return `<${element.localName}${element.id && `#${element.id}`}${classes}> ends at ${Math.round(right)} of ${width} px: ${element.textContent.trim().replace(/\s+/g, ' ').slice(0, 60)}`;
    };
    const scrolls = element => element.closest('.scroll, pre, .tabs, .filters ul') !== null;
    const outside = [...document.body.querySelectorAll('*')]
      .filter(element => element.getBoundingClientRect().right > width + 0.5 && !scrolls(element))
      .slice(0, 5)
      .map(describe);
    return outside.length ? outside : [`the page is ${extent} px wide, of ${width}`];
  });
}

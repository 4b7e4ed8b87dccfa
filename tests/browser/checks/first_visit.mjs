// What a first visit costs: bytes on the wire, requests, and movement of the layout.

const LARGEST_PAGE = 14 * 1024;
const LARGEST_VISIT = 50 * 1024;
const MOST_REQUESTS = 3;
// Share of the view below which a movement is not seen: glyphs of a fallback font that comes late.
const SMALLEST_SHIFT = 0.001;

/** Returns which budgets the requests of a first visit exceed. */
export async function budgets(requests) {
  const sizes = await Promise.all(requests.map(request => request.sizes()));
  const bytes = sizes.map(size => size.responseBodySize);
  const total = bytes.reduce((sum, one) => sum + one, 0);
  const findings = [];
  if (bytes[0] > LARGEST_PAGE) findings.push(`the page has ${bytes[0]} bytes compressed, of ${LARGEST_PAGE}`);
  if (total > LARGEST_VISIT) findings.push(`a first visit has ${total} bytes, of ${LARGEST_VISIT}`);
  if (requests.length - 1 > MOST_REQUESTS) {
    findings.push(`${requests.length - 1} further requests, of ${MOST_REQUESTS}: ${requests.map(one => one.url()).join(' ')}`);
  }
  return findings;
}

/** Returns how far the layout moved without an action of the user, and what moved. */
export async function shifts(page) {
  // Two frames later the last movement of loading is known.
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
  const found = await page.evaluate(() => window.shifts);
  const seen = found.filter(({ value }) => value >= SMALLEST_SHIFT);
  return seen.map(({ value, moved }) => `the layout shifted by ${value.toFixed(4)}: ${moved.join(' | ')}`);
}

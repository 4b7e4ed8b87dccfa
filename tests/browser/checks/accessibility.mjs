// axe-core over a page: any finding counts, not only serious ones.
import { axeSource } from '../environment.mjs';

const OPTIONS = { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } };

/** Returns the violations, each with the elements that cause it. The page needs a context without its policy. */
export async function accessibility(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource);
  const { violations } = await page.evaluate(options => window.axe.run(document, options), OPTIONS);
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.slice(0, 4).map(node => `${id} (${help}): ${node.html.slice(0, 160)} ${node.failureSummary.split('\n')[1] ?? ''}`));
}

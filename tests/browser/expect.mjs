// Assertions of the cases.
import assert from 'node:assert/strict';

/** Fails with each finding on its own line. */
export function assertNone(findings) {
  assert.ok(findings.length === 0, `${findings.length} findings:\n${findings.slice(0, 40).join('\n')}`);
}

/** Returns the two versions that a page of changes compares. */
export function compared(page) {
  const { pathname, searchParams } = new URL(page.url());
  assert.match(pathname, /\/changes$/);
  return [searchParams.get('from'), searchParams.get('to')];
}

/** Asks again until `isTrue`, and fails with `what` after 20 seconds. */
export async function eventually(what, isTrue) {
  const end = Date.now() + 20_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < end, `it never came true that ${what}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}
